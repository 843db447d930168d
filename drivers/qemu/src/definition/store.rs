//! Definitions on disk: `NAME.xml` in the driver's configuration folder, and the autostart links beside them.
//!
//! Everything here blocks on the disk; callers run it where that harms nobody.

use crate::domain::{Autostart, Mark};
use crate::paths::Paths;
use error::{Code, Domain as ErrorDomain, Error, Result};

/// What stands above a definition, so that nobody edits it under the daemon's feet.
fn banner(name: &str) -> String {
    // "--" may not stand inside a comment.
    let name = name.replace("--", "- -");
    format!(
        "<!--\nThis file belongs to the virtualization daemon, which overwrites it. Change it with:\n  \
         virsh edit {name}\nor another program that uses the libvirt API.\n-->\n\n"
    )
}

const MARKS: [Mark; 2] = [Mark::Always, Mark::Once];

/// A definition as found on disk.
#[derive(Debug)]
pub(crate) struct Stored {
    /// The file's name without `.xml`.
    pub name: String,
    /// The document with its banner.
    pub text: String,
    /// Whether the domain starts with the host.
    pub autostart: Autostart,
}

/// Every definition on disk, or why a file could not be read.
///
/// # Errors
/// When the folder itself cannot be read; one file's failure stands in its place in the list.
pub(crate) fn load_all(paths: &Paths) -> Result<Vec<Result<Stored>>> {
    let documents = daemon::durable::documents(&paths.config, "xml").map_err(refused)?;
    let found = documents.into_iter().map(|(name, text)| {
        let marked = |mark| paths.autostart(&name, mark).is_symlink();
        let autostart = Autostart {
            always: marked(Mark::Always),
            once: marked(Mark::Once),
        };
        Ok(Stored {
            text: text.map_err(refused)?,
            name,
            autostart,
        })
    });
    Ok(found.collect())
}

/// Puts a definition on disk for good.
///
/// # Errors
/// When the disk refuses; the previous definition is then still whole.
pub(crate) fn save(paths: &Paths, name: &str, document: &str) -> Result<()> {
    let path = paths.definition(name);
    let text = format!("{}{document}", banner(name));
    daemon::durable::replace(&path, text.as_bytes()).map_err(refused)
}

/// Moves a definition to a new name; `document` has that name already.
///
/// # Errors
/// When the disk refuses; the next daemon then finishes what was begun.
pub(crate) fn rename(
    paths: &Paths,
    old: &str,
    new: &str,
    document: &str,
    autostart: Autostart,
) -> Result<()> {
    let text = format!("{}{document}", banner(new));
    daemon::durable::replace(&paths.definition(old), text.as_bytes()).map_err(refused)?;
    for mark in MARKS.into_iter().filter(|mark| autostart.has(*mark)) {
        set_autostart(paths, new, mark, true)?;
    }
    daemon::durable::rename(&paths.definition(old), &paths.definition(new)).map_err(refused)?;
    unmark(paths, old)
}

/// Removes a definition and its autostart links.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn remove(paths: &Paths, name: &str) -> Result<()> {
    unmark(paths, name)?;
    daemon::durable::remove(&paths.definition(name)).map_err(refused)
}

fn unmark(paths: &Paths, name: &str) -> Result<()> {
    MARKS
        .into_iter()
        .try_for_each(|mark| set_autostart(paths, name, mark, false))
}

/// Makes or removes an autostart link.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn set_autostart(paths: &Paths, name: &str, mark: Mark, wanted: bool) -> Result<()> {
    let link = paths.autostart(name, mark);
    if wanted {
        daemon::durable::link(&paths.definition(name), &link).map_err(refused)
    } else {
        daemon::durable::remove(&link).map_err(refused)
    }
}

fn refused(err: std::io::Error) -> Error {
    Error::new(Code::OperationFailed, ErrorDomain::Qemu, err.to_string()).caused_by(err)
}

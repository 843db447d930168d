//! Documents on disk that survive a crash at any instruction.
//!
//! A document is replaced as a whole: the new bytes go into `NAME.new` beside it, are forced to the disk, take the
//! name, and the folder is forced to the disk, too. Whoever reads sees the old document or the new one, and after
//! [`replace`] returned, the new one, even if the power fails. What a crash leaves is at most a `NAME.new`, which no
//! reader of documents looks at, the next replacement overwrites, and the next daemon removes ([`remove_left_overs`]).
//! A document has one writer at a time: its owner.
//!
//! These functions wait for the disk; call them where waiting is allowed ([`crate::Workers`]).

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The access of documents that nobody but their owner may read: they may hold secrets.
const PRIVATE: u32 = 0o600;

/// What follows the name of a document that is being written.
const FRESH: &str = ".new";

/// Replaces the document at `path` by `bytes`, readable by its owner only.
///
/// # Errors
/// The system's, with the step and the path; the old document is then still in place, whole.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_with_mode(path, bytes, PRIVATE)
}

/// As [`replace`], with the permission bits that the document shall have.
///
/// # Errors
/// As [`replace`].
pub fn replace_with_mode(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let fresh = fresh_name(path)?;
    let written = write(&fresh, bytes, mode)
        .and_then(|()| fs::rename(&fresh, path).map_err(|source| told(source, "cannot put in place", path)));
    if let Err(failure) = written {
        // The failure is what the caller needs; a left-over is harmless.
        let _ = fs::remove_file(&fresh);
        return Err(failure);
    }
    sync_folder(path)
}

/// Removes the document at `path` for good; one that is not there is removed already.
///
/// # Errors
/// The system's, with the step and the path.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Ok(()) => sync_folder(path),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(told(source, "cannot remove", path)),
    }
}

/// Moves a document to another name for good; one that has that name already is replaced.
///
/// # Errors
/// The system's, with the step and the path.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to).map_err(|source| told(source, "cannot rename", from))?;
    sync_folder(to)?;
    if from.parent() == to.parent() {
        Ok(())
    } else {
        sync_folder(from)
    }
}

/// Puts a symbolic link to `target` at `path` for good, in place of what is there.
///
/// # Errors
/// The system's, with the step and the path.
pub fn link(target: &Path, path: &Path) -> io::Result<()> {
    let fresh = fresh_name(path)?;
    remove_left_over(&fresh)?;
    let placed = std::os::unix::fs::symlink(target, &fresh)
        .map_err(|source| told(source, "cannot create the link", &fresh))
        .and_then(|()| fs::rename(&fresh, path).map_err(|source| told(source, "cannot put in place", path)));
    if let Err(failure) = placed {
        // The failure is what the caller needs; a left-over is harmless.
        let _ = fs::remove_file(&fresh);
        return Err(failure);
    }
    sync_folder(path)
}

/// Creates the folder `path` with those permission bits, and what leads to it with 0755, unless it is there; the
/// bits of a folder that exists are left alone.
///
/// # Errors
/// The system's, with the path.
pub fn create_folder(path: &Path, mode: u32) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|source| told(source, "cannot create the folder", parent))?;
    }
    match fs::create_dir(path) {
        Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(mode))
            .map_err(|source| told(source, "cannot set the permissions of the folder", path)),
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(source) => Err(told(source, "cannot create the folder", path)),
    }
}

/// Removes what writers that were killed have left of documents whose names end in `.ENDING`. Only for whoever owns the folder, before
/// anything writes there; a folder that is not there has none.
///
/// # Errors
/// The system's, with the step and the path.
pub fn remove_left_overs(folder: &Path, ending: &str) -> io::Result<()> {
    let unreadable = |source| told(source, "cannot read the folder", folder);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(other) => return Err(unreadable(other)),
    };
    let ending = format!(".{ending}{FRESH}");
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        if entry.file_name().to_string_lossy().ends_with(&ending) && !entry.path().is_dir() {
            tracing::info!(path = %entry.path().display(), "removing what an interrupted change left");
            remove_left_over(&entry.path())?;
        }
    }
    Ok(())
}

/// A document found in a folder: its name without ending, and its text or why it cannot be read.
pub type Found = (String, io::Result<String>);

/// The documents of a folder whose names end in `.ENDING`; a folder that is not there has none.
///
/// # Errors
/// The system's, when the folder itself cannot be read.
pub fn documents(folder: &Path, ending: &str) -> io::Result<Vec<Found>> {
    let unreadable = |source| told(source, "cannot read the folder", folder);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(other) => return Err(unreadable(other)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_stem().and_then(|name| name.to_str());
        let (Some(name), true) = (name, path.extension().is_some_and(|given| given == ending)) else {
            continue;
        };
        if path.is_file() {
            let name = name.to_owned();
            let text = fs::read_to_string(&path).map_err(|source| told(source, "cannot read", &path));
            found.push((name, text));
        }
    }
    Ok(found)
}

fn fresh_name(path: &Path) -> io::Result<PathBuf> {
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{} names no file", path.display()),
        ));
    };
    let mut fresh = OsString::from(name);
    fresh.push(FRESH);
    Ok(path.with_file_name(fresh))
}

fn write(fresh: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    remove_left_over(fresh)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(fresh)
        .map_err(|source| told(source, "cannot create", fresh))?;
    file.set_permissions(fs::Permissions::from_mode(mode))
        .and_then(|()| file.write_all(bytes))
        .and_then(|()| file.sync_data())
        .map_err(|source| told(source, "cannot write", fresh))
}

/// A left-over may be anything, a link included; what is made in its place is always our own.
fn remove_left_over(fresh: &Path) -> io::Result<()> {
    match fs::remove_file(fresh) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(told(source, "cannot remove the left-over", fresh))
        }
        _ => Ok(()),
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| told(source, "cannot sync the folder", folder))
}

/// The same failure with what was tried, and on what.
fn told(source: io::Error, step: &str, path: &Path) -> io::Error {
    io::Error::new(source.kind(), format!("{step} {}: {source}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_replaced_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.xml");
        replace(&path, b"one").unwrap();
        fs::write(dir.path().join("a.xml.new"), b"left by a crash").unwrap();
        replace_with_mode(&path, b"two", 0o644).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failure_leaves_the_old_document_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.xml");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("child"), b"").unwrap();
        let failure = replace(&path, b"one").unwrap_err();
        assert!(failure.to_string().contains("a.xml"), "{failure}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_planted_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, b"mine").unwrap();
        std::os::unix::fs::symlink(&victim, dir.path().join("a.xml.new")).unwrap();
        replace(&dir.path().join("a.xml"), b"one").unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"mine");
    }

    #[test]
    fn left_overs_go_and_documents_stay() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.xml", "a.xml.new", "b.new", "c.conf.new"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        fs::create_dir(dir.path().join("d.xml.new")).unwrap();
        std::os::unix::fs::symlink("/nowhere", dir.path().join("e.xml.new")).unwrap();
        remove_left_overs(dir.path(), "xml").unwrap();
        let left = fs::read_dir(dir.path()).unwrap();
        let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["a.xml", "b.new", "c.conf.new", "d.xml.new"]);
        remove_left_overs(&dir.path().join("nowhere"), "xml").unwrap();
    }

    #[test]
    fn a_link_replaces_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.xml");
        link(Path::new("/one"), &path).unwrap();
        link(Path::new("/two"), &path).unwrap();
        assert_eq!(fs::read_link(&path).unwrap(), Path::new("/two"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn documents_are_found_by_their_ending() {
        let dir = tempfile::tempdir().unwrap();
        assert!(documents(&dir.path().join("none"), "xml").unwrap().is_empty());
        for name in ["a.xml", "b.c.xml", "d.xml.new", "xml", "e.txt"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        fs::create_dir(dir.path().join("f.xml")).unwrap();
        fs::write(dir.path().join("g.xml"), b"\xff").unwrap();
        let mut found: Vec<_> = documents(dir.path(), "xml")
            .unwrap()
            .into_iter()
            .map(|(name, text)| (name, text.ok()))
            .collect();
        found.sort();
        let whole = |name: &str, text: &str| (name.to_owned(), Some(text.to_owned()));
        let expected = [
            whole("a", "a.xml"),
            whole("b.c", "b.c.xml"),
            ("g".to_owned(), None),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn removing_twice_is_removing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.xml");
        replace(&path, b"one").unwrap();
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert!(!path.exists());
    }
}

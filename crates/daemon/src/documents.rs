//! Documents of objects on disk: a folder with a file for each object, which is named after it, and links to those that start
//! with the host. How a file is written so that it survives everything is [`durable`]'s; this is what drivers share above that.
//!
//! Everything here waits for the disk; call it where waiting is allowed ([`crate::Workers`]).

use crate::durable;
use error::{Code, Domain, Error, Result};
use std::io;
use std::path::{Path, PathBuf};

/// What the names of documents end in.
const ENDING: &str = "xml";

/// What the documents of a folder are about.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// What one of them is, as the log names it: "pool", "state of a pool".
    pub what: &'static str,
    /// Whose failures theirs are.
    pub domain: Domain,
    /// What stands above each, where people may look for something to edit.
    pub banner: Option<Banner>,
}

/// What stands above a document, so that nobody edits it under the daemon's feet.
#[derive(Debug, Clone, Copy)]
pub struct Banner {
    /// Whose it is: "storage".
    pub daemon: &'static str,
    /// The command of virsh that changes it: "pool-edit".
    pub editor: &'static str,
}

impl Banner {
    fn above(self, name: &str) -> String {
        let Self { daemon, editor } = self;
        // "--" may not stand inside a comment.
        let name = name.replace("--", "- -");
        format!(
            "<!--\nThis file belongs to the {daemon} daemon, which overwrites it. Change it with:\n  \
             virsh {editor} {name}\nor another program that uses the libvirt API.\n-->\n\n"
        )
    }
}

/// A folder of documents: `NAME.xml`.
#[derive(Debug)]
pub struct Documents {
    folder: PathBuf,
    about: About,
}

/// The same failure as clients hear it.
fn failed(domain: Domain, err: io::Error) -> Error {
    Error::new(Code::OperationFailed, domain, err.to_string()).caused_by(err)
}

impl Documents {
    /// The documents in a folder, which is made with those permission bits where it is missing; what a daemon that died was
    /// writing there goes.
    ///
    /// # Errors
    /// [`Code::OperationFailed`] with what the disk says.
    pub fn open(folder: PathBuf, mode: u32, about: About) -> Result<Self> {
        durable::create_folder(&folder, mode)
            .and_then(|()| durable::remove_left_overs(&folder, ENDING))
            .map_err(|err| failed(about.domain, err))?;
        Ok(Self::within(folder, about))
    }

    /// The documents in a folder that is ready, or is not there and has none.
    pub fn within(folder: PathBuf, about: About) -> Self {
        Self { folder, about }
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where that of an object is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.{ENDING}"))
    }

    /// Puts a document on disk for good.
    ///
    /// # Errors
    /// [`Code::OperationFailed`] with what the disk says; the former document is then still whole.
    pub fn save(&self, name: &str, document: &str) -> Result<()> {
        let banner = self.about.banner.map(|banner| banner.above(name));
        let text = [banner.as_deref().unwrap_or_default(), document].concat();
        durable::replace(&self.path(name), text.as_bytes()).map_err(|err| failed(self.about.domain, err))
    }

    /// Removes a document for good; one that is not there is removed already.
    ///
    /// # Errors
    /// [`Code::OperationFailed`] with what the disk says.
    pub fn remove(&self, name: &str) -> Result<()> {
        durable::remove(&self.path(name)).map_err(|err| failed(self.about.domain, err))
    }

    /// What `read` makes of each name and text. One that cannot be read is told in the log: the others are not to suffer for it.
    ///
    /// # Errors
    /// [`Code::OperationFailed`]: the folder cannot be read.
    pub fn load<T>(&self, read: impl Fn(&str, &str) -> Result<T>) -> Result<Vec<T>> {
        let About { what, domain, .. } = self.about;
        let found = durable::documents(&self.folder, ENDING).map_err(|err| failed(domain, err))?;
        let good = found.into_iter().filter_map(|(name, text)| {
            let text = text.map_err(|err| failed(domain, err));
            match text.and_then(|text| read(&name, &text)) {
                Ok(good) => Some(good),
                Err(err) => {
                    tracing::error!(%err, name, "a {what} was left out");
                    None
                }
            }
        });
        Ok(good.collect())
    }

    /// Refuses the document of an object that has another name than its file.
    ///
    /// # Errors
    /// [`Code::XmlError`].
    pub fn check_name(&self, file: &str, name: &str) -> Result<()> {
        if file == name {
            return Ok(());
        }
        let text = format!("it names '{name}', and its file another one");
        Err(Error::new(Code::XmlError, self.about.domain, text))
    }
}

/// A folder of links to the documents of objects that start with the host.
#[derive(Debug)]
pub struct Links {
    folder: PathBuf,
    domain: Domain,
}

impl Links {
    /// The links in a folder, which is made with those permission bits where it is missing; `domain` says whose failures theirs
    /// are.
    ///
    /// # Errors
    /// [`Code::OperationFailed`] with what the disk says.
    pub fn open(folder: PathBuf, mode: u32, domain: Domain) -> Result<Self> {
        durable::create_folder(&folder, mode)
            .and_then(|()| durable::remove_left_overs(&folder, ENDING))
            .map_err(|err| failed(domain, err))?;
        Ok(Self { folder, domain })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.{ENDING}"))
    }

    /// Whether an object has one.
    pub fn has(&self, name: &str) -> bool {
        self.path(name).is_symlink()
    }

    /// Makes or removes that of an object, for good.
    ///
    /// # Errors
    /// [`Code::OperationFailed`] with what the disk says.
    pub fn set(&self, to: &Documents, name: &str, wanted: bool) -> Result<()> {
        let done = if wanted {
            durable::link(&to.path(name), &self.path(name))
        } else {
            durable::remove(&self.path(name))
        };
        done.map_err(|err| failed(self.domain, err))
    }
}

/// Whether nobody has asked this of a folder that a start of the host empties: what starts with the host is started then. The next
/// time somebody has.
///
/// # Errors
/// [`Code::OperationFailed`] with what the disk says.
pub fn is_first_start(run: &Path, domain: Domain) -> Result<bool> {
    let mark = run.join("autostarted");
    if mark.exists() {
        return Ok(false);
    }
    durable::replace(&mark, b"").map_err(|err| failed(domain, err))?;
    Ok(true)
}

/// A document as a part of another one, which has two blanks more before each line.
pub fn indented(document: &str) -> String {
    let mut text = String::with_capacity(document.len() + document.len() / 8);
    for line in document.lines() {
        text.push_str("  ");
        text.push_str(line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const ABOUT: About = About {
        what: "pool",
        domain: Domain::Storage,
        banner: Some(Banner {
            daemon: "storage",
            editor: "pool-edit",
        }),
    };

    fn open(folder: &Path) -> (Documents, Links) {
        let documents = Documents::open(folder.join("a"), 0o700, ABOUT).unwrap();
        let links = Links::open(folder.join("a/autostart"), 0o700, Domain::Storage).unwrap();
        (documents, links)
    }

    #[test]
    fn what_is_saved_is_found_until_it_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (documents, links) = open(dir.path());
        documents.save("a--b", "<x/>").unwrap();
        links.set(&documents, "a--b", true).unwrap();
        fs::write(documents.folder().join("c.xml.new"), "half").unwrap();
        let (documents, links) = open(dir.path());
        assert_eq!(
            fs::read_dir(documents.folder()).unwrap().count(),
            2,
            "nothing is left over"
        );
        assert!(links.has("a--b") && !links.has("c"));
        let link = fs::read_link(links.path("a--b")).unwrap();
        assert_eq!(link, documents.path("a--b"));
        let texts = documents
            .load(|name, text| Ok((name.to_owned(), text.to_owned())))
            .unwrap();
        let [(name, text)] = &texts[..] else {
            panic!("{texts:?}")
        };
        assert_eq!(name, "a--b");
        assert!(
            text.contains("virsh pool-edit a- -b") && text.ends_with("-->\n\n<x/>"),
            "{text}"
        );
        links.set(&documents, "a--b", false).unwrap();
        documents.remove("a--b").unwrap();
        documents.remove("a--b").unwrap();
        assert!(!links.has("a--b"));
        assert!(documents.load(|_, _| Ok(())).unwrap().is_empty());
    }

    #[test]
    fn one_that_cannot_be_read_costs_only_itself() {
        let dir = tempfile::tempdir().unwrap();
        let (documents, _) = open(dir.path());
        for name in ["good", "bad"] {
            documents.save(name, name).unwrap();
        }
        fs::write(documents.path("binary"), b"\xff").unwrap();
        let read = |name: &str, text: &str| documents.check_name(name, "good").map(|()| text.len());
        assert_eq!(documents.load(read).unwrap().len(), 1);
        let err = documents.check_name("bad", "good").unwrap_err();
        assert_eq!((err.code(), err.domain()), (Code::XmlError, Domain::Storage));
    }

    #[test]
    fn only_the_first_is_told_so() {
        let dir = tempfile::tempdir().unwrap();
        let told = || is_first_start(dir.path(), Domain::Storage).unwrap();
        assert!(told() && !told());
    }

    #[test]
    fn a_part_stands_further_in() {
        assert_eq!(indented("<a>\n  <b/>\n</a>\n"), "  <a>\n    <b/>\n  </a>\n");
    }
}

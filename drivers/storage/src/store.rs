//! Pools on disk, where libvirt keeps them: definitions and autostart links below its configuration, and what is active
//! below `/run`.
//!
//! Everything here blocks on the disk; callers run it where that harms nobody.

use crate::failure::refused;
use daemon::documents::{self, About, Banner, Documents, Links, indented};
use daemon::{Layout, durable};
use error::{Code, Domain, Error, Result};
use model::storage::Pool as Document;
use std::fs;
use std::io;
use std::path::Path;
use xml::{Element, RawElement};

/// The folders of a driver.
#[derive(Debug)]
pub(crate) struct Store {
    definitions: Documents,
    autostart: Links,
    active: Documents,
}

/// A definition as found on disk.
#[derive(Debug)]
pub(crate) struct Stored {
    pub document: Document,
    pub autostart: bool,
}

/// What is active, as libvirt writes it.
#[derive(Debug, Element)]
#[xml(element = "poolstate")]
struct Active {
    #[xml(raw = "pool")]
    pool: Option<RawElement>,
}

fn failed(err: io::Error) -> Error {
    refused(Code::OperationFailed, err.to_string()).caused_by(err)
}

impl Store {
    /// The store of an instance; its folders are made where they are missing.
    ///
    /// # Errors
    /// They cannot be made.
    pub(crate) fn open(layout: &Layout, driver: &str) -> Result<Self> {
        let (mode, domain) = (layout.folder_mode(), Domain::Storage);
        let about = |what| About {
            what,
            domain,
            banner: Some(Banner {
                daemon: "storage",
                editor: "pool-edit",
            }),
        };
        let config = layout.driver_config_dir(driver);
        let autostart = config.join("autostart");
        Ok(Self {
            definitions: Documents::open(config, mode, about("pool"))?,
            autostart: Links::open(autostart, mode, domain)?,
            active: Documents::open(layout.driver_run_dir(driver), mode, about("state of a pool"))?,
        })
    }

    /// Puts a definition on disk for good.
    ///
    /// # Errors
    /// The disk refuses; the former one is then still whole.
    pub(crate) fn save(&self, document: &Document) -> Result<()> {
        self.definitions.save(&document.name, &document.to_xml())
    }

    /// Removes a definition and its autostart link.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        self.set_autostart(name, false)?;
        self.definitions.remove(name)
    }

    /// Makes or removes an autostart link.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn set_autostart(&self, name: &str, wanted: bool) -> Result<()> {
        self.autostart.set(&self.definitions, name, wanted)
    }

    /// Notes that a pool is active, for the next daemon.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn set_active(&self, document: &Document) -> Result<()> {
        let inner = indented(&document.to_xml());
        self.active
            .save(&document.name, &format!("<poolstate>\n{inner}</poolstate>\n"))
    }

    /// Notes that a pool is not active.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn set_inactive(&self, name: &str) -> Result<()> {
        self.active.remove(name)
    }

    /// Every definition on disk that can be read.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(crate) fn definitions(&self) -> Result<Vec<Stored>> {
        self.definitions.load(|name, text| {
            Ok(Stored {
                document: self.checked(name, Document::from_xml(text)?)?,
                autostart: self.autostart.has(name),
            })
        })
    }

    /// What was active when the last daemon ended.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(crate) fn were_active(&self) -> Result<Vec<Document>> {
        self.active.load(|name, text| {
            let state: Active = model::read(text)?;
            let pool = state.pool.ok_or_else(|| {
                let text = "<poolstate>: there is no <pool> in it";
                refused(Code::XmlError, text)
            })?;
            self.checked(name, Document::from_xml(pool.as_str())?)
        })
    }

    fn checked(&self, name: &str, document: Document) -> Result<Document> {
        self.definitions.check_name(name, &document.name)?;
        if document.uuid.is_none() {
            return Err(refused(Code::XmlError, "its UUID is missing"));
        }
        Ok(document)
    }

    /// Whether nobody has started pools since the host did; the next time somebody has.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn first_start(&self) -> Result<bool> {
        documents::is_first_start(self.active.folder(), Domain::Storage)
    }
}

/// What tells this instance of the driver from all others: made once, and kept.
///
/// # Errors
/// The disk refuses.
pub(crate) fn instance(folder: &Path) -> Result<String> {
    let path = folder.join("instance");
    match fs::read_to_string(&path) {
        Ok(text) if text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => return Ok(text),
        Ok(_) => {}
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => {}
        Err(err) => return Err(failed(err)),
    }
    durable::create_folder(folder, 0o711).map_err(failed)?;
    let instance = uuid::Uuid::new_v4().simple().to_string();
    durable::replace(&path, instance.as_bytes()).map_err(failed)?;
    Ok(instance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use daemon::Mode;

    fn document(name: &str) -> Document {
        let text = format!(
            "<pool type='dir'><name>{name}</name><uuid>0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f</uuid>\
             <target><path>/p</path></target></pool>"
        );
        Document::from_xml(&text).unwrap()
    }

    #[test]
    fn a_pool_is_found_as_it_was_left() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(Mode::System, dir.path());
        let store = Store::open(&layout, "storage").unwrap();
        let document = document("a--b");
        store.save(&document).unwrap();
        store.set_autostart("a--b", true).unwrap();
        store.set_active(&document).unwrap();
        let store = Store::open(&layout, "storage").unwrap();
        let found = store.definitions().unwrap().remove(0);
        assert_eq!(found.document, document);
        assert!(found.autostart);
        assert_eq!(store.were_active().unwrap().remove(0), document);
        assert!(store.first_start().unwrap() && !store.first_start().unwrap());
        store.set_inactive("a--b").unwrap();
        store.remove("a--b").unwrap();
        assert!(store.definitions().unwrap().is_empty() && store.were_active().unwrap().is_empty());
        assert!(!store.autostart.has("a--b"));
    }

    #[test]
    fn a_file_that_is_not_what_it_is_called_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&Layout::below(Mode::System, dir.path()), "storage").unwrap();
        store.save(&document("good")).unwrap();
        let path = |name| store.definitions.path(name);
        fs::copy(path("good"), path("other")).unwrap();
        fs::write(path("broken"), "<pool").unwrap();
        assert_eq!(store.definitions().unwrap().len(), 1);
    }

    #[test]
    fn an_instance_is_itself_again() {
        let dir = tempfile::tempdir().unwrap();
        let first = instance(&dir.path().join("a")).unwrap();
        assert_eq!(instance(&dir.path().join("a")).unwrap(), first);
        assert_ne!(instance(&dir.path().join("b")).unwrap(), first);
        fs::write(dir.path().join("a/instance"), "../x").unwrap();
        assert_ne!(instance(&dir.path().join("a")).unwrap(), "../x");
    }
}

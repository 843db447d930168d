//! Secrets on disk, where libvirt keeps them: `UUID.xml`, and beside it the value, in `UUID.base64` or, encrypted, in
//! `UUID.aes256gcm`.
//!
//! The document is what makes a secret: it is written last and removed first, so that a value without document is a
//! left-over. A value is written before its other form is removed; of both, as a crash may leave them, either was
//! acknowledged or is new.
//!
//! Everything here blocks on the disk; callers run it where that harms nobody.

use crate::cipher::Cipher;
use crate::secret::{Secret, Value};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use daemon::documents::{About, Documents};
use daemon::durable;
use error::{Code, Domain, Error, Result};
use model::secret::Secret as Document;
use protocol::remote::limits::SECRET_VALUE_MAX;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uuid::Uuid;
use xdr::SecretBytes;
use zeroize::Zeroizing;

/// The ending of a value that lies in the clear.
const CLEAR: &str = "base64";
/// The ending of an encrypted value.
const SEALED: &str = "aes256gcm";

/// The longest file of a value, in bytes: base64 of the longest value with nonce and tag, and blanks around it.
const FILE_MAX: usize = SECRET_VALUE_MAX / 3 * 4 + 256;

/// The folder of secrets.
#[derive(Debug)]
pub(crate) struct Store {
    documents: Documents,
}

fn refused(err: io::Error) -> Error {
    Error::new(Code::OperationFailed, Domain::Secret, err.to_string()).caused_by(err)
}

impl Store {
    /// The store in a folder, which is made where it is missing.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn open(folder: PathBuf) -> Result<Self> {
        let about = About {
            what: "secret",
            domain: Domain::Secret,
            banner: None,
        };
        Ok(Self {
            documents: Documents::open(folder, 0o700, about)?,
        })
    }

    /// Where a value is.
    fn path(&self, uuid: Uuid, ending: &str) -> PathBuf {
        self.documents.folder().join(format!("{uuid}.{ending}"))
    }

    /// Puts a document on disk for good; its value is there already.
    ///
    /// # Errors
    /// The disk refuses; the former document is then still whole.
    pub(crate) fn save_document(&self, secret: &Secret) -> Result<()> {
        self.documents
            .save(&secret.uuid.to_string(), &secret.document.to_xml())
    }

    /// Puts a value on disk for good, encrypted where there is a key.
    ///
    /// # Errors
    /// The disk refuses; the former value is then still whole.
    pub(crate) fn save_value(&self, uuid: Uuid, value: &SecretBytes, cipher: Option<&Cipher>) -> Result<()> {
        let (text, ending, other) = match cipher {
            Some(cipher) => {
                let sealed = cipher.seal(uuid, value.expose()).map_err(|why| {
                    let text = format!("the value of secret '{uuid}' cannot be encrypted: {why}");
                    Error::new(Code::InternalError, Domain::Secret, text)
                })?;
                (Zeroizing::new(sealed), SEALED, CLEAR)
            }
            None => (Zeroizing::new(STANDARD.encode(value.expose())), CLEAR, SEALED),
        };
        durable::replace(&self.path(uuid, ending), text.as_bytes()).map_err(refused)?;
        durable::remove(&self.path(uuid, other)).map_err(refused)
    }

    /// Removes a secret for good.
    ///
    /// # Errors
    /// The disk refuses; the secret is still there, or the next daemon removes what is left.
    pub(crate) fn remove(&self, uuid: Uuid) -> Result<()> {
        self.documents.remove(&uuid.to_string())?;
        [CLEAR, SEALED]
            .iter()
            .try_for_each(|ending| durable::remove(&self.path(uuid, ending)))
            .map_err(refused)
    }

    /// Every secret on disk whose document can be read; removes what crashes left behind.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(crate) fn load(&self, cipher: Option<&Cipher>) -> Result<Vec<Secret>> {
        self.clean().map_err(refused)?;
        self.documents.load(|name, text| self.read(name, text, cipher))
    }

    fn read(&self, name: &str, text: &str, cipher: Option<&Cipher>) -> Result<Secret> {
        let document = Document::from_xml(text)?;
        let uuid = document
            .uuid
            .filter(|uuid| uuid.to_string() == name)
            .ok_or_else(|| {
                let text = "<uuid>: is not the one that the file is named after";
                Error::new(Code::XmlError, Domain::Secret, text)
            })?;
        let value = self.value(uuid, cipher);
        Ok(Secret {
            uuid,
            document,
            value,
        })
    }

    /// The value of a secret. Of two forms the one counts that can be read.
    fn value(&self, uuid: Uuid, cipher: Option<&Cipher>) -> Value {
        let sealed = self.read_value(uuid, SEALED, |text| match cipher {
            Some(cipher) => cipher.open(uuid, text),
            None => Err("it is encrypted, and secret.conf gives no key".to_owned()),
        });
        if let Value::Set(_) = sealed {
            return sealed;
        }
        match (self.read_value(uuid, CLEAR, decoded), sealed) {
            (Value::Unset, sealed) => sealed,
            (clear, _) => clear,
        }
    }

    fn read_value(
        &self,
        uuid: Uuid,
        ending: &str,
        value: impl FnOnce(&[u8]) -> Result<SecretBytes, String>,
    ) -> Value {
        let read = match whole(&self.path(uuid, ending)) {
            Ok(None) => return Value::Unset,
            Ok(Some(text)) => value(&text),
            Err(err) => Err(err.to_string()),
        };
        match read {
            Ok(value) => Value::Set(Arc::new(value)),
            Err(why) => {
                tracing::error!(secret = %uuid, why, "a value cannot be read");
                Value::Unreadable(why.into())
            }
        }
    }

    /// Removes values that no document belongs to, and those that a crash left half written.
    fn clean(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.documents.folder())? {
            let path = entry?.path();
            let Some((uuid, ending)) = path.file_name().and_then(|name| name.to_str()?.split_once('.'))
            else {
                continue;
            };
            let Ok(uuid) = Uuid::try_parse(uuid) else { continue };
            let left_over = match ending.strip_suffix(".new").unwrap_or(ending) {
                CLEAR | SEALED => {
                    ending.ends_with(".new") || !self.documents.path(&uuid.to_string()).exists()
                }
                _ => false,
            };
            if left_over {
                tracing::info!(path = %path.display(), "removing what an interrupted change left");
                durable::remove(&path)?;
            }
        }
        Ok(())
    }
}

/// The content of a value's file; `None` where there is none.
fn whole(path: &Path) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(missing) if missing.kind() == ErrorKind::NotFound => return Ok(None),
        Err(other) => return Err(other),
    };
    // Room for all of it, so that it never moves.
    let mut text = Zeroizing::new(Vec::with_capacity(FILE_MAX + 32));
    file.take(FILE_MAX as u64 + 1).read_to_end(&mut text)?;
    if text.len() > FILE_MAX {
        let text = format!("longer than {FILE_MAX} bytes");
        return Err(io::Error::new(ErrorKind::FileTooLarge, text));
    }
    Ok(Some(text))
}

/// The value that lies in the clear as `text`.
fn decoded(text: &[u8]) -> Result<SecretBytes, String> {
    let mut value = Zeroizing::new(Vec::with_capacity(text.len()));
    STANDARD
        .decode_vec(text.trim_ascii(), &mut value)
        .map_err(|err| format!("it is not base64: {err}"))?;
    if value.len() > SECRET_VALUE_MAX {
        return Err(format!("it is longer than {SECRET_VALUE_MAX} bytes"));
    }
    Ok(SecretBytes::from(std::mem::take(&mut *value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const UUID: Uuid = Uuid::from_u128(7);

    fn cipher(folder: &Path, byte: u8) -> Cipher {
        let path = folder.join("key");
        fs::write(&path, [byte; 32]).unwrap();
        Cipher::from_file(&path).unwrap()
    }

    fn secret() -> Secret {
        Secret {
            uuid: UUID,
            document: Document {
                uuid: Some(UUID),
                ..Document::default()
            },
            value: Value::Unset,
        }
    }

    fn bytes(text: &str) -> SecretBytes {
        SecretBytes::from(text.as_bytes().to_vec())
    }

    /// The value that a new daemon finds, or why it finds none.
    fn found(store: &Store, cipher: Option<&Cipher>) -> Result<String, String> {
        let loaded = store.load(cipher).unwrap();
        let [secret] = loaded.as_slice() else {
            return Err(format!("{} secrets", loaded.len()));
        };
        match &secret.value {
            Value::Set(value) => Ok(String::from_utf8(value.expose().to_vec()).unwrap()),
            Value::Unset => Err("unset".to_owned()),
            Value::Unreadable(why) => Err(why.to_string()),
        }
    }

    #[test]
    fn a_secret_is_found_as_it_was_left() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("secrets");
        let (store, cipher) = (Store::open(folder.clone()).unwrap(), cipher(dir.path(), 1));
        assert_eq!(found(&store, None), Err("0 secrets".to_owned()));
        store.save_document(&secret()).unwrap();
        assert_eq!(found(&store, None), Err("unset".to_owned()));
        store.save_value(UUID, &bytes("a"), None).unwrap();
        assert_eq!(found(&store, Some(&cipher)), Ok("a".to_owned()));
        store.save_value(UUID, &bytes("b"), Some(&cipher)).unwrap();
        assert_eq!(found(&store, Some(&cipher)), Ok("b".to_owned()));
        assert!(found(&store, None).unwrap_err().contains("encrypted"));
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        store.remove(UUID).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[test]
    fn of_two_forms_the_one_that_can_be_read_counts() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("secrets")).unwrap();
        let (own, other) = (cipher(dir.path(), 1), cipher(dir.path(), 2));
        store.save_document(&secret()).unwrap();
        store.save_value(UUID, &bytes("sealed"), Some(&own)).unwrap();
        // As a crash may leave it.
        fs::write(store.path(UUID, CLEAR), "Y2xlYXI=\n").unwrap();
        assert_eq!(found(&store, Some(&own)), Ok("sealed".to_owned()));
        assert_eq!(found(&store, Some(&other)), Ok("clear".to_owned()));
        assert_eq!(found(&store, None), Ok("clear".to_owned()));
    }

    #[test]
    fn left_overs_go_and_nothing_else_does() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().to_owned()).unwrap();
        store.save_document(&secret()).unwrap();
        store.save_value(UUID, &bytes("a"), None).unwrap();
        let other = Uuid::from_u128(8);
        for name in [
            format!("{other}.base64"),
            format!("{other}.aes256gcm"),
            format!("{UUID}.base64.new"),
            format!("{UUID}.xml.new"),
        ] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        fs::write(dir.path().join("notes.base64"), "x").unwrap();
        let store = Store::open(dir.path().to_owned()).unwrap();
        assert_eq!(found(&store, None), Ok("a".to_owned()));
        let mut left: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(
            left,
            [
                format!("{UUID}.base64"),
                format!("{UUID}.xml"),
                "notes.base64".to_owned()
            ]
        );
    }

    #[test]
    fn a_file_too_long_for_a_value_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().to_owned()).unwrap();
        store.save_document(&secret()).unwrap();
        let longest = "x".repeat(SECRET_VALUE_MAX);
        store.save_value(UUID, &bytes(&longest), None).unwrap();
        assert_eq!(found(&store, None), Ok(longest.clone()));
        let cipher = cipher(dir.path(), 1);
        store.save_value(UUID, &bytes(&longest), Some(&cipher)).unwrap();
        assert_eq!(found(&store, Some(&cipher)), Ok(longest));
        fs::write(store.path(UUID, CLEAR), "A".repeat(FILE_MAX + 1)).unwrap();
        fs::remove_file(store.path(UUID, SEALED)).unwrap();
        assert!(found(&store, None).unwrap_err().contains("longer than"));
    }
}

//! Changes: made one at a time, on disk before they are seen, told in the order they were made.

use crate::Driver;
use crate::secret::{Secret, Value};
use error::{Code, Domain, Error, Result};
use model::secret::{Secret as Document, Usage};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::MutexGuard;
use uuid::Uuid;
use xdr::SecretBytes;

/// How long a change waits for those before it, which wait for a disk.
const PATIENCE: Duration = Duration::from_secs(30);

fn internal(text: impl Into<String>) -> Error {
    Error::new(Code::InternalError, Domain::Secret, text)
}

impl Driver {
    async fn turn(&self) -> Result<MutexGuard<'_, ()>> {
        tokio::time::timeout(PATIENCE, self.changes.lock())
            .await
            .map_err(|_| {
                let text = "an earlier change of a secret still waits for the disk";
                Error::new(Code::OperationTimeout, Domain::Secret, text)
            })
    }

    /// Defines a secret, or replaces the document of one.
    ///
    /// # Errors
    /// What is wrong with the document; [`Code::InternalError`] when it contradicts a secret that there is, which is what
    /// stock daemons say; the disk's.
    pub(crate) async fn define(&self, text: &str, validate: bool) -> Result<Arc<Secret>> {
        let read = Document::from_xml(text);
        let is_xml = read
            .as_ref()
            .map_or_else(|err| err.code() != Code::XmlDetail, |_| true);
        if validate && is_xml {
            daemon::schema_check::check("secret", text).await?;
        }
        let mut document = read?;
        let uuid = *document.uuid.get_or_insert_with(Uuid::new_v4);
        let _turn = self.turn().await?;
        let former = self.secrets.get(uuid);
        self.admit(uuid, &document, former.as_deref())?;
        let secret = Arc::new(Secret {
            uuid,
            document,
            value: former
                .as_ref()
                .map_or(Value::Unset, |former| former.value.clone()),
        });
        let was_ephemeral = former.is_none_or(|former| former.is_ephemeral());
        if !(was_ephemeral && secret.is_ephemeral()) {
            let (store, cipher, secret) = (Arc::clone(&self.store), self.cipher(), Arc::clone(&secret));
            let work = move || {
                if secret.is_ephemeral() {
                    return store.remove(secret.uuid);
                }
                if let (true, Value::Set(value)) = (was_ephemeral, &secret.value) {
                    store.save_value(secret.uuid, value, cipher.as_deref())?;
                }
                store.save_document(&secret)
            };
            self.blocking(work).await?;
        }
        self.secrets.put(Arc::clone(&secret));
        self.events.defined(&secret);
        Ok(secret)
    }

    /// Whether a document may be that of a secret.
    ///
    /// # Errors
    /// [`Code::InternalError`] when the secret of that UUID has another name for what it is for, when its value would
    /// not be private any more, or when another secret is for the same.
    fn admit(&self, uuid: Uuid, document: &Document, former: Option<&Secret>) -> Result<()> {
        if let Some(former) = former {
            let id = |usage: Option<&Usage>| usage.map(Usage::id).unwrap_or_default().to_owned();
            let former_id = id(former.usage());
            if id(document.usage.as_ref()) != former_id {
                let text = match former.usage() {
                    Some(_) => {
                        format!("a secret with UUID {uuid} is already defined for use with {former_id}")
                    }
                    None => format!("a secret with UUID {uuid} is already defined for no use in particular"),
                };
                return Err(internal(text));
            }
            if former.is_private() && !document.private.is_yes() {
                return Err(internal("cannot change private flag on existing secret"));
            }
        }
        let other = document
            .usage
            .as_ref()
            .and_then(|usage| self.secrets.of_usage(usage));
        match other.filter(|other| other.uuid != uuid) {
            Some(other) => Err(internal(format!(
                "a secret with UUID {} is already defined for use with {}",
                other.uuid,
                other.usage().map(Usage::id).unwrap_or_default()
            ))),
            None => Ok(()),
        }
    }

    /// Sets the value of a secret.
    ///
    /// # Errors
    /// [`Code::NoSecret`]; [`Code::InvalidArg`] for an empty one; the disk's.
    pub(crate) async fn set_value(&self, uuid: Uuid, value: SecretBytes) -> Result<()> {
        if value.expose().is_empty() {
            let text = "value in virSecretSetValue must not be NULL";
            return Err(Error::new(Code::InvalidArg, Domain::Secret, text));
        }
        let _turn = self.turn().await?;
        let former = self.secrets.by_uuid(uuid)?;
        let value = Arc::new(value);
        if !former.is_ephemeral() {
            let (store, cipher, value) = (Arc::clone(&self.store), self.cipher(), Arc::clone(&value));
            self.blocking(move || store.save_value(uuid, &value, cipher.as_deref()))
                .await?;
        }
        let secret = Arc::new(Secret {
            value: Value::Set(value),
            ..Secret::clone(&former)
        });
        self.secrets.put(Arc::clone(&secret));
        self.events.value_changed(&secret);
        Ok(())
    }

    /// Removes a secret and its value.
    ///
    /// # Errors
    /// [`Code::NoSecret`]; the disk's.
    pub(crate) async fn undefine(&self, uuid: Uuid) -> Result<()> {
        let _turn = self.turn().await?;
        let secret = self.secrets.by_uuid(uuid)?;
        if !secret.is_ephemeral() {
            let store = Arc::clone(&self.store);
            self.blocking(move || store.remove(uuid)).await?;
        }
        self.secrets.remove(uuid);
        self.events.undefined(&secret);
        Ok(())
    }

    /// Reads what lies on disk and is not known, or could not be read before.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(crate) async fn load(&self) -> Result<()> {
        let _turn = self.turn().await?;
        let (store, cipher) = (Arc::clone(&self.store), self.cipher());
        let found = self.blocking(move || store.load(cipher.as_deref())).await?;
        for secret in found {
            let known = self.secrets.get(secret.uuid);
            if known.is_none_or(|known| matches!(known.value, Value::Unreadable(_))) {
                self.secrets.put(Arc::new(secret));
            }
        }
        Ok(())
    }
}

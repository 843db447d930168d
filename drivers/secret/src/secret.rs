//! A secret, as everybody in the driver may read it.

use error::{Code, Domain, Error, Result};
use model::secret::{Secret as Document, Usage};
use protocol::remote;
use std::sync::Arc;
use uuid::Uuid;
use xdr::SecretBytes;

/// A secret at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Secret {
    /// Who it is: never changes.
    pub uuid: Uuid,
    /// Its document, with the UUID.
    pub document: Document,
    /// Its value.
    pub value: Value,
}

/// The value of a secret.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// Nobody has set one.
    Unset,
    /// This.
    Set(Arc<SecretBytes>),
    /// There is one on disk that could not be read, because of this.
    Unreadable(Arc<str>),
}

impl Secret {
    /// Whether it is kept in memory only.
    pub(crate) fn is_ephemeral(&self) -> bool {
        self.document.ephemeral.is_yes()
    }

    /// Whether its value is told to no client.
    pub(crate) fn is_private(&self) -> bool {
        self.document.private.is_yes()
    }

    /// What it is for.
    pub(crate) fn usage(&self) -> Option<&Usage> {
        self.document.usage.as_ref()
    }

    /// The value, for a client or, where `system` says so, for another of the system's daemons.
    ///
    /// # Errors
    /// [`Code::InvalidSecret`] for a private one, which only daemons are told, [`Code::NoSecret`] where none is set, [`Code::InternalError`] where it
    /// could not be read.
    pub(crate) fn told_value(&self, system: bool) -> Result<SecretBytes> {
        if self.is_private() && !system {
            return Err(Error::new(
                Code::InvalidSecret,
                Domain::Secret,
                "secret is private",
            ));
        }
        match &self.value {
            Value::Set(value) => Ok(SecretBytes::clone(value)),
            Value::Unset => Err(Error::new(
                Code::NoSecret,
                Domain::Secret,
                format!("secret '{}' does not have a value", self.uuid),
            )),
            Value::Unreadable(why) => Err(Error::new(
                Code::InternalError,
                Domain::Secret,
                format!("the value of secret '{}' cannot be read: {why}", self.uuid),
            )),
        }
    }

    /// The reference that clients know it by.
    pub(crate) fn reference(&self) -> remote::Secret {
        remote::Secret {
            uuid: self.uuid.into_bytes(),
            usage_type: self.usage().map_or(0, Usage::number),
            usage_id: self.usage().map(Usage::id).unwrap_or_default().to_owned(),
        }
    }
}

//! What access control is told of secrets.

use crate::Driver;
use daemon::access::{By, Kind, Object, undescribed};
use error::Result;
use model::secret::{Secret as Document, Usage};
use uuid::Uuid;

impl Driver {
    /// The secret that a call names, or that a document would make.
    ///
    /// # Errors
    /// That there is none, or what is wrong with the document.
    pub(crate) fn object(&self, kind: Kind, by: By<'_>) -> Result<Object> {
        match (kind, by) {
            (Kind::Secret, By::Uuid(uuid)) => {
                let secret = self.secrets.by_uuid(uuid)?;
                Ok(object(uuid, secret.usage()))
            }
            (Kind::Secret, By::Document(text)) => {
                let document = Document::from_xml(text)?;
                // Without one it gets a new one.
                let uuid = document.uuid.unwrap_or_else(Uuid::new_v4);
                Ok(object(uuid, document.usage.as_ref()))
            }
            (kind, by) => Err(undescribed(kind, by)),
        }
    }
}

fn object(uuid: Uuid, usage: Option<&Usage>) -> Object {
    Object::secret(
        uuid,
        usage.map_or(0, Usage::number),
        usage.map(Usage::id).unwrap_or_default(),
    )
}

//! What access control is told of domains.

use crate::Driver;
use crate::domain::Domain;
use daemon::access::{By, Kind, Object, undescribed};
use error::Result;
use model::domain::Domain as Model;
use uuid::Uuid;

impl Driver {
    /// The domain that a call names, or that a document would make.
    ///
    /// # Errors
    /// That there is none, or what is wrong with the document.
    pub(crate) fn object(&self, kind: Kind, by: By<'_>) -> Result<Object> {
        match (kind, by) {
            (Kind::Domain, By::Uuid(uuid)) => Ok(object(&*self.domains.by_uuid(uuid)?)),
            (Kind::Domain, By::Name(name)) => Ok(object(&*self.domains.by_name(name)?)),
            (Kind::Domain, By::Id(id)) => Ok(object(&*self.domains.by_id(id)?)),
            (Kind::Domain, By::Document(text)) => {
                let model = Model::from_xml(text)?;
                // Without one it gets a new one.
                let uuid = model.uuid.unwrap_or_else(Uuid::new_v4);
                Ok(Object::domain(&model.name, uuid))
            }
            (kind, by) => Err(undescribed(kind, by)),
        }
    }
}

fn object(domain: &Domain) -> Object {
    Object::domain(&domain.state().name, domain.uuid)
}

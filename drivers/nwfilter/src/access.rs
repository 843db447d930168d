//! What access control is told of filters and bindings.

use crate::Driver;
use daemon::access::{By, Kind, Object, undescribed};
use error::Result;
use model::nwfilter::{Binding, Filter};
use uuid::Uuid;

impl Driver {
    /// The object that a call names, or that a document would make.
    ///
    /// # Errors
    /// That there is none, or what is wrong with the document.
    pub(crate) fn object(&self, kind: Kind, by: By<'_>) -> Result<Object> {
        let of = |filter: &crate::registry::Entry| Object::nwfilter(&filter.document.name, filter.uuid);
        match (kind, by) {
            (Kind::Nwfilter, By::Uuid(uuid)) => Ok(of(&*self.registry.filter_by_uuid(uuid)?)),
            (Kind::Nwfilter, By::Name(name)) => Ok(of(&*self.registry.filter(name)?)),
            (Kind::Nwfilter, By::Document(text)) => {
                let filter = Filter::from_xml(text)?;
                // Without one it gets a new one.
                Ok(Object::nwfilter(
                    &filter.name,
                    filter.uuid.unwrap_or_else(Uuid::new_v4),
                ))
            }
            (Kind::NwfilterBinding, By::Name(port)) => {
                let binding = self.registry.binding(port)?;
                Ok(Object::nwfilter_binding(&binding.port_device))
            }
            (Kind::NwfilterBinding, By::Document(text)) => {
                Ok(Object::nwfilter_binding(&Binding::from_xml(text)?.port_device))
            }
            (kind, by) => Err(undescribed(kind, by)),
        }
    }
}

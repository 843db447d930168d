//! A new name for a domain.
//!
//! The file gets the new name inside before it gets it outside; [`super::load`] finishes what was interrupted between.

use super::store;
use crate::domain::{Document, Owner};
use crate::events::{Defined, Event, Lifecycle, Undefined};
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::check_name;
use std::sync::Arc;

impl Owner {
    /// Renames the domain, which must not run.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`] when it runs, is transient, has a saved image, or the name is another's.
    pub(crate) async fn rename(&mut self, new: String) -> Result<()> {
        let state = self.domain.state();
        let invalid = |text: &str| Err(Error::new(Code::OperationInvalid, ErrorDomain::Qemu, text));
        let Some(definition) = state.definition.as_ref() else {
            return invalid("cannot rename a transient domain");
        };
        if state.is_active() {
            return invalid("cannot rename active domain");
        }
        if state.managed_save {
            return invalid("domain with a managed saved state cannot be renamed");
        }
        if *state.name == *new {
            return invalid("can't rename domain to itself");
        }
        check_name(&new)?;
        let mut model = definition.parse()?;
        model.name.clone_from(&new);
        let document = Document::of(&model);
        self.driver.domains.reserve_name(&self.domain, &new)?;
        let moved = {
            let (paths, old, new) = (
                Arc::clone(&self.driver.paths),
                state.name.to_string(),
                new.clone(),
            );
            let (document, autostart) = (Arc::clone(&document), state.autostart);
            self.driver
                .blocking(move || store::rename(&paths, &old, &new, &document.text, autostart))
                .await
        };
        if let Err(err) = moved {
            self.driver.domains.release_name(&new);
            return Err(err);
        }
        let before = self.domain.reference();
        self.publish(|state| {
            state.name = new.as_str().into();
            state.definition = Some(document);
        });
        self.driver.domains.release_name(&before.name);
        self.driver.events.send(
            &before,
            Event::Lifecycle(Lifecycle::Undefined(Undefined::Renamed)),
        );
        self.tell(Event::Lifecycle(Lifecycle::Defined(Defined::Renamed)));
        Ok(())
    }
}

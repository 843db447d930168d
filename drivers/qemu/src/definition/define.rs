//! New and replaced definitions.

use super::store;
use crate::Driver;
use crate::domain::{Document, Domain, Mark, Owner};
use crate::events::{Defined, Event, Lifecycle};
use crate::prepare;
use error::{Code, Domain as ErrorDomain, Error, Result};
use futures_util::FutureExt;
use model::domain::Domain as Model;
use std::path::Path;
use std::sync::Arc;

impl Driver {
    /// Reads a document and completes it for this host: the same for a definition and for a domain that is only started.
    ///
    /// # Errors
    /// What is wrong with the document, or with it on this host.
    pub(crate) async fn read_definition(&self, text: &str, validate: bool) -> Result<Model> {
        if validate {
            daemon::schema_check::check("domain", text).await?;
        }
        let mut model = Model::from_xml(text)?;
        let caps = match model.devices.emulator.as_deref() {
            Some(path) => self.binaries.get(Path::new(path)).await?,
            None => {
                let arch = model
                    .os
                    .r#type
                    .arch
                    .clone()
                    .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
                self.binaries.default_for(&arch).await?
            }
        };
        model
            .devices
            .emulator
            .get_or_insert_with(|| caps.path.display().to_string());
        prepare::define(&mut model, &caps, &self.facts())?;
        // What only a running domain has is not part of a definition, whoever wrote it there.
        model.id = None;
        Ok(model)
    }

    /// Defines a domain, or replaces its definition.
    ///
    /// # Errors
    /// What is wrong with the document; [`Code::OperationFailed`] when its name or UUID is another's.
    pub(crate) async fn define(self: &Arc<Self>, text: &str, validate: bool) -> Result<Arc<Domain>> {
        let model = self.read_definition(text, validate).await?;
        let domain = self.reserve(&model)?;
        domain
            .run(self, "defining", move |owner| owner.define(model).boxed())
            .await?;
        Ok(domain)
    }

    /// The domain of a document's UUID and name, new or known.
    ///
    /// # Errors
    /// [`Code::OperationFailed`] when its name or UUID is another's.
    pub(crate) fn reserve(&self, model: &Model) -> Result<Arc<Domain>> {
        let uuid = model.uuid.ok_or_else(|| {
            Error::new(
                Code::InternalError,
                ErrorDomain::Qemu,
                "a completed document has no UUID",
            )
        })?;
        self.domains.reserve(uuid, &model.name)
    }
}

impl Owner {
    /// Makes `model` the definition.
    ///
    /// # Errors
    /// When the disk refuses; the former definition then stays.
    pub(crate) async fn define(&mut self, model: Model) -> Result<()> {
        let document = Document::of(&model);
        self.save_definition(&model.name, &document).await?;
        let known = self.domain.state().is_persistent();
        self.publish(|state| {
            state.definition = Some(document);
            state.updated = known;
        });
        self.driver.domains.keep(&self.domain)?;
        let detail = if known { Defined::Updated } else { Defined::Added };
        self.tell(Event::Lifecycle(Lifecycle::Defined(detail)));
        Ok(())
    }

    /// Puts a definition on disk.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) async fn save_definition(&self, name: &str, document: &Arc<Document>) -> Result<()> {
        let (paths, name, document) = (
            Arc::clone(&self.driver.paths),
            name.to_owned(),
            Arc::clone(document),
        );
        self.driver
            .blocking(move || store::save(&paths, &name, &document.text))
            .await
    }

    /// Marks the domain for starting with the host, or takes the mark away.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`] for a transient domain; when the disk refuses.
    pub(crate) async fn set_autostart(&mut self, mark: Mark, wanted: bool) -> Result<()> {
        let state = self.domain.state();
        if !state.is_persistent() {
            return Err(Error::new(
                Code::OperationInvalid,
                ErrorDomain::Qemu,
                "cannot set autostart for transient domain",
            ));
        }
        if state.autostart.has(mark) == wanted {
            return Ok(());
        }
        let (paths, name) = (Arc::clone(&self.driver.paths), state.name.to_string());
        self.driver
            .blocking(move || store::set_autostart(&paths, &name, mark, wanted))
            .await?;
        self.publish(|state| state.autostart = state.autostart.with(mark, wanted));
        Ok(())
    }
}

//! What every change of a definition, of a running guest or of both has in common.
//!
//! An operation first works out the new definition, which may be refused, then changes the guest, then writes the definition:
//! what fails early has changed nothing.

use crate::domain::{Document, Live, Owner, State};
use crate::flags::Impact;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain as Model;
use std::sync::Arc;

pub(super) fn invalid(text: impl Into<String>) -> Error {
    Error::new(Code::InvalidArg, ErrorDomain::Qemu, text)
}

pub(super) fn impossible(text: impl Into<String>) -> Error {
    Error::new(Code::OperationInvalid, ErrorDomain::Qemu, text)
}

/// The definition with a change, where the definition is meant.
pub(super) fn changed_definition(
    state: &State,
    impact: Impact,
    change: impl FnOnce(&mut Model) -> Result<()>,
) -> Result<Option<Arc<Document>>> {
    let Some(definition) = state.definition.as_ref().filter(|_| impact.config) else {
        return Ok(None);
    };
    let mut model = definition.parse()?;
    change(&mut model)?;
    Ok(Some(Document::of(&model)))
}

impl Owner {
    /// Puts a changed definition in place of the present one, on disk first.
    pub(super) async fn replace_definition(&mut self, document: Option<Arc<Document>>) -> Result<()> {
        let Some(document) = document else { return Ok(()) };
        self.save_definition(&self.domain.state().name, &document).await?;
        self.publish(|state| {
            state.definition = Some(document);
            state.updated = true;
        });
        Ok(())
    }

    /// Changes the running guest's document.
    pub(super) async fn change_live(&mut self, live: &Live, change: impl FnOnce(&mut Model)) -> Result<()> {
        let mut model = live.document.parse()?;
        change(&mut model);
        let changed = Live {
            document: Document::of(&model),
            ..Live::clone(live)
        };
        self.replace_live(Arc::new(changed)).await;
        Ok(())
    }
}

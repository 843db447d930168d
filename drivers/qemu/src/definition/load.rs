//! Definitions as a new daemon finds them.

use super::store::{self, Stored};
use crate::Driver;
use crate::domain::{Document, Domain, RunState, Shutoff, State};
use error::{Code, Domain as ErrorDomain, Error, Result};
use std::sync::Arc;

impl Driver {
    /// Reads and checks every definition. Blocks on the disk.
    ///
    /// A file that cannot be read is told in the log and left alone: the other domains are not to suffer for it.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(crate) fn load_definitions(&self) -> Result<()> {
        let stored = store::load_all(&self.paths)?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = stored.len().div_ceil(threads).max(1);
        let mut stored = stored.into_iter().peekable();
        std::thread::scope(|scope| {
            while stored.peek().is_some() {
                let part: Vec<_> = stored.by_ref().take(share).collect();
                scope.spawn(move || {
                    for found in part {
                        if let Err(err) = found.and_then(|found| self.load(found)) {
                            tracing::error!(%err, "a definition was left out");
                        }
                    }
                });
            }
        });
        Ok(())
    }

    fn load(&self, found: Stored) -> Result<()> {
        let context = |err: Error| err.context(format!("definition '{}'", found.name));
        let model = model::domain::Domain::from_xml(&found.text).map_err(context)?;
        let uuid = model.uuid.ok_or_else(|| {
            context(Error::new(
                Code::XmlError,
                ErrorDomain::Domain,
                "<uuid>: missing in a stored definition",
            ))
        })?;
        if model.name != found.name {
            // A rename was interrupted after its first step.
            store::rename(
                &self.paths,
                &found.name,
                &model.name,
                &model.to_xml(),
                found.autostart,
            )?;
        }
        let state = State {
            name: model.name.as_str().into(),
            run: RunState::Shutoff(Shutoff::Unknown),
            definition: Some(Document::of(&model)),
            autostart: found.autostart,
            managed_save: self.paths.managed_save(&model.name).exists(),
            updated: false,
            live: None,
        };
        self.domains.insert(Arc::new(Domain::with_state(uuid, state)))
    }
}

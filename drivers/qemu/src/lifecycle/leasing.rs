//! When a guest has its leases: while it runs, and not while it is paused.

use super::{COMMAND_WAIT, monitor_error};
use crate::Driver;
use crate::domain::{Live, Owner};
use crate::leases::{self, Leases, Speaker, acquire_all};
use daemon::{Kind, socket_name};
use error::{Code, Result};
use model::domain::Domain as Model;
use protocol::lock as wire;
use std::path::PathBuf;
use uuid::Uuid;

impl Driver {
    /// What a start leases: `None` without a lock manager.
    ///
    /// # Errors
    /// The configuration wants leases that the document does not name.
    pub(super) fn leases_for(&self, model: &Model, held: bool) -> Result<Option<Leases>> {
        let Some(config) = &self.lockd else {
            return Ok(None);
        };
        Ok(Some(Leases::new(leases::of(model, config)?, held)))
    }

    /// virtlockd's socket.
    pub(super) fn lockd_socket(&self) -> PathBuf {
        self.neighbour_socket(&socket_name("virtlockd", Kind::ReadWrite))
    }

    async fn speak_for(&self, name: &str, uuid: Uuid, live: &Live) -> Result<Speaker> {
        let owner = wire::Owner {
            uuid: uuid.into_bytes(),
            name: name.to_owned(),
            id: u32::try_from(live.id).unwrap_or_default(),
            pid: u32::try_from(live.process.pid()).unwrap_or_default(),
        };
        Speaker::connect(&self.lockd_socket(), owner).await
    }
}

impl Owner {
    /// Acquires the guest's leases, where it has not got them: before its processors go on.
    ///
    /// # Errors
    /// [`Code::ResourceBusy`] with who has one of them; what virtlockd says.
    pub(crate) async fn take_leases(&self) -> Result<()> {
        let Some(guest) = self.guest.as_ref() else {
            return Ok(());
        };
        let Some(leases) = guest.leases.as_ref().filter(|leases| !leases.held()) else {
            return Ok(());
        };
        if !leases.list.is_empty() {
            let name = std::sync::Arc::clone(&self.domain.state().name);
            let speaker = self.driver.speak_for(&name, self.domain.uuid, &guest.live);
            acquire_all(&speaker.await?, &leases.list).await?;
        }
        leases.set_held(true);
        Ok(())
    }

    /// Acquires the leases of a guest that was set going behind our back; without them it is stopped again.
    ///
    /// # Errors
    /// As [`Owner::take_leases`].
    pub(crate) async fn lease_or_stop(&self) -> Result<()> {
        let Err(err) = self.take_leases().await else {
            return Ok(());
        };
        let state = self.domain.state();
        let stopped = state.running()?.monitor()?.stop(COMMAND_WAIT).await;
        stopped.map_err(monitor_error)?;
        Err(err)
    }

    /// Gives the guest's leases up, where it has them: its processors stand still. What cannot be given up stays until
    /// the guest ends.
    pub(crate) async fn give_leases(&self) {
        let Some(guest) = self.guest.as_ref() else { return };
        let Some(leases) = guest.leases.as_ref().filter(|leases| leases.held()) else {
            return;
        };
        let name = std::sync::Arc::clone(&self.domain.state().name);
        if !leases.list.is_empty() {
            let speaker = match self.driver.speak_for(&name, self.domain.uuid, &guest.live).await {
                Ok(speaker) => speaker,
                Err(err) => {
                    tracing::warn!(domain = %name, %err, "a paused guest keeps its leases");
                    return;
                }
            };
            for lease in &leases.list {
                if let Err(err) = speaker.release(lease).await {
                    tracing::warn!(domain = %name, lease = lease.name, %err, "a paused guest keeps a lease");
                    if err.code() == Code::OperationTimeout {
                        return;
                    }
                }
            }
        }
        leases.set_held(false);
    }
}

//! The program anew in this process: jobs come to their end first, and what no disk knows goes on.
//!
//! Guests are found again by their status documents, as by any daemon after this one.

use crate::Driver;
use daemon::Handover;
use error::{Code, Domain, Error, Result};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use uuid::Uuid;

/// How long jobs may take to end. What takes longer would be cut off in the middle, so the program goes on instead.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Default, Serialize, Deserialize)]
struct Notes {
    /// Domains that start with the host and did not have their turn.
    autostart: VecDeque<Uuid>,
}

/// Whether domains are worked on: those who do share a lock, and the succession takes it for itself.
#[derive(Debug, Default)]
pub(crate) struct Work {
    lock: Arc<RwLock<()>>,
    resting: Mutex<Option<OwnedRwLockWriteGuard<()>>>,
    /// Domains that start with the host, the one that is being started first.
    autostart: Mutex<VecDeque<Uuid>>,
}

impl Work {
    /// Held by whoever changes a domain, for as long as a step takes that should not be cut off.
    pub(crate) async fn begin(&self) -> OwnedRwLockReadGuard<()> {
        Arc::clone(&self.lock).read_owned().await
    }

    /// What is to be started with the host.
    pub(crate) fn set_autostart(&self, domains: impl IntoIterator<Item = Uuid>) {
        self.autostart.lock().extend(domains);
    }

    /// The next to be started.
    pub(crate) fn next_autostart(&self) -> Option<Uuid> {
        self.autostart.lock().front().copied()
    }

    /// That one was started, or could not be.
    pub(crate) fn autostarted(&self) {
        self.autostart.lock().pop_front();
    }
}

impl Driver {
    /// Lets jobs come to their end, begins no new ones, and gives what the next program needs.
    ///
    /// # Errors
    /// [`Code::OperationTimeout`] for a job that goes on and on, [`Code::OperationInvalid`] for a guest that would not
    /// outlive its client's connection.
    pub(crate) async fn come_to_rest(&self) -> Result<Handover> {
        let alone = tokio::time::timeout(PATIENCE, Arc::clone(&self.work.lock).write_owned()).await;
        let alone = alone.map_err(|_| {
            let text = match self.domains.all().iter().find_map(|domain| domain.present_job()) {
                Some(job) => format!("{job} is not done after {PATIENCE:?}"),
                None => format!("a job is not done after {PATIENCE:?}"),
            };
            Error::new(Code::OperationTimeout, Domain::Qemu, text)
        })?;
        // Clients are disconnected, and this one's guest would end.
        let domains = self.domains.all();
        let bound = domains.iter().map(|domain| domain.state()).find(|state| {
            let live = state.live.as_ref();
            live.is_some_and(|live| live.bound_to.is_some())
        });
        if let Some(bound) = bound {
            let text = format!(
                "domain '{}' ends with its client's connection; it has to end first",
                bound.name
            );
            return Err(Error::new(Code::OperationInvalid, Domain::Qemu, text));
        }
        let notes = Notes {
            autostart: self.work.autostart.lock().clone(),
        };
        let notes = serde_json::to_string(&notes)
            .map_err(|err| Error::new(Code::InternalError, Domain::Qemu, err.to_string()))?;
        *self.work.resting.lock() = Some(alone);
        Ok(Handover {
            notes,
            descriptors: Vec::new(),
        })
    }

    /// Begins jobs again.
    pub(crate) fn work_on(&self) {
        self.work.resting.lock().take();
    }

    /// Goes on with what the program before had begun.
    ///
    /// # Errors
    /// What was handed over cannot be understood.
    pub(crate) fn take_over_from(self: &Arc<Self>, handover: &Handover) -> Result<()> {
        let notes: Notes = serde_json::from_str(&handover.notes).map_err(|err| {
            let text = format!("what was handed over cannot be read: {err}");
            Error::new(Code::InternalError, Domain::Qemu, text)
        })?;
        self.work.set_autostart(notes.autostart);
        self.start_marked();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_domain_waits_for_its_start_until_it_was_tried() {
        let work = Work::default();
        let domains = [Uuid::new_v4(), Uuid::new_v4()];
        work.set_autostart(domains);
        assert_eq!(work.next_autostart(), Some(domains[0]));
        assert_eq!(work.next_autostart(), Some(domains[0]));
        work.autostarted();
        assert_eq!(work.next_autostart(), Some(domains[1]));
        work.autostarted();
        assert_eq!(work.next_autostart(), None);
    }
}

//! A domain: what everybody may read, and the one task that may change it.
//!
//! ```text
//!                 reads                      changes
//!  clients ----------------> State     Domain::run(operation)
//!                              ^                |
//!                              | publish        v
//!                              +------------- Owner (task) ---- Guest: QEMU's process, monitor, agent
//! ```
//!
//! States and who drives each arrow (the owner task in every case; the cause in brackets):
//!
//! ```text
//!  (none) --define--> Shutoff --start--> Paused(StartingUp) --cont--> Running <--suspend/resume--> Paused
//!                        ^                                               |
//!                        +--[guest ended, destroyed, QEMU died]----------+
//!  a transient domain vanishes where a persistent one becomes Shutoff
//! ```

mod fd_groups;
mod guest;
mod names;
mod owner;
pub(crate) mod process;
mod queue;
mod run_state;
mod sample;
mod state;

pub(crate) use fd_groups::{FdGroups, GivenFds};
pub(crate) use guest::{Guest, Link, Notice};
pub(crate) use names::{InterfaceName, Names};
pub(crate) use owner::Owner;
pub(crate) use process::{Ending, Process, Stat};
pub(crate) use run_state::{Paused, RunState, Running, Shutoff};
pub(crate) use sample::{Ask, DirtyRate, Sample};
pub(crate) use state::{Actions, Autostart, Document, Live, Mark, State};

use arc_swap::ArcSwap;
use queue::Queue;
use std::sync::Arc;
use uuid::Uuid;

/// One domain.
#[derive(Debug)]
pub(crate) struct Domain {
    /// Who it is: never changes.
    pub uuid: Uuid,
    /// Descriptors that clients gave it.
    pub fd_groups: FdGroups,
    state: ArcSwap<State>,
    queue: Queue,
}

impl Domain {
    /// A domain that nobody can see yet.
    pub(crate) fn new(uuid: Uuid, name: &str) -> Self {
        Self::with_state(
            uuid,
            State {
                name: name.into(),
                run: RunState::Shutoff(Shutoff::Unknown),
                definition: None,
                autostart: Autostart::default(),
                managed_save: false,
                updated: false,
                live: None,
            },
        )
    }

    /// A domain in a known state.
    pub(crate) fn with_state(uuid: Uuid, state: State) -> Self {
        Self {
            uuid,
            fd_groups: FdGroups::default(),
            state: ArcSwap::from_pointee(state),
            queue: Queue::default(),
        }
    }

    /// What was last published.
    pub(crate) fn state(&self) -> Arc<State> {
        self.state.load_full()
    }

    pub(crate) fn publish(&self, state: State) {
        self.state.store(Arc::new(state));
    }

    /// The reference clients know it by.
    pub(crate) fn reference(&self) -> protocol::remote::Domain {
        let state = self.state();
        protocol::remote::Domain {
            name: state.name.to_string(),
            uuid: self.uuid.into_bytes(),
            id: state.id(),
        }
    }
}

//! The driver itself.

use crate::handlers;
use crate::owner::{Client, Known, Process};
use crate::spaces::{SpaceNotes, Spaces};
use daemon::config::DaemonConfig;
use daemon::confinement::{Capabilities, CapabilitySet, Needs};
use daemon::{Handover, Info, Instance, Routes};
use error::{Code, Domain, Error, Result};
use parking_lot::Mutex;
use rpc::Session;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

/// The lock driver of one instance.
#[derive(Debug)]
pub struct Driver {
    /// The leases.
    pub(crate) spaces: Spaces,
    /// Clients who have said anything, by number.
    clients: Mutex<BTreeMap<u64, Weak<Session>>>,
    /// Processes whose end is waited for.
    watched: Mutex<BTreeSet<u32>>,
    /// What clients had said to the program before in this process.
    known_before: Mutex<BTreeMap<u64, Known>>,
}

/// What the next program has to know. The files of leases follow in their order.
#[derive(Debug, Serialize, Deserialize)]
struct Notes {
    spaces: SpaceNotes,
    clients: BTreeMap<u64, Known>,
}

impl Driver {
    /// Gives up every lease of the process `pid` with its own connection, once the process is gone.
    pub(crate) fn release_with(self: &Arc<Self>, session: &Arc<Session>, pid: u32) {
        let process = Process::hold(pid);
        let (driver, runtime) = (Arc::clone(self), tokio::runtime::Handle::current());
        session.at_end(move || {
            runtime.spawn(async move {
                if let Some(process) = process {
                    process.end().await;
                }
                driver.free(pid).await;
            });
        });
    }

    /// Gives up every lease of a process when it ends, for one that has no connection of its own (any more): others may
    /// speak for it, and a crash of this daemon ends every connection.
    pub(crate) fn watch(self: &Arc<Self>, pid: u32) {
        if !self.watched.lock().insert(pid) {
            return;
        }
        let Some(process) = Process::hold(pid) else {
            self.watched.lock().remove(&pid);
            return;
        };
        let driver = Arc::clone(self);
        tokio::spawn(async move {
            process.ended().await;
            driver.watched.lock().remove(&pid);
            driver.free(pid).await;
        });
    }

    async fn free(&self, pid: u32) {
        match self.spaces.release_all(pid).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(pid, count, "the leases of a process that ended are free"),
            Err(failure) => tracing::error!(pid, %failure, "leases were not given up"),
        }
    }

    /// Has to know of this client in a restart.
    pub(crate) fn remember(&self, session: &Arc<Session>) {
        let mut clients = self.clients.lock();
        clients.retain(|_, client| client.strong_count() > 0);
        clients.insert(session.id(), Arc::downgrade(session));
    }
}

fn unreadable(failure: &serde_json::Error) -> Error {
    let text = format!("what is handed over cannot be read or written: {failure}");
    Error::new(Code::InternalError, Domain::Locking, text)
}

impl daemon::Driver for Driver {
    const INFO: Info = Info {
        daemon: "virtlockd",
        about: "Keeps the leases of guests, whoever else is restarted",
        driver: "lock",
    };
    const THREADS: usize = 1;
    const CONNECTS: bool = false;
    const CLIENTS_GO_ON: bool = true;
    /// Disks belong to the user that guests run as, and lie wherever an administrator has put them.
    const NEEDS: Needs = Needs {
        capabilities: Capabilities::Only(CapabilitySet::DAC_OVERRIDE),
        children: false,
        places: None,
    };

    fn defaults() -> DaemonConfig {
        DaemonConfig {
            max_clients: 1024,
            // A guest's connection says nothing, for as long as the guest lives.
            max_anonymous_clients: 0,
            ..DaemonConfig::default()
        }
    }

    async fn open(instance: Instance) -> Result<Arc<Self>> {
        let driver = Arc::new(Self {
            spaces: Spaces::new(),
            clients: Mutex::default(),
            watched: Mutex::default(),
            known_before: Mutex::default(),
        });
        if let Some(handover) = instance.take_handover() {
            let notes: Notes =
                serde_json::from_str(&handover.notes).map_err(|failure| unreadable(&failure))?;
            driver.spaces.resume(notes.spaces, handover.descriptors);
            for pid in driver.spaces.owners() {
                driver.watch(pid);
            }
            *driver.known_before.lock() = notes.clients;
        }
        Ok(driver)
    }

    fn routes(routes: &mut Routes<Self>) {
        handlers::routes(routes);
    }

    fn busy(&self) -> bool {
        self.spaces.any()
    }

    async fn reload(&self) -> Result<()> {
        Ok(())
    }

    async fn hand_over(&self) -> Result<Handover> {
        let (spaces, descriptors) = self.spaces.hand_over().map_err(|failure| {
            self.spaces.go_on();
            let text = format!("no descriptor for a lease: {failure}");
            Error::new(Code::SystemError, Domain::Locking, text)
        })?;
        let clients = self.clients.lock();
        let clients = clients.iter().filter_map(|(id, session)| {
            let known = session.upgrade()?.state::<Client>().0.lock().clone();
            Some((*id, known))
        });
        let notes = Notes {
            spaces,
            clients: clients.collect(),
        };
        let notes = serde_json::to_string(&notes).map_err(|failure| {
            self.spaces.go_on();
            unreadable(&failure)
        })?;
        Ok(Handover { notes, descriptors })
    }

    fn go_on(&self) {
        self.spaces.go_on();
    }

    fn resumed(self: &Arc<Self>, session: &Arc<Session>) {
        let Some(known) = self.known_before.lock().remove(&session.id()) else {
            return;
        };
        self.remember(session);
        if known.is_holder
            && let Some(owner) = &known.owner
        {
            self.release_with(session, owner.pid);
        }
        *session.state::<Client>().0.lock() = known;
    }

    async fn shutdown(&self) {}
}

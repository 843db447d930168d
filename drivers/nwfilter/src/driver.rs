//! The driver itself: everything it has, and how it is opened.

use crate::addresses;
use crate::failure::refused;
use crate::firewall::Guarded;
use crate::handlers;
use crate::learning::Listeners;
use crate::registry::Registry;
use crate::store::Store;
use daemon::access::{By, Kind, Object};
use daemon::confinement::{Capabilities, CapabilitySet, Needs};
use daemon::connection::Connection;
use daemon::{Handover, Info, Instance, Routes};
use error::{Code, Result};
use parking_lot::Mutex;
use protocol::Priority;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedMutexGuard, mpsc};

/// How long changes are waited for when the program is to be run anew.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much that was seen at ports waits to be taken in; what is more is seen again.
const TOLD: usize = 64;

/// The network filter driver of one instance.
#[derive(Debug)]
pub struct Driver {
    /// The filters and bindings.
    pub(crate) registry: Registry,
    /// Their documents on disk.
    store: Arc<Store>,
    /// What is guarded in the kernel; held by whoever changes anything.
    pub(crate) guarded: Arc<tokio::sync::Mutex<Guarded>>,
    /// Who learns addresses of guests.
    pub(crate) listeners: Listeners,
    /// Keeps changes off while the next program takes over.
    resting: Mutex<Option<OwnedMutexGuard<Guarded>>>,
    instance: Instance,
}

impl Driver {
    /// Runs what waits for the daemon's own files, and for nft, where that harms nobody.
    ///
    /// # Errors
    /// What `work` answers; [`Code::InternalError`] when it panicked.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = Arc::clone(&self.store);
        self.instance
            .workers
            .blocking(Priority::High, move || work(&store))
            .await?
    }
}

impl daemon::Driver for Driver {
    const INFO: Info = Info {
        daemon: "virtnwfilterd",
        about: "Guards guests' interfaces by rules for what they may send and receive",
        driver: "nwfilter",
    };
    const THREADS: usize = 1;
    /// It runs nft, which sets rules, looks for interfaces and listens at them.
    const NEEDS: Needs = Needs {
        capabilities: Capabilities::Only(CapabilitySet::NET_ADMIN.union(CapabilitySet::NET_RAW)),
        children: true,
        places: None,
    };

    async fn open(instance: Instance) -> Result<Arc<Self>> {
        let layout = Arc::clone(&instance.layout);
        let (tell, told) = mpsc::channel(TOLD);
        let driver = Arc::new(Self {
            registry: Registry::default(),
            store: Arc::new(Store::open(&layout, Self::INFO.driver)?),
            guarded: Arc::default(),
            listeners: Listeners::new(tell),
            resting: Mutex::default(),
            instance,
        });
        driver.load(true).await?;
        tokio::spawn(addresses::follow(Arc::downgrade(&driver), told));
        Ok(driver)
    }

    fn routes(routes: &mut Routes<Self>) {
        handlers::routes(routes);
    }

    async fn describe(&self, kind: Kind, by: By<'_>) -> Result<Object> {
        self.object(kind, by)
    }

    /// Rules go on without the daemon.
    fn busy(&self) -> bool {
        false
    }

    /// Filters are read again, and rules made anew: somebody may have cleared all of the host's.
    async fn reload(&self) -> Result<()> {
        self.load(false).await
    }

    async fn hand_over(&self) -> Result<Handover> {
        let alone = Arc::clone(&self.guarded).lock_owned();
        let alone = tokio::time::timeout(PATIENCE, alone).await.map_err(|_| {
            let text = "a change of network filters is still going on";
            refused(Code::OperationTimeout, text)
        })?;
        *self.resting.lock() = Some(alone);
        Ok(Handover::default())
    }

    fn go_on(&self) {
        self.resting.lock().take();
    }

    async fn shutdown(&self) {
        self.listeners.stop();
    }
}

impl Connection for Driver {
    const SCHEME: &'static str = "nwfilter";
    const TYPE: &'static str = "nwfilter";

    fn instance(&self) -> &Instance {
        &self.instance
    }
}

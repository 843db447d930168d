//! The driver itself: everything it has, and how it is opened.

use crate::backend::Host;
use crate::events::Hub;
use crate::failure::refused;
use crate::handlers;
use crate::registry::Registry;
use crate::store::{self, Store};
use daemon::access::{By, Kind, Object};
use daemon::confinement::{Capabilities, CapabilitySet, Needs};
use daemon::connection::Connection;
use daemon::{Handover, Info, Instance, Routes};
use error::{Code, Result};
use protocol::Priority;
use std::sync::Arc;

/// The storage driver of one instance.
#[derive(Debug)]
pub struct Driver {
    /// The pools.
    pub(crate) pools: Registry,
    /// Who wants to hear of them.
    pub(crate) events: Hub,
    /// Their documents on disk.
    pub(crate) store: Arc<Store>,
    /// What their backends share.
    pub(crate) host: Arc<Host>,
    /// Held by whoever changes which pools there are.
    pub(crate) changes: tokio::sync::Mutex<()>,
    instance: Instance,
}

impl Driver {
    /// Runs what waits for the daemon's own files where that harms nobody.
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
        daemon: "virtstoraged",
        about: "Manages storage pools and the volumes of them that guests use",
        driver: "storage",
    };
    /// Pools may lie anywhere, belong to anybody and have to be mounted, for which the host's own tools are run. NFS asks from a
    /// port that only root may have.
    const NEEDS: Needs = Needs {
        capabilities: Capabilities::Only(
            CapabilitySet::CHOWN
                .union(CapabilitySet::DAC_OVERRIDE)
                .union(CapabilitySet::DAC_READ_SEARCH)
                .union(CapabilitySet::FOWNER)
                .union(CapabilitySet::NET_BIND_SERVICE)
                .union(CapabilitySet::SYS_ADMIN),
        ),
        children: true,
        places: None,
    };

    async fn open(instance: Instance) -> Result<Arc<Self>> {
        let layout = Arc::clone(&instance.layout);
        crate::keys::clean(&layout)?;
        let kept = layout.driver_lib_dir(Self::INFO.driver);
        let own = store::instance(&kept)?;
        let driver = Arc::new(Self {
            pools: Registry::default(),
            events: Hub::default(),
            store: Arc::new(Store::open(&layout, Self::INFO.driver)?),
            host: Arc::new(Host::new(&own, &kept, layout.driver_run_dir(Self::INFO.driver))?),
            changes: tokio::sync::Mutex::default(),
            instance,
        });
        driver.load_at_start().await?;
        Ok(driver)
    }

    fn routes(routes: &mut Routes<Self>) {
        handlers::routes(routes);
    }

    async fn describe(&self, kind: Kind, by: By<'_>) -> Result<Object> {
        self.object(kind, by)
    }

    /// Active pools are found again; work that goes on would end with the daemon.
    fn busy(&self) -> bool {
        self.pools.all().iter().any(|pool| pool.is_busy())
    }

    async fn reload(&self) -> Result<()> {
        self.load(false).await.map(drop)
    }

    /// All is on disk already but what is being made, which would end with this program.
    async fn hand_over(&self) -> Result<Handover> {
        match self.pools.all().iter().find(|pool| pool.is_busy()) {
            Some(pool) => Err(refused(
                Code::ResourceBusy,
                format!("volumes of pool '{}' are being worked on", pool.name),
            )),
            None => Ok(Handover::default()),
        }
    }

    async fn shutdown(&self) {
        for pool in self.pools.all() {
            pool.threads.end_jobs();
        }
    }
}

impl Connection for Driver {
    const SCHEME: &'static str = "storage";
    const TYPE: &'static str = "storage";

    fn instance(&self) -> &Instance {
        &self.instance
    }
}

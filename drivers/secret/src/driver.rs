//! The driver itself: everything it has, and how it is opened.

use crate::cipher::Cipher;
use crate::events::Hub;
use crate::registry::Registry;
use crate::store::Store;
use crate::succession::Values;
use crate::{config, handlers, succession};
use daemon::access::{By, Kind, Object};
use daemon::confinement::{Capabilities, CapabilitySet, Needs, Places};
use daemon::connection::Connection;
use daemon::{Handover, Info, Instance, Layout, Routes, SystemToken};
use error::{Code, Domain, Error, Result};
use parking_lot::{Mutex, RwLock};
use protocol::Priority;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;

/// How long changes are waited for when the program is to be run anew.
const PATIENCE: Duration = Duration::from_secs(10);

/// The secret driver of one instance.
#[derive(Debug)]
pub struct Driver {
    /// The secrets.
    pub(crate) secrets: Registry,
    /// Who wants to hear of them.
    pub(crate) events: Hub,
    /// The secrets that are not in memory only.
    pub(crate) store: Arc<Store>,
    /// Held by whoever changes a secret.
    pub(crate) changes: Arc<tokio::sync::Mutex<()>>,
    /// Keeps changes off while the next program takes over, and its luggage.
    resting: Mutex<Option<(OwnedMutexGuard<()>, Values)>>,
    /// The key of values on disk.
    cipher: RwLock<Option<Arc<Cipher>>>,
    instance: Instance,
}

impl Driver {
    /// Runs what blocks where that harms nobody.
    ///
    /// # Errors
    /// What `work` answers; [`Code::InternalError`] when it panicked.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.instance.workers.blocking(Priority::High, work).await?
    }

    /// The key that values are encrypted with on disk, where they are.
    pub(crate) fn cipher(&self) -> Option<Arc<Cipher>> {
        self.cipher.read().clone()
    }
}

impl daemon::Driver for Driver {
    const INFO: Info = Info {
        daemon: "virtsecretd",
        about: "Keeps the secrets that guests' disks, networks and devices need",
        driver: "secrets",
    };
    const THREADS: usize = 1;
    /// It reads and writes files of its own user's.
    const NEEDS: Needs = Needs {
        capabilities: Capabilities::Only(CapabilitySet::empty()),
        children: false,
        places: Some(places),
    };

    async fn open(instance: Instance) -> Result<Arc<Self>> {
        let handover = instance.take_handover();
        // No core dump, and no debugger of the same user.
        if let Err(err) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
            tracing::warn!(%err, "a core dump would hold secrets");
        }
        let layout = Arc::clone(&instance.layout);
        let in_memory = handover.map(succession::unpack).transpose()?.unwrap_or_default();
        let driver = Arc::new(Self {
            secrets: Registry::default(),
            events: Hub::default(),
            store: Arc::new(Store::open(layout.driver_config_dir(Self::INFO.driver))?),
            changes: Arc::default(),
            resting: Mutex::default(),
            cipher: RwLock::new(config::cipher(&layout)?.map(Arc::new)),
            instance,
        });
        driver.load().await?;
        for secret in in_memory {
            driver.secrets.put(Arc::new(secret));
        }
        Ok(driver)
    }

    fn routes(routes: &mut Routes<Self>) {
        handlers::routes(routes);
    }

    async fn describe(&self, kind: Kind, by: By<'_>) -> Result<Object> {
        self.object(kind, by)
    }

    /// Ephemeral secrets would be gone with the daemon.
    fn busy(&self) -> bool {
        self.secrets.any_ephemeral()
    }

    async fn reload(&self) -> Result<()> {
        let cipher = config::cipher(&self.instance.layout)?;
        *self.cipher.write() = cipher.map(Arc::new);
        self.load().await
    }

    async fn hand_over(&self) -> Result<Handover> {
        // A file that the next program would refuse keeps this one running.
        config::cipher(&self.instance.layout)?;
        let changes = Arc::clone(&self.changes).lock_owned();
        let turn = tokio::time::timeout(PATIENCE, changes).await.map_err(|_| {
            let text = "a change of a secret still waits for the disk";
            Error::new(Code::OperationTimeout, Domain::Secret, text)
        })?;
        let (handover, values) = succession::pack(&self.secrets)?;
        *self.resting.lock() = Some((turn, values));
        Ok(handover)
    }

    fn go_on(&self) {
        self.resting.lock().take();
    }

    async fn shutdown(&self) {}
}

impl Connection for Driver {
    const SCHEME: &'static str = "secret";
    const TYPE: &'static str = "secret";

    fn instance(&self) -> &Instance {
        &self.instance
    }
}

/// The folder of secrets, the file of their key, and what daemons that ask for private ones prove themselves by.
fn places(layout: &Layout) -> Places {
    let driver = <Driver as daemon::Driver>::INFO.driver;
    Places::default()
        .and_read(config::key_file(layout))
        .and_write([layout.driver_run_dir(driver), layout.driver_config_dir(driver)])
        .and_write([SystemToken::folder(layout)])
}

//! The driver itself: everything it has, and how it is opened.

use crate::cipher::Cipher;
use crate::events::Hub;
use crate::registry::Registry;
use crate::store::Store;
use crate::{config, handlers};
use daemon::connection::Connection;
use daemon::{Info, Instance, Layout, Mode, PidFile, Routes, Workers};
use error::{Code, Domain, Error, Result};
use parking_lot::RwLock;
use protocol::Priority;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use std::sync::Arc;

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
    pub(crate) changes: tokio::sync::Mutex<()>,
    /// The key of values on disk.
    cipher: RwLock<Option<Arc<Cipher>>>,
    workers: Workers,
    layout: Arc<Layout>,
    /// Keeps libvirt's own daemons, which take the same, away from the folder.
    _pid_file: PidFile,
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
        self.workers.blocking(Priority::High, work).await?
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

    async fn open(instance: Instance) -> Result<Arc<Self>> {
        let Instance { layout, workers, .. } = instance;
        // No core dump, and no debugger of the same user.
        if let Err(err) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
            tracing::warn!(%err, "a core dump would hold secrets");
        }
        let run = layout.driver_run_dir(Self::INFO.driver);
        daemon::durable::create_folder(&run, 0o700).map_err(failed)?;
        let pid_file = PidFile::acquire(&run.join("driver.pid")).map_err(failed)?;
        let driver = Arc::new(Self {
            secrets: Registry::default(),
            events: Hub::default(),
            store: Arc::new(Store::open(layout.driver_config_dir(Self::INFO.driver))?),
            changes: tokio::sync::Mutex::default(),
            cipher: RwLock::new(config::cipher(&layout)?.map(Arc::new)),
            workers,
            layout,
            _pid_file: pid_file,
        });
        driver.load().await?;
        Ok(driver)
    }

    fn routes(routes: &mut Routes<Self>) {
        handlers::routes(routes);
    }

    /// Ephemeral secrets would be gone with the daemon.
    fn busy(&self) -> bool {
        self.secrets.any_ephemeral()
    }

    async fn reload(&self) -> Result<()> {
        let cipher = config::cipher(&self.layout)?;
        *self.cipher.write() = cipher.map(Arc::new);
        self.load().await
    }

    async fn shutdown(&self) {}
}

impl Connection for Driver {
    const SCHEME: &'static str = "secret";
    const TYPE: &'static str = "secret";

    fn mode(&self) -> Mode {
        self.layout.mode()
    }
}

fn failed(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(Code::OperationFailed, Domain::Secret, cause.to_string()).caused_by(cause)
}

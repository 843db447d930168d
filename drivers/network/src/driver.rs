//! The driver itself: everything it has, and how it is opened.

use crate::events::Hub;
use crate::failure::refused;
use crate::host::dnsmasq::Place;
use crate::host::firewall::{Firewall, Instead};
use crate::host::hook::Hooks;
use crate::registry::Registry;
use crate::session_guests::SessionGuests;
use crate::store::Store;
use crate::{config, handlers};
use daemon::access::{By, Kind, Object};
use daemon::confinement::{Capabilities, CapabilitySet, Needs};
use daemon::connection::Connection;
use daemon::{Handover, Info, Instance, Routes};
use error::{Code, Result};
use parking_lot::Mutex;
use protocol::Priority;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};

/// How long changes are waited for when the program is to be run anew.
const PATIENCE: Duration = Duration::from_secs(10);

/// The network driver of one instance.
#[derive(Debug)]
pub struct Driver {
    /// The networks.
    pub(crate) networks: Registry,
    /// Who wants to hear of them.
    pub(crate) events: Hub,
    /// Their documents on disk.
    pub(crate) store: Arc<Store>,
    /// The rules of all of them.
    pub(crate) firewall: Firewall,
    /// Scripts of the administrator's.
    pub(crate) hooks: Hooks,
    /// What their servers have in common.
    pub(crate) place: Place,
    /// Guests of users' own.
    pub(crate) session_guests: SessionGuests,
    /// Held by whoever changes which networks there are.
    pub(crate) changes: tokio::sync::Mutex<()>,
    /// Shared by everybody who changes anything; the next program has it alone.
    pub(crate) work: Arc<RwLock<()>>,
    /// Keeps changes off while the next program takes over.
    resting: Mutex<Option<OwnedRwLockWriteGuard<()>>>,
    /// Whether somebody follows what firewalld does.
    pub(crate) zones_watched: AtomicBool,
    instance: Instance,
}

impl Driver {
    /// Runs what waits for the daemon's own files, and for programs, where that harms nobody.
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
        daemon: "virtnetworkd",
        about: "Manages the networks that guests are connected to",
        driver: "network",
    };
    /// It makes links, addresses, routes and rules, and runs dnsmasq, which binds ports below 1024, sends raw packets and becomes
    /// another user.
    const NEEDS: Needs = Needs {
        capabilities: Capabilities::Only(
            CapabilitySet::CHOWN
                .union(CapabilitySet::DAC_OVERRIDE)
                .union(CapabilitySet::KILL)
                .union(CapabilitySet::NET_ADMIN)
                .union(CapabilitySet::NET_BIND_SERVICE)
                .union(CapabilitySet::NET_RAW)
                .union(CapabilitySet::SETGID)
                .union(CapabilitySet::SETUID)
                .union(CapabilitySet::SETPCAP),
        ),
        children: true,
        places: None,
    };

    async fn open(instance: Instance) -> Result<Arc<Self>> {
        let layout = Arc::clone(&instance.layout);
        config::read(&layout)?;
        let driver = Arc::new(Self {
            networks: Registry::default(),
            events: Hub::default(),
            store: Arc::new(Store::open(&layout, Self::INFO.driver)?),
            firewall: Firewall::default(),
            hooks: Hooks::of(layout.config_dir()),
            place: Place::of(&layout),
            session_guests: SessionGuests::default(),
            changes: tokio::sync::Mutex::default(),
            work: Arc::default(),
            resting: Mutex::default(),
            zones_watched: AtomicBool::new(false),
            instance,
        });
        driver.load_at_start().await?;
        driver.adopt_session_ports().await?;
        Ok(driver)
    }

    fn routes(routes: &mut Routes<Self>) {
        handlers::routes(routes);
    }

    async fn describe(&self, kind: Kind, by: By<'_>) -> Result<Object> {
        self.object(kind, by)
    }

    fn supports_feature(&self, feature: i32) -> bool {
        /// `VIR_DRV_FEATURE_NETWORK_UPDATE_HAS_CORRECT_ORDER`.
        const UPDATE_IN_ORDER: i32 = 16;
        feature == UPDATE_IN_ORDER
    }

    /// Networks go on without the daemon, but nobody starts a server again then that ends.
    fn busy(&self) -> bool {
        self.networks.all().iter().any(|network| network.state().active)
    }

    async fn reload(&self) -> Result<()> {
        config::read(&self.instance.layout)?;
        {
            let _work = self.work.read().await;
            self.load(false).await?;
            // Somebody may have cleared all rules of the host.
            self.firewall
                .guard_only(self, self.active_documents(), Instead::OfOwn)
                .await?;
        }
        self.enter_zones().await;
        Ok(())
    }

    async fn hand_over(&self) -> Result<Handover> {
        config::read(&self.instance.layout)?;
        let alone = Arc::clone(&self.work).write_owned();
        let alone = tokio::time::timeout(PATIENCE, alone).await.map_err(|_| {
            let text = "a change of a network is still going on";
            refused(Code::OperationTimeout, text)
        })?;
        *self.resting.lock() = Some(alone);
        Ok(Handover::default())
    }

    fn go_on(&self) {
        self.resting.lock().take();
    }

    async fn shutdown(&self) {}
}

impl Connection for Driver {
    const SCHEME: &'static str = "network";
    const TYPE: &'static str = "network";

    fn instance(&self) -> &Instance {
        &self.instance
    }
}

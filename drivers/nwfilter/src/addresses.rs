//! Addresses that were learned: on disk first, then in the rules of their port.

use crate::Driver;
use crate::firewall::{Changes, Guarded};
use crate::learning::{Leases, Method, Told};
use crate::rules;
use error::Result;
use model::nwfilter::Binding;
use std::sync::Weak;
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;

/// How long to wait before what failed is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest that ends of leases are waited for without a look at the clock, which may have been set.
const LOOK: Duration = Duration::from_secs(600);

/// Takes in what listeners tell, and what time takes away, until the driver is gone.
pub(crate) async fn follow(driver: Weak<Driver>, mut told: mpsc::Receiver<Told>) {
    loop {
        let Some(end) = driver.upgrade().map(|driver| driver.registry.next_lease_end()) else {
            return;
        };
        let wait = end.map_or(LOOK, |end| {
            end.duration_since(SystemTime::now())
                .unwrap_or_default()
                .min(LOOK)
        });
        let heard = tokio::time::timeout(wait, told.recv()).await;
        let Some(driver) = driver.upgrade() else { return };
        let done = match heard {
            Ok(Some(told)) => driver.learned(&told).await,
            Ok(None) => return,
            Err(_) => driver.expire_leases().await,
        };
        drop(driver);
        if let Err(err) = done {
            tracing::warn!(%err, "a learned address is not in the rules of its interface");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Driver {
    /// Takes in what was seen at a port.
    async fn learned(&self, told: &Told) -> Result<()> {
        let mut guarded = self.turn().await?;
        let Ok(binding) = self.registry.binding(&told.port) else {
            return Ok(());
        };
        if binding.mac != told.lesson.mac {
            return Ok(());
        }
        let mut leases = self.registry.leases(&told.port);
        leases.learn(told.lesson.method, told.seen, SystemTime::now());
        self.readdress(&mut guarded, &binding, leases).await
    }

    /// Forgets leases whose time is over.
    async fn expire_leases(&self) -> Result<()> {
        let mut guarded = self.turn().await?;
        for binding in self.registry.bindings() {
            let mut leases = self.registry.leases(&binding.port_device);
            leases.expire(SystemTime::now());
            self.readdress(&mut guarded, &binding, leases).await?;
        }
        Ok(())
    }

    /// Has a port guarded for these addresses.
    async fn readdress(&self, guarded: &mut Guarded, binding: &Binding, leases: Leases) -> Result<()> {
        let port = &binding.port_device;
        let before = self.registry.leases(port);
        if before == leases {
            return Ok(());
        }
        let (document, kept) = (binding.clone(), leases.clone());
        self.blocking(move |store| store.save_leases(&document, &kept))
            .await?;
        if before.addresses() != leases.addresses() {
            let filters = self.registry.filters();
            let sets = self.sets(&filters).await?;
            let rules = rules::compile(binding, &*filters, &leases.addresses(), &sets)?;
            self.apply(guarded, Changes::one(port, Some(rules))).await?;
        }
        self.registry.set_leases(port, leases);
        Ok(())
    }

    /// The addresses that a guest still has from before, for a new binding. Those that a server leased it outlive a binding, as the guest's
    /// own knowledge of them may; one that was only seen does not.
    pub(crate) async fn former_leases(&self, binding: &Binding) -> Result<Leases> {
        let document = binding.clone();
        if Method::of(binding)? != Some(Method::Dhcp) {
            self.blocking(move |store| store.save_leases(&document, &Leases::default()))
                .await?;
            return Ok(Leases::default());
        }
        self.blocking(move |store| store.load_leases(&document)).await
    }
}

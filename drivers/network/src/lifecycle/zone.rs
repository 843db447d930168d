//! Which zone of firewalld a network's bridge is in.
//!
//! The one of its document (`<bridge zone='…'/>`), or else, where firewalld runs and the network's rules are ours, `libvirt`:
//! guests reach the host's DHCP and DNS there. Routed networks are in `libvirt-routed`, where they can be reached as well
//! (formatnetwork.html, "Network firewall zones").

use super::run::bridge_name;
use crate::Driver;
use crate::failure::refused;
use crate::host::firewalld::{Changes, Firewalld};
use error::{Code, Result};
use model::network::{ForwardMode, Network as Document};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// For networks that name none.
const OWN: &str = "libvirt";
/// For routed ones, where firewalld has it: it needs policies, which are newer than zones.
const ROUTED: &str = "libvirt-routed";

/// The zone that a document names.
fn named(document: &Document) -> Option<&str> {
    document.bridge.as_ref()?.zone.as_deref()
}

/// Puts a network's bridge into its zone.
///
/// # Errors
/// [`Code::InternalError`] when a zone is named and firewalld does not run, or does not have it.
pub(super) async fn enter(document: &Document) -> Result<()> {
    match (Firewalld::find().await, named(document)) {
        (Some(firewalld), _) => enter_in(&firewalld, document).await,
        (None, None) => Ok(()),
        (None, Some(zone)) => {
            let name = &document.name;
            let text = format!("zone {zone} requested for network {name} but firewalld is not active");
            Err(refused(Code::InternalError, text))
        }
    }
}

/// The same where it is known that firewalld runs.
async fn enter_in(firewalld: &Firewalld, document: &Document) -> Result<()> {
    let (name, bridge) = (&document.name, bridge_name(document)?);
    if let Some(zone) = named(document) {
        return firewalld.put(bridge, zone).await;
    }
    let fitting: &[&str] = match document.mode() {
        // Its rules are whoever's who made it.
        ForwardMode::Open => return Ok(()),
        ForwardMode::Route => &[ROUTED, OWN],
        _ => &[OWN],
    };
    for zone in fitting {
        if firewalld.has_zone(zone).await? {
            return firewalld.put(bridge, zone).await;
        }
    }
    tracing::warn!(
        network = name,
        "firewalld has no zone '{OWN}', so it may drop what guests ask the host for"
    );
    Ok(())
}

/// Has firewalld forget a network's bridge, which is gone.
pub(super) async fn leave(document: &Document) {
    let Ok(bridge) = bridge_name(document) else { return };
    if named(document).is_none() && document.mode() == ForwardMode::Open {
        return;
    }
    if let Some(firewalld) = Firewalld::find().await
        && let Err(err) = firewalld.take_out(bridge).await
    {
        // Of a network that did not get so far, or a firewalld that was started anew.
        tracing::debug!(%err, bridge, "firewalld had it in no zone");
    }
}

impl Driver {
    /// Puts bridges into their zones again whenever firewalld may have forgotten them, from the first network on.
    pub(super) fn watch_zones(self: &Arc<Self>) {
        if self.zones_watched.swap(true, Ordering::Relaxed) {
            return;
        }
        let driver = Arc::downgrade(self);
        tokio::spawn(async move {
            match Changes::new().await {
                Ok(mut changes) => {
                    while let Some(()) = changes.next().await {
                        let Some(driver) = driver.upgrade() else { return };
                        driver.enter_zones().await;
                    }
                    tracing::warn!("the system bus does not tell any more what firewalld does");
                }
                Err(failure) => tracing::debug!(%failure, "nobody tells what firewalld does"),
            }
            // The next network asks again.
            if let Some(driver) = driver.upgrade() {
                driver.zones_watched.store(false, Ordering::Relaxed);
            }
        });
    }

    /// Puts the bridges of all active networks into their zones.
    pub(crate) async fn enter_zones(&self) {
        let Some(firewalld) = Firewalld::find().await else {
            return;
        };
        let _work = self.work.read().await;
        for network in self.networks.all() {
            let Ok(_turn) = network.turn().await else { continue };
            let state = network.state();
            if state.active
                && state.document.mode().has_own_bridge()
                && let Err(err) = enter_in(&firewalld, &state.document).await
            {
                tracing::warn!(%err, network = network.name, "a network's bridge is in no zone of firewalld");
            }
        }
    }
}

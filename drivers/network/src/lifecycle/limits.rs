//! `<bandwidth>` of networks: what all guests together send and receive over the bridge, and what is kept for some of them.
//!
//! A guest's own limits are set on its tap by who made that. Its floor is a class of the bridge's, whose number is in its port.

use super::run::bridge_name;
use crate::Driver;
use crate::failure::{impossible, invalid, refused};
use crate::host::links::Links;
use crate::host::traffic as host;
use crate::network::Network;
use error::{Code, Result};
use model::network::{ForwardMode, Network as Document, NetworkPort as PortDocument, Plug, PortBandwidth};
use std::sync::atomic::{AtomicBool, Ordering};
use traffic::{Bridge, Floor};
use uuid::Uuid;

/// Whether the kernel has been found to compute no checksums, which it is not asked for again then.
static NO_CHECKSUMS: AtomicBool = AtomicBool::new(false);

/// The bridge of a network that has something to limit, or is the daemon's own.
fn bridge<'d>(network: &Network, document: &'d Document) -> Option<Bridge<'d>> {
    let host_s = document.mode() == ForwardMode::Bridge && document.bandwidth.is_some();
    let link = bridge_name(document).ok()?;
    (host_s || document.mode().has_own_bridge()).then(|| Bridge {
        link,
        bandwidth: document.bandwidth.as_ref(),
        floors: network.ports.floors(),
    })
}

/// Whether the network's server tells guests of IPv4 their addresses.
fn leases_addresses(document: &Document) -> bool {
    let mut ips = document.ips_of(false);
    document.mode().has_own_bridge()
        && ips.any(|ip| ip.dhcp.is_some())
        && document.bridge_name().is_some_and(traffic::is_word)
}

impl Driver {
    /// Limits a network's bridge, which has no limits, and has checksums of leases computed on it where the kernel can.
    ///
    /// # Errors
    /// What tc says.
    pub(super) async fn limit(&self, network: &Network, document: &Document) -> Result<()> {
        let Some(bridge) = bridge(network, document) else {
            return Ok(());
        };
        let (link, name) = (bridge.link.to_owned(), network.name.clone());
        let limits = bridge.limit();
        let turns: String = bridge
            .classes()
            .into_iter()
            .map(|class| traffic::take_turns(&link, class))
            .collect();
        let mended = leases_addresses(document) && !NO_CHECKSUMS.load(Ordering::Relaxed);
        let mending = if mended {
            bridge.mend_checksums()
        } else {
            String::new()
        };
        let limited = !limits.is_empty();
        self.blocking(move |_| {
            host::set(&limits)?;
            take_turns(&name, &turns);
            if let Err(err) = host::set(&mending) {
                NO_CHECKSUMS.store(true, Ordering::Relaxed);
                tracing::info!(%err, network = name, "very old guests may not take their leases");
                if !limited {
                    // What was made for it only.
                    let _ = host::set_what_is_possible(&traffic::free(&link));
                }
            }
            Ok(())
        })
        .await
    }

    /// Takes the limits off a bridge of the host's that a network used; its own goes with them.
    ///
    /// # Errors
    /// None: what was not there need not go.
    pub(super) async fn free(&self, network: &Network, document: &Document) -> Result<()> {
        let limited = bridge(network, document).filter(|_| !document.mode().has_own_bridge());
        let Some(link) = limited.map(|bridge| bridge.link.to_owned()) else {
            return Ok(());
        };
        self.blocking(move |_| {
            if let Err(err) = host::set_what_is_possible(&traffic::free(&link)) {
                tracing::debug!(%err, link, "some of its limits were gone already");
            }
            Ok(())
        })
        .await
    }

    /// Limits an active network's bridge anew where its limits are not those of its document and its ports: a daemon may have
    /// ended between the one and the other.
    ///
    /// # Errors
    /// What the kernel or tc says.
    pub(super) async fn limit_as_documented(&self, network: &Network, document: &Document) -> Result<()> {
        let Some(bridge) = bridge(network, document).filter(|_| document.bandwidth.is_some()) else {
            return Ok(());
        };
        let links = Links::new()?;
        let Some(link) = links.look_up(bridge.link).await? else {
            return Ok(());
        };
        let mut wanted = bridge.classes();
        wanted.sort_unstable();
        let mut there = links.classes(link.index).await?;
        // The one that lends to the others.
        there.retain(|class| *class != traffic::WHOLE);
        there.sort_unstable();
        if there == wanted {
            let lines = bridge.keep_all();
            return self.blocking(move |_| host::set(&lines)).await;
        }
        tracing::info!(network = network.name, "its bridge is limited anew");
        let name = bridge.link.to_owned();
        self.blocking(move |_| {
            if let Err(err) = host::set_what_is_possible(&traffic::free(&name)) {
                tracing::debug!(%err, name, "some of its limits were gone already");
            }
            Ok(())
        })
        .await?;
        self.limit(network, document).await
    }

    /// Keeps for a guest what its port says now, where its port said something else `before`.
    ///
    /// # Errors
    /// What tc says.
    pub(crate) async fn keep(
        &self,
        network: &Network,
        document: &Document,
        before: Option<&PortDocument>,
        now: Option<&PortDocument>,
    ) -> Result<()> {
        let (before, now) = (before.and_then(floor), now.and_then(floor));
        let Some(bridge) = bridge(network, document).filter(|_| before != now) else {
            return Ok(());
        };
        let mut lines = String::new();
        let mut turns = String::new();
        match (before, now) {
            (Some(before), Some(now)) if (before.class, before.mac) == (now.class, now.mac) => {
                lines.push_str(&bridge.keep_else(&now));
            }
            (before, now) => {
                if let Some(before) = before {
                    lines.push_str(&bridge.keep_no_more(&before));
                }
                if let Some(now) = now {
                    lines.push_str(&bridge.keep(&now));
                    turns = traffic::take_turns(bridge.link, now.class);
                }
            }
        }
        let (name, shown) = (network.name.clone(), document.clone());
        let floors = network.ports.floors();
        self.blocking(move |store| {
            host::set(&lines)?;
            take_turns(&name, &turns);
            store.set_active(&shown, false, &floors)
        })
        .await
    }
}

/// Refuses to limit a bridge of the host's that has limits already, as nobody could tell ours from theirs, and one that tc cannot be
/// told of.
///
/// # Errors
/// [`Code::OperationInvalid`], [`Code::ConfigUnsupported`]; what the kernel says.
pub(super) async fn refuse_limited(document: &Document) -> Result<()> {
    if document.bandwidth.is_some() && !traffic::is_word(bridge_name(document)?) {
        return Err(impossible(format!(
            "network '{}': <bandwidth> needs a bridge whose name has letters, digits and _-.+ alone",
            document.name
        )));
    }
    if document.mode().has_own_bridge() || document.bandwidth.is_none() {
        return Ok(());
    }
    let (links, name) = (Links::new()?, bridge_name(document)?);
    let link = links.look_up(name).await?.ok_or_else(|| {
        let text = format!(
            "network '{}': there is no bridge '{name}' to be limited",
            document.name
        );
        refused(Code::InternalError, text)
    })?;
    if links.has_schedulers(link.index).await? {
        return Err(invalid(format!(
            "network '{}': the bridge '{name}' is limited already, and not by this network",
            document.name
        )));
    }
    Ok(())
}

/// That flows of one guest take turns is worth having, and not worth to have no limits for.
fn take_turns(network: &str, lines: &str) {
    if let Err(err) = host::set_what_is_possible(lines) {
        tracing::debug!(%err, network, "flows of one guest do not take turns");
    }
}

/// What is kept for a guest, where anything is.
pub(crate) fn floor(port: &PortDocument) -> Option<Floor> {
    let bandwidth = port.bandwidth.as_ref()?;
    Some(Floor {
        class: bandwidth.class_id?,
        mac: port.mac_address(),
        rate: wanted(port).filter(|_| matches!(port.plug, Some(Plug::Network { .. })))?,
    })
}

/// What a guest wants to be kept for it.
fn wanted(port: &PortDocument) -> Option<u64> {
    let inbound = port.bandwidth.as_ref()?.limits.inbound.as_ref()?;
    inbound.floor.filter(|floor| *floor > 0)
}

/// Gives a port whose guest wants something to be kept for it a class of its network's bridge.
///
/// # Errors
/// [`Code::OperationUnsupported`] where the network has nothing that could be kept, [`Code::OperationInvalid`] where it has not as
/// much.
pub(crate) fn place(
    network: &Network,
    document: &Document,
    uuid: Uuid,
    port: &mut PortDocument,
) -> Result<()> {
    let rate = wanted(port);
    let former = port
        .bandwidth
        .as_mut()
        .and_then(|bandwidth| bandwidth.class_id.take());
    let Some(rate) = rate else {
        port.bandwidth = port
            .bandwidth
            .take()
            .filter(|bandwidth| *bandwidth != PortBandwidth::default());
        return Ok(());
    };
    let mac = port.mac_address();
    let useless = |why: &str| {
        let text = format!("Invalid use of 'floor' on interface with MAC address {mac} - {why}");
        Err(refused(Code::OperationUnsupported, text))
    };
    if !matches!(port.plug, Some(Plug::Network { .. })) {
        return useless(
            "'floor' is only supported for interface type 'network' with forward type 'nat', 'route', 'open' or none",
        );
    }
    let inbound = document
        .bandwidth
        .as_ref()
        .and_then(|bandwidth| bandwidth.inbound.as_ref());
    let Some((inbound, average)) = inbound.and_then(|inbound| Some((inbound, inbound.average?))) else {
        return useless(&format!("network '{}' has no inbound QoS set", network.name));
    };
    let floors = network.ports.floors_without(uuid);
    let sum = floors
        .iter()
        .fold(rate, |sum, floor| sum.saturating_add(floor.rate));
    let (what, most) = inbound.peak.map_or(("average", average), |peak| ("peak", peak));
    if sum > most {
        return Err(invalid(format!(
            "Cannot plug '{mac}' interface into '{}' because new combined inbound floor={sum} would overcommit {what}={most} \
             on network '{}'",
            bridge_name(document)?,
            network.name
        )));
    }
    let free = |class: &u32| floors.iter().all(|floor| floor.class != *class);
    let known = former.filter(|class| traffic::CLASSES.contains(class) && free(class));
    let class = known
        .or_else(|| traffic::CLASSES.into_iter().find(free))
        .ok_or_else(|| {
            let text = format!(
                "network '{}' has as many guests with a floor as it can have",
                network.name
            );
            refused(Code::InternalError, text)
        })?;
    if let Some(bandwidth) = &mut port.bandwidth {
        bandwidth.class_id = Some(class);
    }
    Ok(())
}

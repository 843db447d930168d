//! A network on the host: made, found again, taken down.
//!
//! ```text
//!  start ─► status "unfinished" ─► bridge ─► settings, addresses ─► rules ─► zone ─► dnsmasq ─► routes ─► status ─► started
//!  stop ──► status "unfinished" ─► dnsmasq ends ─► bridge goes, with all on it ─► zone ─► rules ─► no status ─► stopped
//! ```
//! Whatever stops a start, or ends the daemon in one or in a stop, is followed by the same way down: by this daemon, or by the
//! next, which finds the status.

use crate::Driver;
use crate::events::Happening;
use crate::failure::{invalid, refused};
use crate::host::hook::Event;
use crate::host::links::{Bridge, Link, Links};
use crate::host::{resolver, settings};
use crate::network::Network;
use error::{Code, Result};
use model::network::{ForwardMode, IpRoute, MacTableManager, Network as Document, route_subnet};
use std::sync::Arc;
use xml::{OnOff, YesNo};

impl Driver {
    /// Starts a network whose turn nobody has.
    pub(super) async fn start_in_turn(self: &Arc<Self>, network: &Arc<Network>) -> Result<()> {
        let _turn = network.turn().await?;
        let state = network.state();
        if state.active {
            return Err(invalid("network is already active"));
        }
        let mut document = Document::clone(&state.document);
        super::pool::fill(&mut document)?;
        for other in self.active_documents() {
            document.clash(&other)?;
        }
        super::limits::refuse_limited(&document).await?;
        let document = Arc::new(document);
        self.hooks.run(Event::Start, &document, None).await?;
        let begun = Arc::clone(&document);
        self.blocking(move |store| store.set_active(&begun, true, &[]))
            .await?;
        let mut started = self.put_up(network, &document).await;
        if started.is_ok() {
            started = self.hooks.run(Event::Started, &document, None).await;
        }
        if started.is_ok() {
            let done = Arc::clone(&document);
            started = self
                .blocking(move |store| store.set_active(&done, false, &[]))
                .await;
        }
        if let Err(err) = started {
            if let Err(err) = self.clear_away(network, &document).await {
                tracing::warn!(%err, network = network.name, "a network that did not start left something");
            }
            return Err(err);
        }
        network.update(|state| {
            state.active = true;
            if !Arc::ptr_eq(&state.document, &document) {
                if state.persistent && state.next.is_none() && *state.document != *document {
                    state.next = Some(Arc::clone(&state.document));
                }
                state.document = Arc::clone(&document);
            }
        });
        self.events.lifecycle(network, Happening::Started);
        Ok(())
    }

    /// Makes everything that a network is on the host.
    async fn put_up(self: &Arc<Self>, network: &Arc<Network>, document: &Arc<Document>) -> Result<()> {
        if !document.mode().has_own_bridge() {
            return self.limit(network, document).await;
        }
        let links = Links::new()?;
        super::overlap::check(&links, document).await?;
        let name = bridge_name(document)?;
        let index = links.make_bridge(&bridge(document, name)).await?;
        settings::ipv6_of_bridge(name, has_ipv6(document) || document.ipv6 == Some(YesNo::Yes))?;
        for ip in &document.ips {
            links
                .add_address(name, index, ip.address, ip.prefix_length())
                .await?;
        }
        self.limit(network, document).await?;
        links.switch_on(name, index).await?;
        self.firewall.guard(self, document).await?;
        super::zone::enter(document).await?;
        self.watch_zones();
        if matches!(
            document.mode(),
            ForwardMode::Nat | ForwardMode::Route | ForwardMode::Open
        ) {
            self.pass_on(document).await?;
        }
        self.serve(network, document).await?;
        for route in &document.routes {
            add_route(&links, name, index, route).await?;
        }
        self.register(document).await
    }

    /// Has the host pass packets on, where the network wants it.
    async fn pass_on(&self, document: &Document) -> Result<()> {
        if document.ips_of(false).next().is_some() {
            settings::forward_v4()?;
        }
        if has_ipv6(document) && !settings::forwards_v6() {
            refuse_to_lose_routes().await?;
            settings::forward_v6()?;
        }
        Ok(())
    }

    /// Takes an active network down whose turn the caller has.
    pub(super) async fn take_down(self: &Arc<Self>, network: &Arc<Network>) -> Result<()> {
        let document = Arc::clone(&network.state().document);
        let ending = Arc::clone(&document);
        self.blocking(move |store| store.set_active(&ending, true, &[]))
            .await?;
        // From here on nobody is connected to it.
        network.update(|state| state.active = false);
        let cleared = self.clear_away(network, &document).await;
        if let Err(err) = &cleared {
            network.update(|state| state.active = true);
            tracing::warn!(%err, network = network.name, "a network was not stopped");
        }
        cleared?;
        let persistent = network.state().persistent;
        if !persistent {
            let bridge = document.bridge_name().map(str::to_owned);
            let forgotten = self.blocking(move |store| store.forget_leases(bridge.as_deref()));
            if let Err(err) = forgotten.await {
                tracing::warn!(%err, network = network.name, "leases of a network that is gone are left");
            }
        }
        self.forget_run(network);
        self.hooks.tell(Event::Stopped, &document, None).await;
        self.events.lifecycle(network, Happening::Stopped);
        Ok(())
    }

    /// Removes everything that a network is on the host, all of it or half, and its status. What cannot be removed does not keep
    /// the rest from being.
    pub(super) async fn clear_away(&self, network: &Network, document: &Document) -> Result<()> {
        let mut outcome = Ok(());
        if document.mode().has_own_bridge() {
            let ended = self.end_service(network, document).await;
            outcome = outcome.and(ended);
            outcome = outcome.and(remove_bridge(document).await);
            super::zone::leave(document).await;
            outcome = outcome.and(self.firewall.leave(self, &network.name).await);
        }
        outcome = outcome.and(self.free(network, document).await);
        if outcome.is_ok() {
            let name = network.name.clone();
            outcome = self.blocking(move |store| store.set_inactive(&name)).await;
        }
        outcome
    }

    /// A network that the last daemon left whole: what it lacks is made good.
    ///
    /// # Errors
    /// Its bridge is gone, so it is not there any more; what the host refuses.
    pub(super) async fn adopt(self: &Arc<Self>, network: &Arc<Network>) -> Result<()> {
        let document = Arc::clone(&network.state().document);
        self.limit_as_documented(network, &document).await?;
        if !document.mode().has_own_bridge() {
            return Ok(());
        }
        super::zone::enter(&document).await?;
        self.watch_zones();
        self.serve(network, &document).await?;
        self.register(&document).await
    }

    /// Has the host's own resolver ask the network's server for names of guests, where the network wants it. That ends with the
    /// bridge.
    async fn register(&self, document: &Document) -> Result<()> {
        let domain = document
            .domain
            .as_ref()
            .filter(|domain| domain.register == Some(YesNo::Yes));
        let Some(domain) = domain else { return Ok(()) };
        let (link, domain) = (bridge_name(document)?.to_owned(), domain.name.clone());
        let servers = document.ips.iter().map(|ip| ip.address).collect();
        self.blocking(move |_| resolver::register(&link, &domain, servers))
            .await
    }
}

/// Whether the bridge of a network is there, and is its own.
pub(super) async fn bridge_is_there(document: &Document) -> Result<bool> {
    if !document.mode().has_own_bridge() {
        return Ok(true);
    }
    let link = Links::new()?.look_up(bridge_name(document)?).await?;
    Ok(link.is_some_and(|link| is_own(&link, document)))
}

/// Whether a link of the bridge's name is the network's: somebody else's may have taken it.
fn is_own(link: &Link, document: &Document) -> bool {
    let address = document.mac.map(|mac| mac.address.octets());
    link.is_bridge && address.is_none_or(|address| link.address == address)
}

async fn remove_bridge(document: &Document) -> Result<()> {
    let name = bridge_name(document)?;
    let links = Links::new()?;
    match links.look_up(name).await? {
        Some(link) if is_own(&link, document) => links.remove(name, link.index).await,
        _ => Ok(()),
    }
}

/// The name of the network's bridge, which was chosen when it was defined.
pub(super) fn bridge_name(document: &Document) -> Result<&str> {
    document.bridge_name().ok_or_else(|| {
        let text = format!("network '{}' does not have a bridge name.", document.name);
        refused(Code::InternalError, text)
    })
}

/// The bridge as the document wants it.
fn bridge<'d>(document: &'d Document, name: &'d str) -> Bridge<'d> {
    let wanted = document.bridge.as_ref();
    Bridge {
        name,
        address: document.mac.map(|mac| mac.address),
        mtu: document.mtu.as_ref().map(|mtu| mtu.size),
        stp: wanted.and_then(|bridge| bridge.stp) != Some(OnOff::Off),
        delay: wanted
            .and_then(|bridge| bridge.delay)
            .map_or(0, |delay| u32::try_from(delay).unwrap_or(u32::MAX)),
        told_who: wanted.and_then(|bridge| bridge.mac_table_manager) == Some(MacTableManager::Libvirt),
    }
}

fn has_ipv6(document: &Document) -> bool {
    document.ips_of(true).next().is_some()
}

/// A host that passes IPv6 on stops to believe routers on links that do not say otherwise, and would lose its routes.
async fn refuse_to_lose_routes() -> Result<()> {
    /// Believes routers although the host is one.
    const ALWAYS: u8 = 2;
    let links = Links::new()?;
    let all = links.all().await?;
    for route in links.routes().await? {
        let by = all.iter().find(|link| Some(link.index) == route.link);
        let Some(link) = by.filter(|_| route.is_advertised && route.to.is_ipv6()) else {
            continue;
        };
        if settings::accepts_advertisements(&link.name) != Some(ALWAYS) {
            let text = format!(
                "the host has routes that a router advertised on '{}' and would lose them by passing IPv6 on; set \
                 net.ipv6.conf.{}.accept_ra to {ALWAYS} first",
                link.name, link.name
            );
            return Err(refused(Code::InternalError, text));
        }
    }
    Ok(())
}

async fn add_route(links: &Links, name: &str, index: u32, route: &IpRoute) -> Result<()> {
    let to = route_subnet(route);
    links
        .add_route(
            name,
            index,
            (to.address(), to.length()),
            route.gateway,
            route.metric,
        )
        .await
}

//! A network's document as rules of the host's firewall. Pure: what the kernel gets is made here and set elsewhere.
//!
//! ```text
//! forward ─► within one network? accept
//!         ─► to a network?     chain to_BRIDGE:   what may come in, or reject
//!         ─► from a network?   chain from_BRIDGE: what may leave, or reject
//!         ─► accept: it is none of ours
//! leave   ─► from a network of mode nat to elsewhere? with another address
//! ```
//!
//! What one network lets in is in whether or not another one lets it out, as in libvirt's rules. A network's rules are about IPv6
//! only where it has IPv6; elsewhere its bridge has that switched off.

mod address_translation;
mod forwarding;

use error::{Code, Domain, Error, Result};
use firewall::{Base, ChainType, Family, Hook, Table, then, when};
use model::network::{ForwardMode, Network};

/// The table's name, which libvirt's two of the families `ip` and `ip6` have as well.
const TABLE: &str = "libvirt_network";

/// What `nft -j` is to read for these networks to be guarded, and no others.
///
/// # Errors
/// [`Code::ConfigUnsupported`] for interfaces with names that no rule can be about.
pub fn rules<'a>(networks: impl Iterator<Item = &'a Network>) -> Result<String> {
    document(networks, &[])
}

/// As [`rules`], and the two tables that libvirt's own daemon has for the networks that were its own are gone in the same moment.
///
/// # Errors
/// As [`rules`].
pub fn rules_in_place_of_libvirts<'a>(networks: impl Iterator<Item = &'a Network>) -> Result<String> {
    document(
        networks,
        &[Table::new(Family::IP, TABLE), Table::new(Family::IP6, TABLE)],
    )
}

fn document<'a>(networks: impl Iterator<Item = &'a Network>, gone: &[Table]) -> Result<String> {
    let guarded: Vec<Guarded<'a>> = networks
        .filter(|network| network.mode().has_own_bridge() && network.mode() != ForwardMode::Open)
        .map(Guarded::of)
        .collect::<Result<_>>()?;
    Ok(if guarded.is_empty() {
        let own = Table::new(Family::INet, TABLE);
        firewall::removing(&[gone, &[own]].concat())
    } else {
        firewall::replacing_and_removing(&[table(&guarded)], gone)
    })
}

fn table(guarded: &[Guarded<'_>]) -> Table {
    let mut table = Table::new(Family::INet, TABLE);
    table.chain(
        "forward",
        Some(Base {
            kind: ChainType::Filter,
            hook: Hook::Forward,
            priority: 0,
        }),
    );
    table.chain(
        "leave",
        Some(Base {
            kind: ChainType::NAT,
            hook: Hook::Postrouting,
            priority: 100,
        }),
    );
    let bridges = guarded
        .iter()
        .map(|network| when::all_of([when::text(network.bridge), when::text(network.bridge)]));
    let within = when::matches(
        when::all_of([when::meta(when::Key::Iifname), when::meta(when::Key::Oifname)]),
        when::Is::Just,
        when::any(bridges),
    );
    table.rule("forward", vec![within, then::accept()]);
    let by_bridge = |way: &'static str| {
        guarded
            .iter()
            .map(move |network| (when::text(network.bridge), network.chain(way)))
    };
    table.rule(
        "forward",
        vec![then::jump_by(when::meta(when::Key::Oifname), by_bridge("to"))],
    );
    table.rule(
        "forward",
        vec![then::jump_by(when::meta(when::Key::Iifname), by_bridge("from"))],
    );
    for network in guarded {
        forwarding::add(&mut table, network);
        address_translation::add(&mut table, network);
    }
    table
}

/// A network that has rules, with the names that rules are about.
struct Guarded<'a> {
    network: &'a Network,
    bridge: &'a str,
    /// The one way out of the host that its guests have.
    dev: Option<&'a str>,
}

impl<'a> Guarded<'a> {
    fn of(network: &'a Network) -> Result<Self> {
        let refused = |why: firewall::NotAName| {
            Error::new(
                Code::ConfigUnsupported,
                Domain::Network,
                format!("network '{}': {why}", network.name),
            )
        };
        let bridge = network.bridge_name().unwrap_or_default();
        firewall::is_interface(bridge).map_err(refused)?;
        let dev = network
            .forward
            .as_ref()
            .and_then(|forward| forward.dev.as_deref());
        if let Some(dev) = dev {
            firewall::is_interface(dev).map_err(refused)?;
        }
        Ok(Self { network, bridge, dev })
    }

    /// The name of its chain of one way.
    fn chain(&self, way: &str) -> String {
        format!("{way}_{}", self.bridge)
    }

    /// Whether its rules are about a family.
    fn is_about(&self, ipv6: bool) -> bool {
        !ipv6
            || self.network.ipv6.is_some_and(xml::YesNo::is_yes)
            || self.network.ips_of(true).next().is_some()
    }

    /// Whether guests leave with another address of that family.
    fn translates(&self, ipv6: bool) -> bool {
        let Some(forward) = &self.network.forward else {
            return false;
        };
        let ipv6_too = forward.nat.as_ref().and_then(|nat| nat.ipv6) == Some(xml::YesNo::Yes);
        forward.mode == ForwardMode::Nat && (!ipv6 || ipv6_too)
    }
}

#[cfg(test)]
mod golden;

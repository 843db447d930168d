//! A filter with the values of one binding as rules of nftables. Pure: what the kernel gets is made here and set elsewhere.
//!
//! ```text
//! frames from the guest   prerouting  ─► from/PORT     what documents say of mac, arp, ip, ... with chains of their own
//! frames to the guest     postrouting ─► to/PORT
//! packets from the guest  prerouting  ─► packets-from/PORT   what they say of tcp, udp, all, ...: connections are known
//! packets to the guest    forward     ─► packets-to/PORT
//! ```
//! As libvirt's rules in ebtables and iptables, all in one table of the family `bridge`, where a bridge's ports have their names and
//! connections are known too. A `/` is in no name of an interface, so chains of two ports never have the same name.

mod connection;
mod expand;
mod frame;
mod resolve;

pub(crate) use resolve::{Filters, tree};

use crate::failure::impossible;
use crate::learning::Lesson;
use error::Result;
use firewall::{Base, ChainType, Family, Hook, Statement, Table, then, when};
use model::nwfilter::{Binding, ChainKind, Layer};
use resolve::{Placed, Resolved};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// The table's name.
const TABLE: &str = "libvirt_nwfilter";

/// The most rules that one port may have. nft takes some 14 kB of memory and a tenth of a millisecond for each.
const MOST_RULES: usize = 40_000;

/// Which way packets go, as the guest sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    From,
    To,
}

/// The rules of one port.
#[derive(Debug, Clone, Default)]
pub(crate) struct PortRules {
    /// What is to be learned at it.
    lesson: Option<Lesson>,
    /// Chains by name, each with its rules.
    chains: BTreeMap<String, Vec<Vec<Statement<'static>>>>,
}

impl PortRules {
    fn add(&mut self, chain: &str, rule: Vec<Statement<'static>>) {
        self.chains.entry(chain.to_owned()).or_default().push(rule);
    }

    /// Nothing passes.
    pub(crate) fn closed(port: &str) -> Self {
        let mut rules = Self::default();
        for way in ["from", "to"] {
            rules.add(&format!("{way}/{port}"), vec![then::drop()]);
        }
        rules
    }

    /// Nothing passes but what the guest needs to get an address by DHCP.
    fn until_learned(port: &str, lesson: Lesson) -> Self {
        let mut rules = Self::default();
        let (from, to) = (format!("from/{port}"), format!("to/{port}"));
        rules.add(&from, frame::asks_for_address(lesson.mac));
        for rule in frame::address_given(&lesson.servers) {
            rules.add(&to, rule);
        }
        for chain in [&from, &to] {
            rules.add(chain, vec![then::drop()]);
        }
        rules.lesson = Some(lesson);
        rules
    }

    /// What is to be learned at the port.
    pub(crate) fn lesson(&self) -> Option<&Lesson> {
        self.lesson.as_ref()
    }

    /// The names of its chains.
    pub(crate) fn names(&self) -> Vec<String> {
        self.chains.keys().cloned().collect()
    }
}

/// The rules of a binding, for a guest of whom these addresses are `known` where the binding does not tell any.
///
/// # Errors
/// Filters that are missing or include each other, variables without values and values that do not fit, each named.
pub(crate) fn compile(binding: &Binding, filters: &dyn Filters, known: &[Ipv4Addr]) -> Result<PortRules> {
    let port = &binding.port_device;
    firewall::is_interface(port).map_err(|why| impossible(format!("filter binding: {why}")))?;
    let (placed, lesson) = match resolve::all(binding, filters, known)? {
        Resolved::Rules(placed, lesson) => (placed, lesson),
        Resolved::Unknown(lesson) => return Ok(PortRules::until_learned(port, lesson)),
    };
    let mut rules = PortRules {
        lesson,
        ..PortRules::default()
    };
    for way in ["from", "to"] {
        rules.chains.insert(format!("{way}/{port}"), Vec::new());
    }
    let mut root = vec![];
    let mut chains = BTreeMap::new();
    for one in &placed {
        if one.chain.is_root() {
            root.push((one.rule.priority, Step::Rule(one)));
        } else {
            // Of filters that disagree about a chain's place the first counts.
            chains
                .entry(&one.chain)
                .or_insert((one.chain_priority, vec![]))
                .1
                .push(one);
        }
    }
    for (chain, (priority, mut inside)) in chains {
        inside.sort_by_key(|one| one.rule.priority);
        for (way, word) in [(Way::From, "from"), (Way::To, "to")] {
            let name = format!("{word}/{port}/{chain}");
            rules.chains.insert(name.clone(), Vec::new());
            for one in &inside {
                add(&mut rules, one, way, &name, port)?;
            }
        }
        root.push((priority, Step::Chain(chain.kind(), chain.name())));
    }
    root.sort_by_key(|(priority, _)| *priority);
    for (way, word) in [(Way::From, "from"), (Way::To, "to")] {
        let name = format!("{word}/{port}");
        for (_, step) in &root {
            match step {
                Step::Rule(one) => add(&mut rules, one, way, &name, port)?,
                Step::Chain(kind, chain) => {
                    let mut lead = frame::of_chain(*kind);
                    let target = format!("{name}/{chain}");
                    // A chain that has nothing to say this way is not gone through.
                    if rules.chains.get(&target).is_some_and(|inside| !inside.is_empty()) {
                        lead.push(then::jump(target));
                        rules.add(&name, lead);
                    }
                }
            }
        }
    }
    Ok(rules)
}

enum Step<'a> {
    Rule(&'a Placed),
    Chain(ChainKind, &'a str),
}

/// Adds what a rule makes of packets of one way: of frames to `chain`, of connections' packets to chains of their own.
fn add(rules: &mut PortRules, one: &Placed, way: Way, chain: &str, port: &str) -> Result<()> {
    let layer = one
        .rule
        .protocol
        .map_or(Layer::Ethernet, |protocol| protocol.layer());
    let packets = match way {
        Way::From => format!("packets-from/{port}"),
        Way::To => format!("packets-to/{port}"),
    };
    for values in expand::all(one)? {
        match layer {
            Layer::Ethernet => {
                if let Some(rule) = frame::rule(&one.rule, &values, way) {
                    rules.add(chain, rule?);
                }
            }
            Layer::Ipv4(_) | Layer::Ipv6(_) => {
                for rule in connection::rules(&one.rule, &values, way, layer)? {
                    rules.add(&packets, rule);
                }
            }
        }
        if rules.chains.values().map(Vec::len).sum::<usize>() > MOST_RULES {
            return Err(impossible(format!(
                "filter '{}': interface '{port}' would have more than {MOST_RULES} rules",
                one.filter
            )));
        }
    }
    Ok(())
}

/// The table with these chains of ports, and with what leads to the chains of all `guarded` ones.
pub(crate) fn table<'a>(
    changed: impl Iterator<Item = &'a PortRules>,
    guarded: &BTreeMap<String, Vec<String>>,
) -> Table {
    let mut table = Table::new(Family::Bridge, TABLE);
    let base = |hook, priority| {
        Some(Base {
            kind: ChainType::Filter,
            hook,
            priority,
        })
    };
    table.chain("frames-from", base(Hook::Prerouting, -300));
    table.chain("frames-to", base(Hook::Postrouting, 300));
    // Behind where connections get known. Only there can a bridge tell who sent a packet that it is rejected.
    table.chain("connections-from", base(Hook::Prerouting, 0));
    table.chain("connections-to", base(Hook::Forward, 0));
    for rules in changed {
        for (name, inside) in &rules.chains {
            table.chain(name.clone(), None);
            for rule in inside {
                table.rule(name.clone(), rule.clone());
            }
        }
    }
    for (chain, key, prefix) in [
        ("frames-from", when::Key::Iifname, "from"),
        ("frames-to", when::Key::Oifname, "to"),
        ("connections-from", when::Key::Iifname, "packets-from"),
        ("connections-to", when::Key::Oifname, "packets-to"),
    ] {
        let leads: Vec<_> = guarded
            .iter()
            .map(|(port, names)| (port, names, format!("{prefix}/{port}")))
            .filter(|(_, names, lead)| names.contains(lead))
            .map(|(port, _, lead)| (when::text(port.clone()), lead))
            .collect();
        if !leads.is_empty() {
            table.rule(chain, vec![then::jump_by(when::meta(key), leads)]);
        }
    }
    table
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;

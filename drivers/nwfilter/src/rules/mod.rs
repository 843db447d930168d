//! A filter with the values of one binding as rules of nftables. Pure: what the kernel gets is made here and set elsewhere.
//!
//! ```text
//! frames from the guest   prerouting  ─► from/HASH     what documents say of mac, arp, ip, ... with chains of their own: from/CHAIN/HASH
//! frames to the guest     postrouting ─► to/HASH
//! packets from the guest  prerouting  ─► packets-from/HASH   what they say of tcp, udp, all, ...: connections are known
//! packets to the guest    forward     ─► packets-to/HASH
//! ```
//! As libvirt's rules in ebtables and iptables, all in one table of the family `bridge`, where a bridge's ports have their names and
//! connections are known too. A chain is named by what is in it, so ports share what is the same for them, and each has of its own only
//! what mentions its guest's addresses. What counts connections is never shared, as each port is to have its own number of them.

mod connection;
mod expand;
mod frame;
mod gratuitous;
mod resolve;
mod set;

pub(crate) use resolve::{Filters, tree};
pub(crate) use set::{Sets, chains_in, sets_in};

use crate::failure::impossible;
use crate::learning::Lesson;
use error::Result;
use firewall::shared::Rules;
use firewall::{Base, ChainType, Family, Hook, Table, then, when};
use model::nwfilter::{Binding, ChainKind, Layer};
use resolve::{Placed, Resolved};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

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

/// Where packets of a port come by, the chain there that leads to chains of ports, and by which name of the packet's it does.
const HOOKS: [(Place, &str, when::Key); 4] = [
    (Place::From, "frames-from", when::Key::Iifname),
    (Place::To, "frames-to", when::Key::Oifname),
    (Place::PacketsFrom, "connections-from", when::Key::Iifname),
    (Place::PacketsTo, "connections-to", when::Key::Oifname),
];

/// Where packets of a port come by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    From,
    To,
    PacketsFrom,
    PacketsTo,
}

impl Place {
    /// How names of its chains begin.
    const fn label(self) -> &'static str {
        match self {
            Self::From => "from",
            Self::To => "to",
            Self::PacketsFrom => "packets-from",
            Self::PacketsTo => "packets-to",
        }
    }
}

/// The chains that a port's packets are led to.
pub(crate) type Leads = BTreeMap<Place, Arc<str>>;

/// The rules of one port.
#[derive(Debug, Clone, Default)]
pub(crate) struct PortRules {
    /// What is to be learned at it.
    lesson: Option<Lesson>,
    leads: Leads,
    /// All its chains by name.
    chains: BTreeMap<Arc<str>, Arc<Rules>>,
}

impl PortRules {
    /// Puts a chain in, and gives its name.
    fn chain(&mut self, label: &str, rules: Rules) -> Arc<str> {
        let name = rules.name(label);
        self.chains.insert(Arc::clone(&name), Arc::new(rules));
        name
    }

    /// Leads the port's packets to a chain.
    fn lead(&mut self, place: Place, rules: Rules) {
        let name = self.chain(place.label(), rules);
        self.leads.insert(place, name);
    }

    /// Nothing passes.
    pub(crate) fn closed() -> Self {
        let mut rules = Self::default();
        for place in [Place::From, Place::To] {
            let mut all = Rules::default();
            all.push(&[then::drop()]);
            rules.lead(place, all);
        }
        rules
    }

    /// Nothing passes but what the guest needs to get an address by DHCP.
    fn until_learned(lesson: Lesson) -> Self {
        let mut rules = Self::default();
        let (mut from, mut to) = (Rules::default(), Rules::default());
        from.push(&frame::asks_for_address(lesson.mac));
        for rule in frame::address_given(&lesson.servers) {
            to.push(&rule);
        }
        for (place, mut all) in [(Place::From, from), (Place::To, to)] {
            all.push(&[then::drop()]);
            rules.lead(place, all);
        }
        rules.lesson = Some(lesson);
        rules
    }

    /// What is to be learned at the port.
    pub(crate) fn lesson(&self) -> Option<&Lesson> {
        self.lesson.as_ref()
    }

    /// The chains that its packets are led to.
    pub(crate) fn leads(&self) -> &Leads {
        &self.leads
    }

    /// All its chains, by name.
    pub(crate) fn chains(&self) -> &BTreeMap<Arc<str>, Arc<Rules>> {
        &self.chains
    }

    /// The same with chains that are in `pool` already as they are there, and others added to it, so that each is in memory once.
    pub(crate) fn share(&mut self, pool: &mut BTreeMap<Arc<str>, Arc<Rules>>) {
        let own = std::mem::take(&mut self.chains);
        for (name, rules) in own {
            let (name, rules) = match pool.get_key_value(&name) {
                Some((name, rules)) => (Arc::clone(name), Arc::clone(rules)),
                None => {
                    pool.insert(Arc::clone(&name), Arc::clone(&rules));
                    (name, rules)
                }
            };
            self.chains.insert(name, rules);
        }
    }
}

/// The rules of a binding, for a guest of whom these addresses are `known` where the binding does not tell any, with these `sets` of the
/// administrator's.
///
/// # Errors
/// Filters that are missing or include each other, variables without values and values that do not fit, each named.
pub(crate) fn compile(
    binding: &Binding,
    filters: &dyn Filters,
    known: &[Ipv4Addr],
    sets: &Sets,
) -> Result<PortRules> {
    let port = &binding.port_device;
    firewall::is_interface(port).map_err(|why| impossible(format!("filter binding: {why}")))?;
    let (placed, lesson) = match resolve::all(binding, filters, known)? {
        Resolved::Rules(placed, lesson) => (placed, lesson),
        Resolved::Unknown(lesson) => return Ok(PortRules::until_learned(lesson)),
    };
    let mut making = Making {
        port,
        sets,
        rules: PortRules {
            lesson,
            ..PortRules::default()
        },
        packets: [Part::default(), Part::default()],
        count: 0,
    };
    let mut root = vec![];
    let mut chains = BTreeMap::new();
    for one in &placed {
        if one.chain.is_root() {
            root.push((one.rule.priority, Step::Rule(one)));
        } else {
            // Of filters that disagree about a chain's place the first counts.
            chains
                .entry(one.chain)
                .or_insert((one.chain_priority, vec![]))
                .1
                .push(one);
        }
    }
    for (chain, (priority, mut inside)) in chains {
        inside.sort_by_key(|one| one.rule.priority);
        let mut names = [None, None];
        for (way, name) in WAYS.into_iter().zip(&mut names) {
            let mut part = Part::default();
            for one in &inside {
                making.add(one, way, &mut part)?;
            }
            // A chain that has nothing to say this way is not gone through.
            if !part.rules.is_empty() {
                let label = format!("{}/{}", way.frames().label(), chain.name());
                *name = Some(making.rules.chain(&label, part.rules));
            }
        }
        root.push((priority, Step::Chain(chain.kind(), names)));
    }
    root.sort_by_key(|(priority, _)| *priority);
    for way in WAYS {
        let mut part = Part::default();
        for (_, step) in &root {
            match step {
                Step::Rule(one) => making.add(one, way, &mut part)?,
                Step::Chain(kind, [from, to]) => {
                    let target = match way {
                        Way::From => from,
                        Way::To => to,
                    };
                    if let Some(target) = target {
                        let mut lead = frame::of_chain(*kind);
                        lead.push(then::jump(target.to_string()));
                        part.rules.push(&lead);
                    }
                }
            }
        }
        // Led to even where there is nothing in it: so it is seen which ports are guarded.
        making.rules.lead(way.frames(), part.rules);
    }
    Ok(making.done())
}

/// Both ways.
const WAYS: [Way; 2] = [Way::From, Way::To];

impl Way {
    /// Where its frames come by.
    const fn frames(self) -> Place {
        match self {
            Self::From => Place::From,
            Self::To => Place::To,
        }
    }
}

enum Step<'a> {
    Rule(&'a Placed<'a>),
    /// A chain, by its names from the guest and to it.
    Chain(ChainKind, [Option<Arc<str>>; 2]),
}

/// A chain that is being made.
#[derive(Default)]
struct Part {
    rules: Rules,
    /// Whether it is to be of one port alone.
    counts: bool,
}

/// The rules of a port that are being made.
struct Making<'a> {
    port: &'a str,
    sets: &'a Sets,
    rules: PortRules,
    /// Those of packets from the guest and to it.
    packets: [Part; 2],
    count: usize,
}

impl Making<'_> {
    /// Adds what a rule makes of packets of one way: of frames to `chain`, of connections' packets to chains of their own.
    fn add(&mut self, one: &Placed<'_>, way: Way, chain: &mut Part) -> Result<()> {
        let layer = one
            .rule
            .protocol
            .map_or(Layer::Ethernet, |protocol| protocol.layer());
        let [from, to] = &mut self.packets;
        let packets = match way {
            Way::From => from,
            Way::To => to,
        };
        for values in expand::all(one)? {
            let values = values?;
            let (part, made) = match layer {
                Layer::Ethernet => (&mut *chain, frame::rules(one.rule, &values, way)),
                Layer::Ipv4(_) | Layer::Ipv6(_) => {
                    packets.counts |= connection::counts(&values);
                    (
                        &mut *packets,
                        connection::rules(one.rule, &values, way, layer, self.sets)?,
                    )
                }
            };
            for rule in made {
                part.rules.push(&rule);
                self.count += 1;
            }
            if self.count > MOST_RULES {
                return Err(impossible(format!(
                    "filter '{}': interface '{}' would have more than {MOST_RULES} rules",
                    one.filter, self.port
                )));
            }
        }
        Ok(())
    }

    fn done(mut self) -> PortRules {
        for (place, part) in [Place::PacketsFrom, Place::PacketsTo]
            .into_iter()
            .zip(self.packets)
        {
            if part.rules.is_empty() {
                continue;
            }
            let label = match part.counts {
                true => format!("{}/{}", place.label(), self.port),
                false => place.label().to_owned(),
            };
            let name = self.rules.chain(&label, part.rules);
            self.rules.leads.insert(place, name);
        }
        self.rules
    }
}

/// Whether that is the name of a chain that packets come by.
pub(crate) fn is_base(name: &str) -> bool {
    HOOKS.iter().any(|(_, base, _)| *base == name)
}

/// The table with the chains that packets come by, and with what leads from there to chains of ports.
pub(crate) fn base<'a>(ports: impl Iterator<Item = (&'a String, &'a Leads)> + Clone) -> Table {
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
    for (place, chain, key) in HOOKS {
        let leads: Vec<_> = ports
            .clone()
            .filter_map(|(port, leads)| Some((when::text(port.clone()), leads.get(&place)?.to_string())))
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

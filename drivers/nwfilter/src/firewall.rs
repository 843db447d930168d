//! Rules in the kernel: what each change is in one transaction of nft.

use crate::rules::{self, Leads, PortRules, Sets};
use error::{Domain, Result};
use firewall::shared::{Change, Instead, Rules};
use std::collections::BTreeMap;
use std::sync::Arc;
use tool::Tool;

/// What is guarded, as it is in the kernel.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guarded {
    ports: BTreeMap<String, Port>,
    /// How many ports have each chain.
    chains: BTreeMap<Arc<str>, usize>,
}

#[derive(Debug, Clone)]
struct Port {
    leads: Leads,
    /// The names of all its chains.
    chains: Vec<Arc<str>>,
}

impl Guarded {
    fn take(&mut self, port: &str) {
        let Some(gone) = self.ports.remove(port) else {
            return;
        };
        for chain in gone.chains {
            if let Some(users) = self.chains.get_mut(&chain) {
                *users = users.saturating_sub(1);
                if *users == 0 {
                    self.chains.remove(&chain);
                }
            }
        }
    }

    fn put(&mut self, port: &str, rules: &PortRules) {
        self.take(port);
        let chains: Vec<_> = rules.chains().keys().cloned().collect();
        for chain in &chains {
            *self.chains.entry(Arc::clone(chain)).or_default() += 1;
        }
        let leads = rules.leads().clone();
        self.ports.insert(port.to_owned(), Port { leads, chains });
    }

    /// What leads to chains of ports.
    fn base(&self) -> firewall::Table {
        rules::base(self.ports.iter().map(|(port, chains)| (port, &chains.leads)))
    }
}

/// A document for nft, in pieces.
pub(crate) type Document = Box<dyn Iterator<Item = Vec<u8>> + Send>;

/// Ports with their new rules; nothing for those that are guarded no longer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    ports: BTreeMap<String, Option<PortRules>>,
    /// The chains of all of them, each once.
    pool: BTreeMap<Arc<str>, Arc<Rules>>,
}

impl Changes {
    /// That one port has these rules, or none.
    pub(crate) fn one(port: &str, rules: Option<PortRules>) -> Self {
        let mut changes = Self::default();
        changes.put(port, rules);
        changes
    }

    /// Adds that a port has these rules, or none.
    pub(crate) fn put(&mut self, port: &str, mut rules: Option<PortRules>) {
        if let Some(rules) = &mut rules {
            rules.share(&mut self.pool);
        }
        self.ports.insert(port.to_owned(), rules);
    }

    /// Adds others, which count more.
    pub(crate) fn extend(&mut self, others: Self) {
        for (port, rules) in others.ports {
            self.put(&port, rules);
        }
    }

    /// Whether nothing changes.
    pub(crate) fn is_empty(&self) -> bool {
        self.ports.is_empty()
    }

    /// The ports with their new rules.
    pub(crate) fn ports(&self) -> impl Iterator<Item = (&String, Option<&PortRules>)> {
        self.ports.iter().map(|(port, rules)| (port, rules.as_ref()))
    }

    /// These chains, with what is in them.
    fn chains(&self, wanted: impl Fn(&Arc<str>) -> bool) -> Vec<(Arc<str>, Arc<Rules>)> {
        let chains = self.pool.iter().filter(|(name, _)| wanted(name));
        chains
            .map(|(name, rules)| (Arc::clone(name), Arc::clone(rules)))
            .collect()
    }
}

/// What is guarded once the changes are made.
pub(crate) fn after(guarded: &Guarded, changes: &Changes) -> Guarded {
    let mut next = guarded.clone();
    for (port, rules) in &changes.ports {
        match rules {
            Some(rules) => next.put(port, rules),
            None => next.take(port),
        }
    }
    next
}

/// What makes the changes and leaves other ports' rules alone: chains that no port had before are added, and those that no port has any
/// more go.
pub(crate) fn change(guarded: &Guarded, changes: &Changes) -> Document {
    let next = after(guarded, changes);
    let is_new = |name: &Arc<str>| next.chains.contains_key(name) && !guarded.chains.contains_key(name);
    let gone = guarded
        .chains
        .keys()
        .filter(|name| !next.chains.contains_key(*name));
    let change = Change {
        base: next.base(),
        added: changes.chains(is_new),
        gone: gone.cloned().collect(),
        instead: Instead::OfChains,
    };
    Box::new(change.pieces())
}

/// What has these ports guarded and no others, whatever rules there are. Sets of the administrator's stay.
pub(crate) fn replace(ports: &Changes, there: &There) -> Document {
    let next = after(&Guarded::default(), ports);
    let base = next.base();
    let stays = |name: &str| next.chains.contains_key(name) || rules::is_base(name);
    if !there.sets.is_empty() {
        let gone = there.chains.iter().filter(|name| !stays(name));
        let change = Change {
            base,
            added: ports.chains(|name| next.chains.contains_key(name)),
            gone: gone.cloned().collect(),
            instead: Instead::OfRules,
        };
        return Box::new(change.pieces());
    }
    if next.ports.is_empty() {
        return Box::new(std::iter::once(firewall::removing(&[base]).into_bytes()));
    }
    let change = Change {
        base,
        added: ports.chains(|name| next.chains.contains_key(name)),
        gone: Vec::new(),
        instead: Instead::OfTable,
    };
    Box::new(change.pieces())
}

/// What there is in the table beside rules.
#[derive(Debug, Default)]
pub(crate) struct There {
    /// Sets, which are the administrator's.
    pub sets: Sets,
    /// The names of chains, where there are sets.
    chains: Vec<Arc<str>>,
}

/// Looks what there is in the table. Blocks.
///
/// # Errors
/// nft's.
pub(crate) fn look() -> Result<There> {
    let list = |what| nft(&["-t", "-j", "list", what, "bridge"]).run_to_end();
    let sets = rules::sets_in(&list("sets")?)?;
    let chains = match sets.is_empty() {
        true => Vec::new(),
        false => rules::chains_in(&list("chains")?)?,
    };
    Ok(There { sets, chains })
}

/// Has nft read a document. Blocks. It ends with the daemon, so that nothing is set after the next one has looked.
///
/// # Errors
/// [`error::Code::InternalError`] with its words; the kernel's rules are as they were.
pub(crate) fn run(mut document: Document) -> Result<()> {
    nft(&["-j", "-f", "-"]).run_telling(&mut document)
}

fn nft(words: &[&str]) -> Tool {
    let nft = Tool::new("nft").of(Domain::Nwfilter).within(tool::PATIENCE);
    nft.with(words)
}

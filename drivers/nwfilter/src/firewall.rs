//! Rules in the kernel: what each change is in one transaction of nft.

use crate::rules::{self, PortRules};
use error::{Domain, Result};
use std::collections::BTreeMap;
use tool::Tool;

/// The chains of each guarded port, as they are in the kernel.
pub(crate) type Guarded = BTreeMap<String, Vec<String>>;

/// Ports with their new rules; `None` for those that are guarded no longer.
pub(crate) type Changes = BTreeMap<String, Option<PortRules>>;

/// What is guarded once the changes are made.
pub(crate) fn after(guarded: &Guarded, changes: &Changes) -> Guarded {
    let mut next = guarded.clone();
    for (port, rules) in changes {
        match rules {
            Some(rules) => next.insert(port.clone(), rules.names()),
            None => next.remove(port),
        };
    }
    next
}

/// The document that makes the changes and leaves other ports' rules alone.
pub(crate) fn change(guarded: &Guarded, changes: &Changes) -> String {
    let next = after(guarded, changes);
    let table = rules::table(changes.values().flatten(), &next);
    let mut gone = Vec::new();
    for port in changes.keys() {
        let (old, new) = (guarded.get(port), next.get(port));
        let stays = |name: &&String| new.is_some_and(|new| new.contains(name));
        gone.extend(old.into_iter().flatten().filter(|name| !stays(name)).cloned());
    }
    firewall::changing(&table, &gone)
}

/// The document that has these ports guarded and no others, whatever rules there are.
pub(crate) fn replace(ports: &Changes) -> String {
    let next = after(&Guarded::new(), ports);
    let table = rules::table(ports.values().flatten(), &next);
    if next.is_empty() {
        return firewall::removing(&[table]);
    }
    firewall::replacing(&[table])
}

/// Has nft read a document. Blocks. It ends with the daemon, so that nothing is set after the next one has looked.
///
/// # Errors
/// [`error::Code::InternalError`] with its words; the kernel's rules are as they were.
pub(crate) fn run(document: &str) -> Result<()> {
    let nft = Tool::new("nft").of(Domain::Nwfilter).within(tool::PATIENCE);
    let nft = nft.with(["-j", "-f", "-"]).with_input(document);
    nft.run_to_end().map(drop)
}

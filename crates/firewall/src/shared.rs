//! Chains that are named by what is in them. Whoever asks for the same rules is led to the same chain, which is in the kernel once, and
//! what is in a chain never changes: a change adds chains, leads packets to them, and removes those that nothing leads to any more.

use crate::{Family, Statement, Table, add};
use nftables::schema::{FlushObject, NfCmd, NfListObject, NfObject};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::sync::Arc;

/// How many bytes of the hash are in a name: more than anybody finds two contents for.
const HASH: usize = 16;

/// How much of a document there is at a time, in bytes.
const PIECE: usize = 64 << 10;

/// What is in a chain. It is kept as the text that nft reads, which takes a small part of what statements take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// A line a rule: its statements.
    text: String,
    count: usize,
}

impl Rules {
    /// Adds a rule at the end.
    pub fn push(&mut self, statements: &[Statement<'static>]) {
        // Strings, numbers and lists of them are all that there is in it.
        self.text
            .push_str(&serde_json::to_string(statements).unwrap_or_default());
        self.text.push('\n');
        self.count += 1;
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The name of the chain with these rules and no others: `LABEL/HASH`. Of several names for the same rules each is a chain of its own.
    pub fn name(&self, label: &str) -> Arc<str> {
        let mut name = format!("{label}/");
        for byte in Sha256::digest(self.text.as_bytes()).iter().take(HASH) {
            // Writing to a string does not fail.
            let _ = write!(name, "{byte:02x}");
        }
        name.into()
    }

    /// Rules as lines.
    fn lines(self: Arc<Self>) -> impl Iterator<Item = String> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let (line, _) = self.text.get(at..)?.split_once('\n')?;
            at += line.len() + 1;
            Some(line.to_owned())
        })
    }
}

/// A change of a table, all in one transaction of the kernel.
#[derive(Debug, Clone)]
pub struct Change {
    /// The chains that packets come by, which are made where they are missing, with all their rules.
    pub base: Table,
    /// The chains that are to be added, by name.
    pub added: Vec<(Arc<str>, Arc<Rules>)>,
    /// The chains that go. Only these, and rules of `base` as they were, may lead to them.
    pub gone: Vec<Arc<str>>,
    /// In the place of what all this comes.
    pub instead: Instead,
}

/// In the place of what a change comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instead {
    /// Of what these chains were; others stay.
    OfChains,
    /// Of all rules of the table; chains stay that do not go, and sets with what is in them.
    OfRules,
    /// Of the table, whatever there is of it.
    OfTable,
}

impl Change {
    /// The document for `nft -j -f -`, in pieces that are made when they are asked for: as a whole it may be many megabytes.
    pub fn pieces(self) -> impl Iterator<Item = Vec<u8>> {
        let mut objects = self.objects();
        let mut begun = false;
        let mut ended = false;
        std::iter::from_fn(move || {
            if ended {
                return None;
            }
            let mut piece = Vec::with_capacity(PIECE);
            while piece.len() < PIECE {
                let Some(object) = objects.next() else {
                    ended = true;
                    piece.extend(if begun { &b"]}"[..] } else { b"{\"nftables\":[]}" });
                    break;
                };
                piece.extend(if begun { &b","[..] } else { b"{\"nftables\":[" });
                piece.extend(object.into_bytes());
                begun = true;
            }
            Some(piece)
        })
    }

    /// The document as a whole.
    pub fn document(self) -> String {
        let whole: Vec<u8> = self.pieces().flatten().collect();
        String::from_utf8_lossy(&whole).into_owned()
    }

    fn objects(self) -> impl Iterator<Item = String> {
        let table = self.base;
        let mut all = vec![add(NfListObject::Table(table.object()))];
        if self.instead == Instead::OfTable {
            // Only what is there can be deleted.
            all.push(NfObject::CmdObject(NfCmd::Delete(NfListObject::Table(
                table.object(),
            ))));
            all.push(add(NfListObject::Table(table.object())));
        }
        all.extend(table.chains.iter().cloned());
        let chain = |name: &Arc<str>| table.reference(name.to_string());
        let added = self.added.iter().map(|(name, _)| chain(name));
        let gone: Vec<_> = self.gone.iter().map(chain).collect();
        // Only what is there can be emptied, and only what is empty and nothing leads to can be deleted.
        let there: Vec<_> = added.chain(gone.iter().cloned()).collect();
        all.extend(there.iter().cloned().map(|one| add(NfListObject::Chain(one))));
        let flush = |what| NfObject::CmdObject(NfCmd::Flush(what));
        match self.instead {
            Instead::OfChains => {
                let emptied = table.base_chains().chain(there);
                all.extend(emptied.map(|one| flush(FlushObject::Chain(one))));
            }
            Instead::OfRules => all.push(flush(FlushObject::Table(table.object()))),
            Instead::OfTable => {}
        }
        all.extend(
            gone.into_iter()
                .map(|one| NfObject::CmdObject(NfCmd::Delete(NfListObject::Chain(one)))),
        );
        let (family, name) = (table.family, table.name);
        let rules = self.added.into_iter().flat_map(move |(chain, rules)| {
            let head = head(family, name, &chain);
            rules.lines().map(move |line| format!("{head}{line}}}}}}}"))
        });
        let text = |object| serde_json::to_string(&object).unwrap_or_default();
        all.into_iter()
            .map(text)
            .chain(rules)
            .chain(table.rules.into_iter().map(text))
    }
}

/// What stands before the statements of a rule.
fn head(family: Family, table: &str, chain: &str) -> String {
    let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
    format!(
        "{{\"add\":{{\"rule\":{{\"family\":{},\"table\":{},\"chain\":{},\"expr\":",
        serde_json::to_string(&family).unwrap_or_default(),
        quoted(table),
        quoted(chain)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Base, ChainType, Hook, then, when};

    fn rules(ports: std::ops::Range<u32>) -> Rules {
        let mut rules = Rules::default();
        for port in ports {
            let is = when::matches(when::field("th", "dport"), when::Is::Just, when::number(port));
            rules.push(&[is, then::drop()]);
        }
        rules
    }

    #[test]
    fn a_name_is_of_what_is_in_a_chain() {
        assert_eq!(rules(0..9).name("to"), rules(0..9).name("to"));
        assert_ne!(rules(0..9).name("to"), rules(0..9).name("from"));
        assert_ne!(rules(0..9).name("to"), rules(0..10).name("to"));
        assert_eq!(rules(0..9).name("to").len(), 3 + 2 * HASH);
    }

    #[test]
    fn a_document_in_pieces_is_one_document_with_every_rule() {
        let mut base = Table::new(Family::Bridge, "t");
        let hook = Base {
            kind: ChainType::Filter,
            hook: Hook::Prerouting,
            priority: 0,
        };
        base.chain("frames", Some(hook));
        let shared = Arc::new(rules(0..5000));
        let name = shared.name("to");
        base.rule("frames", vec![then::jump(name.to_string())]);
        let change = Change {
            base,
            added: vec![(name, shared)],
            gone: vec!["old".into()],
            instead: Instead::OfChains,
        };
        assert!(change.clone().pieces().count() > 5);
        assert!(change.clone().pieces().all(|piece| piece.len() < 2 * PIECE));
        let document: serde_json::Value = serde_json::from_str(&change.document()).unwrap();
        let objects = document["nftables"].as_array().unwrap();
        let rules = objects.iter().filter(|object| object["add"]["rule"].is_object());
        assert_eq!(rules.count(), 5001);
        let deleted = objects.iter().filter(|object| object["delete"].is_object());
        assert_eq!(deleted.count(), 1);
    }
}

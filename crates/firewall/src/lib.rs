//! The kernel's packet filter, nftables: tables of rules as values, and as the document that `nft -j -f -` takes.
//!
//! A [`Table`] belongs to one daemon. Its document removes the table and makes it anew, all in one transaction of the kernel: no
//! packet ever meets half of it, and whoever sets it need not know what was there. Pure: nothing is set here.
//!
//! Where many ask for the same rules, chains are [`shared`].
//!
//! A rule is a list of [`Statement`]s: conditions, from [`when`], and at last what is done, from [`then`].

mod name;
pub mod shared;
pub mod then;
pub mod when;

pub use name::{NotAName, is_interface};
pub use nftables::expr::Expression;
pub use nftables::stmt::Statement;
pub use nftables::types::{NfChainType as ChainType, NfFamily as Family, NfHook as Hook};

use nftables::schema::{Chain, NfCmd, NfListObject, NfObject, Nftables, Rule, Table as TableObject};
use nftables::types::NfChainPolicy;
use std::borrow::Cow;

/// A table of rules.
#[derive(Debug, Clone)]
pub struct Table {
    family: Family,
    name: &'static str,
    /// Chains before rules, as rules name chains.
    chains: Vec<NfObject<'static>>,
    rules: Vec<NfObject<'static>>,
}

/// Where packets come by.
#[derive(Debug, Clone, Copy)]
pub struct Base {
    /// What the chain may do.
    pub kind: ChainType,
    /// Where.
    pub hook: Hook,
    /// Low ones come first.
    pub priority: i32,
}

impl Table {
    /// A table without rules.
    pub fn new(family: Family, name: &'static str) -> Self {
        Self {
            family,
            name,
            chains: Vec::new(),
            rules: Vec::new(),
        }
    }

    /// Adds a chain that packets come by, or, without a `base`, one that rules send them to. What comes to the end of a chain
    /// that packets come by is let pass.
    pub fn chain(&mut self, name: impl Into<String>, base: Option<Base>) {
        let chain = Chain {
            family: self.family,
            table: Cow::Borrowed(self.name),
            name: Cow::Owned(name.into()),
            _type: base.map(|base| base.kind),
            hook: base.map(|base| base.hook),
            prio: base.map(|base| base.priority),
            policy: base.map(|_| NfChainPolicy::Accept),
            ..Chain::default()
        };
        self.chains.push(add(NfListObject::Chain(chain)));
    }

    /// Adds a rule at the end of a chain.
    pub fn rule(&mut self, chain: impl Into<String>, statements: Vec<Statement<'static>>) {
        let rule = Rule {
            family: self.family,
            table: Cow::Borrowed(self.name),
            chain: Cow::Owned(chain.into()),
            expr: Cow::Owned(statements),
            ..Rule::default()
        };
        self.rules.push(add(NfListObject::Rule(rule)));
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    fn reference(&self, name: String) -> Chain<'static> {
        Chain {
            family: self.family,
            table: Cow::Borrowed(self.name),
            name: Cow::Owned(name),
            ..Chain::default()
        }
    }

    /// The chains that there are, to be named.
    fn base_chains(&self) -> impl Iterator<Item = Chain<'static>> {
        self.chains.iter().filter_map(|object| match object {
            NfObject::CmdObject(NfCmd::Add(NfListObject::Chain(chain))) => {
                Some(self.reference(chain.name.to_string()))
            }
            _ => None,
        })
    }

    fn object(&self) -> TableObject<'static> {
        TableObject {
            family: self.family,
            name: Cow::Borrowed(self.name),
            handle: None,
        }
    }
}

fn add(object: NfListObject<'static>) -> NfObject<'static> {
    NfObject::CmdObject(NfCmd::Add(object))
}

/// The document that puts these tables in the place of what they were.
pub fn replacing(tables: &[Table]) -> String {
    replacing_and_removing(tables, &[])
}

/// The document that removes these tables, whether or not they are there.
pub fn removing(tables: &[Table]) -> String {
    replacing_and_removing(&[], tables)
}

/// Both in one.
pub fn replacing_and_removing(tables: &[Table], gone: &[Table]) -> String {
    let mut objects = Vec::new();
    for (table, keep) in gone
        .iter()
        .map(|table| (table, false))
        .chain(tables.iter().map(|table| (table, true)))
    {
        // Only what is there can be deleted.
        objects.push(add(NfListObject::Table(table.object())));
        objects.push(NfObject::CmdObject(NfCmd::Delete(NfListObject::Table(
            table.object(),
        ))));
        if keep {
            objects.push(add(NfListObject::Table(table.object())));
            objects.extend(table.chains.iter().cloned());
            objects.extend(table.rules.iter().cloned());
        }
    }
    text(objects)
}

fn text(objects: Vec<NfObject<'static>>) -> String {
    let document = Nftables {
        objects: Cow::Owned(objects),
    };
    // Strings, numbers and lists of them are all that there is in it.
    serde_json::to_string(&document).unwrap_or_default()
}

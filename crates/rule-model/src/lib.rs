//! What rules of packet filters do with packets, worked out without a kernel: for tests that hold rules against others.
//!
//! A [`Packet`] is facts by name, such as `ip.saddr` or `meta.iifname`. A [`RuleSet`] is read from what nft, iptables or ebtables
//! would be told ([`json`], [`command`]), and [`RuleSet::judge`] says what becomes of a packet at a hook. Whatever a reader does not
//! know it panics about: a rule that is left out would pass for one that agrees.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "it is used by tests, which a panic fails"
)]

pub mod command;
pub mod json;
mod legacy;
mod nft;
mod value;

pub use value::{Packet, Value, address, ethernet};

use std::collections::BTreeMap;

/// Values from one to another, both included.
pub type Span = (Value, Value);

/// How many of the values that one condition names packets are made near to.
const NEAR: usize = 4;

/// What a rule asks of a packet.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The facts, and what is left of each under a mask.
    pub facts: Vec<(String, Option<u128>)>,
    /// Whether the facts must be none of `any`.
    pub not: bool,
    /// Whether the facts have to be the same, whatever they are.
    pub same: bool,
    /// Spans, one for each fact; none where facts have to be the same.
    pub any: Vec<Vec<Span>>,
}

impl Condition {
    /// That one fact has one value.
    pub fn of(fact: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        Self::within(fact, vec![(value.clone(), value)])
    }

    /// That one fact is in one of several spans.
    pub fn within(fact: &str, spans: Vec<Span>) -> Self {
        Self {
            facts: vec![(fact.to_owned(), None)],
            not: false,
            same: false,
            any: spans.into_iter().map(|span| vec![span]).collect(),
        }
    }

    /// That two facts are the same.
    pub fn same(one: &str, other: &str) -> Self {
        Self {
            facts: [one, other].map(|fact| (fact.to_owned(), None)).to_vec(),
            not: false,
            same: true,
            any: Vec::new(),
        }
    }

    /// That it is not so. A packet that lacks the fact meets neither.
    #[must_use]
    pub fn unless(mut self, not: bool) -> Self {
        self.not ^= not;
        self
    }

    fn holds(&self, packet: &Packet) -> bool {
        let Some(found) = find(&self.facts, packet) else {
            return false;
        };
        let is_so = match self.same {
            true => found.windows(2).all(|pair| pair[0] == pair[1]),
            false => self.any.iter().any(|spans| is_within(&found, spans)),
        };
        is_so != self.not
    }
}

/// That a number is above another.
fn above(fact: &str, most: u128) -> Condition {
    Condition::within(fact, vec![(Value::Number(most + 1), Value::Number(u128::MAX))])
}

/// That an address is in a set of addresses. What is in sets is nobody's rule: each is taken to hold one address, by its name.
fn in_set(fact: &str, name: &str) -> Condition {
    let host: u128 = name.bytes().map(u128::from).sum::<u128>() % 200 + 3;
    Condition::of(fact, address("192.0.2.0") + host)
}

fn find(facts: &[(String, Option<u128>)], packet: &Packet) -> Option<Vec<Value>> {
    facts
        .iter()
        .map(|(fact, mask)| Some(packet.get(fact)?.masked(*mask)))
        .collect()
}

fn is_within(found: &[Value], spans: &[Span]) -> bool {
    found
        .iter()
        .zip(spans)
        .all(|(value, (first, last))| first <= value && value <= last)
}

/// What a rule does with a packet that meets its conditions.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// It passes this chain's hook.
    Accept,
    /// It is gone.
    Drop,
    /// On behind what led here.
    Return,
    /// On with another chain, then behind this rule.
    Jump(String),
    /// On with another chain, then behind what led here.
    Goto(String),
    /// On with the chain that facts lead to.
    JumpBy(Vec<(String, Option<u128>)>, Vec<(Vec<Span>, Box<Action>)>),
    /// It leaves with other addresses, as the words say.
    Translate(String),
    /// On with the next rule.
    Continue,
}

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// And then.
    pub action: Action,
}

/// Where packets come by a chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Base {
    /// `forward`, `postrouting`, ...
    pub hook: String,
    /// Low ones come first.
    pub priority: i32,
    /// Only packets that meet these come by.
    pub of: Vec<Condition>,
}

/// What becomes of a packet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It passes.
    Accepted,
    /// It is gone.
    Dropped,
    /// It passes with other addresses.
    Translated(String),
}

/// Chains of rules by name.
#[derive(Debug, Clone, Default)]
pub struct RuleSet {
    chains: BTreeMap<String, Vec<Rule>>,
    bases: BTreeMap<String, Base>,
}

enum Outcome {
    Fell,
    Returned,
    Done(Verdict),
}

impl RuleSet {
    /// Adds a chain, if there is none of that name.
    pub fn chain(&mut self, name: &str) -> &mut Vec<Rule> {
        self.chains.entry(name.to_owned()).or_default()
    }

    /// Has packets come by a chain.
    pub fn base(&mut self, name: &str, base: Base) {
        self.chain(name);
        self.bases.insert(name.to_owned(), base);
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.chains.values().map(Vec::len).sum()
    }

    /// Whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is a chain of that name.
    pub fn has(&self, chain: &str) -> bool {
        self.chains.contains_key(chain)
    }

    /// The names of all chains.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.chains.keys().map(String::as_str)
    }

    /// Packets that rules could tell from each other: for each rule one that it is about, made of `common` and what it asks for,
    /// and others that differ from that one in a single fact.
    pub fn packets_near(&self, common: &Packet) -> Vec<Packet> {
        let mut found = Vec::new();
        for rule in self.chains.values().flatten() {
            let facts: Vec<(&str, Option<u128>, &Span, bool)> = rule
                .conditions
                .iter()
                .flat_map(|one| {
                    // Of many values some stand for all.
                    let step = one.any.len().div_ceil(NEAR).max(1);
                    let some = one.any.iter().step_by(step).chain(one.any.last());
                    let spans = some.flat_map(|spans| one.facts.iter().zip(spans));
                    spans.map(|((fact, mask), span)| (fact.as_str(), *mask, span, one.not))
                })
                .collect();
            let mut about = common.clone();
            for (fact, mask, (first, last), not) in &facts {
                let value = if *not { last.beside(*mask) } else { first.clone() };
                about = about.with(fact, value);
            }
            for (fact, mask, (first, last), _) in &facts {
                let beside = [last.beside(*mask), first.beside(*mask)];
                let values = [first.clone(), last.clone(), last.next(), first.before()];
                for value in values.into_iter().chain(beside) {
                    found.push(about.clone().with(fact, value));
                }
            }
            found.push(about);
        }
        found
    }

    /// What becomes of a packet at a hook.
    pub fn judge(&self, hook: &str, packet: &Packet) -> Verdict {
        let mut met: Vec<(&i32, &String)> = self
            .bases
            .iter()
            .filter(|(_, base)| base.hook == hook && base.of.iter().all(|one| one.holds(packet)))
            .map(|(name, base)| (&base.priority, name))
            .collect();
        met.sort();
        let mut verdict = Verdict::Accepted;
        for (_, name) in met {
            match self.walk(name, packet, 0) {
                Outcome::Done(Verdict::Dropped) => return Verdict::Dropped,
                Outcome::Done(done @ Verdict::Translated(_)) => verdict = done,
                _ => {}
            }
        }
        verdict
    }

    /// What a chain that nothing leads to by itself does with a packet; `None` where it comes to its end.
    pub fn judge_in(&self, chain: &str, packet: &Packet) -> Option<Verdict> {
        match self.walk(chain, packet, 0) {
            Outcome::Done(verdict) => Some(verdict),
            _ => None,
        }
    }

    fn walk(&self, chain: &str, packet: &Packet, depth: usize) -> Outcome {
        assert!(depth < 32, "chains lead to each other: {chain}");
        let rules = self
            .chains
            .get(chain)
            .unwrap_or_else(|| panic!("there is no chain {chain}"));
        for rule in rules {
            if !rule.conditions.iter().all(|one| one.holds(packet)) {
                continue;
            }
            let action = match &rule.action {
                Action::JumpBy(facts, chains) => {
                    let found = find(facts, packet);
                    let leads = chains
                        .iter()
                        .find(|(spans, _)| found.as_ref().is_some_and(|found| is_within(found, spans)));
                    leads.map_or(&Action::Continue, |(_, action)| &**action)
                }
                action => action,
            };
            match action {
                Action::Continue => {}
                Action::Accept => return Outcome::Done(Verdict::Accepted),
                Action::Drop => return Outcome::Done(Verdict::Dropped),
                Action::Translate(words) => return Outcome::Done(Verdict::Translated(words.clone())),
                Action::Return => return Outcome::Returned,
                Action::Goto(name) => return self.walk(name, packet, depth + 1),
                Action::Jump(name) => {
                    if let done @ Outcome::Done(_) = self.walk(name, packet, depth + 1) {
                        return done;
                    }
                }
                Action::JumpBy(..) => panic!("a map leads to a map"),
            }
        }
        Outcome::Fell
    }
}

//! `<rule>`: which packets, and what becomes of them.

use super::filter::priority;
use super::{Kind, Operand, Protocol};
use xml::{Fields, Node, Value, Writer};

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What becomes of packets.
    pub action: Action,
    /// Which way they go.
    pub direction: Direction,
    /// Where it stands in its chain; low ones come first.
    pub priority: i32,
    /// Whether packets the other way that belong to an accepted connection pass as well.
    pub follows_connections: bool,
    /// Which packets; all of the chain where missing.
    pub protocol: Option<Protocol>,
    /// What is asked of them, in the order of the protocol's attributes.
    pub attributes: Vec<Attribute>,
}

/// One thing that is asked of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// What fits it.
    pub kind: Kind,
    /// What it says.
    pub operand: Operand,
    /// Whether a packet must be otherwise.
    pub reversed: bool,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum Action {
    /// It is gone.
    #[xml("drop")]
    Drop,
    /// It passes.
    #[xml("accept")]
    Accept,
    /// It is gone, and who sent it may be told.
    #[xml("reject")]
    Reject,
    /// On with the chain that led here.
    #[xml("return")]
    Return,
    /// On with the next rule.
    #[xml("continue")]
    Continue,
}

/// Which way packets go, as the guest sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum Direction {
    /// To the guest.
    #[xml("in")]
    In,
    /// From the guest.
    #[xml("out")]
    Out,
    /// Either way. Its attributes are those of packets to the guest; the other way sources are destinations.
    #[xml("inout")]
    Both,
}

/// Where a rule stands unless it says it.
const USUAL_PRIORITY: i32 = 500;

/// Attributes that are reversed whenever another one is: a mask with its address, the ports with the first of them.
const TOGETHER: &[(&str, &[&str])] = &[
    ("srcmacaddr", &["srcmacmask"]),
    ("dstmacaddr", &["dstmacmask"]),
    ("srcipaddr", &["srcipmask"]),
    ("dstipaddr", &["dstipmask"]),
    ("srcipfrom", &["srcipto"]),
    ("dstipfrom", &["dstipto"]),
    ("srcportstart", &["srcportend", "dstportstart", "dstportend"]),
    ("dstportstart", &["dstportend"]),
    ("arpsrcipaddr", &["arpsrcipmask"]),
    ("arpdstipaddr", &["arpdstipmask"]),
    ("ipset", &["ipsetflags"]),
];

impl Rule {
    /// What is asked by the attribute of that name.
    pub fn get(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }
}

impl Fields for Rule {
    fn read(node: Node<'_>) -> xml::Result<Self> {
        let statematch = node.attribute("statematch");
        let mut rule = Self {
            action: node.required("action")?,
            direction: node.required("direction")?,
            priority: priority(node)?.unwrap_or(USUAL_PRIORITY),
            follows_connections: !statematch
                .is_some_and(|text| text == "0" || text.eq_ignore_ascii_case("false")),
            protocol: None,
            attributes: Vec::new(),
        };
        for part in node.elements() {
            let Some(protocol) = Protocol::named(part.name()) else {
                continue;
            };
            // All elements of a rule are about the protocol of the first.
            if *rule.protocol.get_or_insert(protocol) == protocol {
                rule.take(protocol, part);
            }
        }
        if let Some(protocol) = rule.protocol {
            rule.complete(protocol);
        }
        Ok(rule)
    }

    fn write_attributes(&self, writer: &mut Writer) {
        writer.value_attribute("action", &self.action);
        writer.value_attribute("direction", &self.direction);
        writer.value_attribute("priority", &self.priority);
        if !self.follows_connections {
            writer.attribute("statematch", "false");
        }
    }

    fn write_children(&self, writer: &mut Writer) {
        let Some(protocol) = self.protocol else { return };
        let of = |reversed| self.attributes.iter().filter(move |one| one.reversed == reversed);
        for reversed in [false, true] {
            if of(reversed).next().is_none() && (reversed || !self.attributes.is_empty()) {
                continue;
            }
            writer.element(protocol.name(), |writer| {
                if reversed {
                    writer.attribute("match", "no");
                }
                for attribute in of(reversed) {
                    writer.attribute(attribute.name, &attribute.operand.format(attribute.kind));
                }
            });
        }
    }
}

impl Rule {
    /// Takes over what an element asks; what does not fit is left out.
    fn take(&mut self, protocol: Protocol, node: Node<'_>) {
        let reversed = node.attribute("match") == Some("no");
        for (name, kind) in protocol.fields() {
            let Some(operand) = node.attribute(name).and_then(|text| Operand::parse(*kind, text)) else {
                continue;
            };
            self.attributes.retain(|known| known.name != *name);
            self.attributes.push(Attribute {
                name,
                kind: *kind,
                operand,
                reversed: reversed && *kind != Kind::Comment,
            });
        }
    }

    /// Puts attributes in order, and gives addresses their masks.
    fn complete(&mut self, protocol: Protocol) {
        for (first, others) in TOGETHER {
            if self.get(first).is_some_and(|first| first.reversed) {
                let others = self
                    .attributes
                    .iter_mut()
                    .filter(|one| others.contains(&one.name));
                others.for_each(|other| other.reversed = true);
            }
        }
        let place = |name: &str| protocol.fields().position(|(known, _)| *known == name);
        self.attributes.sort_by_key(|attribute| place(attribute.name));
    }
}

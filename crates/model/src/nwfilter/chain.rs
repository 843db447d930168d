//! Chains that rules are in: the root, or one whose name begins with the protocol that leads to it.

use std::fmt;

/// What packets a chain is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "as the protocols are called")]
pub enum ChainKind {
    /// Every packet comes by.
    Root,
    /// Every packet is led to it.
    Mac,
    Vlan,
    Stp,
    Arp,
    Rarp,
    Ipv4,
    Ipv6,
}

/// The prefixes of chains' names, and where their chains stand among the rules of the root unless a document says it.
const KINDS: &[(&str, ChainKind, i32)] = &[
    ("root", ChainKind::Root, 0),
    ("stp", ChainKind::Stp, -810),
    ("mac", ChainKind::Mac, -800),
    ("vlan", ChainKind::Vlan, -750),
    ("ipv4", ChainKind::Ipv4, -700),
    ("ipv6", ChainKind::Ipv6, -600),
    ("arp", ChainKind::Arp, -500),
    ("rarp", ChainKind::Rarp, -400),
];

/// The longest name of a chain, in bytes.
const LONGEST: usize = 12;

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Chain {
    name: String,
    kind: ChainKind,
}

impl Default for Chain {
    fn default() -> Self {
        Self {
            name: "root".to_owned(),
            kind: ChainKind::Root,
        }
    }
}

impl Chain {
    /// What packets it is about.
    pub fn kind(&self) -> ChainKind {
        self.kind
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is the root.
    pub fn is_root(&self) -> bool {
        self.kind == ChainKind::Root
    }

    /// Where it stands among the rules of the root unless a document says it.
    pub fn usual_priority(&self) -> i32 {
        KINDS
            .iter()
            .find(|(_, kind, _)| *kind == self.kind)
            .map_or(0, |(_, _, priority)| *priority)
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl xml::Value for Chain {
    const EXPECTED: &'static str = "root, or a name that begins with mac, stp, vlan, arp, rarp, ipv4 or ipv6, has at most 12 letters, \
                                    digits and _-.:";

    fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
        let named = |prefix: &str, kind| match kind {
            ChainKind::Root => text == prefix,
            _ => text.starts_with(prefix) && text.len() <= LONGEST && text.bytes().all(plain),
        };
        let (_, kind, _) = KINDS.iter().find(|(prefix, kind, _)| named(prefix, *kind))?;
        Some(Self {
            name: text.to_owned(),
            kind: *kind,
        })
    }

    fn format(&self) -> std::borrow::Cow<'_, str> {
        (&*self.name).into()
    }
}

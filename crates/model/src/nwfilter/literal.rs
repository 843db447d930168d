//! Values of attributes.

use crate::Mac;
use std::net::IpAddr;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// An Ethernet address, or a mask of one.
    Mac(Mac),
    /// An IP address.
    Ip(IpAddr),
    /// How many bits of an IP address count.
    Prefix(u32),
    /// A number, and whether it was written in hexadecimal.
    Number(u32, bool),
    /// Yes or no.
    Bool(bool),
    /// Text: a comment, or the name of a set.
    Text(String),
    /// Flags of TCP.
    TcpFlags(TcpFlags),
    /// States of connections.
    States(ConnectionStates),
    /// Which addresses of a packet are looked up in a set.
    SetDirections(Vec<SetDirection>),
}

impl Literal {
    /// The number that it is.
    pub fn number(&self) -> Option<u32> {
        match self {
            Self::Number(number, _) | Self::Prefix(number) => Some(*number),
            _ => None,
        }
    }
}

/// Flags of TCP: those that are looked at, and which of them must be set. Bits as in the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the type says it")]
pub struct TcpFlags {
    pub looked_at: u8,
    pub set: u8,
}

/// The flags with their bits in the header, in the order they are written.
pub(super) const TCP_FLAGS: &[(&str, u8)] = &[
    ("SYN", 0x02),
    ("ACK", 0x10),
    ("URG", 0x20),
    ("PSH", 0x08),
    ("FIN", 0x01),
    ("RST", 0x04),
];

/// All of them.
const ALL_FLAGS: u8 = 0x3f;

impl TcpFlags {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (looked_at, set) = text.split_once('/')?;
        Some(Self {
            looked_at: flags(looked_at)?,
            set: flags(set)?,
        })
    }

    pub(super) fn format(self) -> String {
        format!("{}/{}", flag_names(self.looked_at), flag_names(self.set))
    }
}

fn flags(text: &str) -> Option<u8> {
    match text {
        "ALL" => return Some(ALL_FLAGS),
        "NONE" | "" => return Some(0),
        _ => {}
    }
    text.split(',').try_fold(0, |flags, name| {
        let (_, bit) = TCP_FLAGS.iter().find(|(known, _)| *known == name.trim())?;
        Some(flags | bit)
    })
}

fn flag_names(flags: u8) -> String {
    match flags {
        0 => "NONE".to_owned(),
        ALL_FLAGS => "ALL".to_owned(),
        flags => {
            let set = TCP_FLAGS.iter().filter(|(_, bit)| flags & bit != 0);
            set.map(|(name, _)| *name).collect::<Vec<_>>().join(",")
        }
    }
}

/// States of connections that a rule is about, as bits in the order of [`ConnectionStates::NAMES`]; no bit is `NONE`: the rule is about
/// packets, not connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionStates(u8);

impl ConnectionStates {
    /// The states, in the order they are written.
    pub const NAMES: [&'static str; 4] = ["NEW", "ESTABLISHED", "RELATED", "INVALID"];

    pub(super) fn parse(text: &str) -> Option<Self> {
        if text == "NONE" {
            return Some(Self(0));
        }
        let bits = text.split(',').try_fold(0, |bits, name| {
            let place = Self::NAMES.iter().position(|known| *known == name.trim())?;
            Some(bits | 1 << place)
        })?;
        Some(Self(bits))
    }

    pub(super) fn format(self) -> String {
        let names: Vec<&str> = self.names().collect();
        if names.is_empty() {
            return "NONE".to_owned();
        }
        names.join(",")
    }

    /// The states.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let named = Self::NAMES.iter().enumerate();
        named.filter_map(move |(place, name)| (self.0 & 1 << place != 0).then_some(*name))
    }
}

/// An address of a packet that is looked up in a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the type says it")]
pub enum SetDirection {
    Source,
    Destination,
}

impl SetDirection {
    pub(super) fn parse_all(text: &str) -> Option<Vec<Self>> {
        /// The most dimensions of a set.
        const MOST: usize = 6;
        let one = |word: &str| match word.to_ascii_lowercase().as_str() {
            "src" => Some(Self::Source),
            "dst" => Some(Self::Destination),
            _ => None,
        };
        let all: Vec<Self> = text.split(',').map(one).collect::<Option<_>>()?;
        (all.len() <= MOST).then_some(all)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Source => "src",
            Self::Destination => "dst",
        }
    }
}

//! Packets: facts by name, each a number or a word.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::ops::Range;

/// What a fact is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// A number, or an address as one.
    Number(u128),
    /// A word.
    Word(String),
}

impl Value {
    /// The one behind it; for words, one that is no other.
    pub(crate) fn next(&self) -> Self {
        match self {
            Self::Number(number) => Self::Number(number.saturating_add(1)),
            Self::Word(_) => Self::Word("other".to_owned()),
        }
    }

    /// The one before it.
    pub(crate) fn before(&self) -> Self {
        match self {
            Self::Number(number) => Self::Number(number.saturating_sub(1)),
            word => word.clone(),
        }
    }

    /// Another one under a mask, by its lowest bit that counts.
    pub(crate) fn beside(&self, mask: Option<u128>) -> Self {
        match (self, mask) {
            (Self::Number(number), Some(mask)) => Self::Number(number ^ (mask & mask.wrapping_neg())),
            _ => self.next(),
        }
    }

    pub(crate) fn masked(&self, mask: Option<u128>) -> Self {
        match (self, mask) {
            (Self::Number(number), Some(mask)) => Self::Number(number & mask),
            _ => self.clone(),
        }
    }
}

impl From<u128> for Value {
    fn from(number: u128) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Value {
    fn from(word: &str) -> Self {
        Self::Word(word.to_owned())
    }
}

/// An IP address as a number.
pub fn address(text: &str) -> u128 {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.to_bits().into(),
        Ok(IpAddr::V6(address)) => address.to_bits(),
        Err(_) => panic!("'{text}' is no address"),
    }
}

/// An Ethernet address as a number.
pub fn ethernet(text: &str) -> u128 {
    let octets: Vec<&str> = text.split(':').collect();
    assert_eq!(octets.len(), 6, "'{text}' is no Ethernet address");
    octets.iter().fold(0, |number, octet| {
        number << 8 | u128::from(u8::from_str_radix(octet, 16).expect(text))
    })
}

/// A packet: facts by name. Bytes of headers are facts, too: `nh.64+48` is 48 bits behind the first 64 of the network header (`ll` and
/// `th` are those below and above), and is known where each of its bytes is.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Packet {
    facts: BTreeMap<String, Value>,
    /// By the header's first letter and the place in it.
    bytes: BTreeMap<(char, u32), u8>,
}

/// Bytes that are zero are not told.
impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes.iter().filter(|(_, byte)| **byte != 0);
        f.debug_map().entries(&self.facts).entries(bytes).finish()
    }
}

/// The header and the bytes in it that a fact is about, where it is about bytes.
fn place(fact: &str) -> Option<(char, Range<u32>)> {
    let (header, place) = fact.split_once('.')?;
    let (offset, length) = place.split_once('+')?;
    assert!(["ll", "nh", "th"].contains(&header), "{fact} is in no header");
    let (offset, length): (u32, u32) = (offset.parse().ok()?, length.parse().ok()?);
    assert!(offset % 8 == 0 && length % 8 == 0, "{fact} is not whole bytes");
    Some((header.chars().next()?, offset / 8..(offset + length) / 8))
}

impl Packet {
    /// Nothing is known of it.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a fact.
    #[must_use]
    pub fn with(mut self, fact: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        match (place(fact), &value) {
            (Some((header, bytes)), Value::Number(number)) => {
                for (byte, at) in number.to_be_bytes().into_iter().rev().zip(bytes.rev()) {
                    self.bytes.insert((header, at), byte);
                }
            }
            _ => {
                self.facts.insert(fact.to_owned(), value);
            }
        }
        self
    }

    /// With an IP address.
    #[must_use]
    pub fn with_address(self, fact: &str, text: &str) -> Self {
        self.with(fact, address(text))
    }

    /// Without the facts that a test does not keep. Bytes stay.
    #[must_use]
    pub fn only(mut self, keep: impl Fn(&str) -> bool) -> Self {
        self.facts.retain(|fact, _| keep(fact));
        self
    }

    /// A fact that is a number.
    pub fn number(&self, fact: &str) -> Option<u128> {
        match self.get(fact)? {
            Value::Number(number) => Some(number),
            Value::Word(_) => None,
        }
    }

    /// A fact.
    pub fn get(&self, fact: &str) -> Option<Value> {
        let Some((header, mut bytes)) = place(fact) else {
            return self.facts.get(fact).cloned();
        };
        let number = bytes.try_fold(0, |number, at| {
            let byte = self.bytes.get(&(header, at))?;
            Some(number << 8 | u128::from(*byte))
        });
        number.map(Value::Number)
    }
}

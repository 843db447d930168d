//! Kinds of attributes: what texts fit, and how values are written.

use super::{ConnectionStates, Literal, SetDirection, TcpFlags};
use crate::Mac;
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What fits an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An Ethernet address, or a mask of one.
    Mac,
    /// An address of IPv4.
    Ipv4,
    /// An address of IPv6.
    Ipv6,
    /// A mask of addresses of IPv4: its bits or their number.
    Ipv4Mask,
    /// A mask of addresses of IPv6.
    Ipv6Mask,
    /// A number up to this.
    Number(u32),
    /// A protocol on Ethernet, by number or name.
    EtherType,
    /// What an ARP packet wants, by number or name.
    ArpOperation,
    /// A protocol on IP, by number or name.
    IpProtocol,
    /// Yes or no.
    Bool,
    /// Flags of TCP.
    TcpFlags,
    /// States of connections.
    States,
    /// A text for people.
    Comment,
    /// The name of a set of addresses.
    SetName,
    /// Which addresses are looked up in it.
    SetDirections,
}

/// Names of numbers.
type Names = &'static [(&'static str, u32)];

const ETHER_TYPES: Names = &[
    ("ipv4", 0x0800),
    ("ipv6", 0x86dd),
    ("arp", 0x0806),
    ("rarp", 0x8035),
    ("vlan", 0x8100),
];

const ARP_OPERATIONS: Names = &[
    ("Request", 1),
    ("Reply", 2),
    ("Request_Reverse", 3),
    ("Reply_Reverse", 4),
    ("DRARP_Request", 5),
    ("DRARP_Reply", 6),
    ("DRARP_Error", 7),
    ("InARP_Request", 8),
    ("ARP_NAK", 10),
];

const IP_PROTOCOLS: Names = &[
    ("tcp", 6),
    ("udp", 17),
    ("udplite", 136),
    ("esp", 50),
    ("ah", 51),
    ("icmp", 1),
    ("igmp", 2),
    ("sctp", 132),
    ("icmpv6", 58),
];

/// The lowest number of a protocol on Ethernet; below are lengths.
const LOWEST_ETHER_TYPE: u32 = 0x600;

impl Kind {
    /// The names of numbers, and which numbers fit.
    fn numbers(self) -> Option<(Names, std::ops::RangeInclusive<u32>)> {
        Some(match self {
            Self::Number(most) => (&[], 0..=most),
            Self::EtherType => (ETHER_TYPES, LOWEST_ETHER_TYPE..=0xffff),
            Self::ArpOperation => (ARP_OPERATIONS, 0..=0xffff),
            Self::IpProtocol => (IP_PROTOCOLS, 0..=0xff),
            _ => return None,
        })
    }

    /// The value that a text is; `None` where it does not fit.
    pub fn parse(self, text: &str) -> Option<Literal> {
        if let Some((names, range)) = self.numbers() {
            let named = names.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
            let (number, hex) = named.map_or_else(|| number(text), |(_, number)| Some((*number, false)))?;
            return range.contains(&number).then_some(Literal::Number(number, hex));
        }
        Some(match self {
            Self::Mac => Literal::Mac(text.parse::<Mac>().ok()?),
            Self::Ipv4 => Literal::Ip(IpAddr::V4(text.parse().ok()?)),
            Self::Ipv6 => Literal::Ip(IpAddr::V6(text.parse().ok()?)),
            Self::Ipv4Mask => Literal::Prefix(prefix(text, 32, |text| {
                text.parse::<Ipv4Addr>()
                    .ok()
                    .map(|mask| u128::from(mask.to_bits()) << 96)
            })?),
            Self::Ipv6Mask => Literal::Prefix(prefix(text, 128, |text| {
                text.parse::<Ipv6Addr>().ok().map(Ipv6Addr::to_bits)
            })?),
            Self::Bool => Literal::Bool(match text {
                "true" | "yes" | "1" => true,
                "false" | "no" | "0" => false,
                _ => return None,
            }),
            Self::TcpFlags => Literal::TcpFlags(TcpFlags::parse(text)?),
            Self::States => Literal::States(ConnectionStates::parse(text)?),
            Self::Comment => {
                /// The longest comment, in characters.
                const LONGEST: usize = 256;
                Literal::Text(text.chars().take(LONGEST).collect())
            }
            Self::SetName => {
                let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-+ ".contains(&byte);
                let fits = (1..=31).contains(&text.len()) && text.bytes().all(letter);
                return fits.then(|| Literal::Text(text.to_owned()));
            }
            Self::SetDirections => Literal::SetDirections(SetDirection::parse_all(text)?),
            Self::Number(_) | Self::EtherType | Self::ArpOperation | Self::IpProtocol => return None,
        })
    }

    /// A value as documents have it.
    pub(super) fn format(self, literal: &Literal) -> Cow<'_, str> {
        match literal {
            Literal::Mac(mac) => mac.to_string().into(),
            Literal::Ip(address) => address_text(*address).into(),
            Literal::Prefix(length) => length.to_string().into(),
            Literal::Number(number, hex) => {
                let names = self.numbers().map_or(&[] as Names, |(names, _)| names);
                match names.iter().find(|(_, known)| known == number) {
                    Some((name, _)) => (*name).into(),
                    None if *hex => format!("{number:#x}").into(),
                    None => number.to_string().into(),
                }
            }
            Literal::Bool(yes) => if *yes { "true" } else { "false" }.into(),
            Literal::Text(text) => text.clone().into(),
            Literal::TcpFlags(flags) => flags.format().into(),
            Literal::States(states) => states.format().into(),
            Literal::SetDirections(all) => {
                let names: Vec<&str> = all.iter().map(|one| one.name()).collect();
                names.join(",").into()
            }
        }
    }
}

/// An address as the C library has it: one that is IPv4's in its last four bytes and nothing before them, with dots.
fn address_text(address: IpAddr) -> String {
    match address {
        IpAddr::V6(address) if address.to_bits() > 0xffff && address.to_bits() >> 32 == 0 => {
            let [.., a, b, c, d] = address.octets();
            format!("::{}", Ipv4Addr::new(a, b, c, d))
        }
        address => address.to_string(),
    }
}

/// A number, and whether it was written in hexadecimal.
fn number(text: &str) -> Option<(u32, bool)> {
    let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Some((u32::from_str_radix(hex, 16).ok()?, true))
        }
        None if digits => Some((text.parse().ok()?, false)),
        _ => None,
    }
}

/// How many bits count, of a mask with `bits` that `mask` reads into the upper end of a number.
fn prefix(text: &str, bits: u32, mask: impl FnOnce(&str) -> Option<u128>) -> Option<u32> {
    if let Some((length, false)) = number(text) {
        return (length <= bits).then_some(length);
    }
    let mask = mask(text)?;
    let length = mask.leading_ones();
    (mask.count_ones() == length).then_some(length)
}

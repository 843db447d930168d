//! `<ip>`: an address of the host in a network, and the leases that guests get beside it.

use super::IpFamily;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use xml::{Element, Value, YesNo};

/// An address of the host in a network.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "ip")]
pub struct NetworkIp {
    /// Must be given for IPv6.
    #[xml(attr)]
    pub family: Option<IpFamily>,
    /// The address.
    #[xml(attr)]
    pub address: IpAddr,
    /// The network's bits, of IPv4 only and without `prefix`.
    #[xml(attr)]
    pub netmask: Option<Ipv4Addr>,
    /// How many bits are the network's.
    #[xml(attr)]
    pub prefix: Option<u8>,
    /// Names of addresses in this network are asked of nobody else.
    #[xml(attr = "localPtr")]
    pub local_ptr: Option<YesNo>,
    /// Files served.
    #[xml(child)]
    pub tftp: Option<Tftp>,
    /// Leases.
    #[xml(child)]
    pub dhcp: Option<Dhcp>,
}

impl NetworkIp {
    /// How many bits are the network's. Where the document says nothing it is what libvirt takes: the address's class for
    /// IPv4, 64 for IPv6.
    pub fn prefix_length(&self) -> u8 {
        match (self.prefix, self.netmask) {
            (Some(prefix), _) => prefix,
            (None, Some(mask)) => u8::try_from(mask.to_bits().leading_ones()).unwrap_or(32),
            (None, None) => default_prefix_length(self.address),
        }
    }

    /// The network that the address is in.
    pub fn subnet(&self) -> Subnet {
        Subnet::of(self.address, self.prefix_length())
    }
}

/// How many bits are the network's where a document does not say.
pub(super) fn default_prefix_length(address: IpAddr) -> u8 {
    match address {
        IpAddr::V6(_) => 64,
        IpAddr::V4(address) => match address.octets() {
            [0, 0, 0, 0] => 0,
            [0..128, ..] => 8,
            [128..192, ..] => 16,
            [192..224, ..] => 24,
            _ => 0,
        },
    }
}

/// All addresses that start with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subnet {
    address: IpAddr,
    length: u8,
}

impl Subnet {
    /// The addresses that have `length` bits in common with this one.
    pub fn of(address: IpAddr, length: u8) -> Self {
        let (address, length) = match address {
            IpAddr::V4(address) => {
                let length = length.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                (IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask)), length)
            }
            IpAddr::V6(address) => {
                let length = length.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
                (IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask)), length)
            }
        };
        Self { address, length }
    }

    /// The first address: the network's own.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits are common.
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// The last address: for IPv4, everybody's.
    pub fn last(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(address) => {
                let host = u32::MAX.checked_shr(u32::from(self.length)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() | host))
            }
            IpAddr::V6(address) => {
                let host = u128::MAX.checked_shr(u32::from(self.length)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() | host))
            }
        }
    }

    /// Whether the address is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4() && Self::of(address, self.length) == *self
    }

    /// Whether an address is in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }
}

impl fmt::Display for Subnet {
    /// As `192.0.2.0/24`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// Files served to guests that start from the network.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "tftp")]
pub struct Tftp {
    /// Their folder.
    #[xml(attr)]
    pub root: String,
}

/// Leases of addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "dhcp")]
pub struct Dhcp {
    /// For whoever asks.
    #[xml(children = "range")]
    pub ranges: Vec<DhcpRange>,
    /// For those who are known.
    #[xml(children = "host")]
    pub hosts: Vec<DhcpHost>,
    /// What guests start from.
    #[xml(child)]
    pub bootp: Option<Bootp>,
}

/// Addresses for whoever asks, both ends included.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "range")]
pub struct DhcpRange {
    /// The first.
    #[xml(attr)]
    pub start: IpAddr,
    /// The last.
    #[xml(attr)]
    pub end: IpAddr,
    /// For how long.
    #[xml(child)]
    pub lease: Option<Lease>,
}

impl DhcpRange {
    /// How many addresses there are, up to what a number holds; 0 where start and end do not fit together.
    pub fn size(&self) -> u64 {
        match (self.start, self.end) {
            (IpAddr::V4(start), IpAddr::V4(end)) => {
                (u64::from(end.to_bits()) + 1).saturating_sub(u64::from(start.to_bits()))
            }
            (IpAddr::V6(start), IpAddr::V6(end)) => match end.to_bits().checked_sub(start.to_bits()) {
                Some(distance) => u64::try_from(distance).unwrap_or(u64::MAX).saturating_add(1),
                None => 0,
            },
            _ => 0,
        }
    }

    /// Whether an address is in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.start.is_ipv4() == other.start.is_ipv4() && self.start <= other.end && other.start <= self.end
    }
}

/// A host that is known: by `mac`, `id` or `name`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "host")]
pub struct DhcpHost {
    /// Its card's address, in the writer's letters (IPv4 only).
    #[xml(attr)]
    pub mac: Option<String>,
    /// What it says it is (DUID).
    #[xml(attr)]
    pub id: Option<String>,
    /// Its name.
    #[xml(attr)]
    pub name: Option<String>,
    /// The address that it gets. `None` only in a change that names a host by other things.
    #[xml(attr)]
    pub ip: Option<IpAddr>,
    /// For how long.
    #[xml(child)]
    pub lease: Option<Lease>,
}

impl DhcpHost {
    /// Its card's address.
    pub fn mac_address(&self) -> Option<crate::Mac> {
        self.mac.as_deref()?.parse().ok()
    }
}

/// For how long an address is leased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Element)]
#[xml(element = "lease")]
pub struct Lease {
    /// How many units; 0: for ever. Without it the element says nothing.
    #[xml(attr)]
    pub expiry: Option<u64>,
    /// Of what; minutes where missing.
    #[xml(attr)]
    pub unit: Option<LeaseUnit>,
}

impl Lease {
    /// The shortest lease, in seconds.
    pub const SHORTEST: u64 = 120;

    /// Seconds, as many as a number holds; 0: for ever.
    pub fn seconds(&self) -> u64 {
        let unit = match self.unit.unwrap_or_default() {
            LeaseUnit::Seconds => 1,
            LeaseUnit::Minutes => 60,
            LeaseUnit::Hours => 3600,
        };
        self.expiry.unwrap_or(0).saturating_mul(unit)
    }
}

/// Units of leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Value)]
#[allow(missing_docs, reason = "the words say it")]
pub enum LeaseUnit {
    #[xml("seconds")]
    Seconds,
    #[xml("minutes")]
    #[default]
    Minutes,
    #[xml("hours")]
    Hours,
}

/// What guests start from.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "bootp")]
pub struct Bootp {
    /// The file.
    #[xml(attr)]
    pub file: String,
    /// The server that has it; the network's own where missing.
    #[xml(attr)]
    pub server: Option<IpAddr>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(address: &str, length: u8) -> Subnet {
        Subnet::of(address.parse().unwrap(), length)
    }

    #[test]
    fn a_subnet_is_all_addresses_that_start_alike() {
        let net = subnet("192.0.2.77", 24);
        assert_eq!(
            (net.to_string(), net.last().to_string()),
            ("192.0.2.0/24".into(), "192.0.2.255".into())
        );
        assert!(net.contains("192.0.2.255".parse().unwrap()) && !net.contains("192.0.3.0".parse().unwrap()));
        assert!(!net.contains("::c000:201".parse().unwrap()));
        assert!(net.overlaps(&subnet("192.0.0.0", 16)) && subnet("192.0.0.0", 16).overlaps(&net));
        assert!(!net.overlaps(&subnet("192.0.3.0", 24)));
        let all = subnet("fd00::1", 0);
        assert!(
            all.contains("::".parse().unwrap())
                && all.last().to_string() == "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
        );
        assert_eq!(subnet("10.1.2.3", 32).last(), subnet("10.1.2.3", 32).address());
    }

    #[test]
    fn ranges_know_their_size() {
        let range = |start: &str, end: &str| DhcpRange {
            start: start.parse().unwrap(),
            end: end.parse().unwrap(),
            lease: None,
        };
        assert_eq!(range("10.0.0.1", "10.0.0.1").size(), 1);
        assert_eq!(range("10.0.0.2", "10.0.0.1").size(), 0);
        assert_eq!(range("0.0.0.0", "255.255.255.255").size(), 1 << 32);
        assert_eq!(
            range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff").size(),
            u64::MAX
        );
        assert_eq!(range("10.0.0.1", "fd00::1").size(), 0);
    }
}

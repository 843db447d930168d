//! Addresses and routes of a network card or of the host's end of its tap.

use std::net::{IpAddr, Ipv4Addr};

use xml::{Element, Value};

/// `<ip address='192.0.2.2' family='ipv4' prefix='24'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "ip")]
pub struct IpAddress {
    #[xml(attr)]
    pub address: String,
    /// As the address has it where missing.
    #[xml(attr)]
    pub family: Option<IpFamily>,
    #[xml(attr)]
    pub prefix: Option<u32>,
    /// The other end of a point-to-point link.
    #[xml(attr)]
    pub peer: Option<String>,
}

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum IpFamily {
    #[xml("ipv4")]
    Ipv4,
    #[xml("ipv6")]
    Ipv6,
}

/// `<route family='ipv4' address='192.0.2.0' prefix='24' gateway='192.0.2.1'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "route")]
pub struct IpRoute {
    /// Must be given for IPv6.
    #[xml(attr)]
    pub family: Option<IpFamily>,
    #[xml(attr)]
    pub address: IpAddr,
    /// IPv4 only, and without `prefix`.
    #[xml(attr)]
    pub netmask: Option<Ipv4Addr>,
    #[xml(attr)]
    pub prefix: Option<u32>,
    #[xml(attr)]
    pub gateway: IpAddr,
    #[xml(attr)]
    pub metric: Option<u32>,
}

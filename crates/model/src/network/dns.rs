//! `<dns>`: what a network's name server knows by itself, and whom it asks.

use std::net::IpAddr;
use xml::{Element, YesNo};

/// What a network's name server knows by itself, and whom it asks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "dns")]
pub struct Dns {
    /// `no`: there is no name server.
    #[xml(attr)]
    pub enable: Option<YesNo>,
    /// `no`: names without a dot are asked of nobody.
    #[xml(attr = "forwardPlainNames")]
    pub forward_plain_names: Option<YesNo>,
    /// Whom it asks.
    #[xml(children = "forwarder")]
    pub forwarders: Vec<Forwarder>,
    /// Texts.
    #[xml(children = "txt")]
    pub txts: Vec<Txt>,
    /// Services.
    #[xml(children = "srv")]
    pub srvs: Vec<Srv>,
    /// Hosts.
    #[xml(children = "host")]
    pub hosts: Vec<DnsHost>,
}

impl Dns {
    /// Whether it knows or asks anything of its own.
    pub fn has_records(&self) -> bool {
        !(self.forwarders.is_empty() && self.txts.is_empty() && self.srvs.is_empty() && self.hosts.is_empty())
    }
}

/// A server to ask. One of both parts is there at least.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "forwarder")]
pub struct Forwarder {
    /// For names in this domain alone.
    #[xml(attr)]
    pub domain: Option<String>,
    /// The server; where it is missing names in the domain are asked of whom the host asks.
    #[xml(attr)]
    pub addr: Option<IpAddr>,
}

/// A text.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "txt")]
pub struct Txt {
    /// The name asked for.
    #[xml(attr)]
    pub name: String,
    /// The text, or several with commas between them.
    #[xml(attr)]
    pub value: String,
}

/// A service (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "srv")]
pub struct Srv {
    /// The service.
    #[xml(attr)]
    pub service: String,
    /// `tcp`, `udp` or another.
    #[xml(attr)]
    pub protocol: String,
    /// The domain that has it; the network's own where missing.
    #[xml(attr)]
    pub domain: Option<String>,
    /// The host that serves it; nobody does where missing.
    #[xml(attr)]
    pub target: Option<String>,
    /// The port there.
    #[xml(attr)]
    pub port: Option<u16>,
    /// Low ones are asked first.
    #[xml(attr)]
    pub priority: Option<u16>,
    /// The share among those of one priority.
    #[xml(attr)]
    pub weight: Option<u16>,
}

/// A host with its names.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "host")]
pub struct DnsHost {
    /// Its address. `None` in a change that names it by its names alone.
    #[xml(attr)]
    pub ip: Option<IpAddr>,
    /// Its names.
    #[xml(value = "hostname")]
    pub hostnames: Vec<String>,
}

//! `<forward>`: how a network's traffic leaves the host, or which cards of the host guests get.

use crate::domain::devices::address::PciAddress;
use crate::domain::devices::hostdev::HostdevDriver;
use std::net::Ipv4Addr;
use xml::{Element, Fields, Hex, Node, Value, Writer, YesNo};

/// How a network's traffic leaves the host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "forward")]
pub struct Forward {
    /// The first of the interfaces, again.
    #[xml(attr)]
    pub dev: Option<String>,
    /// The way.
    #[xml(attr, default)]
    pub mode: ForwardMode,
    /// Devices are taken from the host's drivers and given back (mode `hostdev`).
    #[xml(attr)]
    pub managed: Option<YesNo>,
    /// How devices are passed through.
    #[xml(child)]
    pub driver: Option<HostdevDriver>,
    /// Which addresses and ports guests' packets leave with.
    #[xml(child)]
    pub nat: Option<Nat>,
    /// A card whose virtual functions are the pool.
    #[xml(child)]
    pub pf: Option<PhysicalFunction>,
    /// Interfaces of the host: the only way out, or the pool.
    #[xml(children = "interface")]
    pub interfaces: Vec<ForwardInterface>,
    /// Devices of the host that are the pool.
    #[xml(children = "address")]
    pub addresses: Vec<ForwardPci>,
}

/// The way that a network's traffic takes out of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Value)]
pub enum ForwardMode {
    /// None: guests and host talk among themselves.
    #[xml("none")]
    None,
    /// The host routes, and puts its own address on what leaves.
    #[xml("nat")]
    #[default]
    Nat,
    /// The host routes.
    #[xml("route")]
    Route,
    /// The host routes, and nobody sets rules for it.
    #[xml("open")]
    Open,
    /// A bridge that is there, or macvtaps that see each other.
    #[xml("bridge")]
    Bridge,
    /// macvtaps that do not see each other.
    #[xml("private")]
    Private,
    /// macvtaps whose switch is outside.
    #[xml("vepa")]
    Vepa,
    /// One macvtap alone on its card.
    #[xml("passthrough")]
    Passthrough,
    /// Devices of the host, passed through.
    #[xml("hostdev")]
    Hostdev,
}

impl ForwardMode {
    /// Whether the daemon makes the bridge, and so sets addresses, rules and services.
    pub const fn has_own_bridge(self) -> bool {
        matches!(self, Self::None | Self::Nat | Self::Route | Self::Open)
    }

    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Nat => "nat",
            Self::Route => "route",
            Self::Open => "open",
            Self::Bridge => "bridge",
            Self::Private => "private",
            Self::Vepa => "vepa",
            Self::Passthrough => "passthrough",
            Self::Hostdev => "hostdev",
        }
    }
}

/// Which addresses and ports guests' packets leave with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "nat")]
pub struct Nat {
    /// IPv6 gets the host's address as well.
    #[xml(attr)]
    pub ipv6: Option<YesNo>,
    /// Addresses to take; the interface's own where missing.
    #[xml(child)]
    pub address: Option<NatAddresses>,
    /// Ports to take; 1024 to 65535 where missing.
    #[xml(child)]
    pub port: Option<NatPorts>,
}

/// A range of addresses, both ends in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
#[xml(element = "address")]
#[allow(missing_docs, reason = "as they are called")]
pub struct NatAddresses {
    #[xml(attr)]
    pub start: Ipv4Addr,
    #[xml(attr)]
    pub end: Ipv4Addr,
}

/// A range of ports, both ends in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
#[xml(element = "port")]
#[allow(missing_docs, reason = "as they are called")]
pub struct NatPorts {
    #[xml(attr)]
    pub start: u16,
    #[xml(attr)]
    pub end: u16,
}

/// A card with virtual functions.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "pf")]
pub struct PhysicalFunction {
    /// Its interface.
    #[xml(attr)]
    pub dev: String,
}

/// An interface of the host.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "interface")]
pub struct ForwardInterface {
    /// Its name.
    #[xml(attr)]
    pub dev: String,
    /// How many guests use it; told by the daemon of a running network.
    #[xml(attr)]
    pub connections: Option<u32>,
}

/// A PCI device of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForwardPci {
    /// Its place.
    pub address: PciAddress,
    /// How many guests use it; told by the daemon of a running network.
    pub connections: Option<u32>,
}

impl Fields for ForwardPci {
    fn read(node: Node<'_>) -> xml::Result<Self> {
        match node.attribute("type") {
            Some("pci") => {}
            Some(other) => {
                return Err(xml::Error::unsupported(format!(
                    "<forward><address>: type='{other}' is not 'pci'"
                )));
            }
            None => return Err(xml::Error::invalid("<forward><address>: 'type' is missing")),
        }
        let mut address = PciAddress::read(node)?;
        // They are places on the host: nothing of a guest's bus counts.
        (address.multifunction, address.zpci) = (None, None);
        Ok(Self {
            address,
            connections: node.optional("connections")?,
        })
    }

    fn write_attributes(&self, writer: &mut Writer) {
        writer.attribute("type", "pci");
        write_place(&self.address, writer);
        if let Some(connections) = &self.connections {
            writer.value_attribute("connections", connections);
        }
    }

    fn write_children(&self, _: &mut Writer) {}
}

/// All four numbers, whatever they are: no device of a host is "not assigned".
pub(super) fn write_place(place: &PciAddress, writer: &mut Writer) {
    writer.value_attribute("domain", &Hex::<u32, 4>(place.domain));
    writer.value_attribute("bus", &Hex::<u8, 2>(place.bus));
    writer.value_attribute("slot", &Hex::<u8, 2>(place.slot));
    writer.value_attribute("function", &Hex::<u8, 1>(place.function));
}

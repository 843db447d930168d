//! Networks: `<network>`, and `<networkport>`, a guest's connection to one.
//!
//! [`Network::from_xml`] and [`NetworkPort::from_xml`] are how documents of users get in: they read, refuse what cannot be,
//! whatever the host, and fill in what libvirt always writes. [`Network::validate`] holds what is new against what its mode
//! can do. What the host says is for the driver to look at.
//!
//! Types that interfaces of domains have as well are theirs, in [`crate::domain::devices`].

mod address;
mod bridge;
mod check;
mod clash;
mod dns;
mod document;
mod forward;
mod options;
mod port;
mod port_group;
mod update;

pub use crate::domain::devices::bandwidth::{Bandwidth, Rate};
pub use crate::domain::devices::interface::{Mtu, PortOptions};
pub use crate::domain::devices::interface_source::{DirectMode, MacTableManager};
pub use crate::domain::devices::ip::{IpFamily, IpRoute};
pub use crate::domain::devices::virtual_port::{
    VirtualPort, VirtualPortParameters, VirtualPortType, Vlan, VlanTag,
};
pub use address::{Bootp, Dhcp, DhcpHost, DhcpRange, Lease, LeaseUnit, NetworkIp, Subnet, Tftp};
pub use bridge::{Bridge, BridgeMac, DnsDomain};
pub use clash::route_subnet;
pub use dns::{Dns, DnsHost, Forwarder, Srv, Txt};
pub use document::Network;
pub use forward::{
    Forward, ForwardInterface, ForwardMode, ForwardPci, Nat, NatAddresses, NatPorts, PhysicalFunction,
};
pub use options::{DNSMASQ_NAMESPACE, DnsmasqOption, DnsmasqOptions};
pub use port::{HostPci, NetworkPort, Plug, PortBandwidth, PortOwner, RxFilters};
pub use port_group::PortGroup;
pub use update::{Section, UpdateCommand};

use crate::domain::devices::Interface;
use crate::domain::devices::interface::InterfaceKind;
use error::{Code, Domain, Error};

/// What a client hears of a document about networks that does not fit.
fn refused(error: xml::Error) -> Error {
    match &error {
        // Elements whose every fault is libvirt's `VIR_ERR_XML_DETAIL`.
        xml::Error::Attribute { element, .. } | xml::Error::MissingAttribute { element, .. }
            if matches!(element.as_str(), "txt" | "srv") =>
        {
            Error::new(Code::XmlDetail, Domain::Network, error.to_string())
        }
        xml::Error::Text { element, .. } if element == "uuid" => {
            Error::new(Code::InternalError, Domain::Network, error.to_string())
        }
        xml::Error::Attribute {
            attribute: "mode",
            value,
            ..
        } => Error::new(
            Code::ConfigUnsupported,
            Domain::Network,
            format!("<forward>: there is no mode='{value}'"),
        ),
        xml::Error::Root { .. } | xml::Error::Attribute { .. } | xml::Error::MissingAttribute { .. } => {
            crate::document_error(error).in_domain(Domain::Xml)
        }
        _ => crate::document_error(error).in_domain(Domain::Network),
    }
}

/// Something that a document lacks or says wrong.
fn wrong(sentence: impl Into<String>) -> Error {
    Error::new(Code::XmlError, Domain::Network, sentence)
}

/// Something that a document says right, but that no network can be.
fn unsupported(sentence: impl Into<String>) -> Error {
    Error::new(Code::ConfigUnsupported, Domain::Network, sentence)
}

/// Completes what interfaces of guests have as ports of networks have: limits and tags. In a definition a floor is for interfaces of
/// the type `network`.
///
/// # Errors
/// As [`NetworkPort::from_xml`].
pub fn complete_interface(interface: &mut Interface) -> error::Result<()> {
    use check::limits::{Floor, bandwidth, vlan};
    // What the network made of it in a live document.
    let on_network = match &interface.kind {
        InterfaceKind::Network { .. } => true,
        InterfaceKind::Bridge { source } => source.as_ref().is_some_and(|source| source.network.is_some()),
        InterfaceKind::Direct { source } => source.network.is_some(),
        _ => false,
    };
    let floor = if on_network {
        Floor::Allowed
    } else {
        Floor::Refused
    };
    interface.bandwidth = bandwidth(interface.bandwidth.take(), floor)?;
    interface.vlan = vlan(interface.vlan.take())?;
    Ok(())
}

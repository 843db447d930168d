//! `<network>` itself.

use super::{
    Bandwidth, Bridge, BridgeMac, Dns, DnsDomain, DnsmasqOptions, Forward, ForwardMode, IpRoute, Mtu,
    NetworkIp, PortGroup, PortOptions, VirtualPort, Vlan,
};
use crate::Uuid;
use error::Result;
use xml::{Element, RawElement, YesNo};

/// A network.
#[derive(Debug, Clone, PartialEq, Default, Element)]
#[xml(
    element = "network",
    namespace(dnsmasq = "http://libvirt.org/schemas/network/dnsmasq/1.0")
)]
pub struct Network {
    /// How many interfaces of guests are connected; told by the daemon of a running network.
    #[xml(attr)]
    pub connections: Option<u32>,
    /// Lets guests talk IPv6 with each other where the network has no IPv6 address.
    #[xml(attr)]
    pub ipv6: Option<YesNo>,
    /// What interfaces get that do not say it themselves.
    #[xml(attr = "trustGuestRxFilters")]
    pub trust_guest_rx_filters: Option<YesNo>,
    /// What the daemon calls it.
    #[xml(value = "name", default)]
    pub name: String,
    /// `None` leaves the choice to the daemon.
    #[xml(value = "uuid")]
    pub uuid: Option<Uuid>,
    /// A line about it.
    #[xml(value = "title")]
    pub title: Option<String>,
    /// A text about it.
    #[xml(value = "description")]
    pub description: Option<String>,
    /// What applications keep with it.
    #[xml(raw = "metadata")]
    pub metadata: Option<RawElement>,
    /// How its traffic leaves the host; not at all where missing.
    #[xml(child)]
    pub forward: Option<Forward>,
    /// The bridge that it is.
    #[xml(child)]
    pub bridge: Option<Bridge>,
    /// The size of packets on the bridge and all taps of it.
    #[xml(child)]
    pub mtu: Option<Mtu>,
    /// The bridge's own address; `None` leaves the choice to the daemon.
    #[xml(child)]
    pub mac: Option<BridgeMac>,
    /// The DNS domain of its guests.
    #[xml(child)]
    pub domain: Option<DnsDomain>,
    /// What the name server knows and whom it asks.
    #[xml(child)]
    pub dns: Option<Dns>,
    /// Tags of every guest's packets.
    #[xml(child)]
    pub vlan: Option<Vlan>,
    /// Limits of all guests together.
    #[xml(child)]
    pub bandwidth: Option<Bandwidth>,
    /// What every guest's port is like.
    #[xml(child)]
    pub port: Option<PortOptions>,
    /// The host's own addresses in it.
    #[xml(children = "ip")]
    pub ips: Vec<NetworkIp>,
    /// What is reached through a guest.
    #[xml(children = "route")]
    pub routes: Vec<IpRoute>,
    /// What the switch is told about every guest.
    #[xml(child = "virtualport")]
    pub virtual_port: Option<VirtualPort>,
    /// Classes of guests.
    #[xml(children = "portgroup")]
    pub port_groups: Vec<PortGroup>,
    /// Lines for dnsmasq.
    #[xml(child = "dnsmasq:options")]
    pub options: Option<DnsmasqOptions>,
}

impl Network {
    /// Reads a document and refuses what cannot be. What only the daemon can tell is forgotten.
    ///
    /// # Errors
    /// As stock daemons: [`error::Code::XmlDetail`] for what is no XML, [`error::Code::InternalError`] for a UUID that is none,
    /// [`error::Code::ConfigUnsupported`] for what no network can be, [`error::Code::XmlError`] for everything else that is wrong.
    pub fn from_xml(text: &str) -> Result<Self> {
        let mut network: Self = xml::from_str(text).map_err(super::refused)?;
        network.forget_figures();
        super::check::network(&mut network)?;
        Ok(network)
    }

    /// Without the numbers that only the daemon of a running network can tell.
    fn forget_figures(&mut self) {
        self.connections = None;
        if let Some(forward) = &mut self.forward {
            for interface in &mut forward.interfaces {
                interface.connections = None;
            }
            for device in &mut forward.addresses {
                device.connections = None;
            }
        }
    }

    /// Holds a document that is to be defined or created against what its mode can do.
    ///
    /// # Errors
    /// [`error::Code::ConfigUnsupported`], naming the element.
    pub fn validate(&self) -> Result<()> {
        super::check::validate(self)
    }

    /// The whole document.
    pub fn to_xml(&self) -> String {
        xml::to_string(self)
    }

    /// How its traffic leaves the host.
    pub fn mode(&self) -> ForwardMode {
        self.forward
            .as_ref()
            .map_or(ForwardMode::None, |forward| forward.mode)
    }

    /// The name of its bridge, where one is chosen.
    pub fn bridge_name(&self) -> Option<&str> {
        self.bridge.as_ref()?.name.as_deref()
    }

    /// The addresses of one family.
    pub fn ips_of(&self, ipv6: bool) -> impl Iterator<Item = &NetworkIp> {
        self.ips.iter().filter(move |ip| ip.address.is_ipv6() == ipv6)
    }

    /// The class of that name, or, without a name, the one for everybody else.
    pub fn port_group(&self, name: Option<&str>) -> Option<&PortGroup> {
        self.port_groups.iter().find(|group| match name {
            Some(name) => group.name == name,
            None => group.default == Some(YesNo::Yes),
        })
    }
}

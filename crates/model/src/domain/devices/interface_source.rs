//! `<source>` of a network card, one type for each kind of connection.

use xml::{Element, Fields, Value, YesNo};

use super::address::{PciAddress, UsbHostAddress};
use super::chardev::Reconnect;
use super::hostdev::UsbId;
use super::ip::{IpAddress, IpRoute};
use crate::Uuid;

/// User-mode network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "source")]
pub struct UserSource {
    /// Host interface whose addresses and routes passt copies.
    #[xml(attr)]
    pub dev: Option<String>,
}

/// Addresses and routes of the host's end of a tap.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "source")]
pub struct EthernetSource {
    #[xml(children = "ip")]
    pub ips: Vec<IpAddress>,
    #[xml(children = "route")]
    pub routes: Vec<IpRoute>,
}

/// Socket of a vhost-user switch; with the passt backend, the host interface instead.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "source")]
pub struct VhostUserNicSource {
    /// Always `unix`.
    #[xml(attr = "type")]
    pub transport: Option<String>,
    #[xml(attr)]
    pub path: Option<String>,
    #[xml(attr)]
    pub mode: Option<SocketRole>,
    #[xml(attr)]
    pub dev: Option<String>,
    #[xml(child)]
    pub reconnect: Option<Reconnect>,
}

/// Side that QEMU takes of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum SocketRole {
    #[xml("server")]
    Server,
    #[xml("client")]
    Client,
}

/// A TCP or multicast tunnel between guests.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "source")]
pub struct AddressPort {
    #[xml(attr)]
    pub address: Option<String>,
    #[xml(attr)]
    pub port: u16,
}

/// A UDP tunnel between guests.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "source")]
pub struct UdpTunnel {
    #[xml(attr)]
    pub address: String,
    #[xml(attr)]
    pub port: u16,
    #[xml(child)]
    pub local: UdpLocal,
}

/// The local end of a UDP tunnel.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "local")]
pub struct UdpLocal {
    #[xml(attr)]
    pub address: String,
    #[xml(attr)]
    pub port: u16,
}

/// A virtual network; live documents add what the port was made of.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "source")]
pub struct NetworkPort {
    #[xml(attr)]
    pub network: String,
    #[xml(attr)]
    pub portgroup: Option<String>,
    #[xml(attr)]
    pub portid: Option<Uuid>,
    #[xml(attr)]
    pub bridge: Option<String>,
    #[xml(attr)]
    pub dev: Option<String>,
    #[xml(attr = "macTableManager")]
    pub mac_table_manager: Option<MacTableManager>,
}

/// A bridge of the host; live documents name the virtual network that chose it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "source")]
pub struct BridgeSource {
    #[xml(attr)]
    pub network: Option<String>,
    #[xml(attr)]
    pub portgroup: Option<String>,
    #[xml(attr)]
    pub portid: Option<Uuid>,
    #[xml(attr)]
    pub bridge: Option<String>,
    #[xml(attr = "macTableManager")]
    pub mac_table_manager: Option<MacTableManager>,
}

/// Who fills a bridge's table of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum MacTableManager {
    /// The kernel learns and floods.
    #[xml("kernel")]
    Kernel,
    /// The daemon enters the guests' addresses.
    #[xml("libvirt")]
    Libvirt,
}

/// VirtualBox's internal network.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "source")]
pub struct InternalSource {
    #[xml(attr)]
    pub name: String,
}

/// A card of the host under a macvtap; live documents name the virtual network that chose it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "source")]
pub struct DirectSource {
    #[xml(attr)]
    pub network: Option<String>,
    #[xml(attr)]
    pub portgroup: Option<String>,
    #[xml(attr)]
    pub portid: Option<Uuid>,
    #[xml(attr)]
    pub dev: Option<String>,
    #[xml(attr)]
    pub mode: Option<DirectMode>,
}

/// Modes of a macvtap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum DirectMode {
    /// All traffic goes to the switch outside, which sends it back where it must.
    #[xml("vepa")]
    Vepa,
    #[xml("private")]
    Private,
    #[xml("bridge")]
    Bridge,
    #[xml("passthrough")]
    Passthrough,
}

/// A passed-through card: by address (`type` is `pci` or `usb`), or by USB vendor and product.
#[derive(Debug, Clone, PartialEq, Default, Element)]
#[xml(element = "source")]
pub struct HostdevNicSource {
    /// Live documents: the device was not there.
    #[xml(attr)]
    pub missing: Option<YesNo>,
    #[xml(child)]
    pub vendor: Option<UsbId>,
    #[xml(child)]
    pub product: Option<UsbId>,
    #[xml(child)]
    pub address: Option<HostNicAddress>,
}

/// Where a passed-through card is on the host.
#[derive(Debug, Clone, PartialEq, Fields)]
#[xml(tag = "type")]
pub enum HostNicAddress {
    #[xml(name = "pci")]
    Pci(PciAddress),
    #[xml(name = "usb")]
    Usb(UsbHostAddress),
}

super::element_of_fields!(HostNicAddress, "address");

/// A vDPA device of the host.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "source")]
pub struct VdpaNicSource {
    #[xml(attr)]
    pub dev: String,
}

/// A port of VMware's distributed switch.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "source")]
pub struct VdsSource {
    #[xml(attr)]
    pub switchid: Uuid,
    #[xml(attr)]
    pub portid: Option<i64>,
    #[xml(attr)]
    pub portgroupid: Option<String>,
    #[xml(attr)]
    pub connectionid: Option<i64>,
}

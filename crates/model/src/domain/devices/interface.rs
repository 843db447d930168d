//! `<interface>`: a network card of the guest.
//!
//! `type` chooses what the card is plugged into ([`InterfaceKind`]); the rest is the same for all of them: the
//! device in the guest (mac, model, driver), the tap on the host (target, script, tuning) and limits.

use xml::{Element, Fields, OnOff, Value, YesNo};

use super::bandwidth::Bandwidth;
use super::disk::BackendDomain;
use super::info::{DeviceInfo, Teaming, VirtioOptions};
use super::interface_source::{
    AddressPort, BridgeSource, DirectSource, EthernetSource, HostdevNicSource, InternalSource, NetworkPort,
    UdpTunnel, UserSource, VdpaNicSource, VdsSource, VhostUserNicSource,
};
use super::ip::{IpAddress, IpRoute};
use super::virtual_port::{VirtualPort, Vlan};
use crate::Mac;

/// A network card.
#[derive(Debug, Clone, PartialEq, Default, Element)]
#[xml(element = "interface", leading = "type")]
pub struct Interface {
    /// Passed-through cards: taken from the host's driver and given back.
    #[xml(attr)]
    pub managed: Option<YesNo>,
    /// Whether the host follows changes of address and filters that the guest makes.
    #[xml(attr = "trustGuestRxFilters")]
    pub trust_guest_rx_filters: Option<YesNo>,
    #[xml(child)]
    pub mac: Option<InterfaceMac>,
    #[xml(flatten)]
    pub kind: InterfaceKind,
    #[xml(child)]
    pub vlan: Option<Vlan>,
    #[xml(child = "virtualport")]
    pub virtual_port: Option<VirtualPort>,
    #[xml(child)]
    pub bandwidth: Option<Bandwidth>,
    #[xml(child)]
    pub port: Option<PortOptions>,
    /// Addresses of the guest's end.
    #[xml(children = "ip")]
    pub ips: Vec<IpAddress>,
    #[xml(children = "route")]
    pub routes: Vec<IpRoute>,
    #[xml(children = "portForward")]
    pub port_forwards: Vec<PortForward>,
    #[xml(child)]
    pub script: Option<ScriptPath>,
    #[xml(child = "downscript")]
    pub down_script: Option<ScriptPath>,
    #[xml(child = "backenddomain")]
    pub backend_domain: Option<BackendDomain>,
    /// The host's end.
    #[xml(child)]
    pub target: Option<InterfaceTarget>,
    /// Name in a container.
    #[xml(child)]
    pub guest: Option<InterfaceGuest>,
    #[xml(child)]
    pub model: Option<InterfaceModel>,
    #[xml(child)]
    pub driver: Option<InterfaceDriver>,
    #[xml(child)]
    pub backend: Option<InterfaceBackend>,
    #[xml(child = "filterref")]
    pub filter_ref: Option<FilterRef>,
    #[xml(child)]
    pub tune: Option<InterfaceTune>,
    #[xml(child)]
    pub teaming: Option<Teaming>,
    #[xml(child)]
    pub link: Option<LinkState>,
    #[xml(child)]
    pub mtu: Option<Mtu>,
    #[xml(child)]
    pub coalesce: Option<Coalesce>,
    #[xml(flatten)]
    pub info: DeviceInfo,
}

impl Interface {
    /// The address of the card, if given or assigned.
    pub fn mac_address(&self) -> Option<Mac> {
        self.mac.as_ref().and_then(|mac| mac.address)
    }

    /// The name of the host's end, if given or assigned.
    pub fn target_dev(&self) -> Option<&str> {
        self.target.as_ref().and_then(|target| target.dev.as_deref())
    }

    /// The model's name.
    pub fn model_name(&self) -> Option<&str> {
        self.model.as_ref().map(|model| model.kind.as_str())
    }

    /// Whether the model is virtio of any generation.
    pub fn is_virtio(&self) -> bool {
        matches!(
            self.model_name(),
            Some("virtio" | "virtio-transitional" | "virtio-non-transitional")
        )
    }
}

/// What a network card is plugged into.
#[derive(Debug, Clone, PartialEq, Fields)]
#[xml(tag = "type", default = "user")]
pub enum InterfaceKind {
    /// QEMU's own user-mode network, or passt.
    #[xml(name = "user")]
    User {
        #[xml(child)]
        source: Option<UserSource>,
    },
    /// A tap that a script or the administrator connects.
    #[xml(name = "ethernet")]
    Ethernet {
        #[xml(child)]
        source: Option<EthernetSource>,
    },
    #[xml(name = "vhostuser")]
    VhostUser {
        #[xml(child)]
        source: Option<VhostUserNicSource>,
    },
    #[xml(name = "server")]
    Server {
        #[xml(child)]
        source: AddressPort,
    },
    #[xml(name = "client")]
    Client {
        #[xml(child)]
        source: AddressPort,
    },
    #[xml(name = "mcast")]
    Mcast {
        #[xml(child)]
        source: AddressPort,
    },
    #[xml(name = "udp")]
    Udp {
        #[xml(child)]
        source: UdpTunnel,
    },
    /// A virtual network, looked up when the domain starts.
    #[xml(name = "network")]
    Network {
        #[xml(child)]
        source: NetworkPort,
    },
    #[xml(name = "bridge")]
    Bridge {
        #[xml(child)]
        source: Option<BridgeSource>,
    },
    #[xml(name = "internal")]
    Internal {
        #[xml(child)]
        source: InternalSource,
    },
    /// macvtap on a card of the host.
    #[xml(name = "direct")]
    Direct {
        #[xml(child)]
        source: DirectSource,
    },
    /// A card of the host, passed through.
    #[xml(name = "hostdev")]
    Hostdev {
        #[xml(child)]
        source: HostdevNicSource,
    },
    #[xml(name = "vdpa")]
    Vdpa {
        #[xml(child)]
        source: VdpaNicSource,
    },
    /// Not connected.
    #[xml(name = "null")]
    Null,
    /// VMware's distributed switch.
    #[xml(name = "vds")]
    Vds {
        #[xml(child)]
        source: VdsSource,
    },
}

impl Default for InterfaceKind {
    fn default() -> Self {
        Self::User { source: None }
    }
}

impl InterfaceKind {
    /// The name of the kind, as in the `type` attribute.
    pub fn name(&self) -> &'static str {
        match self {
            Self::User { .. } => "user",
            Self::Ethernet { .. } => "ethernet",
            Self::VhostUser { .. } => "vhostuser",
            Self::Server { .. } => "server",
            Self::Client { .. } => "client",
            Self::Mcast { .. } => "mcast",
            Self::Udp { .. } => "udp",
            Self::Network { .. } => "network",
            Self::Bridge { .. } => "bridge",
            Self::Internal { .. } => "internal",
            Self::Direct { .. } => "direct",
            Self::Hostdev { .. } => "hostdev",
            Self::Vdpa { .. } => "vdpa",
            Self::Null => "null",
            Self::Vds { .. } => "vds",
        }
    }
}

/// `<mac address='52:54:00:11:22:33'/>`
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "mac")]
pub struct InterfaceMac {
    #[xml(attr)]
    pub address: Option<Mac>,
    /// Whether the address was made up by the daemon (ESX).
    #[xml(attr = "type")]
    pub kind: Option<MacType>,
    /// Whether an address outside the hypervisor's range is refused (ESX).
    #[xml(attr)]
    pub check: Option<YesNo>,
    /// Live documents: the address that the guest has set.
    #[xml(attr = "currentAddress")]
    pub current_address: Option<Mac>,
}

/// Origin of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum MacType {
    #[xml("generated")]
    Generated,
    #[xml("static")]
    Static,
}

/// `<port isolated='yes'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "port")]
pub struct PortOptions {
    /// No traffic to other isolated ports of the same bridge.
    #[xml(attr)]
    pub isolated: Option<YesNo>,
}

/// Ports of the host that passt forwards to the guest.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "portForward")]
pub struct PortForward {
    #[xml(attr)]
    pub proto: ForwardProtocol,
    #[xml(attr)]
    pub address: Option<String>,
    #[xml(attr)]
    pub dev: Option<String>,
    /// Empty: all ports.
    #[xml(children = "range")]
    pub ranges: Vec<PortRange>,
}

/// Protocols that passt forwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum ForwardProtocol {
    #[xml("tcp")]
    Tcp,
    #[xml("udp")]
    Udp,
}

/// A range of ports.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "range")]
pub struct PortRange {
    #[xml(attr)]
    pub start: u16,
    /// Included; `start` where missing.
    #[xml(attr)]
    pub end: Option<u16>,
    /// First port in the guest; `start` where missing.
    #[xml(attr)]
    pub to: Option<u16>,
    /// Taken out of a surrounding range.
    #[xml(attr)]
    pub exclude: Option<YesNo>,
}

/// `<script path='/etc/qemu-ifup'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "script")]
pub struct ScriptPath {
    #[xml(attr)]
    pub path: String,
}

/// `<target dev='vnet0'/>`
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "target")]
pub struct InterfaceTarget {
    #[xml(attr)]
    pub dev: Option<String>,
    /// `no`: the device is there already and is left alone.
    #[xml(attr)]
    pub managed: Option<YesNo>,
}

/// `<guest dev='eth0'/>`
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "guest")]
pub struct InterfaceGuest {
    #[xml(attr)]
    pub dev: Option<String>,
    #[xml(attr)]
    pub actual: Option<String>,
}

/// `<model type='virtio'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "model")]
pub struct InterfaceModel {
    /// Any device that QEMU has; kept as text, for there are dozens on exotic machines.
    #[xml(attr = "type")]
    pub kind: String,
}

/// Options of a card's own device, or the host driver of a passed-through card.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "driver")]
pub struct InterfaceDriver {
    #[xml(attr)]
    pub name: Option<InterfaceDriverName>,
    /// Variant driver of a passed-through card.
    #[xml(attr)]
    pub model: Option<String>,
    #[xml(attr)]
    pub txmode: Option<TxMode>,
    #[xml(attr)]
    pub ioeventfd: Option<OnOff>,
    #[xml(attr)]
    pub event_idx: Option<OnOff>,
    /// Number of queue pairs.
    #[xml(attr)]
    pub queues: Option<u32>,
    #[xml(attr)]
    pub rx_queue_size: Option<u32>,
    #[xml(attr)]
    pub tx_queue_size: Option<u32>,
    /// Receive side scaling.
    #[xml(attr)]
    pub rss: Option<OnOff>,
    #[xml(attr)]
    pub rss_hash_report: Option<OnOff>,
    #[xml(flatten)]
    pub virtio: VirtioOptions,
    #[xml(child)]
    pub host: Option<HostOffloads>,
    #[xml(child)]
    pub guest: Option<GuestOffloads>,
}

/// Who moves packets, or who owns a passed-through card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum InterfaceDriverName {
    /// QEMU.
    #[xml("qemu")]
    Qemu,
    /// The kernel.
    #[xml("vhost")]
    Vhost,
    #[xml("vfio")]
    Vfio,
    #[xml("kvm")]
    Kvm,
    #[xml("xen")]
    Xen,
}

/// How the transmit queue is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum TxMode {
    #[xml("iothread")]
    IoThread,
    #[xml("timer")]
    Timer,
}

/// Offloads on the way out of the guest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "host")]
pub struct HostOffloads {
    #[xml(attr)]
    pub csum: Option<OnOff>,
    #[xml(attr)]
    pub gso: Option<OnOff>,
    #[xml(attr)]
    pub tso4: Option<OnOff>,
    #[xml(attr)]
    pub tso6: Option<OnOff>,
    #[xml(attr)]
    pub ecn: Option<OnOff>,
    #[xml(attr)]
    pub ufo: Option<OnOff>,
    #[xml(attr)]
    pub mrg_rxbuf: Option<OnOff>,
}

/// Offloads on the way into the guest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "guest")]
pub struct GuestOffloads {
    #[xml(attr)]
    pub csum: Option<OnOff>,
    #[xml(attr)]
    pub tso4: Option<OnOff>,
    #[xml(attr)]
    pub tso6: Option<OnOff>,
    #[xml(attr)]
    pub ecn: Option<OnOff>,
    #[xml(attr)]
    pub ufo: Option<OnOff>,
}

/// What serves the host's end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "backend")]
pub struct InterfaceBackend {
    #[xml(attr = "type")]
    pub kind: Option<BackendType>,
    /// Path of the tun device in place of /dev/net/tun.
    #[xml(attr)]
    pub tap: Option<String>,
    /// Path of the vhost device in place of /dev/vhost-net.
    #[xml(attr)]
    pub vhost: Option<String>,
    #[xml(attr = "logFile")]
    pub log_file: Option<String>,
}

/// Programs that serve a user-mode network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum BackendType {
    #[xml("default")]
    Default,
    #[xml("passt")]
    Passt,
}

/// The network filter that guards a card.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "filterref")]
pub struct FilterRef {
    #[xml(attr)]
    pub filter: String,
    #[xml(children = "parameter")]
    pub parameters: Vec<FilterParameter>,
}

/// Value of a filter's variable; a name may occur several times.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "parameter")]
pub struct FilterParameter {
    #[xml(attr)]
    pub name: String,
    #[xml(attr)]
    pub value: String,
}

/// Tuning of the tap.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "tune")]
pub struct InterfaceTune {
    /// Send buffer, in bytes; 0: unlimited.
    #[xml(value = "sndbuf")]
    pub sndbuf: Option<u64>,
}

/// `<link state='down'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "link")]
pub struct LinkState {
    #[xml(attr)]
    pub state: Link,
}

/// State of a card's link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum Link {
    #[xml("up")]
    Up,
    #[xml("down")]
    Down,
}

/// `<mtu size='1500'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "mtu")]
pub struct Mtu {
    #[xml(attr)]
    pub size: u32,
}

/// Interrupt coalescing of the tap.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "coalesce")]
pub struct Coalesce {
    #[xml(child)]
    pub rx: Option<CoalesceRx>,
}

/// Coalescing of received packets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "rx")]
pub struct CoalesceRx {
    #[xml(child)]
    pub frames: Option<CoalesceFrames>,
}

/// `<frames max='7'/>`
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "frames")]
pub struct CoalesceFrames {
    #[xml(attr)]
    pub max: Option<u32>,
}

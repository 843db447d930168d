//! `<hostdev>`: a device of the host that the guest gets.

use xml::{Element, Fields, OnOff, Value, YesNo};

use super::address::{PciAddress, UsbHostAddress};
use super::disk::SgIo;
use super::disk_network::{Initiator, NetworkHost};
use super::disk_source::{Auth, StartupPolicy};
use super::hex::Hex32;
use super::info::{DeviceInfo, Teaming, VirtioModel};
use super::ip::{IpAddress, IpRoute};
use crate::Uuid;

/// A passed-through device, or (containers) a device node or interface of the host.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "hostdev", leading = "mode type")]
pub struct Hostdev {
    #[xml(attr, default)]
    pub mode: HostdevMode,
    /// Taken from the host's driver and given back.
    #[xml(attr)]
    pub managed: Option<YesNo>,
    #[xml(flatten)]
    pub kind: HostdevKind,
    #[xml(child)]
    pub teaming: Option<Teaming>,
    #[xml(flag = "readonly")]
    pub readonly: bool,
    #[xml(flag = "shareable")]
    pub shareable: bool,
    #[xml(flatten)]
    pub info: DeviceInfo,
}

impl Hostdev {
    /// Whether `mode` and `type` belong together.
    pub fn is_consistent(&self) -> bool {
        let capability = matches!(
            self.kind,
            HostdevKind::Storage { .. } | HostdevKind::Misc { .. } | HostdevKind::Net { .. }
        );
        capability == (self.mode == HostdevMode::Capabilities)
    }
}

/// Whole devices, or things that a container sees under their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Value)]
pub enum HostdevMode {
    #[default]
    #[xml("subsystem")]
    Subsystem,
    #[xml("capabilities")]
    Capabilities,
}

/// The `type` of a passed-through device and its place on the host.
#[derive(Debug, Clone, PartialEq, Fields)]
#[xml(tag = "type")]
pub enum HostdevKind {
    #[xml(name = "usb")]
    Usb {
        #[xml(child)]
        source: UsbHostdevSource,
    },
    #[xml(name = "pci")]
    Pci {
        #[xml(flatten)]
        display: VfioDisplay,
        #[xml(child)]
        driver: Option<HostdevDriver>,
        #[xml(child)]
        source: PciHostdevSource,
    },
    #[xml(name = "scsi")]
    Scsi {
        #[xml(attr)]
        sgio: Option<SgIo>,
        #[xml(attr)]
        rawio: Option<YesNo>,
        #[xml(child)]
        source: Box<ScsiHostdevSource>,
    },
    #[xml(name = "scsi_host")]
    ScsiHost {
        /// Only with `type='scsi'`; kept to be refused.
        #[xml(attr)]
        rawio: Option<YesNo>,
        #[xml(attr)]
        model: Option<VirtioModel>,
        #[xml(child)]
        source: ScsiHostSource,
    },
    #[xml(name = "mdev")]
    Mdev {
        #[xml(attr)]
        model: MdevModel,
        #[xml(flatten)]
        display: VfioDisplay,
        #[xml(child)]
        source: MdevSource,
    },
    #[xml(name = "storage")]
    Storage {
        #[xml(child)]
        source: StorageCapability,
    },
    #[xml(name = "misc")]
    Misc {
        #[xml(child)]
        source: MiscCapability,
    },
    #[xml(name = "net")]
    Net {
        #[xml(child)]
        source: NetCapability,
        #[xml(children = "ip")]
        ips: Vec<IpAddress>,
        #[xml(children = "route")]
        routes: Vec<IpRoute>,
    },
}

/// Display of a passed-through graphics device.
#[derive(Debug, Clone, PartialEq, Eq, Default, Fields)]
pub struct VfioDisplay {
    #[xml(attr)]
    pub display: Option<OnOff>,
    /// A boot display until the guest's driver takes over.
    #[xml(attr)]
    pub ramfb: Option<OnOff>,
}

/// `<driver name='vfio'/>`
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "driver")]
pub struct HostdevDriver {
    #[xml(attr)]
    pub name: Option<HostdevDriverName>,
    /// Variant driver (`vfio-pci-igb`).
    #[xml(attr)]
    pub model: Option<String>,
}

/// Framework that passes a PCI device through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum HostdevDriverName {
    #[xml("kvm")]
    Kvm,
    #[xml("vfio")]
    Vfio,
    #[xml("xen")]
    Xen,
}

/// A USB device, by vendor and product, by address, or by both.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "source")]
pub struct UsbHostdevSource {
    #[xml(attr = "startupPolicy")]
    pub startup_policy: Option<StartupPolicy>,
    #[xml(attr = "guestReset")]
    pub guest_reset: Option<GuestReset>,
    /// Live documents: an optional device was not there.
    #[xml(attr)]
    pub missing: Option<YesNo>,
    #[xml(child)]
    pub vendor: Option<UsbId>,
    #[xml(child)]
    pub product: Option<UsbId>,
    #[xml(child)]
    pub address: Option<UsbHostAddress>,
}

/// `<vendor id='0x1234'/>`, `<product id='0xbeef'/>`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Element)]
#[xml(element = "vendor")]
pub struct UsbId {
    #[xml(attr)]
    pub id: Hex32<4>,
}

/// Whether the guest may reset a USB device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum GuestReset {
    #[xml("off")]
    Off,
    /// Only one that has no address yet.
    #[xml("uninitialized")]
    Uninitialized,
    #[xml("on")]
    On,
}

/// A PCI device.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "source")]
pub struct PciHostdevSource {
    #[xml(attr = "startupPolicy")]
    pub startup_policy: Option<StartupPolicy>,
    /// Whether the guest's writes to the configuration space are filtered (Xen).
    #[xml(attr = "writeFiltering")]
    pub write_filtering: Option<YesNo>,
    #[xml(child)]
    pub address: PciAddress,
}

/// A SCSI unit: behind an adapter of the host, or on an iSCSI server.
#[derive(Debug, Clone, PartialEq, Default, Element)]
#[xml(element = "source")]
pub struct ScsiHostdevSource {
    /// `adapter` where missing.
    #[xml(attr)]
    pub protocol: Option<ScsiProtocol>,
    /// IQN and unit, with iSCSI.
    #[xml(attr)]
    pub name: Option<String>,
    #[xml(child)]
    pub adapter: Option<ScsiAdapter>,
    #[xml(child)]
    pub address: Option<ScsiUnitAddress>,
    #[xml(children = "host")]
    pub hosts: Vec<NetworkHost>,
    #[xml(child)]
    pub auth: Option<Auth>,
    #[xml(child)]
    pub initiator: Option<Initiator>,
}

/// How a SCSI unit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum ScsiProtocol {
    #[xml("adapter")]
    Adapter,
    #[xml("iscsi")]
    Iscsi,
}

/// `<adapter name='scsi_host0'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "adapter")]
pub struct ScsiAdapter {
    #[xml(attr)]
    pub name: String,
}

/// Place of a unit behind its adapter.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "address")]
pub struct ScsiUnitAddress {
    #[xml(attr)]
    pub bus: u32,
    #[xml(attr)]
    pub target: u32,
    #[xml(attr)]
    pub unit: u64,
}

/// A vhost-scsi target.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "source")]
pub struct ScsiHostSource {
    #[xml(attr)]
    pub protocol: ScsiHostProtocol,
    /// `naa.` and 16 hex digits.
    #[xml(attr)]
    pub wwpn: Option<String>,
}

/// How a SCSI host is passed through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum ScsiHostProtocol {
    #[xml("none")]
    None,
    #[xml("vhost")]
    Vhost,
}

/// Kinds of mediated devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum MdevModel {
    #[xml("vfio-pci")]
    VfioPci,
    #[xml("vfio-ccw")]
    VfioCcw,
    #[xml("vfio-ap")]
    VfioAp,
}

/// A mediated device.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "source")]
pub struct MdevSource {
    #[xml(child)]
    pub address: MdevAddress,
}

/// `<address uuid='..'/>`
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "address")]
pub struct MdevAddress {
    #[xml(attr)]
    pub uuid: Uuid,
}

/// A block device of the host, for a container.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "source")]
pub struct StorageCapability {
    #[xml(value = "block")]
    pub block: Option<String>,
}

/// A character device of the host, for a container.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "source")]
pub struct MiscCapability {
    #[xml(value = "char")]
    pub char: Option<String>,
}

/// A network interface of the host, for a container.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "source")]
pub struct NetCapability {
    #[xml(value = "interface")]
    pub interface: Option<String>,
}

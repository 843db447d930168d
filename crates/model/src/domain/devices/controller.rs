//! `<controller>`: a bus that other devices are attached to.

use xml::{Element, Fields, OnOff, Value};

use super::hex::Hex32;
use super::info::{DeviceInfo, VirtioModel, VirtioOptions};
use super::iothread::IoThreadMapping;
use super::size::Kibibytes;

/// A controller; its kind decides which models and options there are.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "controller", leading = "type index")]
pub struct Controller {
    #[xml(flatten)]
    pub kind: ControllerKind,
    /// Number among the controllers of its kind, by which devices' addresses name it.
    #[xml(attr)]
    pub index: Option<u32>,
    #[xml(child)]
    pub driver: Option<ControllerDriver>,
    #[xml(flatten)]
    pub info: DeviceInfo,
    #[xml(child = "pcihole64")]
    pub pci_hole64: Option<Kibibytes>,
}

impl Controller {
    /// A controller without options.
    pub fn new(kind: ControllerKind, index: u32) -> Self {
        Self {
            kind,
            index: Some(index),
            driver: None,
            info: DeviceInfo::default(),
            pci_hole64: None,
        }
    }

    /// The kind without its options.
    pub fn bus(&self) -> ControllerType {
        match self.kind {
            ControllerKind::Ide { .. } => ControllerType::Ide,
            ControllerKind::Fdc => ControllerType::Fdc,
            ControllerKind::Scsi { .. } => ControllerType::Scsi,
            ControllerKind::Sata => ControllerType::Sata,
            ControllerKind::VirtioSerial { .. } => ControllerType::VirtioSerial,
            ControllerKind::Ccid => ControllerType::Ccid,
            ControllerKind::Usb { .. } => ControllerType::Usb,
            ControllerKind::Pci(_) => ControllerType::Pci,
            ControllerKind::XenBus { .. } => ControllerType::XenBus,
            ControllerKind::Isa => ControllerType::Isa,
        }
    }
}

/// The `type` of a controller and what only this type has.
#[derive(Debug, Clone, PartialEq, Fields)]
#[xml(tag = "type", default = "ide")]
pub enum ControllerKind {
    #[xml(name = "ide")]
    Ide {
        #[xml(attr)]
        model: Option<IdeModel>,
    },
    #[xml(name = "fdc")]
    Fdc,
    #[xml(name = "scsi")]
    Scsi {
        #[xml(attr)]
        model: Option<ScsiModel>,
    },
    #[xml(name = "sata")]
    Sata,
    #[xml(name = "virtio-serial")]
    VirtioSerial {
        #[xml(attr)]
        model: Option<VirtioModel>,
        #[xml(attr)]
        ports: Option<u32>,
        /// Interrupt vectors.
        #[xml(attr)]
        vectors: Option<u32>,
    },
    #[xml(name = "ccid")]
    Ccid,
    #[xml(name = "usb")]
    Usb {
        #[xml(attr)]
        model: Option<UsbModel>,
        #[xml(attr)]
        ports: Option<u32>,
    },
    #[xml(name = "pci")]
    Pci(PciController),
    #[xml(name = "xenbus")]
    XenBus {
        #[xml(attr = "maxGrantFrames")]
        max_grant_frames: Option<u32>,
        #[xml(attr = "maxEventChannels")]
        max_event_channels: Option<u32>,
    },
    #[xml(name = "isa")]
    Isa,
}

/// Kinds of controllers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Value)]
pub enum ControllerType {
    #[xml("ide")]
    Ide,
    #[xml("fdc")]
    Fdc,
    #[xml("scsi")]
    Scsi,
    #[xml("sata")]
    Sata,
    #[xml("virtio-serial")]
    VirtioSerial,
    #[xml("ccid")]
    Ccid,
    #[xml("usb")]
    Usb,
    #[xml("pci")]
    Pci,
    #[xml("xenbus")]
    XenBus,
    #[xml("isa")]
    Isa,
}

/// Models of IDE controllers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum IdeModel {
    #[xml("piix3")]
    Piix3,
    #[xml("piix4")]
    Piix4,
    #[xml("ich6")]
    Ich6,
}

/// Models of SCSI controllers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum ScsiModel {
    #[xml("auto")]
    Auto,
    #[xml("buslogic")]
    BusLogic,
    #[xml("lsilogic")]
    LsiLogic,
    #[xml("lsisas1068")]
    LsiSas1068,
    #[xml("vmpvscsi")]
    VmPvScsi,
    #[xml("ibmvscsi")]
    IbmVScsi,
    #[xml("virtio-scsi")]
    VirtioScsi,
    #[xml("lsisas1078")]
    LsiSas1078,
    #[xml("virtio-transitional")]
    VirtioTransitional,
    #[xml("virtio-non-transitional")]
    VirtioNonTransitional,
    #[xml("ncr53c90")]
    Ncr53c90,
    #[xml("dc390")]
    Dc390,
    #[xml("am53c974")]
    Am53c974,
}

impl ScsiModel {
    /// Whether it is virtio-scsi of some generation.
    pub const fn is_virtio(self) -> bool {
        matches!(
            self,
            Self::VirtioScsi | Self::VirtioTransitional | Self::VirtioNonTransitional
        )
    }
}

/// Models of USB controllers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum UsbModel {
    #[xml("piix3-uhci")]
    Piix3Uhci,
    #[xml("piix4-uhci")]
    Piix4Uhci,
    #[xml("ehci")]
    Ehci,
    #[xml("ich9-ehci1")]
    Ich9Ehci1,
    #[xml("ich9-uhci1")]
    Ich9Uhci1,
    #[xml("ich9-uhci2")]
    Ich9Uhci2,
    #[xml("ich9-uhci3")]
    Ich9Uhci3,
    #[xml("vt82c686b-uhci")]
    Vt82c686bUhci,
    #[xml("pci-ohci")]
    PciOhci,
    #[xml("nec-xhci")]
    NecXhci,
    #[xml("qusb1")]
    Qusb1,
    #[xml("qusb2")]
    Qusb2,
    #[xml("qemu-xhci")]
    QemuXhci,
    /// The domain has no USB at all.
    #[xml("none")]
    None,
}

/// A PCI root, bridge or port.
#[derive(Debug, Clone, PartialEq, Fields)]
pub struct PciController {
    /// Its part in the topology.
    #[xml(attr)]
    pub model: Option<PciModel>,
    /// The device that plays that part, as the element `<model name='..'/>`.
    #[xml(child = "model")]
    pub device: Option<PciControllerModel>,
    #[xml(child)]
    pub target: Option<PciTarget>,
}

/// Parts in a PCI topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum PciModel {
    #[xml("pci-root")]
    PciRoot,
    #[xml("pcie-root")]
    PcieRoot,
    #[xml("pci-bridge")]
    PciBridge,
    #[xml("dmi-to-pci-bridge")]
    DmiToPciBridge,
    #[xml("pcie-to-pci-bridge")]
    PcieToPciBridge,
    #[xml("pcie-root-port")]
    PcieRootPort,
    #[xml("pcie-switch-upstream-port")]
    PcieSwitchUpstreamPort,
    #[xml("pcie-switch-downstream-port")]
    PcieSwitchDownstreamPort,
    #[xml("pci-expander-bus")]
    PciExpanderBus,
    #[xml("pcie-expander-bus")]
    PcieExpanderBus,
}

/// `<model name='pcie-root-port'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "model")]
pub struct PciControllerModel {
    #[xml(attr)]
    pub name: PciModelName,
}

/// Devices that can be a PCI controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum PciModelName {
    #[xml("pci-bridge")]
    PciBridge,
    #[xml("i82801b11-bridge")]
    I82801b11Bridge,
    #[xml("ioh3420")]
    Ioh3420,
    #[xml("x3130-upstream")]
    X3130Upstream,
    #[xml("xio3130-downstream")]
    Xio3130Downstream,
    #[xml("pxb")]
    Pxb,
    #[xml("pxb-pcie")]
    PxbPcie,
    #[xml("pcie-root-port")]
    PcieRootPort,
    #[xml("spapr-pci-host-bridge")]
    SpaprPciHostBridge,
    #[xml("pcie-pci-bridge")]
    PciePciBridge,
}

/// What the guest sees of a PCI controller.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "target")]
pub struct PciTarget {
    /// Of a `pci-bridge`.
    #[xml(attr = "chassisNr")]
    pub chassis_nr: Option<u32>,
    /// Of a port.
    #[xml(attr)]
    pub chassis: Option<u32>,
    /// Of a port.
    #[xml(attr)]
    pub port: Option<Hex32<1>>,
    /// First bus number of an expander bus.
    #[xml(attr = "busNr")]
    pub bus_nr: Option<u32>,
    /// Of a pSeries host bridge.
    #[xml(attr)]
    pub index: Option<u32>,
    /// Whether devices can be plugged while the guest runs.
    #[xml(attr)]
    pub hotplug: Option<OnOff>,
    /// Memory to keep free for devices plugged later, in KiB.
    #[xml(attr = "memReserve")]
    pub mem_reserve: Option<u64>,
    /// NUMA node of an expander bus.
    #[xml(value = "node")]
    pub node: Option<u32>,
}

/// Options of the controller's own device.
#[derive(Debug, Clone, PartialEq, Default, Element)]
#[xml(element = "driver")]
pub struct ControllerDriver {
    #[xml(attr)]
    pub queues: Option<u32>,
    /// Commands in flight for each unit.
    #[xml(attr)]
    pub cmd_per_lun: Option<u32>,
    /// Largest transfer, in blocks of 512 bytes.
    #[xml(attr)]
    pub max_sectors: Option<u32>,
    #[xml(attr)]
    pub ioeventfd: Option<OnOff>,
    /// Number of the I/O thread that serves it; excludes `iothreads`.
    #[xml(attr)]
    pub iothread: Option<u32>,
    #[xml(flatten)]
    pub virtio: VirtioOptions,
    #[xml(child)]
    pub iothreads: Option<IoThreadMapping>,
}

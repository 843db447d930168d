//! `<address>`: the place of a device on one of the guest's buses, or of a host device on the host.
//!
//! Numbers are plain integers here and hexadecimal in the document, as libvirt prints them.

use std::borrow::Cow;
use std::fmt;

use xml::{Error, Fields, Hex, HexInteger, Node, OnOff, Result, Value, Writer};

/// Where a device is attached.
#[derive(Debug, Clone, PartialEq, Eq, Fields)]
#[xml(tag = "type")]
pub enum Address {
    /// Without numbers: on PCI, the place to be found.
    #[xml(name = "pci")]
    Pci(PciAddress),
    #[xml(name = "drive")]
    Drive(DriveAddress),
    #[xml(name = "virtio-serial")]
    VirtioSerial(VirtioSerialAddress),
    #[xml(name = "ccid")]
    Ccid(CcidAddress),
    #[xml(name = "usb")]
    Usb(UsbAddress),
    #[xml(name = "spapr-vio")]
    SpaprVio(SpaprVioAddress),
    #[xml(name = "ccw")]
    Ccw(CcwAddress),
    #[xml(name = "virtio-mmio")]
    VirtioMmio,
    #[xml(name = "isa")]
    Isa(IsaAddress),
    #[xml(name = "dimm")]
    Dimm(DimmAddress),
    /// The device stays on the host.
    #[xml(name = "unassigned")]
    Unassigned,
}

super::element_of_fields!(Address, "address");

/// A function of a PCI device.
///
/// Domain, bus and slot all 0 stand for "not assigned": no device can have the host bridge's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PciAddress {
    pub domain: u32,
    pub bus: u8,
    /// 0 to 31.
    pub slot: u8,
    /// 0 to 7.
    pub function: u8,
    /// Whether the slot holds several devices; set on function 0.
    pub multifunction: Option<OnOff>,
    /// IDs on s390.
    pub zpci: Option<Zpci>,
}

impl PciAddress {
    /// An address without the multifunction bit.
    pub const fn new(domain: u32, bus: u8, slot: u8, function: u8) -> Self {
        Self {
            domain,
            bus,
            slot,
            function,
            multifunction: None,
            zpci: None,
        }
    }

    /// Whether a place is given.
    pub const fn is_assigned(&self) -> bool {
        self.domain != 0 || self.bus != 0 || self.slot != 0
    }

    /// The place alone: what must be unique in the guest.
    pub const fn place(&self) -> (u32, u8, u8, u8) {
        (self.domain, self.bus, self.slot, self.function)
    }
}

impl fmt::Display for PciAddress {
    /// As `0000:00:1f.2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:04x}:{:02x}:{:02x}.{:x}",
            self.domain, self.bus, self.slot, self.function
        )
    }
}

/// A number in C notation; 0 where it is missing.
fn number<T: HexInteger + Default>(node: Node<'_>, name: &'static str) -> Result<T> {
    Ok(node
        .optional::<Hex<T, 1>>(name)?
        .map_or_else(T::default, |value| value.0))
}

impl Fields for PciAddress {
    fn read(node: Node<'_>) -> Result<Self> {
        let (bus, slot, function): (u32, u32, u32) = (
            number(node, "bus")?,
            number(node, "slot")?,
            number(node, "function")?,
        );
        let bus = u8::try_from(bus)
            .map_err(|_| Error::invalid(format!("Invalid PCI address bus='0x{bus:x}', must be <= 0xFF")))?;
        let slot = u8::try_from(slot)
            .ok()
            .filter(|slot| *slot <= 0x1f)
            .ok_or_else(|| {
                Error::invalid(format!("Invalid PCI address slot='0x{slot:x}', must be <= 0x1F"))
            })?;
        let function = u8::try_from(function)
            .ok()
            .filter(|function| *function <= 7)
            .ok_or_else(|| {
                Error::invalid(format!(
                    "Invalid PCI address function=0x{function:x}, must be <= 7"
                ))
            })?;
        Ok(Self {
            domain: number(node, "domain")?,
            bus,
            slot,
            function,
            multifunction: node.optional("multifunction")?,
            zpci: node.part("zpci")?,
        })
    }

    fn write_attributes(&self, writer: &mut Writer) {
        if self.is_assigned() || self.function != 0 {
            writer.value_attribute("domain", &Hex::<u32, 4>(self.domain));
            writer.value_attribute("bus", &Hex::<u8, 2>(self.bus));
            writer.value_attribute("slot", &Hex::<u8, 2>(self.slot));
            writer.value_attribute("function", &Hex::<u8, 1>(self.function));
        }
        if let Some(multifunction) = &self.multifunction {
            writer.value_attribute("multifunction", multifunction);
        }
    }

    fn write_children(&self, writer: &mut Writer) {
        if let Some(zpci) = &self.zpci {
            writer.child("zpci", zpci);
        }
    }

    fn claims(node: Node<'_>) -> bool {
        node.is("zpci".into())
    }
}

/// `<zpci uid='0x0001' fid='0x00000000'/>`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Fields)]
pub struct Zpci {
    #[xml(attr)]
    pub uid: Option<Hex<u16, 4>>,
    #[xml(attr)]
    pub fid: Option<Hex<u32, 8>>,
}

/// A unit behind a disk controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Fields)]
pub struct DriveAddress {
    #[xml(attr, default)]
    pub controller: u32,
    #[xml(attr, default)]
    pub bus: u32,
    #[xml(attr, default)]
    pub target: u32,
    #[xml(attr, default)]
    pub unit: u32,
}

/// A port of a virtio-serial controller; port 0 stands for "not assigned".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Fields)]
pub struct VirtioSerialAddress {
    #[xml(attr, default)]
    pub controller: u32,
    #[xml(attr, default)]
    pub bus: u32,
    #[xml(attr, default)]
    pub port: u32,
}

/// A slot of a smartcard controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Fields)]
pub struct CcidAddress {
    #[xml(attr, default)]
    pub controller: u32,
    #[xml(attr, default)]
    pub slot: u32,
}

/// A port of a USB controller or of a hub behind it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Fields)]
pub struct UsbAddress {
    /// Number of the controller.
    #[xml(attr, default)]
    pub bus: u32,
    /// `None`: to be found.
    #[xml(attr)]
    pub port: Option<UsbPort>,
}

/// Ports from the controller to the device, each counted from 1: `1.4.2`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct UsbPort(pub Vec<u32>);

impl UsbPort {
    /// Hubs cannot be nested deeper.
    pub const MAX_DEPTH: usize = 4;
}

impl Value for UsbPort {
    const EXPECTED: &'static str = "up to 4 port numbers with dots between them";

    fn parse(text: &str) -> Option<Self> {
        let ports = text.split('.').map(u32::parse).collect::<Option<Vec<_>>>()?;
        (ports.len() <= Self::MAX_DEPTH).then_some(Self(ports))
    }

    fn format(&self) -> Cow<'_, str> {
        Cow::Owned(self.to_string())
    }
}

impl fmt::Display for UsbPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, port) in self.0.iter().enumerate() {
            write!(f, "{}{port}", if index == 0 { "" } else { "." })?;
        }
        Ok(())
    }
}

/// A register of the pSeries virtual bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Fields)]
pub struct SpaprVioAddress {
    /// `None`: to be found.
    #[xml(attr)]
    pub reg: Option<Hex<u64, 8>>,
}

/// A subchannel of an s390 guest; all of it or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Fields)]
pub struct CcwAddress {
    #[xml(attr)]
    pub cssid: Option<Hex<u8, 1>>,
    #[xml(attr)]
    pub ssid: Option<Hex<u8, 1>>,
    #[xml(attr)]
    pub devno: Option<Hex<u16, 4>>,
}

/// Ports and interrupt of an ISA device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Fields)]
pub struct IsaAddress {
    #[xml(attr)]
    pub iobase: Option<Hex<u32, 1>>,
    #[xml(attr)]
    pub irq: Option<Hex<u32, 1>>,
}

/// A slot for memory and its place in the guest's physical memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Fields)]
pub struct DimmAddress {
    #[xml(attr)]
    pub slot: Option<u32>,
    #[xml(attr)]
    pub base: Option<Hex<u64, 1>>,
}

/// A USB device of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Fields)]
pub struct UsbHostAddress {
    #[xml(attr)]
    pub bus: u32,
    #[xml(attr)]
    pub device: u32,
}

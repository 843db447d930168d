//! What every device carries beside its own settings: name, place on the guest's buses, boot order.
//!
//! The fields are flattened at the end of each device, which is where libvirt prints them. A live document has
//! all aliases and addresses; a definition as a user writes it has only those he cares about.

use xml::{Element, Fields, OnOff, Value, YesNo};

use super::address::{Address, PciAddress};

/// Name, address and firmware settings of one guest device.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
pub struct DeviceInfo {
    /// Place in the boot order of the devices; excludes `<boot dev>` in `<os>`.
    #[xml(child)]
    pub boot: Option<DeviceBoot>,
    /// Name of the device in QEMU and in events.
    #[xml(child)]
    pub alias: Option<Alias>,
    /// Set on the companion controllers of an EHCI controller.
    #[xml(child)]
    pub master: Option<UsbMaster>,
    /// Option ROM of a PCI device.
    #[xml(child)]
    pub rom: Option<Rom>,
    /// Stable index by which guests name network interfaces (`onboard`).
    #[xml(child)]
    pub acpi: Option<AcpiIndex>,
    /// Where the device is attached; `None` until addresses are assigned.
    #[xml(child)]
    pub address: Option<Address>,
}

impl DeviceInfo {
    /// The alias, if one was given or assigned.
    pub fn alias_name(&self) -> Option<&str> {
        self.alias.as_ref().map(|alias| alias.name.as_str())
    }

    /// Replaces the alias.
    pub fn set_alias(&mut self, name: impl Into<String>) {
        self.alias = Some(Alias { name: name.into() });
    }

    /// Whether the alias was chosen by the user: only those survive in the inactive definition.
    pub fn has_user_alias(&self) -> bool {
        self.alias_name().is_some_and(|name| name.starts_with("ua-"))
    }

    /// The position in the boot order, counted from 1.
    pub fn boot_order(&self) -> Option<u32> {
        self.boot.as_ref().map(|boot| boot.order)
    }

    /// The PCI address, if the device sits on a PCI bus and its place is decided.
    pub fn pci(&self) -> Option<&PciAddress> {
        match &self.address {
            Some(Address::Pci(pci)) if pci.is_assigned() => Some(pci),
            _ => None,
        }
    }
}

/// `<boot order='1'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "boot")]
pub struct DeviceBoot {
    /// Counted from 1, unique in the domain.
    #[xml(attr)]
    pub order: u32,
    /// Boot entry of the guest's loader (s390).
    #[xml(attr)]
    pub loadparm: Option<String>,
}

/// `<alias name='virtio-disk0'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "alias")]
pub struct Alias {
    /// Those that users choose start with `ua-`.
    #[xml(attr)]
    pub name: String,
}

/// `<master startport='2'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "master")]
pub struct UsbMaster {
    /// First port of the main controller that this companion serves.
    #[xml(attr)]
    pub startport: u32,
}

/// `<rom bar='on' file='/x'/>`
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "rom")]
pub struct Rom {
    /// `no`: the device gets no option ROM at all.
    #[xml(attr)]
    pub enabled: Option<YesNo>,
    /// Whether the ROM is visible in the guest's memory map.
    #[xml(attr)]
    pub bar: Option<OnOff>,
    /// A ROM image on the host in place of the device's own; empty: none.
    #[xml(attr)]
    pub file: Option<String>,
}

/// `<acpi index='1'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "acpi")]
pub struct AcpiIndex {
    /// 1 to 16383, unique in the domain; 0 stands for none.
    #[xml(attr)]
    pub index: Option<u32>,
}

/// Options that every virtio device takes in its `<driver>`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Fields)]
pub struct VirtioOptions {
    /// Whether the device goes through the guest's IOMMU.
    #[xml(attr)]
    pub iommu: Option<OnOff>,
    /// Address translation services, with `iommu`.
    #[xml(attr)]
    pub ats: Option<OnOff>,
    /// Packed virtqueues.
    #[xml(attr)]
    pub packed: Option<OnOff>,
    /// A notification page for each virtqueue.
    #[xml(attr)]
    pub page_per_vq: Option<OnOff>,
}

impl VirtioOptions {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `<driver>` of the devices that have nothing but the virtio options in it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "driver")]
pub struct VirtioDriver {
    /// The options.
    #[xml(flatten)]
    pub virtio: VirtioOptions,
}

/// Which generations of the virtio standard a device speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum VirtioModel {
    /// As the bus suggests: modern on PCI Express, both on PCI.
    #[xml("virtio")]
    Virtio,
    /// Both 0.9 and 1.0; needs a conventional PCI slot.
    #[xml("virtio-transitional")]
    Transitional,
    /// 1.0 only.
    #[xml("virtio-non-transitional")]
    NonTransitional,
}

/// `<teaming type='transient' persistent='ua-backup0'/>`: a passed-through NIC and its virtio stand-in.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "teaming")]
pub struct Teaming {
    /// Which half of the pair the device is.
    #[xml(attr = "type")]
    pub kind: TeamingKind,
    /// Alias of the other half; with `transient` only.
    #[xml(attr)]
    pub persistent: Option<String>,
}

/// Half of a failover pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum TeamingKind {
    /// Stays in the guest during migration.
    #[xml("persistent")]
    Persistent,
    /// Is unplugged before migration.
    #[xml("transient")]
    Transient,
}

/// Device-level override of the domain's security labels.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "seclabel")]
pub struct DeviceSecLabel {
    /// `selinux`, `dac` or `apparmor`; all models where missing.
    #[xml(attr)]
    pub model: Option<String>,
    /// Whether the resource is relabelled.
    #[xml(attr)]
    pub relabel: Option<YesNo>,
    /// Live documents: labelling was skipped because the file system does not support it.
    #[xml(attr)]
    pub labelskip: Option<YesNo>,
    /// The label to put on the resource.
    #[xml(value = "label")]
    pub label: Option<String>,
}

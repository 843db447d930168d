//! Where a device is attached, as properties of `-device`.

use super::line::{Line, Props, incomplete, unsupported};
use crate::board::Board;
use error::Result;
use model::domain::devices::controller::{ControllerKind, ControllerType, PciModel};
use model::domain::devices::info::{VirtioModel, VirtioOptions};
use model::domain::devices::{Address, Controller, DeviceInfo, Devices, PciAddress};

/// The alias of a device, by which QEMU knows it.
pub(super) fn alias(info: &DeviceInfo) -> Result<&str> {
    info.alias_name()
        .ok_or_else(|| incomplete("a device has no alias"))
}

/// The name by which QEMU knows a controller's bus.
pub(super) fn controller(devices: &Devices, kind: ControllerType, index: u32) -> Result<&Controller> {
    let mut found = devices
        .controllers_of(kind)
        .filter(|controller| controller.index == Some(index));
    let first = found.next();
    // Companions of a USB controller have its index.
    let own = first.filter(|controller| controller.info.master.is_none());
    own.or_else(|| found.find(|controller| controller.info.master.is_none()))
        .or(first)
        .ok_or_else(|| {
            incomplete(format!(
                "there is no controller of type {} with index {index}",
                name(kind)
            ))
        })
}

/// As [`controller`], its alias.
pub(super) fn controller_alias(devices: &Devices, kind: ControllerType, index: u32) -> Result<&str> {
    alias(&controller(devices, kind, index)?.info)
}

fn name(kind: ControllerType) -> std::borrow::Cow<'static, str> {
    match kind {
        ControllerType::Ide => "ide".into(),
        ControllerType::Fdc => "fdc".into(),
        ControllerType::Scsi => "scsi".into(),
        ControllerType::Sata => "sata".into(),
        ControllerType::VirtioSerial => "virtio-serial".into(),
        ControllerType::Ccid => "ccid".into(),
        ControllerType::Usb => "usb".into(),
        ControllerType::Pci => "pci".into(),
        ControllerType::XenBus => "xenbus".into(),
        ControllerType::Isa => "isa".into(),
    }
}

impl Line<'_> {
    /// Adds where a device is attached.
    ///
    /// # Errors
    /// For an address whose controller is not there, or that a `-device` cannot have.
    pub(super) fn attach(&self, props: &mut Props, info: &DeviceInfo) -> Result<()> {
        let devices = &self.domain.devices;
        match info.address.as_ref() {
            None | Some(Address::Drive(_) | Address::Dimm(_) | Address::Unassigned | Address::VirtioMmio) => {
            }
            Some(Address::Pci(pci)) => {
                props.put("bus", self.pci_bus(pci)?);
                if let Some(multifunction) = pci.multifunction {
                    props.put("multifunction", multifunction.is_on());
                }
                let place = if pci.function == 0 {
                    format!("{:#x}", pci.slot)
                } else {
                    format!("{:#x}.{:#x}", pci.slot, pci.function)
                };
                props.put("addr", place);
                if pci.zpci.is_some() {
                    return Err(unsupported("<zpci> is for guests of the architecture s390x"));
                }
            }
            Some(Address::Usb(usb)) => {
                props.put(
                    "bus",
                    format!("{}.0", controller_alias(devices, ControllerType::Usb, usb.bus)?),
                );
                if let Some(port) = &usb.port {
                    props.put("port", port.to_string());
                }
            }
            Some(Address::VirtioSerial(port)) => {
                let serial = controller_alias(devices, ControllerType::VirtioSerial, port.controller)?;
                props.put("bus", format!("{serial}.{}", port.bus));
                props.put("nr", port.port);
            }
            Some(Address::Ccid(slot)) => {
                let reader = controller_alias(devices, ControllerType::Ccid, slot.controller)?;
                props.put("bus", format!("{reader}.0"));
            }
            Some(Address::Isa(isa)) => {
                if let Some(iobase) = isa.iobase {
                    props.put("iobase", iobase.0);
                }
                if let Some(irq) = isa.irq {
                    props.put("irq", irq.0);
                }
            }
            Some(Address::SpaprVio(_) | Address::Ccw(_)) => {
                return Err(unsupported(
                    "<address>: machines of this architecture have no such bus",
                ));
            }
        }
        if let Some(index) = info
            .acpi
            .as_ref()
            .and_then(|acpi| acpi.index)
            .filter(|index| *index != 0)
        {
            props.put("acpi-index", index);
        }
        Ok(())
    }

    /// The bus of a PCI address.
    fn pci_bus(&self, pci: &PciAddress) -> Result<String> {
        if pci.domain != 0 {
            return Err(unsupported(format!(
                "<address domain='{}'>: only the PCI domain 0 exists",
                pci.domain
            )));
        }
        let on = controller(&self.domain.devices, ControllerType::Pci, pci.bus.into())?;
        // Roots are part of the machine and have the names it gives them.
        Ok(match &on.kind {
            ControllerKind::Pci(root) if root.model == Some(PciModel::PciRoot) => {
                match Board::of(self.domain) {
                    Board::Versatile => "pci".to_owned(),
                    _ => "pci.0".to_owned(),
                }
            }
            ControllerKind::Pci(root) if root.model == Some(PciModel::PcieRoot) => "pcie.0".to_owned(),
            _ => alias(&on.info)?.to_owned(),
        })
    }

    /// Adds the option ROM.
    pub(super) fn rom(&self, props: &mut Props, info: &DeviceInfo) {
        let Some(rom) = &info.rom else { return };
        if rom.enabled.is_some_and(|enabled| !enabled.is_yes()) {
            props.put("romfile", "");
            return;
        }
        if let Some(bar) = rom.bar {
            props.put("rombar", i32::from(bar.is_on()));
        }
        if let Some(file) = &rom.file {
            props.put("romfile", file.as_str());
        }
    }

    /// The QEMU device of a virtio device at its address: `virtio-net` becomes `virtio-net-pci`.
    pub(super) fn virtio_driver(
        &self,
        base: &str,
        info: &DeviceInfo,
        model: Option<VirtioModel>,
        element: &str,
    ) -> Result<String> {
        let bus = match info.address.as_ref() {
            Some(Address::Pci(_)) => "pci",
            Some(Address::Ccw(_)) => "ccw",
            Some(Address::VirtioMmio) => "device",
            _ => return Err(incomplete(format!("{element}: a virtio device without address"))),
        };
        let generation = match model {
            Some(VirtioModel::Transitional) => "-transitional",
            Some(VirtioModel::NonTransitional) => "-non-transitional",
            Some(VirtioModel::Virtio) | None => "",
        };
        if !generation.is_empty() && bus != "pci" {
            return Err(unsupported(format!(
                "{element}: model 'virtio{generation}' needs a PCI address"
            )));
        }
        Ok(format!("{base}-{bus}{generation}"))
    }
}

/// Adds the options that every virtio device takes.
pub(super) fn virtio_options(props: &mut Props, options: &VirtioOptions) {
    let given = [
        ("iommu_platform", options.iommu),
        ("ats", options.ats),
        ("packed", options.packed),
        ("page-per-vq", options.page_per_vq),
    ];
    for (key, value) in given {
        if let Some(value) = value {
            props.put(key, value.is_on());
        }
    }
}

//! What the guest boots: `-boot`, `-kernel`, and the order of devices.

use super::line::{KeyValues, Line, on_off, unsupported};
use error::Result;
use model::domain::Domain;
use model::domain::devices::disk::DiskDevice;
use model::domain::os::{AcpiTableType, BootDevice};

/// The devices' places in the boot order: of their own, or of the first of each class that `<os>` names.
#[derive(Debug, Default)]
pub(super) struct BootOrder {
    pub(super) disks: Vec<Option<u32>>,
    pub(super) interfaces: Vec<Option<u32>>,
}

impl BootOrder {
    pub(super) fn of(domain: &Domain) -> Self {
        let mut classes: Vec<(BootDevice, u32)> = (1..)
            .zip(&domain.os.boot)
            .map(|(n, boot)| (boot.dev, n))
            .collect();
        let mut take = |class: BootDevice| {
            let at = classes.iter().position(|(dev, _)| *dev == class)?;
            Some(classes.remove(at).1)
        };
        let devices = &domain.devices;
        let disks = devices.disks.iter().map(|disk| {
            let class = match disk.device {
                DiskDevice::Disk | DiskDevice::Lun => BootDevice::Disk,
                DiskDevice::Cdrom => BootDevice::Cdrom,
                DiskDevice::Floppy => BootDevice::Floppy,
            };
            disk.info.boot_order().or_else(|| take(class))
        });
        let disks = disks.collect();
        let interfaces = devices
            .interfaces
            .iter()
            .map(|card| card.info.boot_order().or_else(|| take(BootDevice::Network)));
        let interfaces = interfaces.collect();
        Self { disks, interfaces }
    }
}

impl Line<'_> {
    /// `-boot`
    pub(super) fn boot(&mut self) -> Result<()> {
        let os = &self.domain.os;
        let mut boot = KeyValues::new();
        if let Some(menu) = &os.boot_menu
            && let Some(enable) = menu.enable
        {
            boot.put("menu", on_off(enable.is_yes()));
            if let Some(timeout) = menu.timeout.filter(|_| enable.is_yes()) {
                boot.put("splash-time", timeout);
            }
        }
        if let Some(timeout) = os.bios.as_ref().and_then(|bios| bios.reboot_timeout) {
            boot.put("reboot-timeout", timeout);
        }
        self.option("-boot", boot.set("strict", "on").finish());
        self.kernel()
    }

    fn kernel(&mut self) -> Result<()> {
        let os = &self.domain.os;
        if let Some(kernel) = &os.kernel {
            self.option("-kernel", kernel.as_str());
        }
        if let Some(initrd) = &os.initrd {
            self.option("-initrd", initrd.as_str());
        }
        if let Some(cmdline) = &os.cmdline {
            self.option("-append", cmdline.as_str());
        }
        if let Some(shim) = &os.shim {
            self.option("-shim", shim.as_str());
        }
        if let Some(dtb) = &os.dtb {
            self.option("-dtb", dtb.as_str());
        }
        for table in os.acpi.iter().flat_map(|acpi| &acpi.tables) {
            let option = match table.r#type {
                AcpiTableType::Raw | AcpiTableType::RawSet => KeyValues::new(),
                AcpiTableType::Slic => KeyValues::new().set("sig", "SLIC"),
                AcpiTableType::Msdm => KeyValues::new().set("sig", "MSDM"),
            };
            match table.r#type {
                AcpiTableType::RawSet => {
                    return Err(unsupported("<table type='rawset'> is for Xen guests"));
                }
                AcpiTableType::Raw => self.option("-acpitable", option.set("file", &table.path).finish()),
                _ => self.option("-acpitable", option.set("file", &table.path).finish()),
            }
        }
        if os
            .bios
            .as_ref()
            .and_then(|bios| bios.use_serial)
            .is_some_and(|serial| serial.is_yes())
        {
            if self.domain.devices.serials.is_empty() {
                return Err(unsupported("<bios useserial='yes'> needs a serial port"));
            }
            self.option("-device", "sga");
        }
        if let Some(first) = os.init.as_ref().or(os.init_dir.as_ref()).or(os.root.as_ref()) {
            return Err(unsupported(format!(
                "<os>: '{first}' is for containers and Xen guests"
            )));
        }
        Ok(())
    }
}

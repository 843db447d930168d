//! Names of devices, by which QEMU's monitor and clients' events speak of them: libvirt's, so that tools find them.

use model::domain::Domain;
use model::domain::devices::chardev::ConsoleTargetType;
use model::domain::devices::controller::{ControllerKind, PciModel, ScsiModel};
use model::domain::devices::disk::DiskBus;
use model::domain::devices::interface::InterfaceKind;
use model::domain::devices::memory::MemoryModel;
use model::domain::devices::{Address, Console, Controller, Devices, Disk};

/// Names every device that has no name yet.
pub fn assign(domain: &mut Domain) {
    let q35 = domain.is_q35();
    let devices = &mut domain.devices;
    let lsi = lsi_controllers(devices);
    for disk in &mut devices.disks {
        let name = disk_name(disk, &lsi);
        set(&mut disk.info, name);
    }
    for controller in &mut devices.controllers {
        let name = controller_name(controller, q35);
        set(&mut controller.info, name);
    }
    macro_rules! numbered {
        ($($list:ident $prefix:literal),* $(,)?) => {$(
            for (index, device) in devices.$list.iter_mut().enumerate() {
                set(&mut device.info, format!(concat!($prefix, "{}"), index));
            }
        )*};
    }
    numbered!(
        filesystems "fs", smartcards "smartcard", serials "serial", parallels "parallel",
        channels "channel", inputs "input", tpms "tpm", sounds "sound", videos "video", redirdevs "redir", hubs "hub", watchdogs "watchdog", rngs "rng", panics "panic", shmems "shmem",
        cryptos "crypto",
    );
    passed_through(devices);
    // The first console is the first serial port by another name.
    let serial = devices
        .serials
        .first()
        .and_then(|serial| serial.info.alias_name().map(str::to_owned));
    for (index, console) in devices.consoles.iter_mut().enumerate() {
        let own = format!("console{index}");
        let name = if index == 0 && is_serial(console) {
            serial.clone().unwrap_or(own)
        } else {
            own
        };
        set(&mut console.info, name);
    }
    modules(devices);
    if let Some(balloon) = devices.memballoon.as_mut() {
        set(&mut balloon.info, "balloon0");
    }
    if let Some(vsock) = devices.vsock.as_mut() {
        set(&mut vsock.info, "vsock0");
    }
    if let Some(iommu) = devices.iommu.as_mut() {
        set(&mut iommu.info, "iommu0");
    }
    if let Some(nvram) = devices.nvram.as_mut() {
        set(&mut nvram.info, "nvram0");
    }
    if let Some(pstore) = devices.pstore.as_mut() {
        set(&mut pstore.info, "pstore0");
    }
}

/// Cards, and what is passed through: cards that are have the first numbers of the other list.
fn passed_through(devices: &mut Devices) {
    let mut next = 0;
    for (index, interface) in devices.interfaces.iter_mut().enumerate() {
        if matches!(interface.kind, InterfaceKind::Hostdev { .. }) {
            set(&mut interface.info, format!("hostdev{next}"));
            next += 1;
        } else {
            set(&mut interface.info, format!("net{index}"));
        }
    }
    // Names that users chose take no number.
    for hostdev in devices
        .hostdevs
        .iter_mut()
        .filter(|one| one.info.alias_name().is_none())
    {
        set(&mut hostdev.info, format!("hostdev{next}"));
        next += 1;
    }
}

/// Modules are named after their slots, other memory is counted.
fn modules(devices: &mut Devices) {
    let mut counts = [0_u32; 4];
    for module in &mut devices.memories {
        let (kind, prefix) = match module.model {
            MemoryModel::Dimm => (0, "dimm"),
            MemoryModel::Nvdimm => (1, "nvdimm"),
            MemoryModel::VirtioPmem => (2, "virtiopmem"),
            _ => (3, "virtiomem"),
        };
        let slot = match &module.info.address {
            Some(Address::Dimm(at)) => at.slot,
            _ => None,
        };
        let Some(next) = counts.get_mut(kind) else {
            continue;
        };
        set(&mut module.info, format!("{prefix}{}", slot.unwrap_or(*next)));
        *next += 1;
    }
}

/// Whether a console is a serial port by another name.
fn is_serial(console: &Console) -> bool {
    let kind = console.target.as_ref().and_then(|target| target.kind);
    matches!(kind, None | Some(ConsoleTargetType::Serial))
}

fn set(info: &mut model::domain::devices::DeviceInfo, name: impl Into<String>) {
    if info.alias_name().is_none() {
        info.set_alias(name);
    }
}

/// The SCSI controllers on which a disk has no target number.
fn lsi_controllers(devices: &Devices) -> Vec<u32> {
    let scsi = devices
        .controllers
        .iter()
        .filter_map(|controller| match controller.kind {
            ControllerKind::Scsi {
                model: Some(ScsiModel::LsiLogic),
            } => controller.index,
            _ => None,
        });
    scsi.collect()
}

fn disk_name(disk: &Disk, lsi: &[u32]) -> String {
    let Some(Address::Drive(at)) = disk.info.address.as_ref() else {
        let index = target_index(&disk.target.dev).unwrap_or(0);
        return match disk.target.bus {
            Some(DiskBus::Usb) => format!("usb-disk{index}"),
            Some(DiskBus::Sd) => format!("sd-disk{index}"),
            _ => format!("virtio-disk{index}"),
        };
    };
    match disk.target.bus {
        Some(DiskBus::Scsi) if !lsi.contains(&at.controller) => {
            format!("scsi{}-{}-{}-{}", at.controller, at.bus, at.target, at.unit)
        }
        bus => {
            let prefix = bus.unwrap_or(DiskBus::Ide);
            format!("{prefix}{}-{}-{}", at.controller, at.bus, at.unit)
        }
    }
}

fn controller_name(controller: &Controller, q35: bool) -> String {
    let index = controller.index.unwrap_or(0);
    match (&controller.kind, index) {
        (ControllerKind::Pci(pci), _) => match pci.model {
            Some(PciModel::PcieRoot) => "pcie.0".to_owned(),
            _ => format!("pci.{index}"),
        },
        // These are part of the machine and have the names it gives them.
        (ControllerKind::Ide { .. }, 0) if !q35 => "ide".to_owned(),
        (ControllerKind::Sata, 0) if q35 => "ide".to_owned(),
        (ControllerKind::Usb { .. }, 0) => "usb".to_owned(),
        _ => {
            let kind = controller.bus();
            format!("{kind}{index}")
        }
    }
}

/// The number in a target's name: 0 for `vda`, 26 for `vdaa`. Partitions have the disk's.
pub(crate) fn target_index(target: &str) -> Option<u32> {
    let letters = target.trim_end_matches(|c: char| c.is_ascii_digit());
    let letters = ["fd", "hd", "vd", "sd", "xvd", "ubd"]
        .iter()
        .find_map(|prefix| letters.strip_prefix(prefix))?;
    if letters.is_empty() || !letters.bytes().all(|letter| letter.is_ascii_lowercase()) {
        return None;
    }
    let number = letters.bytes().try_fold(0_u32, |number, letter| {
        number.checked_mul(26)?.checked_add(u32::from(letter - b'a') + 1)
    })?;
    Some(number - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_count_like_columns() {
        assert_eq!(target_index("vda"), Some(0));
        assert_eq!(target_index("sdz"), Some(25));
        assert_eq!(target_index("hdaa"), Some(26));
        assert_eq!(target_index("sda1"), Some(0));
        for bad in ["", "vd", "vdA", "x", "vdzzzzzzzzzz"] {
            assert_eq!(target_index(bad), None, "{bad}");
        }
    }
}

//! Which devices need a place on PCI, and of which kind, in the order in which libvirt hands places out.

use super::super::machine::Machine;
use model::domain::devices::address::PciAddress;
use model::domain::devices::chardev::SerialTargetType;
use model::domain::devices::controller::{ControllerKind, ScsiModel, UsbModel};
use model::domain::devices::disk::DiskBus;
use model::domain::devices::hostdev::{HostdevKind, MdevModel};
use model::domain::devices::info::VirtioModel;
use model::domain::devices::input::InputBus;
use model::domain::devices::iommu::IommuModel;
use model::domain::devices::memballoon::BalloonModel;
use model::domain::devices::memory::MemoryModel;
use model::domain::devices::sound::SoundModel;
use model::domain::devices::video::VideoType;
use model::domain::devices::watchdog::{PanicModel, WatchdogModel};
use model::domain::devices::{Address, ControllerType, DeviceKind, Devices};

/// A kind of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// A PCI Express port.
    Express,
    /// A slot of a conventional bus.
    Conventional,
    /// A slot of the machine's first bus.
    Root,
}

/// Every device that may need a place.
pub(super) fn in_order(devices: &Devices) -> Vec<(DeviceKind, usize)> {
    let mut order = Vec::new();
    let mut all = |kind: DeviceKind, count: usize| order.extend((0..count).map(|index| (kind, index)));
    all(DeviceKind::Filesystem, devices.filesystems.len());
    all(DeviceKind::Interface, devices.interfaces.len());
    all(DeviceKind::Sound, devices.sounds.len());
    all(DeviceKind::Controller, devices.controllers.len());
    all(DeviceKind::Disk, devices.disks.len());
    all(DeviceKind::Hostdev, devices.hostdevs.len());
    all(DeviceKind::MemBalloon, usize::from(devices.memballoon.is_some()));
    all(DeviceKind::Rng, devices.rngs.len());
    all(DeviceKind::Watchdog, devices.watchdogs.len());
    all(DeviceKind::Video, devices.videos.len());
    all(DeviceKind::Shmem, devices.shmems.len());
    all(DeviceKind::Input, devices.inputs.len());
    all(DeviceKind::Serial, devices.serials.len());
    all(DeviceKind::Iommu, usize::from(devices.iommu.is_some()));
    all(DeviceKind::Vsock, usize::from(devices.vsock.is_some()));
    all(DeviceKind::Memory, devices.memories.len());
    all(DeviceKind::Crypto, devices.cryptos.len());
    all(DeviceKind::Panic, devices.panics.len());
    order
}

/// The kind of place a device still needs; `None` for one that has a place or needs none.
pub(super) fn of(devices: &Devices, kind: DeviceKind, index: usize, machine: &Machine) -> Option<Slot> {
    let open = match devices.info(kind, index)?.address.as_ref() {
        None => true,
        Some(Address::Pci(place)) => !PciAddress::is_assigned(place),
        Some(_) => false,
    };
    if !open {
        return None;
    }
    let slot = wanted(devices, kind, index)?;
    Some(if machine.board.is_express() {
        slot
    } else {
        Slot::Conventional
    })
}

/// Whether a device is one of virtio's, which need not be on PCI.
pub(super) fn is_virtio(devices: &Devices, kind: DeviceKind, index: usize) -> bool {
    match kind {
        DeviceKind::Interface => devices.interfaces.get(index).is_some_and(|one| one.is_virtio()),
        DeviceKind::Controller => devices.controllers.get(index).is_some_and(|one| match one.kind {
            ControllerKind::Scsi { model } => model.is_some_and(ScsiModel::is_virtio),
            ControllerKind::VirtioSerial { .. } => true,
            _ => false,
        }),
        DeviceKind::Filesystem
        | DeviceKind::Disk
        | DeviceKind::MemBalloon
        | DeviceKind::Rng
        | DeviceKind::Input
        | DeviceKind::Vsock
        | DeviceKind::Crypto => wanted(devices, kind, index).is_some(),
        _ => false,
    }
}

fn virtio(model: Option<VirtioModel>) -> Slot {
    if model == Some(VirtioModel::Transitional) {
        Slot::Conventional
    } else {
        Slot::Express
    }
}

pub(super) fn is_pci_video(devices: &Devices, index: usize) -> bool {
    let kind = devices
        .videos
        .get(index)
        .and_then(|video| video.model.as_ref())
        .map(|model| model.kind);
    !matches!(kind, None | Some(VideoType::None | VideoType::Ramfb))
}

fn wanted(devices: &Devices, kind: DeviceKind, index: usize) -> Option<Slot> {
    match kind {
        DeviceKind::Filesystem => Some(virtio(devices.filesystems.get(index)?.model)),
        DeviceKind::Interface => match devices.interfaces.get(index)?.model_name().unwrap_or_default() {
            "usb-net" => None,
            "virtio" | "virtio-non-transitional" | "e1000e" | "igb" | "vmxnet3" => Some(Slot::Express),
            _ => Some(Slot::Conventional),
        },
        DeviceKind::Sound => match devices.sounds.get(index)?.model {
            SoundModel::Sb16 | SoundModel::PcSpk | SoundModel::Usb => None,
            SoundModel::Virtio => Some(Slot::Express),
            _ => Some(Slot::Conventional),
        },
        DeviceKind::Controller => controller(devices, index),
        DeviceKind::Disk => {
            let disk = devices.disks.get(index)?;
            (disk.target.bus == Some(DiskBus::Virtio)).then(|| virtio(disk.model))
        }
        DeviceKind::Hostdev => match &devices.hostdevs.get(index)?.kind {
            HostdevKind::Pci { .. } => Some(Slot::Express),
            HostdevKind::Mdev { model, .. } => (*model == MdevModel::VfioPci).then_some(Slot::Express),
            HostdevKind::ScsiHost { model, .. } => Some(virtio(*model)),
            _ => None,
        },
        DeviceKind::Iommu => (devices.iommu.as_ref()?.model == IommuModel::Virtio).then_some(Slot::Root),
        DeviceKind::MemBalloon => match devices.memballoon.as_ref()?.model {
            BalloonModel::None | BalloonModel::Xen => None,
            BalloonModel::VirtioTransitional => Some(Slot::Conventional),
            _ => Some(Slot::Express),
        },
        DeviceKind::Rng => Some(virtio(Some(devices.rngs.get(index)?.model))),
        DeviceKind::Watchdog => {
            (devices.watchdogs.get(index)?.model == WatchdogModel::I6300esb).then_some(Slot::Conventional)
        }
        DeviceKind::Video => {
            let kind = devices.videos.get(index)?.model.as_ref()?.kind;
            let slot = if kind == VideoType::Virtio {
                Slot::Express
            } else {
                Slot::Conventional
            };
            is_pci_video(devices, index).then_some(slot)
        }
        DeviceKind::Shmem => Some(Slot::Conventional),
        DeviceKind::Input => {
            let input = devices.inputs.get(index)?;
            (input.bus == Some(InputBus::Virtio)).then(|| virtio(input.model))
        }
        DeviceKind::Serial => {
            let target = devices.serials.get(index)?.target.as_ref()?;
            (target.kind == Some(SerialTargetType::Pci)).then_some(Slot::Conventional)
        }
        DeviceKind::Vsock => Some(virtio(devices.vsock.as_ref()?.model)),
        DeviceKind::Memory => match devices.memories.get(index)?.model {
            MemoryModel::VirtioPmem | MemoryModel::VirtioMem => Some(Slot::Express),
            _ => None,
        },
        DeviceKind::Crypto => Some(Slot::Express),
        DeviceKind::Panic => {
            (devices.panics.get(index)?.model == Some(PanicModel::PvPanic)).then_some(Slot::Root)
        }
        _ => None,
    }
}

fn controller(devices: &Devices, index: usize) -> Option<Slot> {
    let controller = devices.controllers.get(index)?;
    if super::companions::follows(devices, index) {
        return None;
    }
    match (&controller.kind, controller.bus()) {
        (ControllerKind::Usb { model, .. }, _) => match model {
            Some(UsbModel::None | UsbModel::Qusb1 | UsbModel::Qusb2) => None,
            Some(UsbModel::NecXhci | UsbModel::QemuXhci) => Some(Slot::Express),
            _ => Some(Slot::Conventional),
        },
        (
            ControllerKind::Scsi {
                model: Some(ScsiModel::VirtioTransitional),
            },
            _,
        ) => Some(Slot::Conventional),
        (ControllerKind::Scsi { model: Some(model) }, _) if model.is_virtio() => Some(Slot::Express),
        (ControllerKind::VirtioSerial { model, .. }, _) => Some(virtio(*model)),
        (_, ControllerType::Scsi | ControllerType::Sata | ControllerType::Ide) => Some(Slot::Conventional),
        _ => None,
    }
}

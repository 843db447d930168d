//! Controllers that a domain needs and does not name: those its devices hang on, and those of its board.

use super::machine::{Board, Machine};
use crate::binary::BinaryCaps;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain;
use model::domain::devices::chardev::{ChannelTarget, ConsoleTargetType};
use model::domain::devices::controller::{
    ControllerKind, ControllerType, PciController, PciModel, ScsiModel, UsbModel,
};
use model::domain::devices::{Address, Controller, Devices};
use std::collections::BTreeSet;

/// Adds what is missing and settles models that the document leaves open.
pub(super) fn complete(domain: &mut Domain, machine: &Machine, caps: &BinaryCaps) -> Result<()> {
    number(&mut domain.devices);
    let devices = &mut domain.devices;
    if machine.board != Board::Bare {
        add(devices, ControllerType::Usb, 0);
    }
    if machine.board == Board::Q35 {
        add(devices, ControllerType::Sata, 0);
    }
    let root = match machine.board {
        Board::I440fx => Some(PciModel::PciRoot),
        Board::Q35 => Some(PciModel::PcieRoot),
        Board::Bare => None,
    };
    if let Some(root) = root {
        let present = devices
            .controllers_of(ControllerType::Pci)
            .find(|one| one.index == Some(0));
        match present.map(|one| &one.kind) {
            None => devices
                .controllers
                .push(Controller::new(ControllerKind::Pci(pci(root)), 0)),
            Some(ControllerKind::Pci(given)) if given.model == Some(root) => {}
            Some(_) => {
                return Err(Error::new(
                    Code::XmlError,
                    ErrorDomain::Domain,
                    format!(
                        "<controller type='pci' index='0'>: the model of this machine type's first bus is '{root}'"
                    ),
                ));
            }
        }
    }
    for (bus, index) in needed(devices) {
        add(devices, bus, index);
    }
    for controller in &mut devices.controllers {
        settle(controller, machine, caps)?;
    }
    Ok(())
}

fn pci(model: PciModel) -> PciController {
    PciController {
        model: Some(model),
        device: None,
        target: None,
    }
}

/// Gives an index to controllers that have none.
fn number(devices: &mut Devices) {
    for at in 0..devices.controllers.len() {
        let Some(bus) = devices
            .controllers
            .get(at)
            .filter(|one| one.index.is_none())
            .map(Controller::bus)
        else {
            continue;
        };
        let taken: Vec<u32> = devices.controllers_of(bus).filter_map(|one| one.index).collect();
        // A companion shares the number of the controller it belongs to, which stands before it.
        let companion = devices.controllers.get(at).is_some_and(is_companion);
        let master = taken.last().copied().filter(|_| companion);
        let free = master.or_else(|| (0..).find(|index| !taken.contains(index)));
        if let Some(controller) = devices.controllers.get_mut(at) {
            controller.index = free;
        }
    }
}

/// Whether it drives the slow devices on another USB controller's ports.
fn is_companion(controller: &Controller) -> bool {
    use UsbModel::{Ich9Uhci1, Ich9Uhci2, Ich9Uhci3};
    matches!(
        controller.kind,
        ControllerKind::Usb {
            model: Some(Ich9Uhci1 | Ich9Uhci2 | Ich9Uhci3),
            ..
        }
    )
}

/// The controllers that devices hang on. Drives' controllers are there without gaps up to the highest.
fn needed(devices: &Devices) -> BTreeSet<(ControllerType, u32)> {
    use model::domain::devices::disk::DiskBus;
    let mut found = BTreeSet::new();
    for (wanted, bus) in [
        (DiskBus::Ide, ControllerType::Ide),
        (DiskBus::Scsi, ControllerType::Scsi),
        (DiskBus::Fdc, ControllerType::Fdc),
        (DiskBus::Sata, ControllerType::Sata),
    ] {
        for disk in devices
            .disks
            .iter()
            .filter(|disk| disk.target.bus == Some(wanted))
        {
            if let Some(Address::Drive(at)) = disk.info.address.as_ref() {
                found.extend((0..=at.controller).map(|index| (bus, index)));
            }
        }
    }
    for channel in &devices.channels {
        if let ChannelTarget::Virtio { .. } = channel.target {
            let index = match channel.info.address.as_ref() {
                Some(Address::VirtioSerial(at)) => at.controller,
                _ => 0,
            };
            found.insert((ControllerType::VirtioSerial, index));
        }
    }
    for console in &devices.consoles {
        if console.target.as_ref().and_then(|target| target.kind) == Some(ConsoleTargetType::Virtio) {
            let index = match console.info.address.as_ref() {
                Some(Address::VirtioSerial(at)) => at.controller,
                _ => 0,
            };
            found.insert((ControllerType::VirtioSerial, index));
        }
    }
    for reader in &devices.smartcards {
        let index = match reader.info.address.as_ref() {
            Some(Address::Ccid(at)) => at.controller,
            _ => 0,
        };
        found.insert((ControllerType::Ccid, index));
    }
    found
}

/// Adds a controller, unless it is there.
pub(super) fn add(devices: &mut Devices, bus: ControllerType, index: u32) {
    if devices.controllers_of(bus).any(|one| one.index == Some(index)) {
        return;
    }
    let kind = match bus {
        ControllerType::Ide => ControllerKind::Ide { model: None },
        ControllerType::Fdc => ControllerKind::Fdc,
        ControllerType::Scsi => {
            // One more of the same kind as those that are there.
            let model = devices.controllers.iter().find_map(|one| match one.kind {
                ControllerKind::Scsi { model } => model,
                _ => None,
            });
            ControllerKind::Scsi { model }
        }
        ControllerType::Sata => ControllerKind::Sata,
        ControllerType::VirtioSerial => ControllerKind::VirtioSerial {
            model: None,
            ports: None,
            vectors: None,
        },
        ControllerType::Ccid => ControllerKind::Ccid,
        ControllerType::Usb => ControllerKind::Usb {
            model: None,
            ports: None,
        },
        // These are never made for a device.
        ControllerType::Pci | ControllerType::XenBus | ControllerType::Isa => return,
    };
    let last = devices.controllers.iter().rposition(|one| one.bus() == bus);
    let at = last.map_or(devices.controllers.len(), |last| last + 1);
    devices.controllers.insert(at, Controller::new(kind, index));
}

fn settle(controller: &mut Controller, machine: &Machine, caps: &BinaryCaps) -> Result<()> {
    let has = |device: &str| caps.has_device(device);
    let unsupported = |text: String| Err(Error::new(Code::ConfigUnsupported, ErrorDomain::Qemu, text));
    match &mut controller.kind {
        ControllerKind::Usb { model, .. } if model.is_none() => {
            *model = match machine.board {
                Board::Q35 if has("qemu-xhci") => Some(UsbModel::QemuXhci),
                _ => Some(UsbModel::Piix3Uhci),
            };
        }
        ControllerKind::Scsi { model } if matches!(model, None | Some(ScsiModel::Auto)) => {
            *model = if has("lsi53c895a") {
                Some(ScsiModel::LsiLogic)
            } else {
                Some(ScsiModel::VirtioScsi)
            };
        }
        ControllerKind::Ide { .. } if machine.board == Board::Q35 => {
            return unsupported("<controller type='ide'>: IDE controllers are unsupported for this QEMU binary or machine type".to_owned());
        }
        ControllerKind::XenBus { .. } => {
            return unsupported("<controller type='xenbus'>: only Xen guests have it".to_owned());
        }
        _ => {}
    }
    Ok(())
}

//! Controllers that a domain needs and does not name: those its devices hang on, and those of its board.

use super::machine::{Board, Machine};
use crate::binary::BinaryCaps;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain;
use model::domain::devices::chardev::{ChannelTarget, ConsoleTargetType};
use model::domain::devices::controller::{
    ControllerKind, ControllerType, PciController, PciModel, ScsiModel, UsbModel,
};
use model::domain::devices::disk::DiskBus;
use model::domain::devices::hostdev::HostdevKind;
use model::domain::devices::info::UsbMaster;
use model::domain::devices::{Address, Controller, Devices};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Adds what is missing and settles models that the document leaves open.
pub(super) fn complete(domain: &mut Domain, machine: &Machine, caps: &BinaryCaps) -> Result<()> {
    number(&mut domain.devices);
    let devices = &mut domain.devices;
    let has_usb = machine.board.is_pc() || matches!(machine.board, Board::Versatile | Board::Realview);
    if has_usb && devices.controllers_of(ControllerType::Usb).next().is_none() {
        devices.controllers.push(usb(machine, caps));
    }
    if machine.board == Board::Q35 {
        add(devices, ControllerType::Sata, 0);
    }
    if let Some(root) = machine.board.first_bus() {
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

/// The USB controller of a machine whose document names none.
fn usb(machine: &Machine, caps: &BinaryCaps) -> Controller {
    let model = match machine.board {
        Board::Q35 if caps.has_device("qemu-xhci") => Some(UsbModel::QemuXhci),
        Board::Q35 if caps.has_device("nec-usb-xhci") => Some(UsbModel::NecXhci),
        Board::Versatile | Board::Realview if caps.has_device("pci-ohci") => Some(UsbModel::PciOhci),
        _ => None,
    };
    Controller::new(ControllerKind::Usb { model, ports: None }, 0)
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
    // The indexes that are taken, and where to look for the next free one: below it there is none.
    let mut buses: HashMap<ControllerType, (BTreeSet<u32>, u32)> = HashMap::new();
    for controller in &devices.controllers {
        let (taken, _) = buses.entry(controller.bus()).or_default();
        taken.extend(controller.index);
    }
    for at in 0..devices.controllers.len() {
        let Some(controller) = devices.controllers.get(at).filter(|one| one.index.is_none()) else {
            continue;
        };
        let (taken, next) = buses.entry(controller.bus()).or_default();
        let index = group_of(devices, controller).unwrap_or_else(|| {
            while taken.contains(next) {
                *next += 1;
            }
            *next
        });
        taken.insert(index);
        if let Some(controller) = devices.controllers.get_mut(at) {
            controller.index = Some(index);
        }
    }
}

/// The number of the newest group of ICH9's USB controllers, if a controller belongs to it: those of a group share one.
fn group_of(devices: &Devices, controller: &Controller) -> Option<u32> {
    let model = companion_model(controller)?;
    let groups = || {
        let numbered = devices.controllers.iter().filter(|one| one.index.is_some());
        numbered.filter_map(|one| Some((one.index?, companion_model(one)?)))
    };
    let newest = groups().map(|(index, _)| index).max()?;
    let there = groups().any(|(index, other)| index == newest && other == model);
    (!there).then_some(newest)
}

/// The model of one of the controllers that together are ICH9's USB 2.
fn companion_model(controller: &Controller) -> Option<UsbModel> {
    use UsbModel::{Ich9Ehci1, Ich9Uhci1, Ich9Uhci2, Ich9Uhci3};
    match controller.kind {
        ControllerKind::Usb { model, .. } => {
            model.filter(|model| matches!(model, Ich9Ehci1 | Ich9Uhci1 | Ich9Uhci2 | Ich9Uhci3))
        }
        _ => None,
    }
}

/// The first port of its main controller that a companion serves.
fn first_port(controller: &Controller) -> Option<u32> {
    match companion_model(controller)? {
        UsbModel::Ich9Uhci1 => Some(0),
        UsbModel::Ich9Uhci2 => Some(2),
        UsbModel::Ich9Uhci3 => Some(4),
        _ => None,
    }
}

/// The controllers that devices hang on. Drives' controllers are there without gaps up to the highest.
fn needed(devices: &Devices) -> BTreeSet<(ControllerType, u32)> {
    // The highest of each bus: those below it are there too.
    let mut highest: BTreeMap<ControllerType, u32> = BTreeMap::new();
    let mut need = |bus, address: Option<&Address>| {
        if let Some(Address::Drive(at)) = address {
            let highest = highest.entry(bus).or_default();
            *highest = (*highest).max(at.controller);
        }
    };
    for disk in &devices.disks {
        let bus = match disk.target.bus {
            Some(DiskBus::Ide) => ControllerType::Ide,
            Some(DiskBus::Scsi) => ControllerType::Scsi,
            Some(DiskBus::Fdc) => ControllerType::Fdc,
            Some(DiskBus::Sata) => ControllerType::Sata,
            _ => continue,
        };
        need(bus, disk.info.address.as_ref());
    }
    for hostdev in &devices.hostdevs {
        if let HostdevKind::Scsi { .. } = hostdev.kind {
            need(ControllerType::Scsi, hostdev.info.address.as_ref());
        }
    }
    let below = |(bus, highest)| (0..=highest).map(move |index| (bus, index));
    let mut found: BTreeSet<(ControllerType, u32)> = highest.into_iter().flat_map(below).collect();
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
    if let Some(startport) = first_port(controller) {
        controller.info.master.get_or_insert(UsbMaster { startport });
    }
    let unsupported = |text: String| Err(Error::new(Code::ConfigUnsupported, ErrorDomain::Qemu, text));
    match &mut controller.kind {
        ControllerKind::Usb { model, .. } if model.is_none() && machine.board.is_arm() => {
            *model = if has("qemu-xhci") {
                Some(UsbModel::QemuXhci)
            } else {
                has("nec-usb-xhci").then_some(UsbModel::NecXhci)
            };
        }
        ControllerKind::Usb { model, .. } if model.is_none() => {
            // What a controller without a model has always been.
            *model = has("piix3-usb-uhci").then_some(UsbModel::Piix3Uhci);
        }
        ControllerKind::Scsi { model } if matches!(model, None | Some(ScsiModel::Auto)) => {
            *model = if has("lsi53c895a") {
                Some(ScsiModel::LsiLogic)
            } else {
                Some(ScsiModel::VirtioScsi)
            };
        }
        ControllerKind::Ide { .. } if machine.board == Board::Q35 || machine.board.is_arm() => {
            return unsupported("<controller type='ide'>: IDE controllers are unsupported for this QEMU binary or machine type".to_owned());
        }
        ControllerKind::XenBus { .. } => {
            return unsupported("<controller type='xenbus'>: only Xen guests have it".to_owned());
        }
        _ => {}
    }
    Ok(())
}

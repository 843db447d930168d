//! Places of disks on IDE, SCSI, SATA and floppy controllers, from their targets: `sdb` is the second unit.

use super::aliases::target_index;
use super::machine::{Board, Machine};
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain;
use model::domain::devices::address::DriveAddress;
use model::domain::devices::controller::{ControllerKind, ScsiModel};
use model::domain::devices::disk::{DiskBus, DiskDevice};
use model::domain::devices::hostdev::HostdevKind;
use model::domain::devices::{Address, Devices};
use std::collections::BTreeSet;

/// Settles the bus of every disk, and the drive address of those on a bus that has such.
pub(super) fn assign(domain: &mut Domain, machine: &Machine) -> Result<()> {
    for disk in &mut domain.devices.disks {
        let bus = match disk.target.bus {
            Some(bus) => bus,
            None => *disk
                .target
                .bus
                .insert(default_bus(&disk.target.dev, disk.device, machine)?),
        };
        if disk.info.address.is_some() {
            continue;
        }
        let index = || {
            target_index(&disk.target.dev).ok_or_else(|| {
                let text = format!("<disk><target dev='{}'>: not a name of a disk", disk.target.dev);
                Error::new(Code::XmlError, ErrorDomain::Domain, text)
            })
        };
        let address = match bus {
            DiskBus::Ide => {
                let index = index()?;
                DriveAddress {
                    controller: index / 4,
                    bus: index / 2 % 2,
                    target: 0,
                    unit: index % 2,
                }
            }
            DiskBus::Sata => {
                let index = index()?;
                DriveAddress {
                    controller: index / 6,
                    bus: 0,
                    target: 0,
                    unit: index % 6,
                }
            }
            DiskBus::Fdc => {
                let index = index()?;
                DriveAddress {
                    controller: index / 2,
                    bus: 0,
                    target: 0,
                    unit: index % 2,
                }
            }
            DiskBus::Scsi => continue,
            _ => continue,
        };
        disk.info.address = Some(Address::Drive(address));
    }
    scsi(&mut domain.devices)?;
    hostdevs(&mut domain.devices);
    Ok(())
}

/// Units that are passed through get the first places that are free.
fn hostdevs(devices: &mut Devices) {
    let mut taken: BTreeSet<(u32, u32, u32, u32)> = BTreeSet::new();
    let disks = devices
        .disks
        .iter()
        .filter(|disk| disk.target.bus == Some(DiskBus::Scsi));
    let infos = disks
        .map(|disk| &disk.info)
        .chain(devices.hostdevs.iter().map(|hostdev| &hostdev.info));
    for info in infos {
        if let Some(Address::Drive(at)) = info.address.as_ref() {
            taken.insert((at.controller, at.bus, at.target, at.unit));
        }
    }
    let units = units(devices);
    for hostdev in &mut devices.hostdevs {
        if !matches!(hostdev.kind, HostdevKind::Scsi { .. }) || hostdev.info.address.is_some() {
            continue;
        }
        let places = (0..=u32::from(u8::MAX))
            .flat_map(|controller| (0..units).map(move |unit| (controller, 0, 0, unit)));
        if let Some(place) = places.into_iter().find(|place| !taken.contains(place)) {
            taken.insert(place);
            let (controller, bus, target, unit) = place;
            hostdev.info.address = Some(Address::Drive(DriveAddress {
                controller,
                bus,
                target,
                unit,
            }));
        }
    }
}

/// How many units of a controller are counted through: sixteen where it is "wide", else seven.
fn units(devices: &Devices) -> u32 {
    let wide = devices.controllers.iter().any(|controller| {
        matches!(controller.kind, ControllerKind::Scsi { model: Some(model) } if model == ScsiModel::LsiSas1078)
    });
    if wide { 16 } else { 7 }
}

/// SCSI disks: where each fits depends on its controller's model.
fn scsi(devices: &mut Devices) -> Result<()> {
    let mut taken: BTreeSet<(u32, u32, u32, u32)> = devices
        .disks
        .iter()
        .filter(|disk| disk.target.bus == Some(DiskBus::Scsi))
        .filter_map(|disk| match disk.info.address.as_ref() {
            Some(Address::Drive(at)) => Some((at.controller, at.bus, at.target, at.unit)),
            _ => None,
        })
        .collect();
    let per_controller = units(devices);
    for disk in &mut devices.disks {
        if disk.target.bus != Some(DiskBus::Scsi) || disk.info.address.is_some() {
            continue;
        }
        let index = target_index(&disk.target.dev).unwrap_or(0);
        let (controller, unit) = (index / per_controller, index % per_controller);
        if !taken.insert((controller, 0, 0, unit)) {
            let text = format!(
                "<disk><target dev='{}'>: unit {unit} of SCSI controller {controller} is taken by another disk",
                disk.target.dev
            );
            return Err(Error::new(Code::XmlError, ErrorDomain::Domain, text));
        }
        disk.info.address = Some(Address::Drive(DriveAddress {
            controller,
            bus: 0,
            target: 0,
            unit,
        }));
    }
    Ok(())
}

fn default_bus(target: &str, device: DiskDevice, machine: &Machine) -> Result<DiskBus> {
    Ok(match target.get(..2) {
        _ if device == DiskDevice::Floppy => DiskBus::Fdc,
        Some("hd") if machine.board == Board::Q35 => DiskBus::Sata,
        Some("hd") => DiskBus::Ide,
        Some("fd") => DiskBus::Fdc,
        Some("sd") => DiskBus::Scsi,
        Some("vd") => DiskBus::Virtio,
        Some("xv") => DiskBus::Xen,
        _ => {
            let text =
                format!("<disk><target dev='{target}'>: the bus does not follow from the name; give it");
            return Err(Error::new(Code::XmlError, ErrorDomain::Domain, text));
        }
    })
}

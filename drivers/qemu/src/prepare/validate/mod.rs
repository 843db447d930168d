//! Combinations that no machine can have: a file a subject.

mod devices;
mod disk;
mod firmware;
mod hostdevs;
mod interface;
mod processor;
mod sysinfo;
mod tuning;

use super::machine::{Board, Machine};
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain;
use model::domain::devices::Address;
use model::domain::devices::disk::DiskBus;
use std::collections::BTreeSet;

/// The most I/O threads.
const MOST_THREADS: u32 = 65_535;

/// The highest number of a controller: every slot of 256 PCI buses taken.
const HIGHEST_CONTROLLER: u32 = 256 * 32 - 1;

pub(super) fn unsupported(text: impl Into<String>) -> Error {
    Error::new(Code::ConfigUnsupported, ErrorDomain::Qemu, text)
}

fn wrong(text: impl Into<String>) -> Error {
    Error::new(Code::XmlError, ErrorDomain::Domain, text)
}

/// What libvirt blames itself for, though it is the document's fault.
fn internal(text: &str) -> Error {
    Error::new(Code::InternalError, ErrorDomain::Domain, text)
}

fn argument(text: String) -> Error {
    Error::new(Code::InvalidArg, ErrorDomain::Domain, text)
}

/// A fault that its sentence alone describes.
fn wrong_detail(text: &str) -> Result<()> {
    Err(Error::new(Code::XmlDetail, ErrorDomain::Domain, text))
}

/// What can be told of the machine before it is chosen.
pub(super) fn machine(domain: &Domain) -> Result<()> {
    numbers(domain)?;
    firmware::before(domain)
}

/// Numbers of what would be made one by one: no machine has as many, whatever its type.
fn numbers(domain: &Domain) -> Result<()> {
    if let Some(count) = domain.iothreads.filter(|count| *count > MOST_THREADS) {
        return Err(unsupported(format!(
            "<iothreads>: {count} are more than {MOST_THREADS}"
        )));
    }
    let mut highest = 0;
    for controller in &domain.devices.controllers {
        highest = highest.max(controller.index.unwrap_or(0));
    }
    domain.devices.for_each_info(|_, _, info| {
        let controller = match info.address.as_ref() {
            Some(Address::Drive(at)) => at.controller,
            Some(Address::VirtioSerial(at)) => at.controller,
            Some(Address::Ccid(at)) => at.controller,
            _ => 0,
        };
        highest = highest.max(controller);
    });
    if highest > HIGHEST_CONTROLLER {
        return Err(wrong(format!(
            "<controller index='{highest}'>: there is no place for more than {HIGHEST_CONTROLLER}"
        )));
    }
    Ok(())
}

/// What can be told before anything is added.
pub(super) fn before(domain: &Domain, machine: &Machine) -> Result<()> {
    firmware::after(domain, machine)?;
    let mut targets = BTreeSet::new();
    for disk in &domain.devices.disks {
        if !targets.insert(&disk.target.dev) {
            let text = format!("<disk>: target '{}' duplicated for disk sources", disk.target.dev);
            return Err(Error::new(Code::XmlError, ErrorDomain::Domain, text));
        }
        let impossible = match disk.target.bus {
            Some(DiskBus::Xen | DiskBus::Uml) => true,
            Some(DiskBus::Ide) => machine.board != Board::I440fx,
            _ => false,
        };
        if impossible {
            let bus = disk.target.bus.map(|bus| bus.to_string()).unwrap_or_default();
            return Err(unsupported(format!(
                "<disk><target dev='{}' bus='{bus}'>: this machine type has no such bus",
                disk.target.dev
            )));
        }
    }
    disk::check(domain)?;
    processor::check(domain)?;
    devices::check(domain, machine)?;
    interface::check(domain)?;
    hostdevs::raw_access(domain)?;
    hostdevs::check(domain)?;
    tuning::check(domain)?;
    sysinfo::check(domain)?;
    let mut indexes = BTreeSet::new();
    for controller in &domain.devices.controllers {
        if let Some(index) = controller.index
            && !indexes.insert((controller.bus(), index))
            && controller.bus() != model::domain::devices::ControllerType::Usb
        {
            let text = format!(
                "<controller type='{}' index='{index}'> is there twice",
                controller.bus()
            );
            return Err(Error::new(Code::XmlError, ErrorDomain::Domain, text));
        }
    }
    let mut orders = BTreeSet::new();
    let mut clash = None;
    domain.devices.for_each_info(|_, _, info| {
        if let Some(order) = info.boot_order()
            && !orders.insert(order)
        {
            clash = Some(order);
        }
    });
    match clash {
        Some(order) => Err(Error::new(
            Code::XmlError,
            ErrorDomain::Domain,
            format!("<boot order='{order}'> is used for more than one device"),
        )),
        None if !orders.is_empty() && !domain.os.boot.is_empty() => Err(unsupported(
            "per-device <boot order> cannot be used together with <os><boot>".to_owned(),
        )),
        None => Ok(()),
    }
}

/// What can be told once everything has its place.
pub(super) fn after(domain: &Domain) -> Result<()> {
    disk::places(domain)?;
    hostdevs::places(domain)?;
    let mut aliases = BTreeSet::new();
    let mut twice = None;
    domain.devices.for_each_info(|kind, _, info| {
        if let Some(alias) = info.alias_name().filter(|_| info.has_user_alias())
            && kind != model::domain::devices::DeviceKind::Console
            && !aliases.insert(alias.to_owned())
        {
            twice = Some(alias.to_owned());
        }
    });
    match twice {
        Some(alias) => Err(Error::new(
            Code::XmlError,
            ErrorDomain::Domain,
            format!("<alias name='{alias}'> is used by two devices"),
        )),
        None => Ok(()),
    }
}

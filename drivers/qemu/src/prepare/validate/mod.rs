//! Combinations that no machine can have: a file a subject.

mod devices;
mod disk;
mod firmware;
mod interface;
mod processor;

use super::machine::{Board, Machine};
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain;
use model::domain::devices::disk::DiskBus;
use std::collections::BTreeSet;

fn unsupported(text: impl Into<String>) -> Error {
    Error::new(Code::ConfigUnsupported, ErrorDomain::Qemu, text)
}

fn wrong(text: impl Into<String>) -> Error {
    Error::new(Code::XmlError, ErrorDomain::Domain, text)
}

/// A fault that its sentence alone describes.
fn wrong_detail(text: &str) -> Result<()> {
    Err(Error::new(Code::XmlDetail, ErrorDomain::Domain, text))
}

/// What can be told of the machine before it is chosen.
pub(super) fn machine(domain: &Domain) -> Result<()> {
    firmware::before(domain)
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

//! Devices of the host that are passed through.

use super::{unsupported, wrong};
use error::Result;
use model::domain::Domain;
use model::domain::devices::hostdev::{HostdevKind, HostdevMode, VfioDisplay};
use model::domain::devices::{Address, Hostdev};
use std::collections::BTreeSet;
use xml::{OnOff, YesNo};

/// Each by itself, and that no two are the same.
pub(super) fn check(domain: &Domain) -> Result<()> {
    let hostdevs = &domain.devices.hostdevs;
    hostdevs.iter().try_for_each(|hostdev| one(domain, hostdev))?;
    let named: Vec<&Hostdev> = hostdevs
        .iter()
        .filter(|one| one.mode == HostdevMode::Subsystem)
        .collect();
    for (at, hostdev) in named.iter().enumerate() {
        if named.iter().take(at).any(|other| is_same(other, hostdev)) {
            return Err(wrong("<hostdev>: the same device of the host is there twice"));
        }
    }
    let ramfb = hostdevs
        .iter()
        .filter(|one| display(one).is_some_and(|display| display.ramfb == Some(OnOff::On)));
    if ramfb.count() > 1 {
        return Err(unsupported("<hostdev ramfb='on'>: only one device can have it"));
    }
    Ok(())
}

fn display(hostdev: &Hostdev) -> Option<&VfioDisplay> {
    match &hostdev.kind {
        HostdevKind::Pci { display, .. } | HostdevKind::Mdev { display, .. } => Some(display),
        _ => None,
    }
}

fn one(domain: &Domain, hostdev: &Hostdev) -> Result<()> {
    if let Some(display) = display(hostdev) {
        if display.display == Some(OnOff::On) && domain.devices.graphics.is_empty() {
            return Err(unsupported(
                "<hostdev display='on'> needs a <graphics> that shows it",
            ));
        }
        if display.ramfb == Some(OnOff::On) && display.display != Some(OnOff::On) {
            return Err(unsupported("<hostdev ramfb='on'> needs display='on'"));
        }
    }
    if matches!(hostdev.kind, HostdevKind::ScsiHost { .. }) && hostdev.info.boot.is_some() {
        return Err(unsupported(
            "<hostdev type='scsi_host'>: guests do not boot from it",
        ));
    }
    if let Some(Address::Pci(place)) = &hostdev.info.address
        && place.zpci.is_some()
    {
        return Err(unsupported("<hostdev><address>: <zpci> is of guests of s390x"));
    }
    Ok(())
}

/// Whether two elements mean one device.
fn is_same(one: &Hostdev, other: &Hostdev) -> bool {
    match (&one.kind, &other.kind) {
        (HostdevKind::Pci { source: one, .. }, HostdevKind::Pci { source: other, .. }) => {
            let place = |source: &model::domain::devices::hostdev::PciHostdevSource| {
                let at = source.address;
                (at.domain, at.bus, at.slot, at.function)
            };
            place(one) == place(other)
        }
        (HostdevKind::Usb { source: one }, HostdevKind::Usb { source: other }) => {
            // With no place on the bus two of a kind may be meant.
            one.address.is_some() && one.address == other.address
        }
        (HostdevKind::Scsi { source: one, .. }, HostdevKind::Scsi { source: other, .. }) => {
            one.protocol == other.protocol
                && one.name == other.name
                && one.adapter == other.adapter
                && one.address == other.address
                && one.hosts == other.hosts
        }
        (HostdevKind::ScsiHost { source: one, .. }, HostdevKind::ScsiHost { source: other, .. }) => {
            one.wwpn.is_some() && one.wwpn == other.wwpn
        }
        (HostdevKind::Mdev { source: one, .. }, HostdevKind::Mdev { source: other, .. }) => {
            one.address.uuid == other.address.uuid
        }
        _ => false,
    }
}

/// Whether a controller of SCSI has two of them at one place.
pub(super) fn places(domain: &Domain) -> Result<()> {
    let mut taken = BTreeSet::new();
    for hostdev in &domain.devices.hostdevs {
        if let Some(Address::Drive(at)) = &hostdev.info.address
            && !taken.insert((at.controller, at.bus, at.target, at.unit))
        {
            return Err(unsupported(format!(
                "<hostdev type='scsi'>: another one has controller='{}' bus='{}' target='{}' unit='{}'",
                at.controller, at.bus, at.target, at.unit
            )));
        }
    }
    Ok(())
}

/// What raw access to a disk is asked for, but no disk.
pub(super) fn raw_access(domain: &Domain) -> Result<()> {
    for hostdev in &domain.devices.hostdevs {
        if let HostdevKind::ScsiHost {
            rawio: Some(YesNo::Yes),
            ..
        } = &hostdev.kind
        {
            return Err(wrong("<hostdev rawio='yes'> is for type='scsi' only"));
        }
    }
    Ok(())
}

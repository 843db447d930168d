//! Disks.

use super::{unsupported, wrong};
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain;
use model::domain::devices::disk::{DiskBus, DiskDevice};
use model::domain::devices::disk_source::{DiskSource, EncryptionEngine, StorageFormat};
use model::domain::devices::info::DeviceSecLabel;
use model::domain::devices::{Address, Disk};
use std::collections::BTreeSet;
use xml::YesNo;

/// What each disk is by itself.
pub(super) fn check(domain: &Domain) -> Result<()> {
    domain.devices.disks.iter().try_for_each(one)
}

fn one(disk: &Disk) -> Result<()> {
    let target = &disk.target.dev;
    let refused = |what: &str| unsupported(format!("<disk><target dev='{target}'>: {what}"));
    let is_partition = ["vd", "sd", "hd", "xvd"].iter().any(|prefix| {
        target.strip_prefix(prefix).is_some_and(|rest| {
            let digits = rest.trim_start_matches(|letter: char| letter.is_ascii_lowercase());
            !digits.is_empty()
                && digits.len() < rest.len()
                && digits.bytes().all(|digit| digit.is_ascii_digit())
        })
    });
    if is_partition {
        return Err(refused("a partition cannot be a guest's disk by itself"));
    }
    if disk.device == DiskDevice::Lun {
        if !matches!(
            disk.source,
            DiskSource::Block { .. } | DiskSource::Network { .. } | DiskSource::Volume { .. }
        ) {
            return Err(refused("device='lun' needs a source of type 'block'"));
        }
        if disk.target.bus == Some(DiskBus::Virtio) {
            return Err(refused("device='lun' needs a SCSI controller, not bus='virtio'"));
        }
    }
    address(disk).map_err(|err| err.context(format!("<disk><target dev='{target}'>")))?;
    for (what, text, most) in [("vendor", &disk.vendor, 8), ("product", &disk.product, 16)] {
        if text.as_ref().is_some_and(|text| text.len() > most) {
            return Err(refused(&format!("<{what}> is longer than {most} characters")));
        }
    }
    let details = disk.source.details();
    let relabelled = |label: &&DeviceSecLabel| label.relabel == Some(YesNo::Yes) && label.label.is_none();
    if let Some(label) = details.and_then(|details| details.seclabels.iter().find(relabelled)) {
        return Err(wrong(format!(
            "<disk><target dev='{target}'>: <seclabel model='{}' relabel='yes'> names no <label>",
            label.model.as_deref().unwrap_or_default()
        )));
    }
    let auth = details
        .and_then(|details| details.auth.as_ref())
        .or(disk.auth.as_ref());
    if auth.is_some_and(|auth| auth.secret.kind.is_none()) {
        return Err(refused("<auth>: <secret> names no type"));
    }
    if disk.shareable && !matches!(disk.format(), None | Some(StorageFormat::Raw)) {
        return Err(refused("<shareable/> needs an image of format 'raw'"));
    }
    let encryption = disk
        .encryption
        .as_ref()
        .or_else(|| details.and_then(|details| details.encryption.as_ref()));
    if let Some(encryption) = encryption {
        let by_qemu = encryption.engine != Some(EncryptionEngine::Librbd);
        if by_qemu
            && !matches!(
                disk.format(),
                None | Some(StorageFormat::Raw | StorageFormat::Qcow2)
            )
        {
            return Err(refused("<encryption> needs an image of format 'raw' or 'qcow2'"));
        }
        if encryption.cipher.is_some() {
            return Err(refused("<encryption>: <cipher> is for the making of volumes"));
        }
    }
    if disk.io_tune.is_some() && !disk.throttle_filters.is_empty() {
        let text =
            format!("<disk><target dev='{target}'>: <iotune> and <throttlefilters> exclude each other");
        return Err(Error::new(Code::OperationUnsupported, ErrorDomain::Domain, text));
    }
    Ok(())
}

/// Whether the kind of its address is the bus's.
fn address(disk: &Disk) -> Result<()> {
    let Some(address) = disk.info.address.as_ref() else {
        return Ok(());
    };
    let fits = match disk.target.bus {
        Some(DiskBus::Fdc | DiskBus::Ide | DiskBus::Scsi | DiskBus::Sata) => {
            matches!(address, Address::Drive(_))
        }
        Some(DiskBus::Usb) => matches!(address, Address::Usb(_)),
        _ => true,
    };
    if fits {
        Ok(())
    } else if disk.target.bus == Some(DiskBus::Usb) {
        Err(Error::new(
            Code::InternalError,
            ErrorDomain::Qemu,
            "this kind of <address> is not for bus='usb'",
        ))
    } else {
        let bus = disk.target.bus.map(|bus| bus.to_string()).unwrap_or_default();
        Err(unsupported(format!(
            "this kind of <address> is not for bus='{bus}'"
        )))
    }
}

/// No two disks at the same place.
pub(super) fn places(domain: &Domain) -> Result<()> {
    let mut taken = BTreeSet::new();
    for disk in &domain.devices.disks {
        if let (Some(bus), Some(Address::Drive(at))) = (disk.target.bus, disk.info.address.as_ref())
            && !taken.insert((bus.to_string(), at.controller, at.bus, at.target, at.unit))
        {
            return Err(unsupported(format!(
                "<disk><target dev='{}'>: another disk has controller='{}' bus='{}' target='{}' unit='{}'",
                disk.target.dev, at.controller, at.bus, at.target, at.unit
            )));
        }
    }
    Ok(())
}

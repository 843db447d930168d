//! LUNs: disks that SCSI hosts of this machine have, as volumes. They are made elsewhere: pools of them only show them.

use super::{Place, Room, Scan};
use crate::devices;
use crate::failure::invalid;
use crate::files::Figures;
use crate::files::label::label;
use crate::sysfs::{Sysfs, host_number};
use crate::volume::{Device, Volume};
use error::Result;
use model::storage::VolumeKind;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tool::{Cancel, Tool};

/// Tells a disk's identity; udev uses it for its links.
const SCSI_ID: &str = "/lib/udev/scsi_id";

/// Bytes of a sector, in which the kernel counts.
const SECTOR: u64 = 512;

/// How long disks that were just found may take to get their names.
const SETTLE: Duration = Duration::from_secs(3);

/// How often that is looked at.
const GLANCE: Duration = Duration::from_millis(50);

/// Where a LUN is on its host: bus, target, number.
type Address = (u32, u32, u64);

/// A LUN that is a disk.
#[derive(Debug, PartialEq, Eq)]
struct Lun {
    address: Address,
    /// What the kernel calls it: `sda`.
    name: String,
    /// Bytes.
    size: u64,
}

/// The disks of a host, and whether some have no name yet.
fn luns(sysfs: &Sysfs, host: u32) -> (Vec<Lun>, bool) {
    let (mut found, mut pending) = (Vec::new(), false);
    for entry in sysfs.entries("bus/scsi/devices") {
        let Some(address) = address(&entry, host) else {
            continue;
        };
        let device = Path::new("bus/scsi/devices").join(&entry);
        // Disks, and what reads discs.
        if !matches!(sysfs.attribute(device.join("type")).as_deref(), Some("0" | "5")) {
            continue;
        }
        let Some(name) = sysfs.entries(device.join("block")).into_iter().next() else {
            pending = true;
            continue;
        };
        let sectors: Option<u64> = sysfs.number(device.join("block").join(&name).join("size"));
        match sectors.and_then(|sectors| sectors.checked_mul(SECTOR)) {
            // A drive without a disc.
            None | Some(0) => {}
            Some(size) => found.push(Lun { address, name, size }),
        }
    }
    found.sort_by_key(|lun| lun.address);
    (found, pending)
}

/// The address in a name such as `3:0:0:1`, of a device of that host.
fn address(name: &str, host: u32) -> Option<Address> {
    let mut numbers = name.split(':');
    if numbers.next()?.parse() != Ok(host) {
        return None;
    }
    let address = (
        numbers.next()?.parse().ok()?,
        numbers.next()?.parse().ok()?,
        numbers.next()?.parse().ok()?,
    );
    numbers.next().is_none().then_some(address)
}

/// Has a host look for LUNs that came, and waits for udev to name them.
///
/// # Errors
/// What the kernel says.
pub(super) fn rescan(sysfs: &Sysfs, host: u32, cancel: &Cancel) -> Result<()> {
    sysfs.order(format!("class/scsi_host/host{host}/scan"), "- - -")?;
    settle(sysfs, host, cancel)
}

/// Waits until the LUNs of a host that has looked for them have their names.
///
/// # Errors
/// The thread was told to end.
pub(super) fn settle(sysfs: &Sysfs, host: u32, cancel: &Cancel) -> Result<()> {
    let start = Instant::now();
    while luns(sysfs, host).1 && start.elapsed() < SETTLE {
        cancel.check()?;
        std::thread::sleep(GLANCE);
    }
    devices::settle(cancel);
    cancel.check()
}

/// Every LUN of a host as a volume.
///
/// # Errors
/// The thread was told to end.
pub(super) fn scan(place: &Place, host: u32, cancel: &Cancel) -> Result<Scan> {
    let links = devices::stable_paths(place.path()?);
    let mut volumes = Vec::new();
    for lun in luns(&place.host.sysfs, host).0 {
        cancel.check()?;
        match volume(&lun, &links, cancel) {
            Ok(volume) => volumes.push(volume),
            Err(err) => {
                cancel.check()?;
                tracing::warn!(%err, "a disk was left out");
            }
        }
    }
    Ok(all(volumes))
}

/// What a pool has that is made of its volumes, all of which are taken.
pub(super) fn all(volumes: Vec<Volume>) -> Scan {
    let capacity = volumes
        .iter()
        .fold(0, |sum: u64, volume| sum.saturating_add(volume.capacity));
    let figures = Figures {
        capacity,
        allocation: capacity,
        available: 0,
    };
    Scan {
        volumes,
        room: Room::from(figures),
        permissions: None,
    }
}

fn volume(lun: &Lun, links: &HashMap<PathBuf, PathBuf>, cancel: &Cancel) -> Result<Volume> {
    let device = Path::new("/dev").join(&lun.name);
    let (bus, target, number) = lun.address;
    let path = links.get(&device).unwrap_or(&device);
    block(&format!("unit:{bus}:{target}:{number}"), path, lun.size, cancel)
}

/// A disk of this machine as a volume, with its size in bytes.
///
/// # Errors
/// There is no such device, or it cannot be read.
pub(super) fn block(name: &str, path: &Path, size: u64, cancel: &Cancel) -> Result<Volume> {
    let file = devices::facts(path)?;
    let word = path.to_string_lossy().into_owned();
    let key = identity(path, cancel).unwrap_or_else(|| word.clone());
    let head = head(path, cancel)?;
    Ok(Volume {
        capacity: size,
        allocation: size,
        physical: Some(size),
        format: Some(label(&head)),
        encryption: devices::encryption(&head),
        file: Some(file),
        device: Some(Box::new(Device {
            path: word,
            key,
            lasting: None,
            parts: Vec::new(),
        })),
        ..Volume::named(name, VolumeKind::Block)
    })
}

/// What a disk begins with. A program reads it: where the disk does not answer, whoever does so is held in the kernel and cannot even
/// be killed, and a program need not end before the daemon does.
///
/// # Errors
/// What dd says.
fn head(device: &Path, cancel: &Cancel) -> Result<Vec<u8>> {
    let mut begin = OsString::from("if=");
    begin.push(device);
    let read = Tool::new("dd")
        .with(["status=none", "bs=4096", "count=1", "iflag=nonblock,noctty"])
        .with([begin]);
    read.run_for_bytes(cancel)
}

/// What a disk says that it is, the same wherever it is found.
fn identity(device: &Path, cancel: &Cancel) -> Option<String> {
    let told = Tool::new(SCSI_ID)
        .with(["--replace-whitespace", "--whitelisted", "--device"])
        .with([device])
        .run(cancel);
    let told = told.ok()?;
    Some(told.trim().to_owned()).filter(|identity| !identity.is_empty())
}

/// The content of a volume that is a disk of this machine, and where programs find it.
///
/// # Errors
/// As [`devices::open`].
pub(super) fn content(volume: &Volume, write: bool) -> Result<(File, PathBuf)> {
    let path = volume.device.as_ref().map(|device| PathBuf::from(&device.path));
    let path = path.ok_or_else(|| invalid(format!("volume '{}' is no device", volume.name)))?;
    Ok((devices::open(&path, write)?, path))
}

/// The hosts of this machine.
pub(super) fn hosts(sysfs: &Sysfs) -> Vec<u32> {
    let names = sysfs.entries("class/scsi_host");
    names.iter().filter_map(|name| host_number(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_a_disk_begins_with_is_told_byte_by_byte() {
        let dir = tempfile::tempdir().unwrap();
        let disk = dir.path().join("a disk");
        let bytes: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        fs::write(&disk, &bytes).unwrap();
        assert_eq!(head(&disk, &Cancel::default()).unwrap(), bytes[..4096]);
        assert!(head(&dir.path().join("none"), &Cancel::default()).is_err());
    }

    #[test]
    fn the_disks_of_one_host_are_told_in_their_order() {
        let dir = tempfile::tempdir().unwrap();
        let devices = dir.path().join("bus/scsi/devices");
        let add = |name: &str, kind: &str, block: Option<(&str, &str)>| {
            let device = devices.join(name);
            fs::create_dir_all(&device).unwrap();
            fs::write(device.join("type"), format!("{kind}\n")).unwrap();
            if let Some((name, size)) = block {
                let block = device.join("block").join(name);
                fs::create_dir_all(&block).unwrap();
                fs::write(block.join("size"), format!("{size}\n")).unwrap();
            }
        };
        add("3:0:0:10", "0", Some(("sdc", "2048")));
        add("3:0:0:2", "0", Some(("sdb", "1")));
        add("3:0:1:0", "5", Some(("sr0", "0")));
        add("13:0:0:1", "0", Some(("sdz", "8")));
        add("3:0:0:0", "12", None);
        fs::create_dir_all(devices.join("host3")).unwrap();
        fs::create_dir_all(devices.join("target3:0:0")).unwrap();
        let sysfs = Sysfs::below(dir.path());
        let (found, pending) = luns(&sysfs, 3);
        let told: Vec<_> = found
            .iter()
            .map(|lun| (lun.address, lun.name.as_str(), lun.size))
            .collect();
        assert_eq!(told, [((0, 0, 2), "sdb", 512), ((0, 0, 10), "sdc", 1 << 20)]);
        assert!(!pending);
        add("3:0:0:3", "0", None);
        assert!(luns(&sysfs, 3).1);
    }
}

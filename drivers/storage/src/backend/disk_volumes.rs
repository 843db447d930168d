//! Volumes that are partitions of a disk.
//!
//! ```text
//!  create ─► note ─► parted mkpart ─► the kernel knows it ─► qemu-img fills it ─► the note goes
//!                    └────────── the turn at the table ──┘
//! ```
//! A partition that holds nothing in particular is whole when parted is back, and is not noted.

use super::disk::Whole;
use super::{Place, Room, Scan, Volumes};
use crate::capabilities::volume_format;
use crate::devices;
use crate::failure::{argument, refused, unsupported};
use crate::files::{Algorithm, Figures, wipe};
use crate::journal::Note;
use crate::parted::{self, Partition, Role, Table};
use crate::volume::fill::onto_device;
use crate::volume::new::NewVolume;
use crate::volume::{Device, Volume};
use error::{Code, Error, Result};
use model::storage::{Extent, FreeExtent, PoolKind, SourceDevice};
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use tool::Cancel;

/// Partitions of the pool's disk.
#[derive(Debug)]
pub(super) struct Partitions;

/// What LUKS needs on a device beside the content, in bytes.
pub(super) const LUKS_HEADER: u64 = 2 << 20;

/// How many partitions a table of DOS has beside the logical ones.
const PRIMARY: usize = 4;

/// The word of a partition's kind, as far as its table tells.
fn kind_of(partition: &Partition) -> &'static str {
    let is = |flag: &str| partition.flags.iter().any(|own| own == flag);
    match partition.role {
        Role::Extended => "extended",
        _ if is("lvm") => "linux-lvm",
        _ if is("raid") => "linux-raid",
        _ if is("swap") => "linux-swap",
        _ => "none",
    }
}

fn room_of(table: &Table) -> Room {
    let length = |place: &Range<u64>| place.end.saturating_sub(place.start);
    let data = table
        .partitions
        .iter()
        .filter(|partition| partition.role != Role::Extended);
    let ends = table.partitions.iter().map(|partition| partition.place.end);
    let ends = ends.chain(table.free.iter().map(|free| free.place.end));
    Room {
        figures: Figures {
            capacity: ends.max().unwrap_or(0),
            allocation: data.map(|partition| length(&partition.place)).sum(),
            available: table.free.iter().map(|free| length(&free.place)).sum(),
        },
        free: table
            .free
            .iter()
            .map(|free| FreeExtent {
                start: free.place.start,
                end: free.place.end,
            })
            .collect(),
    }
}

/// What a partition is as a volume.
fn volume(disk: &Whole<'_>, table: &Table, partition: &Partition, path: &Path) -> Result<Volume> {
    let path = path.to_string_lossy().into_owned();
    let device = Device {
        key: path.clone(),
        path,
        // Numbers of logical partitions move up.
        lasting: Some(partition.place.start.to_string()),
        parts: vec![SourceDevice {
            path: disk.named.to_owned(),
            extents: vec![Extent {
                start: partition.place.start,
                end: partition.place.end,
            }],
        }],
    };
    let mut volume = devices::volume(&disk.volume(partition.number), device)?;
    volume.format = volume_format(PoolKind::Disk, kind_of(partition));
    let length = partition.place.end - partition.place.start;
    volume.capacity = length;
    volume.allocation = length;
    if partition.role == Role::Extended {
        let logical = table.partitions.iter().filter(|one| one.role == Role::Logical);
        volume.allocation = logical.map(|one| one.place.end - one.place.start).sum();
    }
    Ok(volume)
}

/// What is noted of a partition that is going to be made.
fn noted(disk: &Whole<'_>, place: &Range<u64>) -> String {
    format!("{}\n{}\n{}\n", disk.named, place.start, place.end)
}

/// Removes partitions that daemons before this one did not come to the end of.
fn undo_left(place: &Place, disk: &Whole<'_>, table: &Table, cancel: &Cancel) -> Result<bool> {
    let mut any = false;
    for left in place.host.journal.left(place.pool.uuid.unwrap_or_default())? {
        let is_it = |partition: &&Partition| left.what == noted(disk, &partition.place);
        if let Some(partition) = table.partitions.iter().find(is_it) {
            let number = partition.number;
            tracing::info!(
                number,
                disk = disk.named,
                "removing a partition that was being made"
            );
            parted::remove(disk.device(), number).run(cancel)?;
            any = true;
        }
        place.host.journal.undone(&left)?;
    }
    Ok(any)
}

/// Which number a new partition gets, and in which role.
fn choose(disk: &Whole<'_>, table: &Table, new: &NewVolume) -> Result<(u32, Role)> {
    let name = &new.document.name;
    let internal = |text: &str| Err(refused(Code::InternalError, format!("volume '{name}': {text}")));
    let with_number = |role| (table.next_number(role), role);
    let mut possible = Vec::new();
    if table.label == parted::DOS {
        let others = table
            .partitions
            .iter()
            .filter(|partition| partition.role != Role::Logical);
        let has_slot = others.count() < PRIMARY;
        match (new.document.format(), table.extended().is_some()) {
            (Some("extended"), true) => return internal("extended partition already exists"),
            (Some("extended"), false) if has_slot => possible.push(with_number(Role::Extended)),
            (_, has_extended) => {
                possible.extend(has_slot.then(|| with_number(Role::Primary)));
                possible.extend(has_extended.then(|| with_number(Role::Logical)));
            }
        }
    } else {
        possible.push(with_number(Role::Primary));
    }
    let Some((next, _)) = possible.first() else {
        return internal("the table has no extended partition, and no primary partition is left");
    };
    let is_named = |(number, _): &&(u32, Role)| disk.volume(*number) == *name;
    possible.iter().find(is_named).copied().ok_or_else(|| {
        let expected = disk.volume(*next);
        argument(format!("invalid partition name '{name}', expected '{expected}'"))
    })
}

/// What parted is told of a new partition's content, and what it is marked as then.
fn content(format: Option<&str>) -> (Option<&'static str>, Option<&'static str>) {
    match format {
        Some("linux") => (Some("ext2"), None),
        Some("fat16") => (Some("fat16"), None),
        Some("fat32") => (Some("fat32"), None),
        Some("linux-swap") => (Some("linux-swap"), None),
        Some("linux-lvm") => (Some("ext2"), Some("lvm")),
        Some("linux-raid") => (Some("ext2"), Some("raid")),
        _ => (None, None),
    }
}

/// A partition that was made, until it is whole.
#[derive(Debug)]
struct Made<'a> {
    place: &'a Place,
    disk: &'a Whole<'a>,
    where_to: Range<u64>,
    note: Option<Note<'a>>,
}

impl Made<'_> {
    /// It is whole.
    fn done(mut self) -> Result<()> {
        self.note.take().map_or(Ok(()), Note::done)
    }

    fn undo(&self) -> Result<()> {
        let turn = self.place.host.tables.at(&self.disk.path);
        let _turn = turn.lock();
        // Whoever does not wait any more wants it gone all the more.
        let cancel = Cancel::default();
        // Its number may be another one by now.
        match self.disk.table(&cancel)?.at(self.where_to.start) {
            Some(partition) if partition.place == self.where_to => {
                parted::remove(self.disk.device(), partition.number)
                    .run(&cancel)
                    .map(drop)
            }
            _ => Ok(()),
        }
    }
}

/// Makes a partition for a new volume, in the turn at its table.
fn make<'a>(
    place: &'a Place,
    disk: &'a Whole<'a>,
    new: &NewVolume,
    begun: &dyn Fn(&str),
    cancel: &Cancel,
) -> Result<(Made<'a>, PathBuf)> {
    let turn = place.host.tables.at(&disk.path);
    let turn = turn.lock();
    let name = &new.document.name;
    let table = disk.table(cancel)?;
    let (number, role) = choose(disk, &table, new)?;
    begun("");
    let wanted = new
        .capacity()
        .unwrap_or(0)
        .max(new.document.allocation.map_or(0, |size| size.0));
    let header = new.passphrase.as_ref().map_or(0, |_| LUKS_HEADER);
    let where_to = wanted
        .checked_add(header)
        .and_then(|length| table.room_for(length, role));
    let where_to = where_to.ok_or_else(|| {
        refused(
            Code::InternalError,
            format!("volume '{name}': no large enough free extent on '{}'", disk.named),
        )
    })?;
    let is_filled = new.source.is_some() || new.passphrase.is_some();
    let note = match is_filled {
        true => {
            let pool = place.pool.uuid.unwrap_or_default();
            Some(place.host.journal.note(pool, &noted(disk, &where_to))?)
        }
        false => None,
    };
    let kind = match (table.label.as_str(), role) {
        ("bsd", _) => None,
        (_, Role::Logical) => Some("logical"),
        (_, Role::Extended) => Some("extended"),
        (_, Role::Primary) => Some("primary"),
    };
    let (content, flag) = content(new.document.format());
    let tool = parted::make(disk.device(), kind, content, &where_to);
    let finished = tool
        .run(cancel)
        .and_then(|_| finish(disk, name, &where_to, number, flag, cancel));
    let made = Made {
        place,
        disk,
        where_to,
        note,
    };
    // Undoing takes a turn of its own.
    drop(turn);
    match finished {
        Ok(path) => Ok((made, path)),
        Err(err) => Err(undone(made, err)),
    }
}

/// Marks a partition that was made, and waits until it can be used.
fn finish(
    disk: &Whole<'_>,
    name: &str,
    place: &Range<u64>,
    number: u32,
    flag: Option<&str>,
    cancel: &Cancel,
) -> Result<PathBuf> {
    let table = disk.table(cancel)?;
    match table.at(place.start) {
        Some(partition) if partition.number == number => {}
        _ => {
            let text = format!(
                "volume '{name}': somebody else changes the table of '{}'",
                disk.named
            );
            return Err(refused(Code::OperationFailed, text));
        }
    }
    if let Some(flag) = flag {
        parted::set(disk.device(), number, flag).run(cancel)?;
    }
    devices::settle(cancel);
    disk.make_known(&table, cancel)?;
    let path = disk.partition(number);
    devices::open(&path, false).map(|_| path)
}

/// Undoes what failed, and says why it did.
fn undone(made: Made<'_>, err: Error) -> Error {
    match made.undo().and_then(|()| made.done()) {
        Ok(()) => err,
        // Where it is noted the next look at the pool tries again.
        Err(undo) => err.context(format_args!("its partition could not be removed again ({undo})")),
    }
}

impl Volumes for Partitions {
    fn scan(&self, place: &Place, cancel: &Cancel) -> Result<Scan> {
        let disk = Whole::of(place)?;
        let turn = place.host.tables.at(&disk.path);
        let turn = turn.lock();
        let mut table = disk.table(cancel)?;
        if undo_left(place, &disk, &table, cancel)? {
            table = disk.table(cancel)?;
        }
        disk.make_known(&table, cancel)?;
        drop(turn);
        let stable = devices::stable_paths(place.path()?);
        let mut volumes = Vec::new();
        for partition in &table.partitions {
            let path = disk.partition(partition.number);
            let path = path
                .canonicalize()
                .ok()
                .and_then(|real| stable.get(&real).cloned())
                .unwrap_or(path);
            match volume(&disk, &table, partition, &path) {
                Ok(volume) => volumes.push(volume),
                Err(err) => tracing::warn!(%err, "a partition was left out"),
            }
        }
        Ok(Scan {
            volumes,
            room: room_of(&table),
            permissions: None,
        })
    }

    fn room(&self, place: &Place, cancel: &Cancel) -> Result<Room> {
        Ok(room_of(&Whole::of(place)?.table(cancel)?))
    }

    fn check(&self, new: &NewVolume) -> Result<()> {
        let name = &new.document.name;
        let wrong = |text: &str| {
            Err(refused(
                Code::ConfigUnsupported,
                format!("volume '{name}': {text}"),
            ))
        };
        if new.document.backing.is_some() {
            return wrong("partitions have no backing storage");
        }
        let is_extended = new.document.format() == Some("extended");
        if is_extended && (new.source.is_some() || new.document.target.encryption.is_some()) {
            return wrong("an extended partition holds logical ones, and nothing else");
        }
        Ok(())
    }

    fn create(&self, place: &Place, new: &NewVolume, begun: &dyn Fn(&str), cancel: &Cancel) -> Result<()> {
        let disk = Whole::of(place)?;
        if disk.format != "dos" && new.document.format() == Some("extended") {
            return Err(refused(
                Code::ConfigUnsupported,
                format!(
                    "volume '{}': tables of the format '{}' have no extended partitions",
                    new.document.name, disk.format
                ),
            ));
        }
        let (made, path) = make(place, &disk, new, begun, cancel)?;
        match onto_device(&path, new, cancel) {
            Ok(()) => made.done(),
            Err(err) => Err(undone(made, err)),
        }
    }

    fn remove(&self, place: &Place, volume: &Volume, cancel: &Cancel) -> Result<()> {
        let disk = Whole::of(place)?;
        let turn = place.host.tables.at(&disk.path);
        let _turn = turn.lock();
        let table = disk.table(cancel)?;
        let partition = partition_of(volume, &table).filter(|one| disk.volume(one.number) == *volume.name);
        let partition = partition.ok_or_else(|| {
            let text = format!(
                "the table of '{}' has changed; refresh pool '{}'",
                disk.named, place.pool.name
            );
            refused(Code::OperationFailed, text)
        })?;
        parted::remove(disk.device(), partition.number).run(cancel)?;
        devices::settle(cancel);
        Ok(())
    }

    fn content(&self, _place: &Place, volume: &Volume, write: bool) -> Result<(File, PathBuf)> {
        if volume.format == Some("extended") {
            let text = format!(
                "'{}' is an extended partition, and has no content of its own",
                volume.name
            );
            return Err(unsupported(text));
        }
        let path = volume
            .device
            .as_ref()
            .map(|device| PathBuf::from(&device.path))
            .unwrap_or_default();
        Ok((devices::open(&path, write)?, path))
    }

    fn wipe(&self, place: &Place, volume: &Volume, algorithm: Algorithm, cancel: &Cancel) -> Result<()> {
        if volume.format == Some("extended") {
            return Err(unsupported(format!(
                "cannot wipe extended partition '{}'",
                volume.name
            )));
        }
        let (file, path) = self.content(place, volume, true)?;
        wipe(&file, &path, algorithm, cancel)
    }
}

/// The partition that a volume is, as long as it is where it was.
fn partition_of<'a>(volume: &Volume, table: &'a Table) -> Option<&'a Partition> {
    let extent = volume.device.as_ref()?.parts.first()?.extents.first()?;
    table
        .at(extent.start)
        .filter(|partition| partition.place.end == extent.end)
}

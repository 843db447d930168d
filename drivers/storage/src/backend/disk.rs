//! `disk`: a whole disk, whose partitions are the volumes.

use super::disk_volumes::Partitions;
use super::{Backend, Overwrite, Place, Volumes};
use crate::devices;
use crate::failure::{argument, invalid, refused, unsupported};
use crate::parted::{self, Table};
use error::{Code, Result};
use model::storage::{PoolSource, PoolSources};
use std::fs;
use std::path::PathBuf;
use tool::{Cancel, Tool, find};
use xml::YesNo;

#[derive(Debug)]
pub(super) struct Disk;

/// The disk of a pool.
#[derive(Debug)]
pub(super) struct Whole<'a> {
    /// As the pool's document names it.
    pub named: &'a str,
    /// Where it is by that name now.
    pub path: PathBuf,
    /// What the paths of its partitions begin with, before their numbers.
    pub begin: String,
    /// The word of its format.
    pub format: &'a str,
}

/// What parted calls a table of a format; a disk without a table has none.
fn label(format: &str) -> Option<&str> {
    match format {
        "dos" => Some(parted::DOS),
        "lvm2" => None,
        other => Some(other),
    }
}

impl<'a> Whole<'a> {
    /// Finds the disk of a pool.
    ///
    /// # Errors
    /// [`Code::InvalidArg`] where there is none, [`Code::OperationDenied`] for what is no block device.
    pub(super) fn of(place: &'a Place) -> Result<Self> {
        let source = place.pool.source();
        let device = source.and_then(|source| source.devices.first());
        let device = device
            .filter(|device| device.path.starts_with('/'))
            .ok_or_else(|| {
                argument(format!(
                    "pool '{}': the path of its device is not absolute",
                    place.pool.name
                ))
            })?;
        let named = device.path.as_str();
        let real = fs::canonicalize(named).map_err(|err| {
            let text = format!("pool '{}': device path '{named}' doesn't exist", place.pool.name);
            argument(text).caused_by(err)
        })?;
        devices::open(&real, false)?;
        // Partitions of a disk that device-mapper made are called after its name, and not after its number.
        let is_mapped = real.starts_with("/dev") && real.to_string_lossy().starts_with("/dev/dm-");
        let path = if is_mapped { PathBuf::from(named) } else { real };
        let mut begin = path.to_string_lossy().into_owned();
        let separated = match &device.part_separator {
            Some(given) => *given == YesNo::Yes,
            None => begin.ends_with(|last: char| last.is_ascii_digit()),
        };
        if separated {
            begin.push('p');
        }
        let format = source.and_then(|source| source.format.as_ref());
        let format = match format.map(|format| format.r#type.as_str()) {
            None | Some("unknown") => "dos",
            Some(format) => format,
        };
        Ok(Self {
            named,
            path,
            begin,
            format,
        })
    }

    /// For programs.
    pub(super) fn device(&self) -> &str {
        // It was made of a text.
        self.path.to_str().unwrap_or(self.named)
    }

    /// The path of the partition with that number.
    pub(super) fn partition(&self, number: u32) -> PathBuf {
        PathBuf::from(format!("{}{number}", self.begin))
    }

    /// The name of the volume that the partition of that number is.
    pub(super) fn volume(&self, number: u32) -> String {
        let name = self.begin.rsplit('/').next().unwrap_or_default();
        format!("{name}{number}")
    }

    /// Its table of partitions, which is of the pool's format.
    ///
    /// # Errors
    /// [`Code::StorageProbeFailed`] where there is none, [`Code::OperationInvalid`] for one of another format.
    pub(super) fn table(&self, cancel: &Cancel) -> Result<Table> {
        let told = parted::print(self.device()).run(cancel).map_err(|err| {
            if !err.detail().contains("unrecognised disk label") {
                return err;
            }
            let text = format!(
                "Storage pool probe failed: Device '{}' is unrecognized, requires build",
                self.named
            );
            refused(Code::StorageProbeFailed, text).caused_by(err)
        })?;
        let table = Table::read(&told)?;
        if label(self.format) != Some(&table.label) {
            return Err(invalid(format!(
                "Format of device '{}' does not match the expected format '{}'",
                self.named, self.format
            )));
        }
        Ok(table)
    }

    /// Whether the kernel knows all partitions of a table.
    fn is_known(&self, table: &Table) -> bool {
        table
            .partitions
            .iter()
            .all(|partition| self.partition(partition.number).exists())
    }

    /// Has the kernel read the table where it does not know all of it: somebody else may have written it.
    pub(super) fn make_known(&self, table: &Table, cancel: &Cancel) -> Result<()> {
        if !self.is_known(table) {
            Tool::new("partprobe").with([self.device()]).run(cancel)?;
            devices::settle(cancel);
        }
        Ok(())
    }

    /// Refuses to overwrite what is on the disk.
    fn check_empty(&self, cancel: &Cancel) -> Result<()> {
        let found = devices::content_of(self.device(), cancel)?;
        let own = match self.format {
            "dvh" => "sgi",
            other => other,
        };
        let text = match found {
            None => return Ok(()),
            Some(found) if found == own => {
                format!(
                    "Device '{}' already formatted using '{}'",
                    self.named, self.format
                )
            }
            Some(_) => format!(
                "Format of device '{}' does not match the expected format '{}', forced overwrite is necessary",
                self.named, self.format
            ),
        };
        Err(refused(
            Code::StoragePoolBuilt,
            format!("Storage pool already built: {text}"),
        ))
    }
}

impl Backend for Disk {
    fn is_usable(&self) -> bool {
        find("parted").is_some()
    }

    fn is_active(&self, place: &Place, cancel: &Cancel) -> Result<bool> {
        Whole::of(place)?.table(cancel).map(|_| true)
    }

    fn build(&self, place: &Place, overwrite: Overwrite, cancel: &Cancel) -> Result<()> {
        let disk = Whole::of(place)?;
        let label = label(disk.format).ok_or_else(|| {
            unsupported(format!(
                "pool '{}': a table of the format '{}' is made by other programs; make a pool of type 'logical' for LVM",
                place.pool.name, disk.format
            ))
        })?;
        let turn = place.host.tables.at(&disk.path);
        let _turn = turn.lock();
        if overwrite != Overwrite::Yes {
            disk.check_empty(cancel)?;
        }
        devices::forget_content(&disk.path)?;
        parted::label(disk.device(), label).run(cancel).map(drop)
    }

    fn start(&self, place: &Place, cancel: &Cancel) -> Result<()> {
        let disk = Whole::of(place)?;
        let table = disk.table(cancel)?;
        disk.make_known(&table, cancel)
    }

    fn stop(&self, _place: &Place, _hangs: bool, _cancel: &Cancel) -> Result<()> {
        Ok(())
    }

    fn delete(&self, place: &Place, cancel: &Cancel) -> Result<()> {
        let disk = Whole::of(place)?;
        let turn = place.host.tables.at(&disk.path);
        let _turn = turn.lock();
        devices::forget_content(&disk.path)?;
        if fs::exists(disk.partition(1)).unwrap_or(false) {
            Tool::new("partx").with(["--delete", disk.device()]).run(cancel)?;
        }
        Ok(())
    }

    fn sources(&self, _given: Option<&PoolSource>, _cancel: &Cancel) -> Result<PoolSources> {
        Err(unsupported("pool type 'disk' does not support source discovery"))
    }

    fn volumes(&self) -> &'static dyn Volumes {
        &Partitions
    }
}

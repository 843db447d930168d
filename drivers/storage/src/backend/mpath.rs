//! `mpath`: all disks of this machine that are reached by several paths, as the kernel's device mapper has them. Which those
//! are is multipathd's to say.

use super::{Backend, Place, Room, Scan, Volumes, lun};
use crate::sysfs::Sysfs;
use crate::volume::Volume;
use error::Result;
use std::fs::File;
use std::path::{Path, PathBuf};
use tool::{Cancel, Tool, find};

#[derive(Debug)]
pub(super) struct Mpath;

/// A map: its name, and its number among the device mapper's devices.
type Map = (String, u32);

fn list() -> Tool {
    Tool::new("dmsetup").with(["ls", "--target", "multipath"])
}

/// The maps in the words of dmsetup: a name, and the numbers of the device as `(253:0)` or `(253, 0)`.
fn maps(told: &str) -> Vec<Map> {
    let lines = told.lines().filter_map(|line| {
        let (name, numbers) = line.split_once('\t')?;
        let numbers = numbers.trim().strip_prefix('(')?.strip_suffix(')')?;
        let (_, minor) = numbers.split_once([':', ','])?;
        Some((name.trim().to_owned(), minor.trim().parse().ok()?))
    });
    let mut maps: Vec<_> = lines.collect();
    maps.sort_by_key(|(_, number)| *number);
    maps
}

fn volume(sysfs: &Sysfs, (map, number): &Map, cancel: &Cancel) -> Result<Volume> {
    let device = format!("dm-{number}");
    let path = Path::new("/dev/mapper").join(map);
    let sectors: Option<u64> = sysfs.number(format!("block/{device}/size"));
    let size = sectors.unwrap_or(0).saturating_mul(512);
    lun::block(&device, &path, size, cancel)
}

impl Backend for Mpath {
    fn is_usable(&self) -> bool {
        find("dmsetup").is_some()
    }

    fn is_active(&self, _place: &Place, _cancel: &Cancel) -> Result<bool> {
        Ok(Path::new("/dev/mapper").is_dir())
    }

    fn volumes(&self) -> &'static dyn Volumes {
        &Mpath
    }
}

impl Volumes for Mpath {
    fn scan(&self, place: &Place, cancel: &Cancel) -> Result<Scan> {
        let mut volumes = Vec::new();
        for map in maps(&list().run(cancel)?) {
            match volume(&place.host.sysfs, &map, cancel) {
                Ok(volume) => volumes.push(volume),
                Err(err) => {
                    cancel.check()?;
                    tracing::warn!(%err, "a disk was left out");
                }
            }
        }
        Ok(lun::all(volumes))
    }

    fn room(&self, place: &Place, cancel: &Cancel) -> Result<Room> {
        self.scan(place, cancel).map(|scan| scan.room)
    }

    fn content(&self, _place: &Place, volume: &Volume, write: bool) -> Result<(File, PathBuf)> {
        lun::content(volume, write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_told_by_name_and_number() {
        let told = "mpathb\t(253:10)\nmpatha\t(254, 2)\n";
        assert_eq!(maps(told), [("mpatha".to_owned(), 2), ("mpathb".to_owned(), 10)]);
        assert_eq!(maps("No devices found\n"), []);
    }
}

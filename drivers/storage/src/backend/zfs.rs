//! `zfs`: volumes of a ZFS pool, by the programs `zfs` and `zpool`.

use super::{Backend, Overwrite, Place, Room, Scan, Volumes, lun};
use crate::failure::{argument, refused, unsupported};
use crate::files::Figures;
use crate::keys::Passphrase;
use crate::volume::change::Resize;
use crate::volume::new::NewVolume;
use crate::volume::{Device, FileFacts, Volume};
use error::{Code, Result};
use model::storage::{PoolSource, PoolSources, VolumeKind};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use tool::{Cancel, Tool, find};

#[derive(Debug)]
pub(super) struct Zfs;

/// What ZFS calls a pool or a volume: no option, and no path to another one.
fn word<'a>(what: &str, name: &'a str) -> Result<&'a str> {
    let known = |letter: char| letter.is_ascii_alphanumeric() || "-_.: ".contains(letter);
    let plain = name.starts_with(|letter: char| letter.is_ascii_alphanumeric()) && name.chars().all(known);
    if !plain {
        return Err(argument(format!("'{name}' cannot be the name of a ZFS {what}")));
    }
    Ok(name)
}

fn pool(place: &Place) -> Result<&str> {
    let name = place.pool.source().and_then(|source| source.name.as_deref());
    word("pool", name.unwrap_or(&place.pool.name))
}

fn list(pool: &str) -> Tool {
    Tool::new("zfs")
        .with(["list", "-Hp", "-t", "volume", "-r"])
        .with(["-o", "name,volsize,refreservation"])
        .with([pool])
}

fn sizes(pool: &str) -> Tool {
    Tool::new("zpool").with(["get", "-Hp", "health,size,free,allocated", pool])
}

fn create(pool: &str, name: &str, capacity: u64, sparse: bool) -> Tool {
    // ZFS counts in blocks of its own, and rounds up.
    let size = format!("{}K", capacity.div_ceil(1024));
    Tool::new("zfs")
        .with(["create"])
        .with(sparse.then_some("-s"))
        .with(["-V", &size])
        .with([format!("{pool}/{name}")])
}

/// The volumes in the words of `zfs list`: name, size, and what is reserved for it.
fn volumes(told: &str, pool: &str, folder: &Path) -> Vec<Volume> {
    let lines = told.lines().filter_map(|line| {
        let mut fields = line.split('\t');
        let (full, size, reserved) = (fields.next()?, fields.next()?, fields.next()?);
        let name = full.strip_prefix(pool)?.strip_prefix('/')?;
        // Those of data sets are none of the pool's own.
        let (false, Ok(size)) = (name.contains('/'), size.parse::<u64>()) else {
            return None;
        };
        let path = folder.join(name);
        Some(Volume {
            capacity: size,
            allocation: reserved.parse().unwrap_or(0),
            file: fs::metadata(&path).ok().map(|facts| FileFacts::from(&facts)),
            device: Some(Box::new(Device {
                path: path.to_string_lossy().into_owned(),
                key: full.to_owned(),
                lasting: None,
                parts: Vec::new(),
            })),
            ..Volume::named(name, VolumeKind::Block)
        })
    });
    lines.collect()
}

/// The sizes in the words of `zpool get`: pool, property, value and where that comes from.
///
/// # Errors
/// The pool is not healthy enough to be used.
fn figures(told: &str, pool: &str) -> Result<Figures> {
    let mut figures = Figures::default();
    for line in told.lines() {
        let mut fields = line.split('\t');
        let (Some(_), Some(property), Some(value)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let number = value.parse().unwrap_or(0);
        match property {
            "health" if !matches!(value, "ONLINE" | "DEGRADED") => {
                let text = format!("ZFS pool '{pool}' is not usable: its health is {value}");
                return Err(refused(Code::OperationFailed, text));
            }
            "size" => figures.capacity = number,
            "free" => figures.available = number,
            "allocated" => figures.allocation = number,
            _ => {}
        }
    }
    Ok(figures)
}

impl Backend for Zfs {
    fn is_usable(&self) -> bool {
        find("zfs").is_some() && find("zpool").is_some()
    }

    fn is_active(&self, place: &Place, cancel: &Cancel) -> Result<bool> {
        let pool = pool(place)?;
        Ok(sizes(pool).run(cancel).is_ok())
    }

    fn build(&self, place: &Place, overwrite: Overwrite, cancel: &Cancel) -> Result<()> {
        let source = place.pool.source();
        let devices = source.iter().flat_map(|source| &source.devices);
        let devices: Vec<_> = devices.map(|device| device.path.as_str()).collect();
        if devices.is_empty() || devices.iter().any(|path| !path.starts_with('/')) {
            let text = format!(
                "pool '{}': a ZFS pool is made of devices with absolute paths",
                place.pool.name
            );
            return Err(argument(text));
        }
        Tool::new("zpool")
            .with(["create"])
            .with((overwrite == Overwrite::Yes).then_some("-f"))
            .with([pool(place)?])
            .with(devices)
            .run(cancel)
            .map(drop)
    }

    fn start(&self, place: &Place, cancel: &Cancel) -> Result<()> {
        // Whoever runs ZFS imports its pools.
        figures(&sizes(pool(place)?).run(cancel)?, &place.pool.name).map(drop)
    }

    fn delete(&self, place: &Place, cancel: &Cancel) -> Result<()> {
        Tool::new("zpool")
            .with(["destroy", pool(place)?])
            .run(cancel)
            .map(drop)
    }

    fn sources(&self, _given: Option<&PoolSource>, cancel: &Cancel) -> Result<PoolSources> {
        let told = Tool::new("zpool")
            .with(["list", "-Hp", "-o", "name"])
            .run(cancel)?;
        Ok(PoolSources::named(told.lines()))
    }

    fn volumes(&self) -> &'static dyn Volumes {
        &Zfs
    }
}

impl Volumes for Zfs {
    fn scan(&self, place: &Place, cancel: &Cancel) -> Result<Scan> {
        let pool = pool(place)?;
        let told = list(pool).run(cancel)?;
        Ok(Scan {
            volumes: volumes(&told, pool, place.path()?),
            room: self.room(place, cancel)?,
            permissions: None,
        })
    }

    fn room(&self, place: &Place, cancel: &Cancel) -> Result<Room> {
        let told = sizes(pool(place)?).run(cancel)?;
        figures(&told, &place.pool.name).map(Room::from)
    }

    fn check(&self, new: &NewVolume) -> Result<()> {
        let name = &new.document.name;
        word("volume", name)?;
        let target = &new.document.target;
        if target.encryption.is_some() || new.document.backing.is_some() {
            let text =
                format!("volume '{name}': ZFS volumes are not encrypted here and have no backing store");
            return Err(unsupported(text));
        }
        if new.source.is_some() {
            let text = format!("volume '{name}': making ZFS volumes from others is not supported");
            return Err(unsupported(text));
        }
        Ok(())
    }

    fn create(&self, place: &Place, new: &NewVolume, _begun: &dyn Fn(&str), cancel: &Cancel) -> Result<()> {
        let capacity = new.capacity().unwrap_or(0);
        let sparse = new
            .document
            .allocation
            .is_some_and(|allocation| allocation.0 < capacity);
        create(pool(place)?, &new.document.name, capacity, sparse)
            .run(cancel)
            .map(drop)
    }

    fn remove(&self, place: &Place, volume: &Volume, cancel: &Cancel) -> Result<()> {
        let full = format!("{}/{}", pool(place)?, word("volume", &volume.name)?);
        Tool::new("zfs").with(["destroy", &full]).run(cancel).map(drop)
    }

    fn resize(
        &self,
        place: &Place,
        volume: &Volume,
        to: Resize,
        _passphrase: Option<&Passphrase>,
        cancel: &Cancel,
    ) -> Result<()> {
        let full = format!("{}/{}", pool(place)?, word("volume", &volume.name)?);
        let size = format!("volsize={}K", to.capacity.div_ceil(1024));
        Tool::new("zfs").with(["set", &size, &full]).run(cancel).map(drop)
    }

    fn content(&self, _place: &Place, volume: &Volume, write: bool) -> Result<(File, PathBuf)> {
        lun::content(volume, write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_zfs_tells_is_understood() {
        let told = "tank/a\t10737418240\t11076108288\ntank/sub/b\t1024\tnone\ntank/c\t1048576\tnone\n";
        let volumes = volumes(told, "tank", Path::new("/dev/zvol/tank"));
        let seen: Vec<_> = volumes
            .iter()
            .map(|volume| (&*volume.name, volume.capacity, volume.allocation))
            .collect();
        assert_eq!(seen, [("a", 10 << 30, 11_076_108_288), ("c", 1 << 20, 0)]);
        let device = volumes[0].device.as_ref().unwrap();
        assert_eq!(
            (device.path.as_str(), device.key.as_str()),
            ("/dev/zvol/tank/a", "tank/a")
        );

        let told =
            "tank\thealth\tONLINE\t-\ntank\tsize\t1000\t-\ntank\tfree\t900\t-\ntank\tallocated\t100\t-\n";
        let seen = figures(told, "tank").unwrap();
        assert_eq!((seen.capacity, seen.available, seen.allocation), (1000, 900, 100));
        let error = figures("tank\thealth\tFAULTED\t-\n", "tank").unwrap_err();
        assert!(error.detail().contains("FAULTED"), "{error}");
    }

    #[test]
    fn words_are_in_their_order() {
        let words = |tool: Tool| tool.words().join(" ");
        assert_eq!(
            words(create("tank", "a", 1025, true)),
            "zfs create -s -V 2K tank/a"
        );
        assert_eq!(words(create("tank", "a", 2048, false)), "zfs create -V 2K tank/a");
        assert_eq!(
            words(list("tank")),
            "zfs list -Hp -t volume -r -o name,volsize,refreservation tank"
        );
        assert_eq!(
            words(sizes("tank")),
            "zpool get -Hp health,size,free,allocated tank"
        );
        for name in ["-f", "a/b", "a@b", "", "../a"] {
            assert!(word("volume", name).is_err(), "{name}");
        }
    }
}

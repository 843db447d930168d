//! Volumes that are logical volumes of LVM.
//!
//! One that is filled with something has a tag of this instance of the driver until it is whole; what a later daemon finds
//! with it was being made when this one died, and goes.

use super::disk_volumes::LUKS_HEADER;
use super::logical::group;
use super::{Place, Room, Scan, Volumes};
use crate::devices;
use crate::failure::{argument, refused, system, unsupported};
use crate::files::{Algorithm, Figures, Unfinished, wipe};
use crate::lvm::{self, Row};
use crate::volume::fill::onto_device;
use crate::volume::new::NewVolume;
use crate::volume::{Backing, Device, Volume, path_in};
use error::{Code, Result};
use model::storage::{Extent, SourceDevice};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::{PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use tool::{Cancel, Tool};

/// Logical volumes of the pool's group.
#[derive(Debug)]
pub(super) struct LogicalVolumes;

/// What is asked of each part of a volume.
const FIELDS: &[&str] = &[
    "lv_name",
    "lv_uuid",
    "lv_attr",
    "lv_size",
    "lv_tags",
    "origin",
    "segtype",
    "stripes",
    "seg_size",
    "devices",
    "vg_extent_size",
];

/// Every part of every volume of the group, or of those that `select` says.
fn parts(group: &str, select: Option<&str>, cancel: &Cancel) -> Result<Vec<Row>> {
    let select = select.into_iter().flat_map(|select| ["--select", select]);
    let told = lvm::report("lvs", FIELDS)
        .with(select)
        .with([group])
        .run(cancel)?;
    lvm::rows(&told, "lv")
}

/// What LVM says in one letter about a volume.
fn attribute(row: &Row, place: usize) -> char {
    row.text("lv_attr").chars().nth(place).unwrap_or('-')
}

/// Whether parts of it have no place on a disk until they are written.
fn is_sparse(row: &Row) -> bool {
    matches!(row.text("segtype"), "thin" | "snapshot") || matches!(attribute(row, 0), 'V' | 's' | 'S')
}

/// The parts of devices that a part of a volume is made of.
fn extents(row: &Row) -> Result<Vec<(String, Extent)>> {
    let (size, length) = (row.number("vg_extent_size")?, row.number("seg_size")?);
    let stripes = match row.text("segtype") {
        "striped" => row.number("stripes")?.max(1),
        _ => 1,
    };
    let mut extents = Vec::new();
    for told in row.text("devices").split(',').filter(|told| !told.is_empty()) {
        // Those of mirrors and the like are volumes themselves, which have no paths.
        let Some((path, first)) = told.strip_suffix(')').and_then(|told| told.rsplit_once('(')) else {
            continue;
        };
        if !path.starts_with('/') {
            continue;
        }
        let place = first.parse().ok().and_then(|first: u64| {
            let start = first.checked_mul(size)?;
            let end = start.checked_add(length / stripes)?;
            Some(Extent { start, end })
        });
        let place = place.ok_or_else(|| {
            let text = format!("what LVM tells cannot be read: devices '{told}'");
            refused(Code::InternalError, text)
        })?;
        extents.push((path.to_owned(), place));
    }
    Ok(extents)
}

/// What a logical volume is as one of ours.
fn volume(place: &Place, rows: &[Row]) -> Result<Option<Volume>> {
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let mut parts: Vec<SourceDevice> = Vec::new();
    for (path, extent) in rows
        .iter()
        .map(extents)
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .flatten()
    {
        match parts.iter_mut().find(|part| part.path == path) {
            Some(part) => part.extents.push(extent),
            None => parts.push(SourceDevice {
                path,
                extents: vec![extent],
            }),
        }
    }
    let name = row.text("lv_name");
    let device = Device {
        path: path_in(&place.pool, name),
        key: row.text("lv_uuid").to_owned(),
        lasting: None,
        parts,
    };
    let mut volume = devices::volume(name, device)?;
    volume.allocation = row.number("lv_size")?;
    // One in brackets is none of the group's volumes: the snapshot is of nothing.
    let origin = Some(row.text("origin")).filter(|origin| !origin.is_empty() && !origin.starts_with('['));
    volume.backing = origin.map(|origin| {
        let path = path_in(&place.pool, origin);
        let file = std::fs::metadata(&path).ok().map(|metadata| (&metadata).into());
        Box::new(Backing {
            name: path,
            format: None,
            file,
        })
    });
    Ok(Some(volume))
}

/// What this daemon calls a volume that it makes.
fn own_name(group: &str, name: &str) -> String {
    format!("{group}/{name}")
}

/// Removes a volume, if it has this instance's tag.
fn remove_marked(place: &Place, group: &str, name: &str, cancel: &Cancel) -> Result<()> {
    let mark = place.host.unfinished.mark();
    Tool::new("lvremove")
        .with([
            "-f",
            "--select",
            &format!("lv_name={name} && lv_tags={mark}"),
            group,
        ])
        .unbroken()
        .run(cancel)
        .map(drop)
}

fn kibibytes(bytes: u64) -> String {
    format!("{}K", bytes.div_ceil(1024))
}

/// The volume of the group that a new one is to be a snapshot of.
fn origin<'a>(place: &Place, new: &'a NewVolume) -> Result<Option<&'a str>> {
    let path = new
        .document
        .backing
        .as_ref()
        .and_then(|backing| backing.path.as_deref());
    let Some(path) = path else {
        return Ok(None);
    };
    let name = path.rsplit('/').next().unwrap_or_default();
    if lvm::is_name(name) && path_in(&place.pool, name) == path {
        return Ok(Some(name));
    }
    Err(argument(format!(
        "volume '{}': backing store volume '{path}' is not in pool '{}'",
        new.document.name, place.pool.name
    )))
}

/// Whether something is written into a new volume before it is whole.
fn is_filled(new: &NewVolume) -> bool {
    new.source.is_some() || new.passphrase.is_some()
}

/// `lvcreate` for a new volume.
fn lvcreate(place: &Place, new: &NewVolume) -> Result<Tool> {
    let group = group(place)?;
    let origin = origin(place, new)?;
    let header = new.passphrase.as_ref().map_or(0, |_| LUKS_HEADER);
    let capacity = new.capacity().unwrap_or(0).saturating_add(header);
    let allocation = match new.document.allocation {
        Some(given) if !is_filled(new) => given.0,
        // What is written has room.
        _ => capacity,
    };
    let mut tool = Tool::new("lvcreate").with(["--yes", "--name", &new.document.name]);
    if is_filled(new) {
        tool = tool.with(["--addtag", place.host.unfinished.mark()]);
    }
    // Even the least has one extent.
    tool = tool.with(["-L", &kibibytes(allocation.max(1024))]);
    Ok(match origin {
        Some(origin) => tool.with(["-s", &own_name(group, origin)]),
        None if allocation < capacity => {
            tool.with(["--type", "snapshot", "--virtualsize", &kibibytes(capacity), group])
        }
        None => tool.with([group]),
    }
    .unbroken())
}

/// Fills a new volume.
fn finish(place: &Place, new: &NewVolume, path: &Path, cancel: &Cancel) -> Result<()> {
    devices::settle(cancel);
    let file = devices::open(path, true)?;
    let permissions = new.permissions();
    let failed = |err: std::io::Error| system(format!("cannot set permissions of '{}'", path.display()), err);
    if permissions.owner.is_some() || permissions.group.is_some() {
        fchown(&file, permissions.owner, permissions.group).map_err(failed)?;
    }
    if let Some(mode) = permissions.mode {
        file.set_permissions(std::fs::Permissions::from_mode(mode.0))
            .map_err(failed)?;
    }
    drop(file);
    if !is_filled(new) {
        return Ok(());
    }
    onto_device(path, new, cancel)?;
    Tool::new("lvchange")
        .with(["--deltag", place.host.unfinished.mark()])
        .with([own_name(group(place)?, &new.document.name)])
        .unbroken()
        .run(cancel)
        .map(drop)
}

impl Volumes for LogicalVolumes {
    fn scan(&self, place: &Place, cancel: &Cancel) -> Result<Scan> {
        let group = group(place)?;
        let mut by_name = BTreeMap::<_, Vec<Row>>::new();
        for row in parts(group, None, cancel)? {
            by_name
                .entry(row.text("lv_name").to_owned())
                .or_default()
                .push(row);
        }
        let unfinished = &place.host.unfinished;
        let mut volumes = Vec::new();
        for (name, rows) in by_name {
            let Some(row) = rows.first() else { continue };
            let mut tags = row.text("lv_tags").split(',');
            if tags.clone().any(|tag| tag == unfinished.mark()) && !unfinished.is_own(&own_name(group, &name))
            {
                tracing::info!(
                    name,
                    group,
                    "removing a volume that was being made when the daemon ended"
                );
                remove_marked(place, group, &name, cancel)?;
                continue;
            }
            // Pools of thin volumes have no device, and neither has what is not active.
            if tags.any(Unfinished::marks_any) || attribute(row, 0) == 't' || attribute(row, 4) != 'a' {
                continue;
            }
            match volume(place, &rows) {
                Ok(volume) => volumes.extend(volume),
                Err(err) => tracing::warn!(%err, name, "a volume was left out"),
            }
        }
        Ok(Scan {
            volumes,
            room: self.room(place, cancel)?,
            permissions: None,
        })
    }

    fn room(&self, place: &Place, cancel: &Cancel) -> Result<Room> {
        let group = group(place)?;
        let told = lvm::report("vgs", &["vg_size", "vg_free"])
            .with([group])
            .run(cancel)?;
        let rows = lvm::rows(&told, "vg")?;
        let row = rows.first().ok_or_else(|| {
            let text = format!("there is no volume group '{group}'");
            refused(Code::InternalError, text)
        })?;
        let (capacity, available) = (row.number("vg_size")?, row.number("vg_free")?);
        Ok(Figures {
            capacity,
            allocation: capacity.saturating_sub(available),
            available,
        }
        .into())
    }

    fn check(&self, new: &NewVolume) -> Result<()> {
        let document = &new.document;
        if !lvm::is_name(&document.name) {
            return Err(argument(format!(
                "'{}' cannot be the name of a logical volume",
                document.name
            )));
        }
        if document.backing.is_some() && (new.source.is_some() || document.target.encryption.is_some()) {
            let text = "a snapshot has the content of its origin, as that is";
            return Err(refused(
                Code::ConfigUnsupported,
                format!("volume '{}': {text}", document.name),
            ));
        }
        if new.permissions().label.is_some() {
            return Err(unsupported(format!(
                "volume '{}': security labels of volumes are not built; leave <label> out",
                document.name
            )));
        }
        Ok(())
    }

    fn create(&self, place: &Place, new: &NewVolume, begun: &dyn Fn(&str), cancel: &Cancel) -> Result<()> {
        let (group, name) = (group(place)?, &new.document.name);
        let tool = lvcreate(place, new)?;
        let _marked = place.host.unfinished.begin(own_name(group, name));
        begun(name);
        tool.run(cancel)?;
        let path = PathBuf::from(path_in(&place.pool, name));
        finish(place, new, &path, cancel).map_err(|err| {
            // Whoever does not wait any more wants it gone all the more.
            match remove_marked(place, group, name, &Cancel::default()) {
                Ok(()) => err,
                Err(undo) => err.context(format_args!("it could not be removed again ({undo})")),
            }
        })
    }

    fn remove(&self, place: &Place, volume: &Volume, cancel: &Cancel) -> Result<()> {
        Tool::new("lvremove")
            .with(["-f", &own_name(group(place)?, &volume.name)])
            .unbroken()
            .run(cancel)
            .map(drop)
    }

    fn content(&self, place: &Place, volume: &Volume, write: bool) -> Result<(File, PathBuf)> {
        let path = PathBuf::from(volume.path(&place.pool));
        Ok((devices::open(&path, write)?, path))
    }

    fn wipe(&self, place: &Place, volume: &Volume, algorithm: Algorithm, cancel: &Cancel) -> Result<()> {
        let select = format!("lv_name={}", volume.name);
        if parts(group(place)?, Some(&select), cancel)?.iter().any(is_sparse) {
            return Err(unsupported(format!(
                "logical volume '{}' is sparse, volume wipe not supported",
                volume.name
            )));
        }
        let (file, path) = self.content(place, volume, true)?;
        wipe(&file, &path, algorithm, cancel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_are_told_in_bytes() {
        let told = r#"{"report":[{"lv":[
            {"segtype":"linear","stripes":"1","seg_size":"8388608","vg_extent_size":"4194304","devices":"/dev/sda(2)"},
            {"segtype":"striped","stripes":"2","seg_size":"16777216","vg_extent_size":"4194304","devices":"/dev/a(b)(0),/dev/sdb(1)"},
            {"segtype":"raid1","stripes":"2","seg_size":"8388608","vg_extent_size":"4194304","devices":"r_rimage_0(0),r_rimage_1(0)"},
            {"segtype":"thin","stripes":"0","seg_size":"8388608","vg_extent_size":"4194304","devices":""}
        ]}]}"#;
        let rows = lvm::rows(told, "lv").unwrap();
        let mebibyte = 1 << 20;
        let told: Vec<Vec<_>> = rows
            .iter()
            .map(|row| {
                extents(row)
                    .unwrap()
                    .into_iter()
                    .map(|(path, at)| (path, at.start, at.end))
                    .collect()
            })
            .collect();
        assert_eq!(told[0], [("/dev/sda".to_owned(), 8 * mebibyte, 16 * mebibyte)]);
        assert_eq!(told[1][0], ("/dev/a(b)".to_owned(), 0, 8 * mebibyte));
        assert_eq!(told[1][1], ("/dev/sdb".to_owned(), 4 * mebibyte, 12 * mebibyte));
        assert!(told[2].is_empty() && told[3].is_empty());
        assert!(is_sparse(&rows[3]) && !is_sparse(&rows[0]));
    }
}

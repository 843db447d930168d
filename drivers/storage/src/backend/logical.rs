//! `logical`: a volume group of LVM.
//!
//! Programs of LVM that change something go to their end, whoever waits: one that is ended while it changes devices leaves
//! them suspended. Its own locks make the next daemon wait.
//!
//! ```text
//!  build  ─► pvcreate of each device, vgcreate       delete ─► vgremove, pvremove of each device
//!  start  ─► vgchange -aly                           stop   ─► vgchange -aln
//! ```

use super::logical_volumes::LogicalVolumes;
use super::{Backend, Overwrite, Place, Volumes};
use crate::devices;
use crate::failure::{argument, invalid, refused};
use crate::lvm;
use error::{Code, Result};
use model::storage::{Device, FormatName, PoolSource, PoolSources};
use std::collections::BTreeMap;
use std::path::Path;
use tool::{Cancel, Tool, find};

#[derive(Debug)]
pub(super) struct Logical;

/// The name of a pool's group, which cannot be taken for an option.
///
/// # Errors
/// [`Code::InvalidArg`].
pub(super) fn group(place: &Place) -> Result<&str> {
    let name = place.pool.source().and_then(|source| source.name.as_deref());
    let name = name.unwrap_or(&place.pool.name);
    if lvm::is_name(name) {
        return Ok(name);
    }
    Err(argument(format!(
        "pool '{}': '{name}' cannot be the name of a volume group",
        place.pool.name
    )))
}

/// The devices that the group is made of, as far as the pool's document says.
fn devices(place: &Place) -> Result<Vec<&str>> {
    let devices = place.pool.source().into_iter().flat_map(|source| &source.devices);
    devices
        .map(|device| match device.path.as_str() {
            path if path.starts_with('/') => Ok(path),
            path => Err(argument(format!(
                "pool '{}': the path of device '{path}' is not absolute",
                place.pool.name
            ))),
        })
        .collect()
}

/// Starts and ends the use of a group's volumes on this host.
pub(super) fn activate(group: &str, active: bool) -> Tool {
    Tool::new("vgchange")
        .with([if active { "-aly" } else { "-aln" }, group])
        .unbroken()
}

/// The physical volumes there are, each with its group.
fn physical_volumes(cancel: &Cancel) -> Result<Vec<(String, String)>> {
    let told = lvm::report("pvs", &["pv_name", "vg_name"]).run(cancel)?;
    let rows = lvm::rows(&told, "pv")?;
    let field = |row: &lvm::Row, name: &str| row.text(name).to_owned();
    Ok(rows
        .iter()
        .map(|row| (field(row, "pv_name"), field(row, "vg_name")))
        .collect())
}

/// Whether the group is made of the devices that the pool's document names, if it names any.
fn check_devices(place: &Place, cancel: &Cancel) -> Result<()> {
    let named = devices(place)?;
    if named.is_empty() {
        return Ok(());
    }
    let group = group(place)?;
    let real = |path: &str| std::fs::canonicalize(path).unwrap_or_else(|_| Path::new(path).to_owned());
    let known = physical_volumes(cancel)?;
    let known: Vec<_> = known
        .iter()
        .filter(|(_, of)| of == group)
        .map(|(path, _)| real(path))
        .collect();
    match named.iter().find(|path| !known.contains(&real(path))) {
        Some(path) => Err(refused(
            Code::OperationFailed,
            format!(
                "cannot find source device '{path}' of pool '{}' in volume group '{group}'",
                place.pool.name
            ),
        )),
        None => Ok(()),
    }
}

impl Backend for Logical {
    fn is_usable(&self) -> bool {
        find("lvm").is_some()
    }

    fn is_active(&self, place: &Place, cancel: &Cancel) -> Result<bool> {
        // A group without volumes has no folder below /dev.
        let told = lvm::report("vgs", &["vg_name"]).run(cancel)?;
        let group = group(place)?;
        Ok(lvm::rows(&told, "vg")?
            .iter()
            .any(|row| row.text("vg_name") == group))
    }

    fn build(&self, place: &Place, overwrite: Overwrite, cancel: &Cancel) -> Result<()> {
        let (group, devices) = (group(place)?, devices(place)?);
        if devices.is_empty() {
            return Err(invalid(format!(
                "pool '{}': its document names no devices that volume group '{group}' could be made of",
                place.pool.name
            )));
        }
        for path in &devices {
            // It is a block device, whatever the document calls it.
            devices::open(Path::new(path), false)?;
            if overwrite != Overwrite::Yes {
                devices::check_empty(path, cancel)?;
            }
        }
        let mut made = Made {
            devices: Vec::new(),
            cancel,
        };
        for path in &devices {
            devices::forget_content(Path::new(path))?;
            made.devices.push(path);
            Tool::new("pvcreate").with([*path]).unbroken().run(cancel)?;
        }
        Tool::new("vgcreate")
            .with([group])
            .with(devices.iter().copied())
            .unbroken()
            .run(cancel)?;
        made.devices.clear();
        Ok(())
    }

    fn start(&self, place: &Place, cancel: &Cancel) -> Result<()> {
        check_devices(place, cancel)?;
        activate(group(place)?, true).run(cancel)?;
        devices::settle(cancel);
        Ok(())
    }

    fn stop(&self, place: &Place, _hangs: bool, cancel: &Cancel) -> Result<()> {
        activate(group(place)?, false).run(cancel).map(drop)
    }

    fn delete(&self, place: &Place, cancel: &Cancel) -> Result<()> {
        let devices = devices(place)?;
        Tool::new("vgremove")
            .with(["-f", group(place)?])
            .unbroken()
            .run(cancel)?;
        devices.into_iter().try_for_each(|path| {
            Tool::new("pvremove")
                .with([path])
                .unbroken()
                .run(cancel)
                .map(drop)
        })
    }

    fn sources(&self, _given: Option<&PoolSource>, cancel: &Cancel) -> Result<PoolSources> {
        let mut groups = BTreeMap::<_, Vec<Device>>::new();
        for (path, group) in physical_volumes(cancel)? {
            if !group.is_empty() {
                let (part_separator, free) = (None, Vec::new());
                groups.entry(group).or_default().push(Device {
                    path,
                    part_separator,
                    free,
                });
            }
        }
        let sources = groups.into_iter().map(|(name, devices)| PoolSource {
            name: Some(name),
            devices,
            format: Some(FormatName::from("lvm2")),
            ..PoolSource::default()
        });
        Ok(PoolSources {
            sources: sources.collect(),
        })
    }

    fn volumes(&self) -> &'static dyn Volumes {
        &LogicalVolumes
    }
}

/// Devices that were made physical volumes, until they are a group.
struct Made<'a> {
    devices: Vec<&'a str>,
    cancel: &'a Cancel,
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        for path in &self.devices {
            if let Err(err) = Tool::new("pvremove").with(["-f", *path]).run(self.cancel) {
                tracing::debug!(%err, path, "a device of a group that was not made may stay a physical volume");
            }
        }
    }
}

//! `fs`: a file system on a device of the host.

use super::dir::{make_folder, remove_folder, set_sharing};
use super::mount::{Mount, is_mounted, unmount};
use super::{Backend, Files, Overwrite, Place, Volumes};
use crate::failure::{argument, invalid, refused, unsupported};
use crate::host_mounts;
use error::{Code, Result};
use model::storage::{PoolSource, PoolSources};
use std::path::Path;
use tool::{Cancel, Tool, find};

#[derive(Debug)]
pub(super) struct Fs;

fn format(place: &Place) -> &str {
    let format = place.pool.source().and_then(|source| source.format.as_ref());
    format.map_or("auto", |format| &format.r#type)
}

/// The device, whose path cannot be taken for an option.
fn device(place: &Place) -> Result<&str> {
    let device = place.pool.source().and_then(|source| source.devices.first());
    device
        .map(|device| device.path.as_str())
        .filter(|path| path.starts_with('/'))
        .ok_or_else(|| {
            argument(format!(
                "pool '{}': the path of its device is not absolute",
                place.pool.name
            ))
        })
}

/// How the pool is mounted.
pub(super) fn mount(place: &Place) -> Result<Mount<'_>> {
    Ok(Mount {
        source: device(place)?.to_owned(),
        kind: Some(format(place)),
        options: Vec::new(),
    })
}

/// Makes a file system on the device.
fn make(place: &Place, overwrite: Overwrite, cancel: &Cancel) -> Result<()> {
    let (device, format) = (device(place)?, format(place));
    if !Path::new(device).exists() {
        return Err(invalid(format!(
            "Source device does not exist when formatting pool '{}'",
            place.pool.name
        )));
    }
    if format == "auto" {
        return Err(invalid(format!(
            "pool '{}': its document does not say which file system to make",
            place.pool.name
        )));
    }
    if overwrite == Overwrite::No {
        // It says nothing, and fails, where nothing is.
        let found = Tool::new("blkid")
            .with(["-p", "-o", "value", "-s", "TYPE", device])
            .run(cancel);
        match found {
            Ok(found) if !found.trim().is_empty() => {
                return Err(refused(
                    Code::StoragePoolBuilt,
                    format!("device '{device}' has '{}' on it already", found.trim()),
                ));
            }
            Ok(_) => {}
            Err(err) if err.detail().contains("exit status: 2") => {}
            Err(err) => return Err(err),
        }
    }
    // It has been asked already whether anything may be lost.
    let force = match format {
        "ext2" | "ext3" | "ext4" => Some("-F"),
        "xfs" => Some("-f"),
        _ => None,
    };
    Tool::new("mkfs")
        .with(["-t", format])
        .with(force)
        .with([device])
        .run(cancel)
        .map(drop)
}

impl Backend for Fs {
    fn is_usable(&self) -> bool {
        find("mount").is_some()
    }

    fn is_active(&self, place: &Place, _cancel: &Cancel) -> Result<bool> {
        is_mounted(place.path()?)
    }

    fn build(&self, place: &Place, overwrite: Overwrite, cancel: &Cancel) -> Result<()> {
        make_folder(place)?;
        match overwrite {
            Overwrite::Unsaid => Ok(()),
            overwrite => make(place, overwrite, cancel),
        }
    }

    fn start(&self, place: &Place, cancel: &Cancel) -> Result<()> {
        if is_mounted(place.path()?)? {
            return Ok(());
        }
        let path = place.path()?;
        host_mounts::run(&mount(place)?.tool(path, &place.pool), cancel)?;
        set_sharing(place).inspect_err(|_| {
            // Nobody stops what has not started.
            let _ = unmount(path, false, cancel);
        })
    }

    fn stop(&self, place: &Place, hangs: bool, cancel: &Cancel) -> Result<()> {
        unmount(place.path()?, hangs, cancel)
    }

    fn delete(&self, place: &Place, _cancel: &Cancel) -> Result<()> {
        remove_folder(place.path()?)
    }

    fn sources(&self, _given: Option<&PoolSource>, _cancel: &Cancel) -> Result<PoolSources> {
        Err(unsupported("pool type 'fs' does not support source discovery"))
    }

    fn volumes(&self) -> &'static dyn Volumes {
        &Files
    }
}

//! `dir`: a folder that is there, and files in it.

use super::{Backend, Files, Overwrite, Place, Volumes};
use crate::failure::{invalid, system, unsupported};
use error::Result;
use model::storage::{PoolSource, PoolSources};
use rustix::io::Errno;
use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use tool::Cancel;
use xml::YesNo;

/// The permission bits of a folder that is made and whose document names none.
const MODE: u32 = 0o711;

#[derive(Debug)]
pub(super) struct Dir;

/// Makes the folder of a pool's volumes, and what leads to it.
///
/// # Errors
/// [`error::Code::SystemError`].
pub(super) fn make_folder(place: &Place) -> Result<()> {
    let path = place.path()?;
    let failed = |err: std::io::Error| system(format!("cannot create path '{}'", path.display()), err);
    let permissions = place
        .pool
        .target
        .as_ref()
        .and_then(|target| target.permissions.clone());
    let permissions = permissions.unwrap_or_default();
    if permissions.label.is_some() {
        return Err(unsupported(format!(
            "pool '{}': security labels of folders are not built; leave <label> out",
            place.pool.name
        )));
    }
    let made = match fs::symlink_metadata(path) {
        Ok(_) => false,
        Err(missing) if missing.kind() == ErrorKind::NotFound => {
            fs::create_dir_all(path).map_err(failed)?;
            true
        }
        Err(err) => return Err(failed(err)),
    };
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        return Err(system(
            format!("cannot create path '{}'", path.display()),
            Errno::NOTDIR,
        ));
    }
    if permissions.owner.is_some() || permissions.group.is_some() {
        chown(path, permissions.owner, permissions.group).map_err(failed)?;
    }
    let mode = match permissions.mode {
        Some(mode) => Some(mode.0),
        None => made.then_some(MODE),
    };
    if let Some(mode) = mode {
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed)?;
    }
    Ok(())
}

/// Has files of the pool's folder share their blocks or not, as its document says.
///
/// # Errors
/// [`error::Code::SystemError`].
pub(super) fn set_sharing(place: &Place) -> Result<()> {
    let features = place.pool.features.as_ref();
    let cow = features.and_then(|features| features.cow.as_ref());
    crate::files::set_sharing(place.path()?, cow.map(|cow| cow.state == YesNo::Yes))
}

/// Removes the folder of a pool's volumes, which is empty.
///
/// # Errors
/// [`error::Code::SystemError`].
pub(super) fn remove_folder(path: &Path) -> Result<()> {
    fs::remove_dir(path)
        .map_err(|err| system(format!("failed to remove pool path '{}'", path.display()), err))
}

impl Backend for Dir {
    fn is_usable(&self) -> bool {
        true
    }

    fn is_active(&self, place: &Place, _cancel: &Cancel) -> Result<bool> {
        Ok(place.path()?.is_dir())
    }

    fn build(&self, place: &Place, overwrite: Overwrite, _cancel: &Cancel) -> Result<()> {
        if overwrite != Overwrite::Unsaid {
            return Err(invalid(format!(
                "No source device specified when formatting pool '{}'",
                place.pool.name
            )));
        }
        make_folder(place)?;
        set_sharing(place)
    }

    fn start(&self, _place: &Place, _cancel: &Cancel) -> Result<()> {
        Ok(())
    }

    fn stop(&self, _place: &Place, _hangs: bool, _cancel: &Cancel) -> Result<()> {
        Ok(())
    }

    fn delete(&self, place: &Place, _cancel: &Cancel) -> Result<()> {
        remove_folder(place.path()?)
    }

    fn sources(&self, _given: Option<&PoolSource>, _cancel: &Cancel) -> Result<PoolSources> {
        Err(unsupported("pool type 'dir' does not support source discovery"))
    }

    fn volumes(&self) -> &'static dyn Volumes {
        &Files
    }
}

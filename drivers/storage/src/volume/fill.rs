//! Volumes whose content qemu-img writes.

use super::empty;
use super::new::NewVolume;
use crate::failure::{argument, refused, system};
use crate::keys::identifier;
use crate::qemu_img::{self, Image, Preallocation, Wanted};
use error::{Code, Result};
use image::{Format, Location, Walk};
use std::fs::File;
use std::path::Path;
use tool::Cancel;

/// Has qemu-img make an image at `path` in the folder of a pool.
///
/// # Errors
/// What it says; what is wrong with an image that the new one is based on.
pub(crate) fn by_qemu_img(path: &Path, folder: &Path, new: &NewVolume, cancel: &Cancel) -> Result<()> {
    if let Some(backing) = new
        .document
        .backing
        .as_ref()
        .and_then(|backing| backing.path.as_deref())
    {
        check_backing(backing, folder)?;
    }
    let wanted = Wanted::of(&new.document, new.capacity(), preallocation(new));
    write(path, new, &wanted, true, cancel)
}

/// Has qemu-img write what a new volume shall hold onto its device, which is there already and has its size. One that holds
/// nothing in particular is left as it is.
///
/// # Errors
/// As [`by_qemu_img`].
pub(crate) fn onto_device(path: &Path, new: &NewVolume, cancel: &Cancel) -> Result<()> {
    if new.source.is_none() && new.document.target.encryption.is_none() {
        return Ok(());
    }
    let wanted = Wanted {
        capacity: new.capacity(),
        ..Wanted::default()
    };
    write(path, new, &wanted, false, cancel)
}

/// Writes an image; `grows` says that it may be made larger afterwards.
fn write(path: &Path, new: &NewVolume, wanted: &Wanted<'_>, grows: bool, cancel: &Cancel) -> Result<()> {
    let utf8 = |path: &Path| path.to_string_lossy().into_owned();
    let path = utf8(path);
    let image = Image {
        path: &path,
        format: new.format(),
        key: match &new.passphrase {
            Some(passphrase) => Some(passphrase.key(identifier(&new.document.name, "volume"))?),
            None => None,
        },
    };
    let tools = match &new.source {
        None => match empty::image(&image, wanted) {
            Some(empty) => {
                let failed = |err| system(format!("cannot allocate volume '{}'", new.document.name), err);
                return empty::write(&path, &empty).map_err(failed);
            }
            None => vec![qemu_img::create(&image, wanted)],
        },
        Some(source) => {
            // Its links are followed within its pool only.
            let (_content, from) = source.content()?;
            if source.format() != "raw" {
                check_chain(&from)?;
            }
            let from = utf8(&from);
            let source_image = Image {
                path: &from,
                format: source.format(),
                key: match &source.passphrase {
                    // The new one may have the same name, in another pool.
                    Some(passphrase) if new.document.name == "source" => Some(passphrase.key("original")?),
                    Some(passphrase) => Some(passphrase.key("source")?),
                    None => None,
                },
            };
            let mut tools = qemu_img::convert(&source_image, &image, wanted);
            let in_one_step = image.key.is_none() && source_image.key.is_none();
            // Else the new one was made with its size, and then filled.
            if in_one_step
                && grows
                && new
                    .capacity()
                    .is_some_and(|capacity| capacity > source.volume.capacity)
            {
                tools.push(qemu_img::resize(&image, new.capacity().unwrap_or(0), false));
            }
            tools
        }
    };
    tools.iter().try_for_each(|tool| tool.run(cancel).map(drop))
}

fn preallocation(new: &NewVolume) -> Option<Preallocation> {
    if new.preallocate {
        return Some(Preallocation::Metadata);
    }
    let all = match (new.document.allocation, new.capacity()) {
        (Some(allocation), Some(capacity)) => capacity > 0 && allocation.0 >= capacity,
        _ => false,
    };
    (all && new.document.backing.is_none()).then_some(Preallocation::Falloc)
}

/// Whether a volume may be based on that.
///
/// # Errors
/// [`Code::InvalidArg`] for what is no path on this host, [`Code::SystemError`] for one that cannot be read.
fn check_backing(name: &str, folder: &Path) -> Result<()> {
    let backing = image::Backing {
        name: name.to_owned(),
        format: None,
    };
    match backing.locate(&folder.join("overlay")) {
        Location::Path(path) => {
            File::open(&path).map_err(|err| {
                system(
                    format!("inaccessible backing store volume {}", path.display()),
                    err,
                )
            })?;
            check_chain(&path)
        }
        _ => Err(argument(format!(
            "backing store volume '{name}': a path on this host is needed"
        ))),
    }
}

/// Whether what an image is based on has an end, which qemu-img would not ask.
///
/// # Errors
/// [`Code::OperationFailed`] with the image that is wrong.
fn check_chain(path: &Path) -> Result<()> {
    let refuse = |err: image::Error| refused(Code::OperationFailed, err.to_string()).caused_by(err);
    let mut walk = Walk::default();
    let mut image = walk.open(path, None).map_err(refuse)?;
    while let Some(backing) = image.header.backing.take() {
        let Location::Path(next) = backing.locate(&image.path) else {
            break;
        };
        let format = backing.format.as_deref().and_then(Format::recorded);
        image = walk.open(&next, format).map_err(refuse)?;
    }
    Ok(())
}

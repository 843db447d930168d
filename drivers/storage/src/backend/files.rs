//! Volumes that are files of the pool's folder, as pools of several kinds have them.

use super::{Place, Room, Scan, Seen, Volumes};
use crate::failure::{invalid, refused, system, unsupported};
use crate::files::make::allocate;
use crate::files::{Making, Unfinished, copy_data};
use crate::keys::{Passphrase, identifier};
use crate::qemu_img::{self, Image};
use crate::volume::Volume;
use crate::volume::change::Resize;
use crate::volume::fill::by_qemu_img;
use crate::volume::new::NewVolume;
use error::{Code, Result};
use model::storage::VolumeKind;
use std::fs::File;
use std::path::PathBuf;
use tool::Cancel;

/// The permission bits of a volume whose document names none.
const MODE: u32 = 0o600;
/// The same of one that is a folder.
const FOLDER_MODE: u32 = 0o711;

/// Files, and folders, of a folder.
#[derive(Debug)]
pub(crate) struct Files;

impl Volumes for Files {
    fn scan(&self, place: &Place, cancel: &Cancel) -> Result<Scan> {
        let folder = place.folder()?;
        place.host.unfinished.clean(&folder)?;
        Ok(Scan {
            volumes: folder.volumes(cancel, Unfinished::is_any)?,
            room: folder.figures()?.into(),
            permissions: Some(folder.facts()?.permissions()),
        })
    }

    fn room(&self, place: &Place, _cancel: &Cancel) -> Result<Room> {
        Ok(place.folder()?.figures()?.into())
    }

    fn look(&self, place: &Place, known: &Volume) -> Result<Option<Volume>> {
        place.folder()?.volume_with_backing(&known.name)
    }

    fn look_again(&self, place: &Place, name: &str, cancel: &Cancel) -> Result<Seen> {
        let volume = place.folder()?.volume_with_backing(name)?;
        Ok(Seen::One(Box::new(volume), self.room(place, cancel)?))
    }

    fn check(&self, new: &NewVolume) -> Result<()> {
        let document = &new.document;
        if Unfinished::is_any(&document.name) {
            let text = format!("'{}' is a name of unfinished volumes", document.name);
            return Err(invalid(text));
        }
        if document.backing.is_some() && matches!(new.format(), "raw" | "none" | "iso" | "dir") {
            let text = format!(
                "volume '{}': backing storage not supported for raw volumes",
                document.name
            );
            // The two codes are libvirt's.
            let code = match new.format() {
                "iso" => Code::ConfigUnsupported,
                _ => Code::NoSupport,
            };
            return Err(refused(code, text));
        }
        Ok(())
    }

    fn create(&self, place: &Place, new: &NewVolume, begun: &dyn Fn(&str), cancel: &Cancel) -> Result<()> {
        let folder = place.folder()?;
        let name = &*new.document.name;
        if folder.has(name) {
            return Err(invalid(format!(
                "volume target path '{}' already exists",
                folder.path(name).display()
            )));
        }
        let making = Making::new(&folder, &place.host.unfinished);
        begun(making.name());
        if new.format() == "dir" {
            making.directory()?;
            cancel.check()?;
            return making.finish(name, &new.permissions(), FOLDER_MODE);
        }
        let file = making.file()?;
        if new.is_plain() && new.document.backing.is_none() {
            plain(&file, new, cancel)?;
        } else {
            by_qemu_img(&making.path(), place.path()?, new, cancel)?;
        }
        drop(file);
        // Whoever came back late was given up, and what was made with it.
        cancel.check()?;
        making.finish(name, &new.permissions(), MODE)
    }

    fn written(&self, place: &Place, unfinished: &str) -> Option<u64> {
        place.folder().ok()?.allocation(unfinished)
    }

    fn remove(&self, place: &Place, volume: &Volume, cancel: &Cancel) -> Result<()> {
        let folder = place.folder()?;
        cancel.check()?;
        folder.remove(&volume.name)?;
        match volume.encryption {
            // By what it was opened is forgotten next: it must not come back then.
            Some(_) => folder.sync(),
            None => Ok(()),
        }
    }

    fn resize(
        &self,
        place: &Place,
        volume: &Volume,
        to: Resize,
        passphrase: Option<&Passphrase>,
        cancel: &Cancel,
    ) -> Result<()> {
        let folder = place.folder()?;
        let failed = |err| system(format!("cannot resize volume '{}'", volume.name), err);
        let file = folder.content(&volume.name, true)?;
        cancel.check()?;
        if volume.kind != VolumeKind::File {
            return Err(unsupported(format!(
                "volume '{}' is not a file: its size cannot be changed",
                volume.name
            )));
        }
        if volume.is_plain() {
            file.set_len(to.capacity).map_err(failed)?;
            if to.allocate {
                allocate(&file, 0, to.capacity).map_err(failed)?;
            }
        } else {
            let path = folder.path(&volume.name).to_string_lossy().into_owned();
            let image = Image {
                path: &path,
                format: volume.format.unwrap_or("raw"),
                key: match passphrase {
                    Some(passphrase) => Some(passphrase.key(identifier(&volume.name, "volume"))?),
                    None => None,
                },
            };
            qemu_img::resize(&image, to.capacity, to.shrink).run(cancel)?;
        }
        file.sync_all().map_err(failed)
    }

    fn content(&self, place: &Place, volume: &Volume, write: bool) -> Result<(File, PathBuf)> {
        let folder = place.folder()?;
        Ok((folder.content(&volume.name, write)?, folder.path(&volume.name)))
    }
}

/// Fills a file whose bytes are the guest's.
fn plain(file: &File, new: &NewVolume, cancel: &Cancel) -> Result<()> {
    let name = &new.document.name;
    let failed = |err: std::io::Error| system(format!("cannot allocate volume '{name}'"), err);
    let capacity = new.capacity().unwrap_or(0);
    if new.document.target.nocow {
        let flags = rustix::fs::IFlags::NOCOW;
        rustix::fs::ioctl_getflags(file)
            .and_then(|now| rustix::fs::ioctl_setflags(file, now | flags))
            .map_err(|err| system(format!("cannot have volume '{name}' not share its blocks"), err))?;
    }
    let source = match &new.source {
        Some(source) => Some(source.content()?.0),
        None => None,
    };
    if let (Some(source), true) = (&source, new.reflink) {
        rustix::fs::ioctl_ficlone(file, source).map_err(|err| {
            system(
                format!("volume '{name}' cannot share its blocks with its source"),
                err,
            )
        })?;
    }
    let source_capacity = new.source.as_ref().map_or(0, |source| source.volume.capacity);
    let allocation = new.document.allocation.map_or(capacity, |size| size.0);
    // Of such a file all is the guest's, what it has room for as well.
    let capacity = capacity.max(allocation);
    file.set_len(capacity).map_err(failed)?;
    // A copy that may take less than its source is one with holes.
    if !new.reflink && allocation >= source_capacity {
        allocate(file, 0, allocation).map_err(failed)?;
    }
    match source {
        Some(source) if !new.reflink => copy_data(&source, file, source_capacity.min(capacity), cancel),
        _ => Ok(()),
    }
}

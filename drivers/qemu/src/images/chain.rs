//! What disks are based on, found when a domain starts.
//!
//! ```text
//!  definition:  top [─ layers that it names] [─ end]
//!  found:                                   └─ layer ─ layer ─ … ─ end, or a place that only QEMU can read
//! ```
//! What a definition says is taken as said: only whether it is there is looked at. Below the last layer that it names each
//! image is asked what it is based on. Everything found stands in the live document afterwards.

use super::{Reading, block, document_format, file, header_format, node, refused, url};
use error::{Code, Result};
use image::{Backing, Format, Image, Location, Walk};
use model::domain::Domain as Model;
use model::domain::devices::Disk;
use model::domain::devices::disk_source::{
    BackingLayer, BackingStore, DataStore, DiskSource, ImageFormat, StartupPolicy, StorageFormat,
};
use std::path::Path;

/// Where libvirt's users read what to do about chains.
const HELP: &str = "https://libvirt.org/kbase/backing_chains.html";

/// A source that was not there and that its disk can do without.
#[derive(Debug)]
pub(crate) struct Dropped {
    /// What it was.
    pub path: Option<String>,
    /// The disk's alias.
    pub alias: String,
}

/// Finds out what all disks are based on. Blocks on the disk. A disk whose definition says that its source is optional
/// (`startupPolicy`) goes without where that is not there or is based on what is not: a drive is empty then, and another
/// disk left out.
///
/// # Errors
/// What is not there, cannot be read, is based on itself or would have to be guessed, with the disk's and the image's
/// name.
pub(crate) fn open_chains(model: &mut Model, reading: &Reading) -> Result<Vec<Dropped>> {
    let mut dropped = Vec::new();
    let mut kept = Vec::with_capacity(model.devices.disks.len());
    for mut disk in std::mem::take(&mut model.devices.disks) {
        match open_chain(&mut disk, reading) {
            Ok(()) => kept.push(disk),
            Err(err) if is_optional(&disk) => {
                let (without, disk) = drop_source(disk, &err);
                dropped.push(without);
                kept.extend(disk);
            }
            Err(err) => return Err(err.context(format!("disk '{}'", disk.target.dev))),
        }
    }
    model.devices.disks = kept;
    Ok(dropped)
}

/// Finds out what disks are based on whose images are there already; the others stay as they are said to be. Blocks on the
/// disk.
pub(crate) fn open_chains_there(model: &mut Model, reading: &Reading) {
    for disk in &mut model.devices.disks {
        let mut found = disk.clone();
        match open_chain(&mut found, reading) {
            Ok(()) => *disk = found,
            Err(err) => tracing::debug!(disk = %disk.target.dev, %err, "what a disk is based on is not told"),
        }
    }
}

fn open_chain(disk: &mut Disk, reading: &Reading) -> Result<()> {
    if !disk.has_medium() {
        return Ok(());
    }
    let mut chain = Chain {
        walk: Walk::default(),
        reading,
    };
    chain.open(disk)
}

/// Takes away the source of a disk that can do without; a drive stays, empty.
pub(crate) fn drop_source(mut disk: Disk, err: &error::Error) -> (Dropped, Option<Disk>) {
    tracing::info!(disk = %disk.target.dev, %err, "a guest starts without an optional source");
    let dropped = Dropped {
        path: disk.source_path().map(str::to_owned),
        alias: disk.info.alias_name().unwrap_or_default().to_owned(),
    };
    disk.source = DiskSource::default();
    disk.backing_store = None;
    let stays = disk.is_removable();
    (dropped, stays.then_some(disk))
}

/// Whether a disk can do without its source.
pub(crate) fn is_optional(disk: &Disk) -> bool {
    let details = disk.source.details();
    details.and_then(|details| details.startup_policy) == Some(StartupPolicy::Optional)
}

/// The chain of one disk.
struct Chain<'a> {
    walk: Walk,
    reading: &'a Reading,
}

impl Chain<'_> {
    fn open(&mut self, disk: &mut Disk) -> Result<()> {
        let format = disk.format().unwrap_or(StorageFormat::Raw);
        self.given(&mut disk.source, format, &mut disk.backing_store)
    }

    /// An image that the definition names, and what is below it.
    fn given(
        &mut self,
        source: &mut DiskSource,
        format: StorageFormat,
        below: &mut Option<BackingStore>,
    ) -> Result<()> {
        let Some(path) = path(source).map(Path::to_owned) else {
            self.walk.pass(source.kind()).map_err(|err| told(err, None))?;
            if let Some(BackingStore::Layer(layer)) = below {
                return self.given_layer(layer);
            }
            return Ok(());
        };
        match below {
            Some(below) => {
                self.read(&path, Some(Format::Raw), None)?;
                match below {
                    BackingStore::Layer(layer) => self.given_layer(layer),
                    BackingStore::End => Ok(()),
                }
            }
            None => {
                let image = self.read(&path, Some(header_format(format)), None)?;
                self.data_store(&image, source)?;
                *below = self.below(&image)?;
                Ok(())
            }
        }
    }

    fn given_layer(&mut self, layer: &mut BackingLayer) -> Result<()> {
        let format = layer.format.as_ref();
        let format = format.map_or(StorageFormat::Raw, |format| format.kind);
        self.given(&mut layer.source, format, &mut layer.backing_store)
    }

    /// What an image says it is based on, down to the end; `None` where the document cannot tell it, which leaves it to
    /// QEMU.
    fn below(&mut self, image: &Image) -> Result<Option<BackingStore>> {
        let Some(backing) = image.header.backing.as_ref() else {
            return Ok(Some(BackingStore::End));
        };
        let Some(mut source) = place(backing, image)? else {
            return Ok(None);
        };
        // What is no format that an image can be based on can only be meant to be read as it is.
        let recorded = backing.format.as_deref().map(Format::recorded);
        let recorded = recorded.map(|format| format.unwrap_or(Format::Raw));
        let (format, store) = match path(&source).map(Path::to_owned) {
            Some(path) if is_whole(&source) => {
                let lower = self.read(&path, recorded, Some(image))?;
                let header = &lower.header;
                if recorded.is_none() && (header.backing.is_some() || header.data_file.is_some()) {
                    return Err(guessed(backing, image));
                }
                if header.encryption.is_some() {
                    let text = format!(
                        "'{}', which '{}' is based on, is encrypted: only a <backingStore> with <encryption> can say with which secret",
                        path.display(),
                        image.path.display()
                    );
                    return Err(refused(Code::ConfigUnsupported, text));
                }
                if lower.is_block && matches!(source, DiskSource::File { .. }) {
                    source = block(path.display().to_string());
                }
                self.data_store(&lower, &mut source)?;
                (header.format, self.below(&lower)?)
            }
            // A part of a file, or something that only QEMU can read.
            _ => {
                self.walk
                    .pass(&backing.name)
                    .map_err(|err| told(err, Some(image)))?;
                let format = recorded.ok_or_else(|| guessed(backing, image))?;
                let ends = format == Format::Raw && source.path().is_some();
                (format, ends.then_some(BackingStore::End))
            }
        };
        Ok(Some(BackingStore::Layer(Box::new(BackingLayer {
            index: None,
            format: Some(ImageFormat {
                kind: document_format(format),
                metadata_cache: None,
            }),
            source,
            backing_store: store,
        }))))
    }

    fn read(&mut self, path: &Path, format: Option<Format>, overlay: Option<&Image>) -> Result<Image> {
        self.reading.enter(path)?;
        self.walk.open(path, format).map_err(|err| told(err, overlay))
    }

    /// Writes down where an image has its data, where that is not said already.
    fn data_store(&mut self, image: &Image, source: &mut DiskSource) -> Result<()> {
        let Some(path) = image.data_path() else {
            return Ok(());
        };
        let Some(details) = source
            .details_mut()
            .filter(|details| details.data_store.is_none())
        else {
            return Ok(());
        };
        let data = self.read(&path, Some(Format::Raw), Some(image))?;
        let path = path.display().to_string();
        details.data_store = Some(Box::new(DataStore {
            format: Some(ImageFormat {
                kind: StorageFormat::Raw,
                metadata_cache: None,
            }),
            source: if data.is_block { block(path) } else { file(path) },
        }));
        Ok(())
    }
}

/// Where the image is that another one is based on; `None` where the document has no words for it.
fn place(backing: &Backing, image: &Image) -> Result<Option<DiskSource>> {
    let failed = |err: error::Error| {
        err.context(format!(
            "'{}' is based on '{}'",
            image.path.display(),
            backing.name
        ))
    };
    match backing.locate(&image.path) {
        Location::Path(path) => Ok(Some(file(path.display().to_string()))),
        Location::Json(text) => node::source(text).map_err(failed),
        Location::Protocol { name, rest } => url::source(name, rest).map_err(failed),
    }
}

/// The file or block device that a source is. One that a client has opened is QEMU's alone to read: its path may be nothing
/// here.
fn path(source: &DiskSource) -> Option<&Path> {
    match source {
        _ if source.fd_group().is_some() => None,
        DiskSource::File { .. } | DiskSource::Block { .. } => source.path().map(Path::new),
        _ => None,
    }
}

/// Whether all of a file is the image.
fn is_whole(source: &DiskSource) -> bool {
    source.details().is_none_or(|details| details.slices.is_empty())
}

fn guessed(backing: &Backing, image: &Image) -> error::Error {
    let text = format!(
        "'{}' does not record the format of '{}', which it is based on, and a guess could be led by what a guest wrote; \
         `qemu-img rebase -u -F FORMAT` records it (see {HELP})",
        image.path.display(),
        backing.name
    );
    refused(Code::OperationInvalid, text)
}

/// An image's error, with the image that led to it.
fn told(err: image::Error, overlay: Option<&Image>) -> error::Error {
    let code = match &err {
        image::Error::Open { .. } => Code::SystemError,
        image::Error::Read { source, .. } if source.kind() != std::io::ErrorKind::InvalidData => {
            Code::SystemError
        }
        _ => Code::InternalError,
    };
    let text = match overlay {
        Some(overlay) => format!("{err}; '{}' needs it", overlay.path.display()),
        None => err.to_string(),
    };
    refused(code, text).caused_by(err)
}

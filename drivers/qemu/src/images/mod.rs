//! Images of disks on the host: what they are based on, and how large they are.
//!
//! An image may lie on a mount whose server is gone; who reads it then waits for ever. So images are read on threads of
//! their own, with a deadline, and a folder where somebody still waits is not tried again: see [`Reader`].

mod chain;
mod figures;
mod node;
mod reader;
mod url;

pub(crate) use chain::{Dropped, drop_source, is_optional, open_chains, open_chains_there};
pub(crate) use figures::DiskFigures;
pub(crate) use reader::{Reader, Reading};

use error::{Code, Domain as ErrorDomain, Error};
use image::Format;
use model::domain::Domain as Model;
use model::domain::devices::disk::DiskDevice;
use model::domain::devices::disk_source::{BlockSource, DiskSource, FileSource, StorageFormat};
use rustix::fs::major;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;
use std::time::Duration;

/// How long images that one call is about may take to be looked at: on a mount whose server is gone it would be for ever.
pub(crate) const WAIT: Duration = Duration::from_secs(15);

/// What is wrong with an image, told as of storage.
fn refused(code: Code, text: impl Into<String>) -> Error {
    Error::new(code, ErrorDomain::Storage, text)
}

/// Block devices in a guest's CD drives that are no CD drives of the host, or not there. Blocks on the host's `/dev`.
pub(crate) fn other_blocks(model: &Model) -> Vec<PathBuf> {
    /// The kernel's number of CD drives (`sr`).
    const DRIVES: u32 = 11;
    let is_drive = |path: &PathBuf| {
        let device = std::fs::metadata(path);
        device.is_ok_and(|device| device.file_type().is_block_device() && major(device.rdev()) == DRIVES)
    };
    let drives = model
        .devices
        .disks
        .iter()
        .filter(|disk| disk.device == DiskDevice::Cdrom);
    let blocks = drives.filter(|disk| matches!(disk.source, DiskSource::Block { .. }));
    let paths = blocks.filter_map(|disk| disk.source_path().map(PathBuf::from));
    paths.filter(|path| !is_drive(path)).collect()
}

/// How the header of an image of a document's format is read; those without one that tells anything are as raw ones.
pub(crate) fn header_format(format: StorageFormat) -> Format {
    match format {
        StorageFormat::Qcow => Format::Qcow,
        StorageFormat::Qcow2 => Format::Qcow2,
        StorageFormat::Qed => Format::Qed,
        StorageFormat::Vmdk => Format::Vmdk,
        StorageFormat::Vdi => Format::Vdi,
        StorageFormat::Vpc => Format::Vpc,
        StorageFormat::Ploop => Format::Ploop,
        StorageFormat::Luks => Format::Luks,
        _ => Format::Raw,
    }
}

/// A document's name of a format.
fn document_format(format: Format) -> StorageFormat {
    match format {
        Format::Qcow => StorageFormat::Qcow,
        Format::Qcow2 => StorageFormat::Qcow2,
        Format::Qed => StorageFormat::Qed,
        Format::Vmdk => StorageFormat::Vmdk,
        Format::Vdi => StorageFormat::Vdi,
        Format::Vpc => StorageFormat::Vpc,
        Format::Vhdx => StorageFormat::Vhd,
        Format::Ploop => StorageFormat::Ploop,
        Format::Luks => StorageFormat::Luks,
        Format::Bochs => StorageFormat::Bochs,
        Format::Cloop => StorageFormat::Cloop,
        Format::Dmg => StorageFormat::Dmg,
        _ => StorageFormat::Raw,
    }
}

fn file(path: impl Into<String>) -> DiskSource {
    DiskSource::File {
        source: Some(FileSource {
            file: Some(path.into()),
            ..FileSource::default()
        }),
    }
}

fn block(path: impl Into<String>) -> DiskSource {
    DiskSource::Block {
        source: Some(BlockSource {
            dev: Some(path.into()),
            ..BlockSource::default()
        }),
    }
}

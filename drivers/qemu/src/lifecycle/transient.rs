//! Transient disks: what the guest writes goes into an image of the run's own, which lies on top of the disk's and goes with the
//! run.
//!
//! libvirt starts QEMU with the disk's image and joins the other one to it through the monitor; here it is there from the
//! beginning. The guest's device is the same, and the disk's image is only ever opened for reading: several guests may share
//! it, whether or not `shareBacking` says so.

use super::provide::failed;
use crate::command::{is_covered, overlay_name};
use crate::images::{self, Reading};
use error::{Code, Domain as ErrorDomain, Error, Result};
use image::{EmptyQcow2, Qcow2, Sizes};
use model::domain::Domain as Model;
use model::domain::devices::Disk;
use model::domain::devices::disk::DiskDevice;
use model::domain::devices::disk_source::{
    BackingLayer, BackingStore, DiskSource, FileSource, ImageFormat, StorageFormat,
};
use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What qemu-img makes where nobody says how.
const LAYOUT: Qcow2 = Qcow2 {
    version: 3,
    cluster_size: 64 << 10,
    lazy_refcounts: false,
    extended_l2: false,
};

/// An image that takes what a guest writes, to be made.
#[derive(Debug)]
pub(crate) struct Overlay {
    path: PathBuf,
    image: EmptyQcow2,
}

/// Puts an image on top of each transient disk of a live document whose chains are known. Blocks on the disk.
///
/// # Errors
/// [`Code::ConfigUnsupported`] for disks that cannot be transient, [`Code::OperationUnsupported`] where an image of that name
/// is there already; what the host says of the disk's image.
pub(crate) fn cover(model: &mut Model, reading: &Reading) -> Result<Vec<Overlay>> {
    let guest = model.name.clone();
    let disks = model.devices.disks.iter_mut();
    disks
        .filter(|disk| disk.transient.is_some() && disk.has_medium())
        .map(|disk| {
            let target = disk.target.dev.clone();
            cover_one(disk, &guest, reading).map_err(|err| err.context(format!("transient disk '{target}'")))
        })
        .collect()
}

fn cover_one(disk: &mut Disk, guest: &str, reading: &Reading) -> Result<Overlay> {
    let refused = |code, text: String| Error::new(code, ErrorDomain::Qemu, text);
    let unsupported = |text: &str| refused(Code::ConfigUnsupported, text.to_owned());
    let DiskSource::File { source: Some(source) } = &disk.source else {
        return Err(unsupported("only disks whose source is a file can be transient"));
    };
    let Some(base) = source.file.clone() else {
        return Err(unsupported("its source names no file"));
    };
    if disk.device != DiskDevice::Disk || disk.readonly || source.fdgroup.is_some() {
        return Err(unsupported("what a guest cannot write to cannot be transient"));
    }
    if disk.effective_encryption().is_some() {
        return Err(unsupported(
            "what a guest writes to an encrypted disk would not be encrypted beside it",
        ));
    }
    let path = PathBuf::from(overlay_name(&base, guest));
    reading.enter(&path)?;
    if path.symlink_metadata().is_ok() {
        let text = format!("the overlay '{}' exists already", path.display());
        return Err(refused(Code::OperationUnsupported, text));
    }
    let format = disk.format().unwrap_or(StorageFormat::Raw);
    let sizes = Sizes::of(Path::new(&base), images::header_format(format))
        .map_err(|err| refused(Code::OperationFailed, err.to_string()))?;
    // QEMU sees whole sectors of an image, too.
    let image = sizes
        .capacity
        .checked_next_multiple_of(512)
        .and_then(|capacity| EmptyQcow2::new(capacity, LAYOUT))
        .ok_or_else(|| unsupported("its image is larger than one that lies on top of it can be"))?
        .based_on(&base, &format.to_string())
        .ok_or_else(|| unsupported("the path of its image is longer than QEMU reads"))?;
    lay_on_top(disk, path.display().to_string(), format);
    Ok(Overlay { path, image })
}

/// Makes what the disk was read from the layer below `overlay`.
fn lay_on_top(disk: &mut Disk, overlay: String, format: StorageFormat) {
    let driver = disk.driver.get_or_insert_default();
    let below = BackingLayer {
        format: Some(ImageFormat {
            kind: format,
            metadata_cache: driver.metadata_cache.take(),
        }),
        source: std::mem::take(&mut disk.source),
        index: None,
        backing_store: disk.backing_store.take(),
    };
    driver.format = Some(StorageFormat::Qcow2);
    disk.source = DiskSource::File {
        source: Some(FileSource {
            file: Some(overlay),
            ..FileSource::default()
        }),
    };
    disk.backing_store = Some(BackingStore::Layer(Box::new(below)));
}

/// The images that lie on top of the transient disks of a live document.
pub(crate) fn of(model: &Model) -> Vec<PathBuf> {
    let covered = model
        .devices
        .disks
        .iter()
        .filter(|disk| is_covered(disk, &model.name));
    covered.filter_map(Disk::source_path).map(PathBuf::from).collect()
}

/// Makes the images; `made` has those that are to be removed again, whatever comes. Blocks on the disk.
///
/// # Errors
/// What the disk says.
pub(crate) fn make(overlays: &[Overlay], made: &mut Vec<PathBuf>) -> Result<()> {
    for Overlay { path, image } in overlays {
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|err| failed("create the overlay", path, err))?;
        made.push(path.clone());
        let pieces = || {
            file.set_len(image.length)?;
            let mut pieces = image.pieces.iter();
            pieces.try_for_each(|(at, bytes)| file.write_all_at(bytes, *at))
        };
        pieces().map_err(|err| failed("write the overlay", path, err))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest() -> Model {
        Model::from_xml(
            "<domain type='qemu'><name>g</name><memory>1</memory><os><type>hvm</type></os><devices>\
             <disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/i'/><backingStore/>\
             <target dev='vda' bus='virtio'/><transient/></disk>\
             <disk type='file' device='disk'><source file='/i.TRANSIENT-g'/><target dev='vdb' bus='virtio'/></disk>\
             </devices></domain>",
        )
        .unwrap()
    }

    #[test]
    fn the_former_image_is_the_layer_below() {
        let mut model = guest();
        assert_eq!(of(&model), Vec::<PathBuf>::new());
        lay_on_top(
            &mut model.devices.disks[0],
            "/i.TRANSIENT-g".to_owned(),
            StorageFormat::Raw,
        );
        assert_eq!(of(&model), [PathBuf::from("/i.TRANSIENT-g")]);
        let disk = &model.devices.disks[0];
        assert_eq!(disk.format(), Some(StorageFormat::Qcow2));
        let below: Vec<_> = disk.backing_chain().collect();
        assert_eq!(below.len(), 1);
        assert_eq!(below[0].source.path(), Some("/i"));
        assert_eq!(below[0].format.as_ref().unwrap().kind, StorageFormat::Raw);
        assert_eq!(below[0].backing_store, Some(BackingStore::End));
    }

    #[test]
    fn images_are_made_anew_and_never_over_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("o");
        let overlays = [Overlay {
            path: path.clone(),
            image: EmptyQcow2::new(1 << 20, LAYOUT)
                .and_then(|image| image.based_on("/images/base.img", "raw"))
                .unwrap(),
        }];
        let mut made = Vec::new();
        make(&overlays, &mut made).unwrap();
        assert_eq!(made, std::slice::from_ref(&path));
        let sizes = Sizes::of(&path, image::Format::Qcow2).unwrap();
        assert_eq!(sizes.capacity, 1 << 20);
        let file = File::open(&path).unwrap();
        let header = image::Header::read(&file, image::Format::Qcow2, sizes.physical).unwrap();
        let backing = header.backing.unwrap();
        assert_eq!(
            (backing.name.as_str(), backing.format.as_deref()),
            ("/images/base.img", Some("raw"))
        );
        made.clear();
        assert!(make(&overlays, &mut made).is_err());
        assert_eq!(made, Vec::<PathBuf>::new());
    }
}

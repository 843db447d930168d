//! How large a disk is: for the guest, and on the host.

use super::Call;
use crate::Driver;
use crate::flags;
use crate::lifecycle::{COMMAND_WAIT, monitor_error};
use daemon::Routes;
use error::{Code, Domain, Error, Result};
use model::domain::devices::disk_source::StorageFormat;
use protocol::remote;
use protocol::remote::procedure::DomainGetBlockInfo;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<DomainGetBlockInfo, _>(get);
}

async fn get(call: Call, args: remote::DomainGetBlockInfoArgs) -> Result<remote::DomainGetBlockInfoRet> {
    flags::check("virDomainGetBlockInfo", args.flags, 0)?;
    let state = call.driver.domains.find(&args.dom)?.state();
    let model = state
        .document()
        .ok_or_else(crate::lifecycle::not_running)?
        .parse()?;
    let disk = model.devices.disk_by_name(&args.path).ok_or_else(|| {
        Error::new(
            Code::InvalidArg,
            Domain::Qemu,
            format!("invalid path {} not assigned to domain", args.path),
        )
    })?;
    let source = disk.source_path().ok_or_else(|| {
        Error::new(
            Code::InvalidArg,
            Domain::Qemu,
            format!("disk '{}' does not currently have a source assigned", args.path),
        )
    })?;
    let (path, format) = (source.to_owned(), disk.format());
    let mut sizes = call.driver.blocking(move || Sizes::of(&path, format)).await?;
    if let Some(live) = state.live.as_ref() {
        // What QEMU has written goes before what the host's file tells.
        let alias = disk.info.alias_name().unwrap_or_default().to_owned();
        let all = live
            .monitor()?
            .query_block(COMMAND_WAIT)
            .await
            .map_err(monitor_error)?;
        let own = all.into_iter().find(|one| {
            let device = one.qdev.as_deref().unwrap_or_default();
            device.split('/').any(|part| part == alias)
        });
        let image = own.and_then(|one| one.inserted).and_then(|node| node.image);
        sizes.capacity = image.map_or(sizes.capacity, |image| image.virtual_size);
    }
    Ok(remote::DomainGetBlockInfoRet {
        allocation: sizes.allocation,
        capacity: sizes.capacity,
        physical: sizes.physical,
    })
}

/// Sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sizes {
    /// What it occupies on the host.
    allocation: u64,
    /// What the guest sees.
    capacity: u64,
    /// Where the file ends.
    physical: u64,
}

impl Sizes {
    /// Those of a file or block device. Blocks on the disk.
    fn of(path: &str, format: Option<StorageFormat>) -> Result<Self> {
        let failed = |err: std::io::Error| {
            Error::new(
                Code::SystemError,
                Domain::Qemu,
                format!("cannot read '{path}': {err}"),
            )
            .caused_by(err)
        };
        let mut file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let (physical, allocation) = if metadata.file_type().is_block_device() {
            use std::io::{Seek, SeekFrom};
            let end = file.seek(SeekFrom::End(0)).map_err(failed)?;
            file.rewind().map_err(failed)?;
            (end, end)
        } else {
            // The kernel counts in blocks of 512 bytes, whatever the file system's are.
            (metadata.len(), metadata.blocks().saturating_mul(512))
        };
        let capacity = match format {
            Some(StorageFormat::Qcow2) => qcow2_size(&mut file).map_err(failed)?.unwrap_or(physical),
            _ => physical,
        };
        Ok(Self {
            allocation,
            capacity,
            physical,
        })
    }
}

/// The size a qcow2 image tells of itself: big-endian, 24 bytes behind its start (QEMU's `docs/interop/qcow2.txt`).
fn qcow2_size(file: &mut impl Read) -> std::io::Result<Option<u64>> {
    let mut header = Vec::new();
    file.take(32).read_to_end(&mut header)?;
    if !header.starts_with(b"QFI\xfb") {
        return Ok(None);
    }
    let size: Option<[u8; 8]> = header.get(24..32).and_then(|bytes| bytes.try_into().ok());
    Ok(size.map(u64::from_be_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_lies_about_its_kind_is_as_large_as_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.qcow2");
        std::fs::write(&path, b"nothing of the kind").unwrap();
        let sizes = Sizes::of(path.to_str().unwrap(), Some(StorageFormat::Qcow2)).unwrap();
        assert_eq!(sizes.capacity, 19);
        let mut header = vec![0_u8; 32];
        header[..4].copy_from_slice(b"QFI\xfb");
        header[24..].copy_from_slice(&(1_u64 << 30).to_be_bytes());
        assert_eq!(qcow2_size(&mut header.as_slice()).unwrap(), Some(1 << 30));
        assert_eq!(qcow2_size(&mut &header[..20]).unwrap(), None);
    }
}

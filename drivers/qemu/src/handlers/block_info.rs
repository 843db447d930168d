//! How large a disk is: for the guest, and on the host.

use super::Call;
use crate::Driver;
use crate::domain::State;
use crate::flags;
use crate::images::{self, header_format};
use crate::lifecycle::{COMMAND_WAIT, monitor_error, volumes};
use daemon::Routes;
use error::{Code, Domain, Error, Result};
use image::{Format, Sizes};
use model::domain::devices::{Disk, DiskSource};
use protocol::remote;
use protocol::remote::procedure::DomainGetBlockInfo;
use qmp::types::ImageInfo;
use std::path::PathBuf;

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
    let refused = |text: String| Error::new(Code::InvalidArg, Domain::Qemu, text);
    let disk = model
        .devices
        .disk_by_name(state.disk_target(&args.path))
        .ok_or_else(|| refused(format!("invalid path {} not assigned to domain", args.path)))?;
    if disk.source.fd_group().is_some() {
        let text = "block info is not supported for images that a client has opened";
        return Err(Error::new(Code::OperationUnsupported, Domain::Qemu, text));
    }
    if !disk.has_medium() {
        let text = format!("disk '{}' does not currently have a source assigned", args.path);
        return Err(refused(text));
    }
    let path = path_of(&call.driver, &state, disk).await?;
    let sizes = match (state.live.as_ref(), path) {
        (Some(live), path) => {
            // What QEMU says of the guest's size goes before what the file says.
            let nodes = live.reached().await?.query_named_block_nodes(COMMAND_WAIT);
            let nodes = nodes.await.map_err(monitor_error)?;
            let image = |kind: &str| {
                let name = format!("libvirt-{}-{kind}", index(disk)?);
                let node = nodes.iter().find(|node| node.node_name.as_ref() == Some(&name));
                node.and_then(|node| node.image.as_ref())
            };
            let image = image("format").or_else(|| image("storage"));
            match path {
                Some(path) => {
                    let mut sizes = of_path(&call.driver, path, disk).await?;
                    sizes.capacity = image.map_or(sizes.capacity, |image| image.virtual_size);
                    sizes
                }
                None => image
                    .map(told)
                    .ok_or_else(|| refused(format!("QEMU has no image for disk '{}'", args.path)))?,
            }
        }
        (None, Some(path)) => of_path(&call.driver, path, disk).await?,
        (None, None) => {
            let text = format!(
                "disk '{}' is of the type '{}', which nobody but a running QEMU can look into",
                args.path,
                disk.source.kind()
            );
            return Err(Error::new(Code::InternalError, Domain::Storage, text));
        }
    };
    Ok(remote::DomainGetBlockInfoRet {
        allocation: sizes.allocation,
        capacity: sizes.capacity,
        physical: sizes.physical,
    })
}

/// Where a disk's image lies; where a volume does its pool tells, or of a running guest told.
async fn path_of(driver: &Driver, state: &State, disk: &Disk) -> Result<Option<PathBuf>> {
    let DiskSource::Volume { source: Some(volume) } = &disk.source else {
        return Ok(disk.source_path().map(PathBuf::from));
    };
    let path = match &state.live {
        Some(live) => live.volume_path(&disk.target.dev).map(str::to_owned),
        None => volumes::find(driver, volume).await?,
    };
    Ok(path.map(PathBuf::from))
}

/// The number of a disk's node.
fn index(disk: &Disk) -> Option<u32> {
    disk.source.details().and_then(|details| details.index)
}

/// What a file or block device says.
async fn of_path(driver: &Driver, path: PathBuf, disk: &Disk) -> Result<Sizes> {
    let format = disk.format().map_or(Format::Raw, header_format);
    let read = driver.images.run(images::WAIT, move |reading| {
        reading.enter(&path)?;
        Sizes::of(&path, format)
            .map_err(|err| Error::new(Code::SystemError, Domain::Qemu, err.to_string()).caused_by(err))
    });
    read.await
}

/// What QEMU says of an image that is no file.
fn told(image: &ImageInfo) -> Sizes {
    let occupied = image.actual_size.unwrap_or(image.virtual_size);
    Sizes {
        allocation: occupied,
        capacity: image.virtual_size,
        physical: occupied,
    }
}

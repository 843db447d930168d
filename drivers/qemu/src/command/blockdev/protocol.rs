//! The lowest layer: where the bytes are.

use super::{Layer, LayerFlags};
use crate::command::Role;
use crate::command::line::{Line, Props, incomplete, unsupported};
use error::Result;
use model::domain::devices::disk::DiskIo;
use model::domain::devices::disk_network::NetworkProtocol;
use model::domain::devices::disk_source::{DiskSource, StorageFormat};
use xml::YesNo;

impl Line<'_> {
    /// The layer that opens the source.
    pub(super) fn protocol(&mut self, layer: &Layer<'_>, flags: &LayerFlags, node: &str) -> Result<Props> {
        let missing = || incomplete(format!("<source type='{}'> names nothing", layer.source.kind()));
        if let Some(details) = layer.source.details()
            && details.reservations.is_some()
        {
            return Err(unsupported(
                "<reservations>: persistent reservations are not supported yet",
            ));
        }
        match layer.source {
            DiskSource::File { source } => {
                let source = source.as_ref().ok_or_else(missing)?;
                if let Some(group) = &source.fdgroup {
                    let numbers = self.descriptors(group, Role::Group);
                    if numbers.is_empty() {
                        return Err(unsupported(format!(
                            "<source fdgroup='{group}'>: no descriptors were given"
                        )));
                    }
                    let all = numbers.iter().enumerate();
                    let path = self.fd_set_of(all.map(|(at, number)| (*number, format!("{node}{at}"))));
                    return Ok(aio(Props::driver("file").set("filename", path), flags));
                }
                let file = source.file.as_deref().ok_or_else(missing)?;
                Ok(aio(Props::driver("file").set("filename", file), flags))
            }
            DiskSource::Block { source } => {
                let device = source
                    .as_ref()
                    .and_then(|source| source.dev.as_deref())
                    .ok_or_else(missing)?;
                let driver = if flags.cdrom && is_cd_drive(device) {
                    "host_cdrom"
                } else {
                    "host_device"
                };
                Ok(aio(Props::driver(driver).set("filename", device), flags))
            }
            DiskSource::Dir { source } => {
                let source = source.as_ref().ok_or_else(missing)?;
                if layer.format != StorageFormat::Fat {
                    return Err(unsupported(
                        "<disk type='dir'>: only the format 'fat' shows a folder as a disk",
                    ));
                }
                Ok(Props::driver("vvfat")
                    .set("dir", source.dir.as_str())
                    .set("floppy", flags.floppy)
                    .set("rw", !flags.readonly))
            }
            DiskSource::Network { source } => {
                let source = source.as_ref().ok_or_else(missing)?;
                let credentials = match (source.tls, source.protocol) {
                    (Some(YesNo::Yes), NetworkProtocol::Nbd) => Some(self.storage_tls(layer.name)?),
                    (Some(YesNo::Yes), protocol) => {
                        return Err(unsupported(format!(
                            "<source protocol='{protocol}' tls='yes'>: QEMU encrypts connections to NBD servers only"
                        )));
                    }
                    _ => None,
                };
                super::network::props(source, layer, credentials)
            }
            DiskSource::Nvme { source } => {
                let source = source.as_ref().ok_or_else(missing)?;
                Ok(Props::driver("nvme")
                    .set("device", source.address.to_string())
                    .set("namespace", source.namespace))
            }
            DiskSource::VhostVdpa { source } => {
                let source = source.as_ref().ok_or_else(missing)?;
                let opaque = format!("{node}-vdpa");
                let number = flags.node.ok_or_else(|| {
                    unsupported(format!(
                        "<disk type='vhostvdpa'>: the device '{}' was not opened",
                        source.dev
                    ))
                })?;
                let path = self.fd_set(number, &opaque);
                Ok(Props::driver("virtio-blk-vhost-vdpa").set("path", path))
            }
            DiskSource::Volume { .. } => Err(unsupported(
                "<disk type='volume'>: the volume's path was not looked up by the storage daemon",
            )),
            DiskSource::VhostUser { .. } => Err(unsupported("<disk type='vhostuser'> has no block layers")),
        }
    }
}

fn aio(props: Props, flags: &LayerFlags) -> Props {
    let aio = match flags.io {
        Some(DiskIo::Native) => Some("native"),
        Some(DiskIo::Threads) => Some("threads"),
        Some(DiskIo::IoUring) => Some("io_uring"),
        Some(DiskIo::Default) | None => None,
    };
    props.maybe("aio", aio)
}

/// Whether a block device is a drive for optical media, as Linux names them.
fn is_cd_drive(path: &str) -> bool {
    let name = path.strip_prefix("/dev/").unwrap_or(path);
    ["cdrom", "sr", "scd", "dvd"]
        .iter()
        .filter_map(|prefix| name.strip_prefix(prefix))
        .any(|rest| rest.bytes().all(|digit| digit.is_ascii_digit()))
}

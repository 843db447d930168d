//! Volumes that are block devices of the host, as pools of several kinds have them.

mod content;

pub(crate) use content::{check_empty, content_of, forget_content};

use crate::failure::{refused, system};
use crate::volume::{Device, FileFacts, Volume};
use error::{Code, Error, Result};
use model::domain::devices::disk_source::{Encryption, EncryptionFormat};
use model::storage::VolumeKind;
use rustix::fs::{self, Mode, OFlags, SeekFrom};
use rustix::io::Errno;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};
use tool::{Cancel, Tool, find};

/// Opens a block device, and nothing else.
///
/// # Errors
/// [`Code::NoStorageVol`] where it is gone, [`Code::OperationDenied`] for what is no block device, [`Code::SystemError`].
pub(crate) fn open(path: &Path, write: bool) -> Result<File> {
    open_with(path, if write { OFlags::RDWR } else { OFlags::RDONLY })
}

fn open_with(path: &Path, access: OFlags) -> Result<File> {
    // A terminal or pipe in its place must keep nobody waiting.
    let flags = access | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let failed = |err: io::Error| system(format!("cannot open '{}'", path.display()), err);
    let file = match fs::open(path, flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(Errno::NOENT | Errno::NXIO) => return Err(gone(path)),
        Err(err) => return Err(failed(err.into())),
    };
    if !file.metadata().map_err(failed)?.file_type().is_block_device() {
        return Err(no_device(path));
    }
    Ok(file)
}

/// What a block device is as a volume: as large as the device, whatever lies on it. Nobody looks for a format, since a guest
/// may have written there what it likes; whether it begins as one that is encrypted is told, and believed of those only that
/// were made so.
///
/// # Errors
/// As [`open`].
pub(crate) fn volume(name: &str, device: Device) -> Result<Volume> {
    let path = Path::new(&device.path);
    let failed = |err: io::Error| system(format!("cannot read '{}'", path.display()), err);
    let file = open(path, false)?;
    let metadata = file.metadata().map_err(failed)?;
    let length = fs::seek(&file, SeekFrom::End(0)).map_err(|err| failed(err.into()))?;
    Ok(Volume {
        capacity: length,
        allocation: length,
        physical: Some(length),
        encryption: encryption(&begin(&file).map_err(failed)?),
        file: Some(FileFacts::from(&metadata)),
        device: Some(Box::new(device)),
        ..Volume::named(name, VolumeKind::Block)
    })
}

/// What the file system says of a device, without opening it.
///
/// # Errors
/// As [`open`].
pub(crate) fn facts(path: &Path) -> Result<FileFacts> {
    let found = std::fs::metadata(path);
    let metadata = found.map_err(|err| match err.kind() {
        io::ErrorKind::NotFound => gone(path),
        _ => system(format!("cannot look at '{}'", path.display()), err),
    })?;
    if !metadata.file_type().is_block_device() {
        return Err(no_device(path));
    }
    Ok(FileFacts::from(&metadata))
}

fn gone(path: &Path) -> Error {
    refused(
        Code::NoStorageVol,
        format!("'{}' is not there any more", path.display()),
    )
}

fn no_device(path: &Path) -> Error {
    let text = format!("'{}' is no block device", path.display());
    refused(Code::OperationDenied, text)
}

fn begin(file: &File) -> io::Result<[u8; 6]> {
    let mut begin = [0; 6];
    // What is shorter ends with zeroes.
    file.read_at(&mut begin, 0)?;
    Ok(begin)
}

/// The encryption of a device that begins so.
pub(crate) fn encryption(begin: &[u8]) -> Option<Box<Encryption>> {
    begin.starts_with(b"LUKS\xba\xbe").then(|| Box::new(luks()))
}

/// An encryption of which no more is known.
fn luks() -> Encryption {
    Encryption {
        format: EncryptionFormat::Luks,
        engine: None,
        secrets: Vec::new(),
        cipher: None,
        ivgen: None,
    }
}

/// Waits until the nodes of devices that have come are there, where that is udev's work; else they are there already.
pub(crate) fn settle(cancel: &Cancel) {
    if find("udevadm").is_none() {
        return;
    }
    if let Err(err) = Tool::new("udevadm").with(["settle"]).run(cancel) {
        tracing::debug!(%err, "nodes of new devices may come late");
    }
}

/// The links in a folder that lead to devices, by where they lead: under a name below `/dev/disk` a device is found again that
/// has got another number. A folder that is not there has none.
pub(crate) fn stable_paths(folder: &Path) -> HashMap<PathBuf, PathBuf> {
    // All of these are the devices' own.
    if folder == Path::new("/dev") {
        return HashMap::new();
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut links: Vec<_> = entries.map(|entry| entry.path()).collect();
    // Of several the first counts, each time, which is put in last.
    links.sort_by(|one, other| other.cmp(one));
    links
        .into_iter()
        .filter_map(|link| Some((link.canonicalize().ok()?, link)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_keeps_the_first_of_its_names() {
        let dir = tempfile::tempdir().unwrap();
        let disk = dir.path().canonicalize().unwrap().join("sda");
        std::fs::write(&disk, "").unwrap();
        let names = dir.path().join("by-path");
        std::fs::create_dir(&names).unwrap();
        for (name, device) in [("ip-b", "../sda"), ("ip-a", "../sda"), ("aa", "../gone")] {
            std::os::unix::fs::symlink(device, names.join(name)).unwrap();
        }
        assert_eq!(stable_paths(&names), HashMap::from([(disk, names.join("ip-a"))]));
        assert!(stable_paths(Path::new("/dev")).is_empty());
    }
}

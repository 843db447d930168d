//! What lies on a whole device, before a pool is made of it.

use super::open_with;
use crate::failure::{refused, system};
use error::{Code, Result};
use rustix::fs::{OFlags, SeekFrom, seek};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use tool::{Cancel, Tool};

/// How much at both ends of a device is looked at by whoever asks what is on it, in bytes.
const ENDS: u64 = 1 << 20;

/// The word of blkid for what is on a device: a file system, a table of partitions, a part of something larger.
///
/// # Errors
/// What blkid says.
pub(crate) fn content_of(device: &str, cancel: &Cancel) -> Result<Option<String>> {
    let found = Tool::new("blkid")
        .with(["-p", "-o", "value", "-s", "TYPE", "-s", "PTTYPE", device])
        .run(cancel);
    match found {
        Ok(found) => Ok(found
            .lines()
            .map(str::trim)
            .find(|word| !word.is_empty())
            .map(str::to_owned)),
        // It says nothing, and fails, where nothing is.
        Err(err) if err.detail().contains("exit status: 2") => Ok(None),
        Err(err) => Err(err),
    }
}

/// Refuses a device that has something on it.
///
/// # Errors
/// [`Code::StoragePoolBuilt`]; what blkid says.
pub(crate) fn check_empty(device: &str, cancel: &Cancel) -> Result<()> {
    match content_of(device, cancel)? {
        Some(found) => Err(refused(
            Code::StoragePoolBuilt,
            format!("device '{device}' has '{found}' on it already"),
        )),
        None => Ok(()),
    }
}

/// Overwrites both ends of a device that nobody uses, so that nothing is found on it any more.
///
/// # Errors
/// [`Code::OperationFailed`] while something of it is mounted or otherwise in use, [`Code::SystemError`].
pub(crate) fn forget_content(device: &Path) -> Result<()> {
    let failed = |err: io::Error| system(format!("cannot overwrite '{}'", device.display()), err);
    let file = match open_with(device, OFlags::RDWR | OFlags::EXCL) {
        Err(err) if is_busy(&err) => {
            let text = format!("device '{}', or a partition of it, is in use", device.display());
            return Err(refused(Code::OperationFailed, text).caused_by(err));
        }
        opened => opened?,
    };
    let length = seek(&file, SeekFrom::End(0)).map_err(|err| failed(err.into()))?;
    let last = length.saturating_sub(ENDS);
    for (start, end) in [(0, ENDS.min(length)), (last, length)] {
        let zeroes = vec![0; usize::try_from(end - start).unwrap_or_default()];
        file.write_all_at(&zeroes, start).map_err(failed)?;
    }
    file.sync_all().map_err(failed)
}

fn is_busy(err: &error::Error) -> bool {
    let cause = std::error::Error::source(err).and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::ResourceBusy)
}

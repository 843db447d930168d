//! Content overwritten, so that nobody reads it again.

use crate::failure::{argument, refused, system};
use error::{Code, Result};
use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use std::fs::File;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::Path;
use tool::{Cancel, Tool};

/// How content is overwritten (`virStorageVolWipeAlgorithm`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// With zeroes, once.
    Zero,
    /// As `scrub` knows it by this name.
    Scrub(&'static str),
    /// Given back to the storage, which reads as zeroes then.
    Trim,
}

impl Algorithm {
    /// The algorithm of that number.
    ///
    /// # Errors
    /// [`Code::InvalidArg`] for a number without one.
    pub(crate) fn of(number: u32) -> Result<Self> {
        Ok(match number {
            0 => Self::Zero,
            1 => Self::Scrub("nnsa"),
            2 => Self::Scrub("dod"),
            3 => Self::Scrub("bsi"),
            4 => Self::Scrub("gutmann"),
            5 => Self::Scrub("schneier"),
            6 => Self::Scrub("pfitzner7"),
            7 => Self::Scrub("pfitzner33"),
            8 => Self::Scrub("random"),
            9 => Self::Trim,
            other => return Err(argument(format!("wiping algorithm {other} not supported"))),
        })
    }
}

/// Overwrites a file or device that is open, and lies at `path`.
///
/// # Errors
/// [`Code::SystemError`], [`Code::NoSupport`] without the program `scrub`, [`Code::ArgumentUnsupported`] for trim,
/// [`Code::OperationAborted`].
pub(crate) fn wipe(file: &File, path: &Path, algorithm: Algorithm, cancel: &Cancel) -> Result<()> {
    match algorithm {
        Algorithm::Zero => zero(file, path, cancel),
        Algorithm::Scrub(name) => Tool::new("scrub")
            .with(["-f", "-p", name])
            .with([path])
            .run(cancel)
            .map(drop),
        Algorithm::Trim => Err(refused(
            Code::ArgumentUnsupported,
            "the algorithm 'trim' is not for volumes of this kind",
        )),
    }
}

fn zero(file: &File, path: &Path, cancel: &Cancel) -> Result<()> {
    let failed = |err: std::io::Error| system(format!("cannot wipe '{}'", path.display()), err);
    let metadata = file.metadata().map_err(failed)?;
    let length = if metadata.file_type().is_block_device() {
        rustix::fs::seek(file, rustix::fs::SeekFrom::End(0)).map_err(|err| failed(err.into()))?
    } else {
        metadata.len()
    };
    let zeroes = vec![0; 1 << 20];
    let mut at = 0;
    // What has no place on the disk has nothing to overwrite.
    while let Some((start, end)) = cancel
        .step(|| super::copy::next_data(file, at, length))
        .map_err(failed)?
    {
        at = start;
        while at < end {
            cancel.check()?;
            let step = (end - at).min(zeroes.len() as u64);
            let block = zeroes
                .get(..usize::try_from(step).unwrap_or(0))
                .unwrap_or_default();
            cancel.step(|| file.write_all_at(block, at)).map_err(failed)?;
            at += step;
        }
    }
    file.sync_all().map_err(failed)?;
    // A sparse file shall be sparse again. It keeps its size meanwhile: whoever is killed here must not leave an empty one, which is
    // why it is not cut off and made longer again. What cannot have holes stays as it is.
    if metadata.is_file() && metadata.blocks().saturating_mul(512) < metadata.len() {
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(file, hole, 0, length) {
            Ok(()) | Err(Errno::NOTSUP | Errno::NOSYS | Errno::NODEV) => {}
            Err(err) => return Err(failed(err.into())),
        }
    }
    Ok(())
}

//! Content from one file to another, holes left out.

use crate::failure::system;
use error::Result;
use rustix::fs::{SeekFrom, copy_file_range, seek};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use tool::Cancel;

/// How much is copied between two looks whether it is still wanted, in bytes.
const STEP: u64 = 4 << 20;

/// How much is read at once where the kernel does not copy, in bytes.
const BLOCK: usize = 64 << 10;

/// The next stretch of data at or after `at`, and where it ends: all of the rest where the file system knows no holes.
///
/// # Errors
/// What the disk says.
pub(crate) fn next_data(file: &File, at: u64, end: u64) -> io::Result<Option<(u64, u64)>> {
    if at >= end {
        return Ok(None);
    }
    let start = match seek(file, SeekFrom::Data(at)) {
        Ok(start) => start,
        Err(Errno::NXIO) => return Ok(None),
        Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Some((at, end))),
        Err(err) => return Err(err.into()),
    };
    if start >= end {
        return Ok(None);
    }
    let hole = seek(file, SeekFrom::Hole(start)).map_err(io::Error::from)?;
    Ok(Some((start, hole.min(end))))
}

/// Copies `length` bytes into a new file, which has that length already and nothing in it.
///
/// # Errors
/// [`error::Code::SystemError`], [`error::Code::OperationAborted`].
pub(crate) fn copy_data(from: &File, to: &File, length: u64, cancel: &Cancel) -> Result<()> {
    let failed = |err: io::Error| system("cannot copy the content", err);
    let mut at = 0;
    let mut by_kernel = true;
    while let Some((start, end)) = next_data(from, at, length).map_err(failed)? {
        at = start;
        while at < end {
            cancel.check()?;
            let step = (end - at).min(STEP);
            let mut copied = 0;
            if by_kernel {
                match by_range(from, to, at, step) {
                    Ok(0) => by_kernel = false,
                    Ok(count) => copied = count,
                    Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::BADF) => {
                        by_kernel = false;
                    }
                    Err(err) => return Err(failed(err.into())),
                }
            }
            if !by_kernel {
                copied = by_hand(from, to, at, step).map_err(failed)?;
            }
            if copied == 0 {
                // It is shorter than it was: the rest stays zero.
                return Ok(());
            }
            at += copied;
        }
    }
    Ok(())
}

fn by_range(from: &File, to: &File, at: u64, length: u64) -> Result<u64, Errno> {
    let (mut here, mut there) = (at, at);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    copy_file_range(from, Some(&mut here), to, Some(&mut there), length).map(|count| count as u64)
}

fn by_hand(from: &File, to: &File, at: u64, length: u64) -> io::Result<u64> {
    let mut buffer = vec![0; BLOCK];
    let mut done = 0;
    while done < length {
        let room = usize::try_from(length - done).unwrap_or(BLOCK).min(BLOCK);
        let room = buffer.get_mut(..room).unwrap_or_default();
        let count = from.read_at(room, at + done)?;
        let Some(read) = room.get(..count).filter(|read| !read.is_empty()) else {
            break;
        };
        if read.iter().any(|byte| *byte != 0) {
            to.write_all_at(read, at + done)?;
        }
        done += count as u64;
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn holes_stay_holes() {
        let dir = tempfile::tempdir().unwrap();
        let open = |name: &str| {
            File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(dir.path().join(name))
        };
        let (from, to) = (open("from").unwrap(), open("to").unwrap());
        let length = 64 << 20;
        from.set_len(length).unwrap();
        to.set_len(length).unwrap();
        from.write_all_at(b"start", 0).unwrap();
        from.write_all_at(b"end", length - 3).unwrap();
        copy_data(&from, &to, length, &Cancel::default()).unwrap();
        let mut read = [0; 5];
        to.read_exact_at(&mut read, 0).unwrap();
        assert_eq!(&read, b"start");
        to.read_exact_at(&mut read[..3], length - 3).unwrap();
        assert_eq!(&read[..3], b"end");
        assert!(to.metadata().unwrap().blocks() * 512 < 1 << 20);
    }
}

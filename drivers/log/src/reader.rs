//! Reading a log across the files it has rolled over to.

use crate::place::backup;
use crate::rotating::Position;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Reads at most `most` bytes of the log at `path` from `position` on, from the file it speaks of and then from those that
/// followed. `None` if that file is not there any more. Blocks on the disk.
///
/// # Errors
/// The system's.
pub(crate) fn read(
    path: &Path,
    backups: u32,
    position: Position,
    most: usize,
) -> io::Result<Option<Vec<u8>>> {
    let mut later: Vec<File> = Vec::new();
    let names = std::iter::once(path.to_owned()).chain((0..backups).map(|number| backup(path, number)));
    for name in names {
        let Some(mut file) = open(&name)? else { continue };
        let found = file.metadata()?.ino() == position.inode;
        if found {
            file.seek(SeekFrom::Start(position.offset))?;
        }
        later.push(file);
        if found {
            return read_all(later, most).map(Some);
        }
    }
    Ok(None)
}

/// A file without waiting for anything else that may have its name.
fn open(name: &PathBuf) -> io::Result<Option<File>> {
    let opened = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default())
        .open(name);
    match opened {
        Ok(file) if file.metadata()?.is_file() => Ok(Some(file)),
        Ok(_) => Ok(None),
        Err(failure) if failure.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// The files from the last to the first.
fn read_all(files: Vec<File>, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for file in files.into_iter().rev() {
        let room = most.saturating_sub(bytes.len()) as u64;
        file.take(room).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// What a client can be told of a log's bytes: text without NUL, of at most `most` bytes.
pub(crate) fn as_text(bytes: &[u8], most: usize) -> String {
    let mut text = String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}");
    text.truncate(text.floor_char_boundary(most));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;
    use crate::rotating::Rotating;

    #[test]
    fn reading_goes_on_where_the_log_did() {
        const LIMITS: Limits = Limits {
            max_size: 10,
            max_backups: 3,
        };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let mut log = Rotating::open(&path, false, LIMITS).unwrap();
        log.write(b"zero\n", LIMITS).unwrap();
        let position = log.position();
        log.write(b"one\ntwo\nthree\nfour\n", LIMITS).unwrap();
        let text = |most| {
            let bytes = read(&path, 3, position, most).unwrap().unwrap();
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(text(1000), "one\ntwo\nthree\nfour\n");
        assert_eq!(text(6), "one\ntw");
        let gone = Position { inode: 1, offset: 0 };
        assert!(read(&path, 3, gone, 10).unwrap().is_none());
    }

    #[test]
    fn any_bytes_become_text_that_fits() {
        assert_eq!(as_text(b"a\0\xffb", 100), "a\u{fffd}\u{fffd}b");
        assert_eq!(as_text(b"\xff\xff\xff", 4), "\u{fffd}");
    }
}

//! Where logs may lie.

use rustix::fs::{CWD, FileType, Mode, OFlags, fcntl_setfl, fstat, openat};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Component, Path, PathBuf};

/// The permission bits of a log: guests' words may be secret.
const MODE: u32 = 0o600;

/// The device class of `/dev/null` and its kin, which a document may name as a guest's output.
const MEMORY_DEVICES: u32 = 1;

/// Refuses a path that does not say by itself where the log is to be.
///
/// # Errors
/// Why.
pub(crate) fn check(path: &str) -> io::Result<&Path> {
    let plain = Path::new(path);
    let refused = |why: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    if !plain.is_absolute() {
        return refused("an absolute path is wanted");
    }
    if path.contains('\0') {
        return refused("a path has no NUL");
    }
    if plain
        .components()
        .any(|part| matches!(part, Component::ParentDir | Component::CurDir))
    {
        return refused("a path without '..' is wanted");
    }
    Ok(plain)
}

/// A log's file, open for appending.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: File,
    /// It can roll over: it is no device.
    pub(crate) is_file: bool,
}

/// Opens the log at `path`, making it if need be. Whatever else is there is refused without being touched: a pipe would
/// keep its opener waiting, and a link may lead where its maker may not write.
///
/// # Errors
/// The system's, or that it is no file.
pub(crate) fn open(path: &Path) -> io::Result<Opened> {
    let flags = OFlags::WRONLY
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::CLOEXEC
        | OFlags::NOCTTY
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK;
    let file = openat(CWD, path, flags, Mode::from_raw_mode(MODE)).map_err(|refused| match refused {
        Errno::LOOP => io::Error::new(io::ErrorKind::InvalidInput, "a link is in the way"),
        // A pipe without reader.
        Errno::NXIO => not_a_file(),
        other => other.into(),
    })?;
    let status = fstat(&file)?;
    let is_file = match FileType::from_raw_mode(status.st_mode) {
        FileType::RegularFile => true,
        FileType::CharacterDevice if rustix::fs::major(status.st_rdev) == MEMORY_DEVICES => false,
        _ => return Err(not_a_file()),
    };
    fcntl_setfl(file.as_fd(), OFlags::APPEND)?;
    Ok(Opened {
        file: file.into(),
        is_file,
    })
}

fn not_a_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")
}

/// The former file of a log, the latest being number 0.
pub(crate) fn backup(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_are_logs() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("a.log");
        assert!(open(&log).unwrap().is_file);
        assert!(!open(Path::new("/dev/null")).unwrap().is_file);
        std::os::unix::fs::symlink(&log, dir.path().join("link")).unwrap();
        rustix::fs::mknodat(CWD, dir.path().join("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        for other in ["link", "pipe", "."] {
            assert!(open(&dir.path().join(other)).is_err(), "{other}");
        }
    }

    #[test]
    fn a_path_says_where_it_is() {
        assert!(check("/var/log/a.log").is_ok());
        for bad in ["", "a.log", "/var/../etc/passwd", "/a\0b"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}

//! One lease: a lock on the first byte of a file, as libvirt's own daemon has it. It belongs to the open file, so it
//! can change programs with it.

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Why there is no lease.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Another process has a lock on it, on this host or another.
    Elsewhere,
    /// It cannot be opened or locked.
    System(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(failure: io::Error) -> Self {
        Self::System(failure)
    }
}

/// Locks the file at `path`, which is made if `create`. Blocks on the disk, never on another's lock.
///
/// # Errors
/// See [`Refusal`].
pub(crate) fn acquire(path: &Path, shared: bool, create: bool) -> Result<File, Refusal> {
    loop {
        let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(create)
            .truncate(false)
            .mode(0o600)
            .custom_flags(nonblock)
            .open(path)?;
        match lock(&file, shared) {
            Ok(_) => {}
            Err(Errno::EAGAIN | Errno::EACCES) => return Err(Refusal::Elsewhere),
            Err(other) => return Err(io::Error::from(other).into()),
        }
        // One that was made for this may have been removed by its last holder meanwhile: then this is a lock on nothing.
        let ours = file.metadata()?;
        let is_there = path
            .metadata()
            .is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()));
        if is_there || !create {
            return Ok(file);
        }
    }
}

fn lock(file: &File, shared: bool) -> nix::Result<libc::c_int> {
    let kind = if shared { libc::F_RDLCK } else { libc::F_WRLCK };
    let first_byte = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_OFD_SETLK(&first_byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_writes_or_many_share() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        assert!(matches!(acquire(&path, false, false), Err(Refusal::System(_))));
        let first = acquire(&path, false, true).unwrap();
        assert!(matches!(acquire(&path, true, false), Err(Refusal::Elsewhere)));
        drop(first);
        let _one = acquire(&path, true, false).unwrap();
        let _two = acquire(&path, true, false).unwrap();
        assert!(matches!(acquire(&path, false, false), Err(Refusal::Elsewhere)));
    }
}

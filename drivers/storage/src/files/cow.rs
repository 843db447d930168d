//! Whether files of a folder share their blocks until they are written: btrfs has it so unless it is told otherwise, and new
//! files take it from their folder.

use crate::failure::system;
use error::Result;
use rustix::fs::{IFlags, Mode, OFlags, fstatfs, ioctl_getflags, ioctl_setflags, open};
use rustix::io::Errno;
use std::os::fd::AsFd;
use std::path::Path;

/// The number of btrfs (`BTRFS_SUPER_MAGIC` of `linux/magic.h`).
const BTRFS: u64 = 0x9123_683e;

/// Sets what files that are made in a folder later do. Where nobody says it they do not share, which is better for disks of
/// guests; other file systems than btrfs have no such choice.
///
/// # Errors
/// [`error::Code::SystemError`], also where something is asked of another file system.
pub(crate) fn set_sharing(folder: &Path, wanted: Option<bool>) -> Result<()> {
    let failed = |why: &str, err| {
        system(
            format!("unable to control COW flag on '{}'{why}", folder.display()),
            err,
        )
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = open(folder, flags, Mode::empty()).map_err(|err| failed("", err))?;
    let kind = fstatfs(&fd).map_err(|err| failed("", err))?.f_type;
    // Numbers of file systems have 32 bits, however wide and signed the field is.
    if u64::try_from(kind).map(|kind| kind & 0xffff_ffff) != Ok(BTRFS) {
        return match wanted {
            None => Ok(()),
            Some(_) => Err(failed(", not btrfs", Errno::NOSYS)),
        };
    }
    set(&fd, wanted.unwrap_or(false)).map_err(|err| failed("", err))
}

fn set(fd: impl AsFd, share: bool) -> Result<(), Errno> {
    let now = ioctl_getflags(&fd)?;
    let mut then = now;
    then.set(IFlags::NOCOW, !share);
    if then == now {
        Ok(())
    } else {
        ioctl_setflags(&fd, then)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_file_systems_have_no_choice() {
        // In memory, whatever file systems the host has.
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        set_sharing(folder.path(), None).unwrap();
        for wanted in [true, false] {
            let refusal = set_sharing(folder.path(), Some(wanted)).unwrap_err();
            assert!(refusal.to_string().contains("not btrfs"), "{refusal}");
        }
    }
}

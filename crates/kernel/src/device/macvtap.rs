//! The queues of a macvtap.
//!
//! The kernel names its node `/dev/tapN` after the link's number. Those numbers begin anew in each network name space, and
//! `/dev` is one for all of them: which node is whose stands in `/sys` alone.

use super::tap;
use rustix::fs::{CWD, FileType, Mode, OFlags, makedev, mknodat, open, unlink};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Opens `queues` queues of the macvtap of that name. `virtio` puts virtio's header before each packet. Where `/dev` does
/// not have the node, it is made in the folder `scratch` for as long as it takes to open it.
///
/// # Errors
/// What the kernel says: no such link, no permission, more queues than it has.
pub fn open_macvtap(name: &str, queues: usize, virtio: bool, scratch: &Path) -> io::Result<Vec<OwnedFd>> {
    let (node, number) = node(name)?;
    let public = Path::new("/dev").join(&node);
    let is_there = fs::metadata(&public).is_ok_and(|found| found.rdev() == number);
    let path = if is_there { public } else { scratch.join(&node) };
    if !is_there {
        mknodat(
            CWD,
            &path,
            FileType::CharacterDevice,
            Mode::RUSR | Mode::WUSR,
            number,
        )?;
    }
    let flags = tap::flags(queues, virtio);
    let opened = (0..queues.max(1))
        .map(|_| {
            let queue = open(
                &path,
                OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK,
                Mode::empty(),
            )?;
            tap::bind(&queue, name, flags)?;
            Ok(queue)
        })
        .collect();
    if !is_there {
        unlink(&path)?;
    }
    opened
}

/// The name of the node, and its number as `st_rdev` has it.
fn node(name: &str) -> io::Result<(PathBuf, u64)> {
    let nodes = Path::new("/sys/class/net").join(name).join("macvtap");
    let entry = fs::read_dir(&nodes)?.next().ok_or(io::ErrorKind::NotFound)??;
    let text = fs::read_to_string(entry.path().join("dev"))?;
    let number = number(&text).ok_or(io::ErrorKind::InvalidData)?;
    Ok((entry.file_name().into(), number))
}

/// `246:3` as a number.
fn number(text: &str) -> Option<u64> {
    let (major, minor) = text.trim().split_once(':')?;
    Some(makedev(major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nodes_number_is_read_as_the_kernel_writes_it() {
        assert_eq!(number("246:3\n"), Some(makedev(246, 3)));
        assert_eq!(number("246"), None);
        assert_eq!(number("a:b"), None);
    }

    #[test]
    fn a_link_that_is_not_there_has_no_queues() {
        let refused = open_macvtap("nowhere0", 1, false, Path::new("/nowhere"));
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}

//! A `/dev` of the guest's own: with the device nodes that it may open, and what else programs look for there.
//!
//! The mount name space is the process's alone; everything outside `/dev` it shares with the host, mounts that come later too.

use rustix::fs::{CWD, FileType, Mode, chown, mknodat};
use rustix::mount::{
    MountFlags, MountPropagationFlags, mount, mount_bind_recursive, mount_change, mount_move,
};
use rustix::thread::UnshareFlags;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// What is mounted below `/dev` and stays.
const MOUNTS: [&str; 5] = ["pts", "shm", "mqueue", "hugepages", "hugepages1G"];

/// Links that every `/dev` has.
const LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// How many links lead to one node at most.
const LINKS_MAX: usize = 16;

/// A `/dev` of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Devices {
    /// A folder that it is made at before it is `/dev`.
    pub place: PathBuf,
    /// The nodes in it, by their paths. Those elsewhere, and those that are not there, are left alone.
    pub nodes: Vec<PathBuf>,
}

impl Devices {
    /// Gives the calling process, which has one thread, the `/dev`.
    pub(super) fn enter(&self) -> io::Result<()> {
        fs::create_dir_all(&self.place)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe for flags about descriptors, which are not used"
        )]
        rustix::thread::unshare(UnshareFlags::NEWNS)?;
        mount_change(
            "/",
            MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC,
        )?;
        let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
        mount("tmpfs", &self.place, "tmpfs", flags, Some(c"mode=755,size=1m"))?;
        for name in MOUNTS {
            let from = Path::new("/dev").join(name);
            if from.is_dir() {
                let to = self.place.join(name);
                fs::create_dir(&to)?;
                mount_bind_recursive(&from, &to)?;
            }
        }
        for (name, to) in LINKS {
            symlink(to, self.place.join(name))?;
        }
        if fs::symlink_metadata("/dev/ptmx").is_ok_and(|node| node.is_symlink()) {
            symlink("pts/ptmx", self.place.join("ptmx"))?;
        }
        for node in &self.nodes {
            put(node, &self.place)?;
        }
        mount_move(&self.place, "/dev")?;
        Ok(())
    }
}

/// Puts a node, and the links that lead to it, below another root than `/dev`.
///
/// # Errors
/// The kernel refuses.
pub(crate) fn put(node: &Path, root: &Path) -> io::Result<()> {
    let mut node = node.to_owned();
    for _ in 0..LINKS_MAX {
        let Ok(inside) = node.strip_prefix("/dev") else {
            return Ok(());
        };
        let target = root.join(inside);
        let found = match fs::symlink_metadata(&node) {
            Ok(found) => found,
            Err(err) if err.kind() == ErrorKind::NotFound => return Ok(()),
            Err(err) => return Err(err),
        };
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        if found.is_symlink() {
            let to = fs::read_link(&node)?;
            match symlink(&to, &target) {
                Err(err) if err.kind() != ErrorKind::AlreadyExists => return Err(err),
                _ => {}
            }
            node = normal(&node.parent().unwrap_or(Path::new("/")).join(to));
            continue;
        }
        let kind = match found.file_type() {
            kind if kind.is_block_device() => FileType::BlockDevice,
            kind if kind.is_char_device() => FileType::CharacterDevice,
            _ => return Ok(()),
        };
        let mode = Mode::from(found.permissions().mode() & 0o7777);
        match mknodat(CWD, &target, kind, mode, found.rdev()) {
            Err(rustix::io::Errno::EXIST) => return Ok(()),
            made => made?,
        }
        // Whoever makes it may have a mask.
        fs::set_permissions(&target, fs::Permissions::from_mode(mode.as_raw_mode()))?;
        let (user, group) = (found.uid(), found.gid());
        chown(
            &target,
            Some(rustix::process::Uid::from_raw(user)),
            Some(rustix::process::Gid::from_raw(group)),
        )?;
        return Ok(());
    }
    Err(io::Error::other(format!(
        "too many links lead to '{}'",
        node.display()
    )))
}

/// A path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_comes_with_the_links_to_it() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("NOT RUN: only root can make nodes");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        put(Path::new("/dev/null"), dir.path()).unwrap();
        put(Path::new("/dev/null"), dir.path()).unwrap();
        let made = fs::metadata(dir.path().join("null")).unwrap();
        assert_eq!(made.rdev(), fs::metadata("/dev/null").unwrap().rdev());
        // What is no device, or not there, or elsewhere, is nothing.
        for other in ["/dev/none", "/etc/passwd", "/dev/shm"] {
            put(Path::new(other), dir.path()).unwrap();
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert_eq!(
            normal(Path::new("/dev/disk/by-id/../../sda")),
            Path::new("/dev/sda")
        );
    }
}

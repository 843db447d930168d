//! What pools that are mounted have in common.

use crate::failure::system;
use crate::host_mounts;
use error::Result;
use model::storage::Pool;
use std::path::{Path, PathBuf};
use tool::{Cancel, Tool};

/// Options that every mount has: what lies there is images, not programs.
const OPTIONS: &str = "nodev,nosuid,noexec";

/// A mount.
#[derive(Debug)]
pub(super) struct Mount<'a> {
    /// A device, or a server's folder.
    pub source: String,
    /// The type of file system, where that is not left to `mount`.
    pub kind: Option<&'a str>,
    /// More options.
    pub options: Vec<String>,
}

impl Mount<'_> {
    /// `mount`, with the options that the pool's document has, too.
    pub(super) fn tool(&self, path: &Path, pool: &Pool) -> Tool {
        let mut options = OPTIONS.to_owned();
        let own = pool.mount_options.iter().flat_map(|own| &own.options);
        for option in self.options.iter().chain(own.map(|option| &option.name)) {
            options.push(',');
            options.push_str(option);
        }
        let kind = self.kind.into_iter().flat_map(|kind| ["-t", kind]);
        Tool::new("mount")
            .with(["-o", &options])
            .with(kind)
            .with([&self.source])
            .with([path])
    }
}

/// Whether something is mounted at a folder.
///
/// # Errors
/// [`error::Code::SystemError`].
pub(super) fn is_mounted(path: &Path) -> Result<bool> {
    let table = std::fs::read_to_string("/proc/self/mountinfo")
        .map_err(|err| system("cannot read the table of mounts", err))?;
    Ok(table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .any(|point| plain(point) == path))
}

/// A path as the kernel tells it: blanks and the like are in octal.
fn plain(told: &str) -> PathBuf {
    let mut path = String::with_capacity(told.len());
    let mut rest = told;
    while let Some((before, after)) = rest.split_once('\\') {
        path.push_str(before);
        let code = after.get(..3).and_then(|code| u8::from_str_radix(code, 8).ok());
        match code {
            Some(code) => {
                path.push(char::from(code));
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                path.push('\\');
                rest = after;
            }
        }
    }
    path.push_str(rest);
    PathBuf::from(path)
}

/// Unmounts a folder. One that hangs is taken out of sight, and ends when its server comes back or nobody uses
/// it any more: the kernel does that without asking the server, which `umount` would do before.
///
/// # Errors
/// What `umount` says.
pub(super) fn unmount(path: &Path, hangs: bool, cancel: &Cancel) -> Result<()> {
    if !is_mounted(path)? {
        return Ok(());
    }
    if hangs {
        return host_mounts::detach(path, cancel);
    }
    host_mounts::run(&Tool::new("umount").with([path]), cancel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_paths_are_read() {
        for (told, path) in [("/a/b", "/a/b"), (r"/a\040b\134c", r"/a b\c"), (r"/a\9", r"/a\9")] {
            assert_eq!(plain(told), Path::new(path));
        }
    }
}

//! What the kernel tells of devices, and takes orders about them, in `/sys`.

use crate::failure::system;
use error::Result;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The folder; tests have one of their own.
#[derive(Debug, Clone)]
pub(crate) struct Sysfs(PathBuf);

impl Default for Sysfs {
    fn default() -> Self {
        Self::below(Path::new("/sys"))
    }
}

impl Sysfs {
    pub(crate) fn below(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// Where a path below it is.
    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.0.join(path)
    }

    /// An attribute's value, where there is one.
    pub(crate) fn attribute(&self, path: impl AsRef<Path>) -> Option<String> {
        let value = fs::read_to_string(self.path(path)).ok()?;
        Some(value.trim().to_owned())
    }

    /// An attribute that is a number.
    pub(crate) fn number<N: FromStr>(&self, path: impl AsRef<Path>) -> Option<N> {
        self.attribute(path)?.parse().ok()
    }

    /// What is in a folder, by name in their order; nothing where there is no such folder.
    pub(crate) fn entries(&self, path: impl AsRef<Path>) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(path)) else {
            return Vec::new();
        };
        let names = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    /// Gives an order.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn order(&self, path: impl AsRef<Path>, words: &str) -> Result<()> {
        let path = self.path(path);
        let failed = |err| system(format!("cannot write '{words}' to '{}'", path.display()), err);
        // It is there; whoever made one by mistake would hear nothing.
        let file = fs::OpenOptions::new().write(true).open(&path).map_err(failed)?;
        std::io::Write::write_all(&mut &file, words.as_bytes()).map_err(failed)
    }

    /// The number of the SCSI host that a device belongs to, by where it is among all devices.
    pub(crate) fn host_of(&self, path: impl AsRef<Path>) -> Option<u32> {
        let place = fs::canonicalize(self.path(path)).ok()?;
        place
            .iter()
            .filter_map(|step| step.to_str())
            .find_map(host_number)
    }
}

/// The number in a name such as `host5`.
pub(crate) fn host_number(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("host")?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

//! Device nodes that may be opened.

use crate::group::write;
use crate::{Controller, Group, Result};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// What may be done with which nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access(String);

impl Access {
    /// Reading and writing of the device with that node, and making nodes of it, which takes a capability besides. `None` where
    /// it is no device.
    pub fn to(path: &Path) -> Option<Self> {
        let node = std::fs::metadata(path).ok()?;
        let kind = match node.file_type() {
            kind if kind.is_block_device() => 'b',
            kind if kind.is_char_device() => 'c',
            _ => return None,
        };
        let (major, minor) = (rustix::fs::major(node.rdev()), rustix::fs::minor(node.rdev()));
        Some(Self(format!("{kind} {major}:{minor} rwm")))
    }

    /// The same of all character devices of one driver.
    pub fn to_driver(major: u32) -> Self {
        Self(format!("c {major}:* rw"))
    }
}

impl Group {
    /// Lets its processes open those devices and no others. Version 2 has no files for this.
    ///
    /// # Errors
    /// The kernel refuses, or has no such controller.
    pub fn allow_only(&self, all: &[Access]) -> Result<()> {
        write(
            &self.file(Controller::Devices, ("devices.deny", ""), "denial")?,
            "a",
        )?;
        all.iter().try_for_each(|access| self.allow(access))
    }

    /// Lets its processes open one more.
    ///
    /// # Errors
    /// The kernel refuses, or has no such controller.
    pub fn allow(&self, access: &Access) -> Result<()> {
        write(
            &self.file(Controller::Devices, ("devices.allow", ""), "permission")?,
            &access.0,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_a_device_by_its_numbers() {
        assert_eq!(
            Access::to(Path::new("/dev/null")),
            Some(Access("c 1:3 rwm".to_owned()))
        );
        assert_eq!(Access::to(Path::new("/")), None);
    }
}

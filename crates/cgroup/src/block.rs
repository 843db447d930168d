//! Block devices of the host.

use crate::group::{read, write};
use crate::{Controller, Error, Group, Result};
use std::fmt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// A block device by its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockDevice {
    major: u32,
    minor: u32,
}

impl BlockDevice {
    /// The device with that node.
    ///
    /// # Errors
    /// There is no such node, or it is of another kind.
    pub fn at(path: &Path) -> std::io::Result<Self> {
        let node = std::fs::metadata(path)?;
        if !node.file_type().is_block_device() {
            return Err(std::io::Error::other("it is no block device"));
        }
        Ok(Self {
            major: rustix::fs::major(node.rdev()),
            minor: rustix::fs::minor(node.rdev()),
        })
    }
}

impl fmt::Display for BlockDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// What of a device is limited, for each second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum BlockLimit {
    ReadBytes,
    WriteBytes,
    ReadOperations,
    WriteOperations,
}

impl BlockLimit {
    fn file(self) -> &'static str {
        match self {
            Self::ReadBytes => "blkio.throttle.read_bps_device",
            Self::WriteBytes => "blkio.throttle.write_bps_device",
            Self::ReadOperations => "blkio.throttle.read_iops_device",
            Self::WriteOperations => "blkio.throttle.write_iops_device",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::ReadBytes => "rbps",
            Self::WriteBytes => "wbps",
            Self::ReadOperations => "riops",
            Self::WriteOperations => "wiops",
        }
    }
}

impl Group {
    /// The weights of the scheduler that has them; which one of them a host has depends on its devices.
    fn weights(&self, of_devices: bool) -> Result<PathBuf> {
        let names = if of_devices {
            [
                ("blkio.bfq.weight_device", "io.bfq.weight"),
                ("blkio.weight_device", "io.weight"),
            ]
        } else {
            [
                ("blkio.bfq.weight", "io.bfq.weight"),
                ("blkio.weight", "io.weight"),
            ]
        };
        let what = if of_devices {
            "a device's weight"
        } else {
            "a weight"
        };
        let [first, second] = names.map(|names| self.file(Controller::Block, names, what));
        first.or(second)
    }

    /// Sets how much of the devices' time it gets when others want it, too, in relation to theirs.
    ///
    /// # Errors
    /// [`Error::OutOfRange`]; the kernel refuses, or has no such controller, or no scheduler that weighs.
    pub fn set_block_weight(&self, weight: u64) -> Result<()> {
        let file = self.weights(false)?;
        let (least, most) = if self.hierarchy().is_unified(Controller::Block) {
            (1, 10_000)
        } else {
            (10, 1000)
        };
        if !(least..=most).contains(&weight) {
            return Err(Error::OutOfRange {
                what: "weight",
                value: weight,
                least,
                most,
            });
        }
        write(&file, &weight.to_string())
    }

    /// The weight.
    ///
    /// # Errors
    /// The kernel refuses, or has no such controller, or no scheduler that weighs.
    pub fn block_weight(&self) -> Result<u64> {
        let file = self.weights(false)?;
        let said = read(&file)?;
        let first = said.lines().next().unwrap_or_default();
        let weight = first.trim_start_matches("default").trim().parse().ok();
        weight.ok_or(Error::Unexpected { path: file, said })
    }

    /// Sets the weight of one device; 0 has the group's hold for it again.
    ///
    /// # Errors
    /// The kernel refuses, or has no such controller, or no scheduler that weighs.
    pub fn set_device_weight(&self, device: BlockDevice, weight: u64) -> Result<()> {
        let file = self.weights(true)?;
        let text = match weight {
            0 if self.hierarchy().is_unified(Controller::Block) => format!("{device} default"),
            weight => format!("{device} {weight}"),
        };
        write(&file, &text)
    }

    /// The weight of one device; 0 where it has none of its own.
    ///
    /// # Errors
    /// The kernel refuses, or has no such controller, or no scheduler that weighs.
    pub fn device_weight(&self, device: BlockDevice) -> Result<u64> {
        let text = read(&self.weights(true)?)?;
        Ok(of_device(&text, device)
            .and_then(|text| text.parse().ok())
            .unwrap_or(0))
    }

    /// Limits the use of a device; 0 is no limit.
    ///
    /// # Errors
    /// The kernel refuses, or has no such controller.
    pub fn set_device_limit(&self, device: BlockDevice, limit: BlockLimit, value: u64) -> Result<()> {
        let file = self.file(Controller::Block, (limit.file(), "io.max"), "a limit of a device")?;
        let text = match (self.hierarchy().is_unified(Controller::Block), value) {
            (true, 0) => format!("{device} {}=max", limit.key()),
            (true, value) => format!("{device} {}={value}", limit.key()),
            (false, value) => format!("{device} {value}"),
        };
        write(&file, &text)
    }

    /// The limit of a device; 0 is none.
    ///
    /// # Errors
    /// The kernel refuses, or has no such controller.
    pub fn device_limit(&self, device: BlockDevice, limit: BlockLimit) -> Result<u64> {
        let text = read(&self.file(Controller::Block, (limit.file(), "io.max"), "a limit of a device")?)?;
        let Some(said) = of_device(&text, device) else {
            return Ok(0);
        };
        let value = if self.hierarchy().is_unified(Controller::Block) {
            let mut pairs = said.split(' ').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == limit.key()).map(|(_, value)| value)
        } else {
            Some(said)
        };
        Ok(value.and_then(|value| value.parse().ok()).unwrap_or(0))
    }
}

/// What a file with a line for each device says of one.
fn of_device(text: &str, device: BlockDevice) -> Option<&str> {
    let number = device.to_string();
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(of, _)| *of == number).map(|(_, said)| said.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Hierarchy;

    #[test]
    fn the_limits_of_a_device_stand_in_one_line_of_version_2() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("g")).unwrap();
        let file = dir.path().join("g/io.max");
        std::fs::write(
            &file,
            "8:16 rbps=1 wbps=max riops=max wiops=max\n8:1 rbps=max wbps=max riops=7 wiops=9\n",
        )
        .unwrap();
        let mounts = format!("31 30 0:27 / {} rw - cgroup2 cgroup2 rw", dir.path().display());
        let hierarchy = Hierarchy::of(&mounts, &Controller::ALL, &|_| "io".to_owned());
        let group = hierarchy.group(Path::new("g"));
        let device = BlockDevice { major: 8, minor: 1 };
        assert_eq!(group.device_limit(device, BlockLimit::ReadOperations).unwrap(), 7);
        assert_eq!(group.device_limit(device, BlockLimit::ReadBytes).unwrap(), 0);
        group.set_device_limit(device, BlockLimit::WriteBytes, 0).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "8:1 wbps=max");
        assert!(matches!(
            group.block_weight(),
            Err(Error::NotSupported("a weight", Controller::Block))
        ));
        assert!(BlockDevice::at(Path::new("/dev/null")).is_err());
    }
}

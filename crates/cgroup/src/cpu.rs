//! Time of processors.

use crate::group::{read, write};
use crate::{Controller, Error, Group, Result};
use std::ops::RangeInclusive;

/// The longest quota, in microseconds; also what stands for none where version 2 says `max`.
pub const QUOTA_MAX: i64 = 17_592_186_044_415;

/// How much of the processors' time a group may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bandwidth {
    /// The time that is measured over, in microseconds.
    pub period: u64,
    /// How much of it at most, in microseconds over all processors; -1 or [`QUOTA_MAX`] is no limit.
    pub quota: i64,
}

impl Group {
    /// The weight that shares have here: of version 1, or of version 2.
    fn share_range(&self) -> RangeInclusive<u64> {
        if self.hierarchy().is_unified(Controller::Cpu) {
            1..=10_000
        } else {
            2..=262_144
        }
    }

    /// Sets how much of the processors' time it gets when others want it, too, in relation to theirs.
    ///
    /// # Errors
    /// [`Error::OutOfRange`]; the kernel refuses, or has no such controller.
    pub fn set_cpu_shares(&self, shares: u64) -> Result<()> {
        let file = self.file(
            Controller::Cpu,
            ("cpu.shares", "cpu.weight"),
            "a share of processors",
        )?;
        let range = self.share_range();
        if !range.contains(&shares) {
            return Err(Error::OutOfRange {
                what: "shares",
                value: shares,
                least: *range.start(),
                most: *range.end(),
            });
        }
        write(&file, &shares.to_string())
    }

    /// The shares.
    ///
    /// # Errors
    /// The kernel refuses, or has no such controller.
    pub fn cpu_shares(&self) -> Result<u64> {
        let file = self.file(
            Controller::Cpu,
            ("cpu.shares", "cpu.weight"),
            "a share of processors",
        )?;
        let said = read(&file)?;
        let shares = said.trim().parse().ok();
        shares.ok_or(Error::Unexpected { path: file, said })
    }

    /// How much time it may use.
    ///
    /// # Errors
    /// The kernel refuses, or has no such controller.
    pub fn cpu_bandwidth(&self) -> Result<Bandwidth> {
        let file = self.file(
            Controller::Cpu,
            ("cpu.cfs_quota_us", "cpu.max"),
            "a limit of processor time",
        )?;
        let said = read(&file)?;
        let found = if self.hierarchy().is_unified(Controller::Cpu) {
            said.trim().split_once(' ').and_then(|(quota, period)| {
                let quota = match quota {
                    "max" => QUOTA_MAX,
                    quota => quota.parse().ok()?,
                };
                let period = period.parse().ok()?;
                Some(Bandwidth { period, quota })
            })
        } else {
            let period = read(&file.with_file_name("cpu.cfs_period_us"))?;
            let quota = said.trim().parse().ok();
            quota.and_then(|quota| {
                let period = period.trim().parse().ok()?;
                Some(Bandwidth { period, quota })
            })
        };
        found.ok_or(Error::Unexpected { path: file, said })
    }

    /// Limits the time it may use; what is `None` stays as it is.
    ///
    /// # Errors
    /// The kernel refuses, or has no such controller.
    pub fn set_cpu_bandwidth(&self, period: Option<u64>, quota: Option<i64>) -> Result<()> {
        let file = self.file(
            Controller::Cpu,
            ("cpu.cfs_quota_us", "cpu.max"),
            "a limit of processor time",
        )?;
        if self.hierarchy().is_unified(Controller::Cpu) {
            let now = self.cpu_bandwidth()?;
            let quota = match quota.unwrap_or(now.quota) {
                quota if (0..QUOTA_MAX).contains(&quota) => quota.to_string(),
                _ => "max".to_owned(),
            };
            return write(&file, &format!("{quota} {}", period.unwrap_or(now.period)));
        }
        if let Some(period) = period {
            write(&file.with_file_name("cpu.cfs_period_us"), &period.to_string())?;
        }
        match quota {
            Some(quota) if (0..QUOTA_MAX).contains(&quota) => write(&file, &quota.to_string()),
            Some(_) => write(&file, "-1"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Hierarchy;
    use std::path::Path;

    /// A tree of version 1 whose files are those of a folder.
    fn group(folder: &Path) -> Group {
        let mounts = format!("31 30 0:27 / {} rw - cgroup cgroup rw,cpu", folder.display());
        Hierarchy::of(&mounts, &Controller::ALL, &|_| String::new()).group(Path::new("g"))
    }

    #[test]
    fn a_limit_is_two_files_in_version_1() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("g")).unwrap();
        let file = |name: &str| dir.path().join("g").join(name);
        for (name, text) in [
            ("cpu.shares", "1024\n"),
            ("cpu.cfs_period_us", "100000\n"),
            ("cpu.cfs_quota_us", "-1\n"),
        ] {
            std::fs::write(file(name), text).unwrap();
        }
        let group = group(dir.path());
        let free = Bandwidth {
            period: 100_000,
            quota: -1,
        };
        assert_eq!(group.cpu_bandwidth().unwrap(), free);
        group.set_cpu_bandwidth(None, Some(50_000)).unwrap();
        assert_eq!(
            group.cpu_bandwidth().unwrap(),
            Bandwidth {
                quota: 50_000,
                ..free
            }
        );
        group.set_cpu_bandwidth(Some(1000), Some(QUOTA_MAX)).unwrap();
        assert_eq!(
            group.cpu_bandwidth().unwrap(),
            Bandwidth {
                period: 1000,
                quota: -1
            }
        );
        assert!(matches!(group.set_cpu_shares(1), Err(Error::OutOfRange { .. })));
        group.set_cpu_shares(2048).unwrap();
        assert_eq!(group.cpu_shares().unwrap(), 2048);
        assert!(matches!(
            group.memory_nodes(),
            Err(Error::NoController(Controller::CpuSet))
        ));
    }
}

//! Memory.

use crate::group::{read, write};
use crate::{Controller, Error, Group, Result};

/// From this many bytes on version 1 means no limit: the largest number of whole pages.
const NO_LIMIT: u64 = 0x7fff_ffff_ffff_0000;

const HARD: (&str, &str) = ("memory.limit_in_bytes", "memory.max");
const SOFT: (&str, &str) = ("memory.soft_limit_in_bytes", "memory.high");
const SWAP: (&str, &str) = ("memory.memsw.limit_in_bytes", "memory.swap.max");

impl Group {
    fn limit(&self, names: (&str, &str), what: &'static str) -> Result<Option<u64>> {
        let file = self.file(Controller::Memory, names, what)?;
        let said = read(&file)?;
        match said.trim() {
            "max" => Ok(None),
            figure => match figure.parse() {
                Ok(bytes) => Ok(Some(bytes).filter(|bytes| *bytes < NO_LIMIT)),
                Err(_) => Err(Error::Unexpected { path: file, said }),
            },
        }
    }

    fn set_limit(&self, names: (&str, &str), what: &'static str, bytes: Option<u64>) -> Result<()> {
        let file = self.file(Controller::Memory, names, what)?;
        let none = if self.hierarchy().is_unified(Controller::Memory) {
            "max"
        } else {
            "-1"
        };
        write(
            &file,
            &bytes.map_or_else(|| none.to_owned(), |bytes| bytes.to_string()),
        )
    }

    /// The most memory that its processes can have, in bytes; `None` is no limit, here and in what follows.
    ///
    /// # Errors
    /// The kernel refuses, or has no such controller.
    pub fn memory_limit(&self) -> Result<Option<u64>> {
        self.limit(HARD, "a limit of memory")
    }

    /// What its processes are brought down to when memory is short, in bytes; in version 2, what they are slowed down above.
    ///
    /// # Errors
    /// The kernel refuses, or has no such controller.
    pub fn memory_soft_limit(&self) -> Result<Option<u64>> {
        self.limit(SOFT, "a soft limit of memory")
    }

    /// The most memory and swap together, in bytes. Version 2 limits swap alone: there it is the sum.
    ///
    /// # Errors
    /// The kernel refuses, or does not count swap.
    pub fn memory_and_swap_limit(&self) -> Result<Option<u64>> {
        let limit = self.limit(SWAP, "a limit of swap")?;
        if !self.hierarchy().is_unified(Controller::Memory) {
            return Ok(limit);
        }
        let memory = self.memory_limit()?;
        Ok(limit
            .zip(memory)
            .and_then(|(swap, memory)| swap.checked_add(memory)))
    }

    /// Sets the [soft limit](Self::memory_soft_limit).
    ///
    /// # Errors
    /// The kernel refuses, or has no such controller.
    pub fn set_memory_soft_limit(&self, bytes: Option<u64>) -> Result<()> {
        self.set_limit(SOFT, "a soft limit of memory", bytes)
    }

    /// Sets the [limit](Self::memory_limit) and that [with swap](Self::memory_and_swap_limit), which is not below it; where that
    /// is not given it stays as it is.
    ///
    /// # Errors
    /// The kernel refuses: it has no such controller, or what is used already cannot be brought below the limit.
    pub fn set_memory_limits(&self, memory: Option<u64>, with_swap: Option<Option<u64>>) -> Result<()> {
        if self.hierarchy().is_unified(Controller::Memory) {
            if let Some(with_swap) = with_swap {
                let swap = with_swap.map(|sum| sum.saturating_sub(memory.unwrap_or(0)));
                self.set_limit(SWAP, "a limit of swap", swap)?;
            }
            return self.set_limit(HARD, "a limit of memory", memory);
        }
        // At no moment may one be above the other.
        let raises = match (with_swap, self.memory_and_swap_limit()) {
            (Some(new), Ok(now)) => new.unwrap_or(u64::MAX) >= now.unwrap_or(u64::MAX),
            _ => true,
        };
        let swap = || match with_swap {
            Some(with_swap) => self.set_limit(SWAP, "a limit of swap", with_swap),
            None => Ok(()),
        };
        if raises {
            swap()?;
        }
        self.set_limit(HARD, "a limit of memory", memory)?;
        if raises { Ok(()) } else { swap() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Hierarchy;
    use std::path::Path;

    #[test]
    fn version_2_limits_swap_alone() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("g")).unwrap();
        for name in ["memory.max", "memory.high", "memory.swap.max"] {
            std::fs::write(dir.path().join("g").join(name), "max\n").unwrap();
        }
        let mounts = format!("31 30 0:27 / {} rw - cgroup2 cgroup2 rw", dir.path().display());
        let hierarchy = Hierarchy::of(&mounts, &Controller::ALL, &|_| "memory".to_owned());
        let group = hierarchy.group(Path::new("g"));
        assert_eq!(group.memory_limit().unwrap(), None);
        group.set_memory_limits(Some(4096), Some(Some(6144))).unwrap();
        assert_eq!(read(&dir.path().join("g/memory.swap.max")).unwrap(), "2048");
        assert_eq!(group.memory_and_swap_limit().unwrap(), Some(6144));
        group.set_memory_limits(None, Some(None)).unwrap();
        assert_eq!(group.memory_and_swap_limit().unwrap(), None);
    }
}

//! Facts about the host: processors, memory, NUMA, firmware tables.
//!
//! Everything is read from the kernel's own files at the moment of the question, below a root that tests replace by a
//! made-up tree. A file that is missing makes one fact unknown and never fails the rest: containers and small kernels
//! leave many of them out. Nothing here waits: the files are the kernel's memory, and no device is opened except the
//! processor's MSR device, which answers at once.

pub mod catalogue;
pub mod cpuid;
mod cpuset;
pub mod dmi;
mod features;
mod identity;
pub mod memory;
mod pages;
mod processors;
mod topology;

pub use cpuset::CpuSet;
pub use features::{PowerManagement, SecurityModule};
pub use memory::{FreePages, Ksm, MemoryStats};
pub use pages::{Allocation, KsmSettings};
pub use processors::{CpuMap, CpuStats, NodeInfo};
pub use topology::{CacheBank, CacheKind, Cell, CellCpu, CpuPlace, PagePool};

use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The host as its kernel describes it below one root folder.
#[derive(Debug, Clone)]
pub struct Host {
    root: PathBuf,
    cpuid: cpuid::Source,
}

impl Host {
    /// The machine this process runs on.
    pub fn local() -> Self {
        Self {
            root: PathBuf::from("/"),
            cpuid: cpuid::Source::native(),
        }
    }

    /// A host whose `/sys`, `/proc`, `/etc` and `/dev` lie below `root`, and whose processor answers no CPUID.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            cpuid: cpuid::Source::none(),
        }
    }

    /// The same host with another processor.
    #[must_use]
    pub fn with_cpuid(mut self, cpuid: cpuid::Source) -> Self {
        self.cpuid = cpuid;
        self
    }

    /// The first node that graphics are drawn by, if there is one. Reads `/dev/dri`.
    pub fn render_node(&self) -> Option<PathBuf> {
        let entries = std::fs::read_dir(self.path("dev/dri")).ok()?;
        let names = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        let first = names.filter(|name| name.starts_with("renderD")).min()?;
        Some(Path::new("/dev/dri").join(first))
    }

    /// What the processor says of itself.
    pub fn cpuid(&self) -> &cpuid::Source {
        &self.cpuid
    }

    /// Where a host path such as `sys/class/dmi` lies for this host.
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        let relative = relative.as_ref();
        self.root.join(relative.strip_prefix("/").unwrap_or(relative))
    }

    /// The text of a small kernel file without the white space around it.
    fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        let bytes = std::fs::read(self.path(path)).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    fn value<T: FromStr>(&self, path: impl AsRef<Path>) -> Option<T> {
        self.text(path)?.parse().ok()
    }

    fn cpuset(&self, path: impl AsRef<Path>) -> Option<CpuSet> {
        self.text(path)?.parse().ok()
    }

    /// The numbers of a folder's entries called `PREFIX<number>`, in order.
    fn numbered(&self, folder: impl AsRef<Path>, prefix: &str) -> Vec<u32> {
        let Ok(entries) = std::fs::read_dir(self.path(folder)) else {
            return Vec::new();
        };
        let mut numbers: Vec<u32> = entries
            .filter_map(|entry| {
                entry
                    .ok()?
                    .file_name()
                    .to_str()?
                    .strip_prefix(prefix)?
                    .parse()
                    .ok()
            })
            .collect();
        numbers.sort_unstable();
        numbers
    }
}

#[cfg(test)]
pub(crate) mod tree {
    //! A made-up host: kernel files given as text.

    use crate::Host;

    pub(crate) struct Tree(tempfile::TempDir);

    impl Tree {
        pub(crate) fn new(files: &[(&str, &str)]) -> Self {
            let tree = Self(tempfile::tempdir().unwrap());
            for (path, content) in files {
                tree.put(path, content.as_bytes());
            }
            tree
        }

        pub(crate) fn put(&self, path: &str, content: &[u8]) {
            let path = self.0.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }

        pub(crate) fn host(&self) -> Host {
            Host::at(self.0.path())
        }
    }
}

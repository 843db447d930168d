//! The host's memory: totals, what each NUMA cell has free, pages by size, and page merging.

use crate::{CpuSet, Host};
use error::{Code, Domain, Error, Result};

/// Memory figures in KiB, as `virNodeGetMemoryStats` names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryStats {
    /// All of it.
    pub total: u64,
    /// What nobody uses.
    pub free: u64,
    /// Block device buffers; unknown for one cell.
    pub buffers: Option<u64>,
    /// File contents kept; unknown for one cell.
    pub cached: Option<u64>,
}

/// How many pages of one size a cell has free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreePages {
    /// NUMA cell.
    pub cell: u32,
    /// Page size in KiB.
    pub size: u32,
    /// Pages.
    pub count: u64,
}

/// The settings and counters of the kernel's page merging, each absent where the kernel does not have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "each name is the kernel's own")]
pub struct Ksm {
    pub pages_to_scan: Option<u32>,
    pub sleep_millisecs: Option<u32>,
    pub pages_shared: Option<u64>,
    pub pages_sharing: Option<u64>,
    pub pages_unshared: Option<u64>,
    pub pages_volatile: Option<u64>,
    pub full_scans: Option<u64>,
    pub merge_across_nodes: Option<u32>,
}

/// The size of an ordinary page in KiB.
pub fn page_size() -> u32 {
    u32::try_from(rustix::param::page_size() / 1024).unwrap_or(4)
}

impl Host {
    /// Memory of the whole host.
    pub fn memory_stats(&self) -> MemoryStats {
        let text = self.text("proc/meminfo").unwrap_or_default();
        MemoryStats {
            total: meminfo(&text, "MemTotal").unwrap_or(0),
            free: meminfo(&text, "MemFree").unwrap_or(0),
            buffers: meminfo(&text, "Buffers"),
            cached: meminfo(&text, "Cached"),
        }
    }

    /// The size of the huge pages that are meant where none is named, in KiB.
    pub fn default_huge_page(&self) -> Option<u64> {
        meminfo(&self.text("proc/meminfo")?, "Hugepagesize")
    }

    /// Memory of one NUMA cell.
    ///
    /// # Errors
    /// [`Code::InvalidArg`] when there is no such cell.
    pub fn cell_memory_stats(&self, cell: u32) -> Result<MemoryStats> {
        let Some(text) = self.text(format!("sys/devices/system/node/node{cell}/meminfo")) else {
            let last = self.cells().last().copied().unwrap_or(0);
            let detail = format!("NUMA cell {cell} does not exist, the last one is {last}");
            return Err(Error::new(Code::InvalidArg, Domain::None, detail));
        };
        Ok(MemoryStats {
            total: meminfo(&text, "MemTotal").unwrap_or(0),
            free: meminfo(&text, "MemFree").unwrap_or(0),
            buffers: None,
            cached: None,
        })
    }

    /// The numbers of the NUMA cells; empty where the kernel knows none.
    pub fn cells(&self) -> Vec<u32> {
        self.numbered("sys/devices/system/node", "node")
    }

    /// The cells with their processors; one cell 0 with everything where the kernel knows none.
    pub(crate) fn cpus_of_cells(&self) -> Vec<(u32, CpuSet)> {
        let cells = self.cells();
        if cells.is_empty() {
            return vec![(0, self.online_cpus())];
        }
        let cpus = |cell| {
            self.cpuset(format!("sys/devices/system/node/node{cell}/cpulist"))
                .unwrap_or_default()
        };
        cells.into_iter().map(|cell| (cell, cpus(cell))).collect()
    }

    /// The memory of all cells in KiB, or nothing without cells.
    pub(crate) fn cells_memory(&self) -> Option<u64> {
        let cells = self.cells();
        let of = |&cell: &u32| self.cell_memory_stats(cell).ok().map(|stats| stats.total);
        (!cells.is_empty())
            .then(|| cells.iter().filter_map(of).sum())
            .filter(|&total| total > 0)
    }

    /// Free memory in bytes of at most `max` cells from cell `start` on.
    ///
    /// # Errors
    /// [`Code::InternalError`], as clients know it, when `start` is beyond the last cell.
    pub fn cells_free_memory(&self, start: u32, max: usize) -> Result<Vec<u64>> {
        let last = self.last_cell();
        out_of_range(start, last)?;
        let free = |cell| match self.cell_memory_stats(cell) {
            Ok(stats) => stats.free.saturating_mul(1024),
            Err(_) if self.cells().is_empty() => self.memory_stats().free.saturating_mul(1024),
            Err(_) => 0,
        };
        Ok((start..=last).take(max).map(free).collect())
    }

    /// Free memory of the whole host in bytes: that of its cells where it has any.
    pub fn free_memory(&self) -> u64 {
        let cells = self.cells();
        let of = |&cell: &u32| self.cell_memory_stats(cell).ok().map(|stats| stats.free);
        let kib = match cells.is_empty() {
            true => self.memory_stats().free,
            false => cells.iter().filter_map(of).sum(),
        };
        kib.saturating_mul(1024)
    }

    pub(crate) fn last_cell(&self) -> u32 {
        self.cells().last().copied().unwrap_or(0)
    }

    /// The page sizes this host offers in KiB, ascending.
    pub fn page_sizes(&self) -> Vec<u32> {
        let mut sizes = vec![page_size()];
        sizes.extend(huge_sizes(self, "sys/kernel/mm/hugepages"));
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// Free pages of each of `sizes` (KiB) in `count` cells from cell `start` on.
    ///
    /// # Errors
    /// [`Code::InternalError`] when `start` is beyond the last cell, [`Code::OperationFailed`] when a cell has no pages
    /// of that size.
    pub fn free_pages(&self, sizes: &[u32], start: u32, count: usize) -> Result<Vec<FreePages>> {
        let last = self.last_cell();
        out_of_range(start, last)?;
        let mut found = Vec::new();
        for cell in (start..=last).take(count) {
            for &size in sizes {
                let free = self.free_pages_of(cell, size).ok_or_else(|| {
                    let detail = format!("page size {size} is not available on node {cell}");
                    Error::new(Code::OperationFailed, Domain::None, detail)
                })?;
                found.push(FreePages {
                    cell,
                    size,
                    count: free,
                });
            }
        }
        Ok(found)
    }

    fn free_pages_of(&self, cell: u32, size: u32) -> Option<u64> {
        if size == page_size() {
            let free = match self.cell_memory_stats(cell) {
                Ok(stats) => stats.free,
                Err(_) => self.memory_stats().free,
            };
            return Some(free / u64::from(size));
        }
        self.value(format!(
            "{}/hugepages-{size}kB/free_hugepages",
            self.hugepages_of(cell)
        ))
    }

    /// The folder with a cell's huge pages; the host's own where the kernel knows no cells.
    pub(crate) fn hugepages_of(&self, cell: u32) -> String {
        match self.cells().is_empty() {
            true => "sys/kernel/mm/hugepages".to_owned(),
            false => format!("sys/devices/system/node/node{cell}/hugepages"),
        }
    }

    /// A cell's pages by size: (size in KiB, pages). Ordinary pages are what huge ones leave of its memory.
    pub(crate) fn pages_of_cell(&self, cell: u32) -> Vec<(u32, u64)> {
        let folder = self.hugepages_of(cell);
        let pool = |size: u32| {
            let count = self
                .value(format!("{folder}/hugepages-{size}kB/nr_hugepages"))
                .unwrap_or(0_u64);
            (size, count)
        };
        let huge: Vec<(u32, u64)> = huge_sizes(self, &folder).into_iter().map(pool).collect();
        let taken: u64 = huge.iter().fold(0, |sum, &(size, n)| {
            sum.saturating_add(n.saturating_mul(size.into()))
        });
        let total = match self.cell_memory_stats(cell) {
            Ok(stats) => stats.total,
            Err(_) => self.memory_stats().total,
        };
        let ordinary = (page_size(), total.saturating_sub(taken) / u64::from(page_size()));
        let mut pages = vec![ordinary];
        pages.extend(huge);
        pages.sort_unstable();
        pages
    }

    /// The kernel's page merging, or nothing where it has none.
    pub fn ksm(&self) -> Option<Ksm> {
        if !self.path("sys/kernel/mm/ksm").is_dir() {
            return None;
        }
        let small = |name: &str| self.value(format!("sys/kernel/mm/ksm/{name}"));
        let large = |name: &str| self.value(format!("sys/kernel/mm/ksm/{name}"));
        Some(Ksm {
            pages_to_scan: small("pages_to_scan"),
            sleep_millisecs: small("sleep_millisecs"),
            pages_shared: large("pages_shared"),
            pages_sharing: large("pages_sharing"),
            pages_unshared: large("pages_unshared"),
            pages_volatile: large("pages_volatile"),
            full_scans: large("full_scans"),
            merge_across_nodes: small("merge_across_nodes"),
        })
    }
}

pub(crate) fn out_of_range(start: u32, last: u32) -> Result<()> {
    if start > last {
        let detail = format!("start cell {start} out of range (0-{last})");
        return Err(Error::new(Code::InternalError, Domain::None, detail));
    }
    Ok(())
}

fn huge_sizes(host: &Host, folder: &str) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir(host.path(folder)) else {
        return Vec::new();
    };
    let size = |entry: std::io::Result<std::fs::DirEntry>| {
        entry
            .ok()?
            .file_name()
            .to_str()?
            .strip_prefix("hugepages-")?
            .strip_suffix("kB")?
            .parse()
            .ok()
    };
    let mut sizes: Vec<u32> = entries.filter_map(size).filter(|&size| size > 0).collect();
    sizes.sort_unstable();
    sizes
}

/// One figure in KiB of a meminfo text, which is the host's or, with a "Node N" lead, a cell's.
fn meminfo(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let name = name.rsplit(' ').next()?;
        (name == key).then(|| value.trim().trim_end_matches("kB").trim_end().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    fn two_cells() -> Tree {
        Tree::new(&[
            (
                "proc/meminfo",
                "MemTotal:  300 kB\nMemFree:  30 kB\nBuffers: 1 kB\nCached: 2 kB\n",
            ),
            (
                "sys/devices/system/node/node0/meminfo",
                "Node 0 MemTotal:  8192 kB\nNode 0 MemFree:  40 kB\n",
            ),
            (
                "sys/devices/system/node/node1/meminfo",
                "Node 1 MemTotal:  200 kB\nNode 1 MemFree:  20 kB\n",
            ),
            (
                "sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages",
                "2",
            ),
            (
                "sys/devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages",
                "1",
            ),
            (
                "sys/devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages",
                "0",
            ),
            ("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "2"),
        ])
    }

    #[test]
    fn the_host_knows_buffers_and_a_cell_does_not() {
        let tree = two_cells();
        let host = tree.host();
        let all = host.memory_stats();
        assert_eq!(
            (all.total, all.free, all.buffers, all.cached),
            (300, 30, Some(1), Some(2))
        );
        let cell = host.cell_memory_stats(1).unwrap();
        assert_eq!((cell.total, cell.free, cell.cached), (200, 20, None));
        assert_eq!(host.cell_memory_stats(2).unwrap_err().code(), Code::InvalidArg);
    }

    #[test]
    fn free_memory_is_asked_cell_by_cell() {
        let tree = two_cells();
        let host = tree.host();
        assert_eq!(host.cells_free_memory(0, 9).unwrap(), [40 * 1024, 20 * 1024]);
        assert_eq!(host.cells_free_memory(1, 9).unwrap(), [20 * 1024]);
        assert_eq!(host.free_memory(), 60 * 1024);
        let error = host.cells_free_memory(2, 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "internal error: start cell 2 out of range (0-1)"
        );
    }

    #[test]
    fn huge_pages_are_taken_from_the_ordinary_ones() {
        let tree = two_cells();
        let host = tree.host();
        assert_eq!(host.page_sizes(), [page_size(), 2048]);
        assert_eq!(
            host.pages_of_cell(0),
            [(page_size(), 4096 / u64::from(page_size())), (2048, 2)]
        );
        let free = host.free_pages(&[2048], 0, 9).unwrap();
        assert_eq!(
            free.iter()
                .map(|pages| (pages.cell, pages.count))
                .collect::<Vec<_>>(),
            [(0, 1), (1, 0)]
        );
        let error = host.free_pages(&[5], 0, 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "operation failed: page size 5 is not available on node 0"
        );
    }

    #[test]
    fn without_cells_the_host_is_cell_zero() {
        let tree = Tree::new(&[("proc/meminfo", "MemTotal: 300 kB\nMemFree: 30 kB\n")]);
        assert_eq!(tree.host().cells_free_memory(0, 4).unwrap(), [30 * 1024]);
        assert_eq!(tree.host().ksm(), None);
    }
}

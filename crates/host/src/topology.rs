//! The NUMA cells with their processors and pages, and the caches the processors share.

use crate::{CpuSet, Host};
use std::collections::BTreeMap;

/// One NUMA cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Its number.
    pub id: u32,
    /// Its memory in KiB.
    pub memory: u64,
    /// Its pages by size, ascending.
    pub pages: Vec<PagePool>,
    /// Distance to each cell as the firmware tells it: (cell, value); empty if it does not.
    pub distances: Vec<(u32, u32)>,
    /// Its processors in ascending order, those that are offline included.
    pub cpus: Vec<CellCpu>,
}

/// Pages of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PagePool {
    /// Size of one in KiB.
    pub size: u32,
    /// How many the cell has.
    pub count: u64,
}

/// Where one processor of a cell sits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellCpu {
    /// Its number.
    pub id: u32,
    /// Where it sits, unknown while it is offline.
    pub place: Option<CpuPlace>,
}

/// A processor's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuPlace {
    /// Package.
    pub socket: u32,
    /// Die in the package.
    pub die: u32,
    /// Cluster in the die, as the kernel numbers them (65535: it tells none).
    pub cluster: u32,
    /// Core.
    pub core: u32,
    /// Processors of the same core, itself included.
    pub siblings: CpuSet,
}

/// What a cache holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CacheKind {
    /// Instructions and data.
    Both,
    /// Instructions.
    Code,
    /// Data.
    Data,
}

impl CacheKind {
    /// The documents' word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Code => "code",
            Self::Data => "data",
        }
    }
}

/// One cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheBank {
    /// The kernel's number of it among those of its level.
    pub id: u32,
    /// Level, 1 being next to the processor.
    pub level: u32,
    /// What it holds.
    pub kind: CacheKind,
    /// Size in bytes.
    pub size: u64,
    /// The processors that use it.
    pub cpus: CpuSet,
}

impl Host {
    /// The NUMA cells; a host without NUMA is one cell.
    pub fn topology(&self) -> Vec<Cell> {
        let online = self.online_cpus();
        let cells = self.cpus_of_cells();
        let ids: Vec<u32> = cells.iter().map(|(id, _)| *id).collect();
        let cell = |(id, cpus): (u32, CpuSet)| Cell {
            id,
            memory: self
                .cell_memory_stats(id)
                .unwrap_or_else(|_| self.memory_stats())
                .total,
            pages: self
                .pages_of_cell(id)
                .into_iter()
                .map(|(size, count)| PagePool { size, count })
                .collect(),
            distances: self.distances(id, &ids),
            cpus: cpus.iter().map(|cpu| self.cell_cpu(cpu, &online)).collect(),
        };
        cells.into_iter().map(cell).collect()
    }

    fn distances(&self, cell: u32, cells: &[u32]) -> Vec<(u32, u32)> {
        let text = self
            .text(format!("sys/devices/system/node/node{cell}/distance"))
            .unwrap_or_default();
        let values: Vec<u32> = text
            .split_whitespace()
            .map_while(|value| value.parse().ok())
            .collect();
        match values.len() == cells.len() {
            true => cells.iter().copied().zip(values).collect(),
            false => Vec::new(),
        }
    }

    fn cell_cpu(&self, cpu: u32, online: &CpuSet) -> CellCpu {
        let place = online.contains(cpu).then(|| {
            let place = self.place(cpu);
            let siblings = self.siblings(cpu);
            CpuPlace {
                socket: place.socket,
                die: place.die,
                cluster: place.cluster,
                core: place.core,
                siblings,
            }
        });
        CellCpu { id: cpu, place }
    }

    /// The caches above the first level, as libvirt lists them: by level, then number.
    pub fn caches(&self) -> Vec<CacheBank> {
        let mut banks = BTreeMap::new();
        for cpu in self.online_cpus().iter() {
            let folder = format!("sys/devices/system/cpu/cpu{cpu}/cache");
            for index in self.numbered(&folder, "index") {
                let Some(bank) = self.cache(&format!("{folder}/index{index}")) else {
                    continue;
                };
                if bank.level > 1 {
                    banks.entry((bank.level, bank.kind, bank.id)).or_insert(bank);
                }
            }
        }
        banks.into_values().collect()
    }

    fn cache(&self, folder: &str) -> Option<CacheBank> {
        let kind = match self.text(format!("{folder}/type"))?.as_str() {
            "Unified" => CacheKind::Both,
            "Instruction" => CacheKind::Code,
            "Data" => CacheKind::Data,
            _ => return None,
        };
        let size = self.text(format!("{folder}/size"))?;
        let (number, unit) = size.split_at(size.find(|c: char| !c.is_ascii_digit()).unwrap_or(size.len()));
        let unit: u64 = match unit {
            "" => 1,
            "K" => 1 << 10,
            "M" => 1 << 20,
            _ => return None,
        };
        Some(CacheBank {
            id: self.value(format!("{folder}/id"))?,
            level: self.value(format!("{folder}/level"))?,
            kind,
            size: number.parse::<u64>().ok()?.checked_mul(unit)?,
            cpus: self.cpuset(format!("{folder}/shared_cpu_list"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::tree::Tree;

    #[test]
    fn cells_carry_distances_and_offline_processors() {
        let tree = Tree::new(&[
            ("sys/devices/system/cpu/online", "0"),
            ("sys/devices/system/cpu/cpu0/topology/physical_package_id", "3"),
            ("sys/devices/system/cpu/cpu0/topology/cluster_id", "65535"),
            ("sys/devices/system/cpu/cpu0/topology/core_id", "7"),
            ("sys/devices/system/node/node0/cpulist", "0-1"),
            ("sys/devices/system/node/node0/distance", "10 21"),
            ("sys/devices/system/node/node1/distance", "21 10"),
        ]);
        let cells = tree.host().topology();
        assert_eq!(cells[0].distances, [(0, 10), (1, 21)]);
        let place = cells[0].cpus[0].place.as_ref().unwrap();
        assert_eq!(
            (place.socket, place.die, place.cluster, place.core),
            (3, 0, 65535, 7)
        );
        assert_eq!(place.siblings.to_string(), "0");
        assert_eq!(cells[0].cpus[1].place, None);
        assert!(cells[1].cpus.is_empty());
    }

    #[test]
    fn a_shared_cache_is_listed_once_and_a_strange_one_left_out() {
        let tree = Tree::new(&[("sys/devices/system/cpu/online", "0-1")]);
        for cpu in 0..2 {
            let folder = format!("sys/devices/system/cpu/cpu{cpu}/cache/index3");
            for (file, text) in [
                ("id", "0"),
                ("level", "3"),
                ("type", "Unified"),
                ("size", "32M"),
                ("shared_cpu_list", "0-1"),
            ] {
                tree.put(&format!("{folder}/{file}"), text.as_bytes());
            }
        }
        tree.put("sys/devices/system/cpu/cpu0/cache/index2/level", b"2");
        let caches = tree.host().caches();
        assert_eq!(caches.len(), 1);
        assert_eq!(
            (caches[0].size, caches[0].cpus.to_string().as_str()),
            (32 << 20, "0-1")
        );
    }
}

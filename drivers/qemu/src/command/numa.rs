//! `-numa`: the guest's nodes, their distances and caches.

use super::line::{KeyValues, Line, incomplete, unsupported};
use super::memory::{Backend, GRAIN_KIB};
use error::Result;
use model::CpuSet;
use model::domain::cpu::{Associativity, CachePolicy, CacheSize, InterconnectType, Numa, NumaCell};
use xml::YesNo;

/// The most nodes of a guest.
const MOST_NODES: usize = 128;

/// Whether the guest gets a table of heterogeneous memory attributes.
pub(super) fn uses_hmat(numa: &Numa) -> bool {
    numa.interconnects.is_some() || numa.cells.iter().any(|cell| !cell.caches.is_empty())
}

fn id(cell: &NumaCell, index: usize) -> u32 {
    cell.id.unwrap_or(u32::try_from(index).unwrap_or(u32::MAX))
}

impl Line<'_> {
    /// The nodes with their memory backends.
    pub(super) fn numa(&mut self) -> Result<()> {
        let Some(numa) = self.domain.cpu.as_ref().and_then(|cpu| cpu.numa.as_ref()) else {
            return Ok(());
        };
        if numa.cells.is_empty() {
            return Ok(());
        }
        if numa.cells.len() > MOST_NODES {
            return Err(unsupported(format!(
                "<numa>: {} nodes are more than the {MOST_NODES} that QEMU gives a guest",
                numa.cells.len()
            )));
        }
        let mut cells: Vec<(u32, &NumaCell)> = numa
            .cells
            .iter()
            .enumerate()
            .map(|(index, cell)| (id(cell, index), cell))
            .collect();
        cells.sort_by_key(|(id, _)| *id);
        let initiator = uses_hmat(numa).then(|| {
            cells
                .iter()
                .find(|(_, cell)| cell.cpus.as_ref().is_some_and(|cpus| !cpus.is_empty()))
                .map(|(id, _)| *id)
        });
        let processors = super::cpu::topology_processors(self.domain);
        let plain = self.has_plain_nodes(&cells)?;
        if plain && self.is_preallocated(None) {
            self.flag("-mem-prealloc");
        }
        let comes = self.context.found.incoming.is_some();
        for (id, cell) in &cells {
            let name = format!("ram-node{id}");
            // What comes from elsewhere is as large as it was there.
            let size = if comes {
                cell.memory.0.0
            } else {
                cell.memory.0.0.next_multiple_of(GRAIN_KIB)
            };
            let backend = Backend {
                id: &name,
                size: size.saturating_mul(1024),
                node: Some(*id),
                access: cell.mem_access,
                discard: cell.discard.map(YesNo::is_yes),
                ..Backend::default()
            };
            if !plain {
                self.memory_backend(&backend)?;
            }
            let mut node = KeyValues::new().word("node").set("nodeid", id);
            let mut cpus = cell.cpus.clone().unwrap_or_default();
            // Processors that no node claims belong to the first.
            if Some(*id) == cells.first().map(|(id, _)| *id) {
                let claimed = |cpu: u32| {
                    cells
                        .iter()
                        .any(|(_, cell)| cell.cpus.as_ref().is_some_and(|cpus| cpus.contains(cpu)))
                };
                let free = (0..processors).filter(|cpu| !claimed(*cpu)).collect::<Vec<_>>();
                if !cpus.is_empty() {
                    free.iter().for_each(|cpu| cpus.insert(*cpu, *cpu));
                }
            }
            ranges(&cpus).for_each(|range| node.put("cpus", range));
            if let Some(first) = initiator {
                let own = if cpus.is_empty() { first } else { Some(*id) };
                node.put(
                    "initiator",
                    own.ok_or_else(|| incomplete("<numa>: no cell has processors"))?,
                );
            }
            let node = if plain {
                node.set("mem", size / GRAIN_KIB)
            } else {
                node.set("memdev", &name)
            };
            self.option("-numa", node.finish());
        }
        self.distances(&cells);
        self.hmat(numa, &cells)
    }

    /// All of them, once one is given; those not given are QEMU's own defaults.
    fn distances(&mut self, cells: &[(u32, &NumaCell)]) {
        if cells.iter().all(|(_, cell)| cell.distances.is_empty()) {
            return;
        }
        let given = |from: u32, to: u32| {
            let cell = cells.iter().find(|(id, _)| *id == from)?.1;
            cell.distances
                .iter()
                .find(|sibling| sibling.id == to)
                .map(|sibling| sibling.value)
        };
        for (from, _) in cells {
            for (to, _) in cells {
                let default = if from == to { 10 } else { 20 };
                let value = given(*from, *to).or_else(|| given(*to, *from)).unwrap_or(default);
                let option = KeyValues::new()
                    .word("dist")
                    .set("src", from)
                    .set("dst", to)
                    .set("val", value);
                self.option("-numa", option.finish());
            }
        }
    }

    fn hmat(&mut self, numa: &Numa, cells: &[(u32, &NumaCell)]) -> Result<()> {
        if let Some(interconnects) = &numa.interconnects {
            let latencies = interconnects.latencies.iter().map(|one| (one, true));
            for (one, latency) in latencies.chain(interconnects.bandwidths.iter().map(|one| (one, false))) {
                let hierarchy = match one.cache {
                    None | Some(0) => "memory",
                    Some(1) => "first-level",
                    Some(2) => "second-level",
                    Some(3) => "third-level",
                    Some(level) => {
                        return Err(unsupported(format!(
                            "<interconnects>: there is no cache of level {level}"
                        )));
                    }
                };
                let what = match one.r#type {
                    InterconnectType::Access => "access",
                    InterconnectType::Read => "read",
                    InterconnectType::Write => "write",
                };
                let kind = if latency { "latency" } else { "bandwidth" };
                let mut option = KeyValues::new()
                    .word("hmat-lb")
                    .set("initiator", one.initiator)
                    .set("target", one.target)
                    .set("hierarchy", hierarchy)
                    .set("data-type", format!("{what}-{kind}"));
                if latency {
                    option.put("latency", one.value);
                } else {
                    let unit = one.unit.as_deref().unwrap_or("KiB");
                    let each = model::scaled::unit_bytes(unit)
                        .ok_or_else(|| unsupported(format!("<bandwidth unit='{unit}'>: no such unit")))?;
                    option.put("bandwidth", format!("{}K", one.value.saturating_mul(each) / 1024));
                }
                self.option("-numa", option.finish());
            }
        }
        for (id, cell) in cells {
            for cache in &cell.caches {
                let associativity = match cache.associativity {
                    Associativity::None => "none",
                    Associativity::Direct => "direct",
                    Associativity::Full => "complex",
                };
                let policy = match cache.policy {
                    CachePolicy::None => "none",
                    CachePolicy::WriteBack => "write-back",
                    CachePolicy::WriteThrough => "write-through",
                };
                let option = KeyValues::new()
                    .word("hmat-cache")
                    .set("node-id", id)
                    .set("size", format!("{}K", bytes(&cache.size)? / 1024))
                    .set("level", cache.level)
                    .set("associativity", associativity)
                    .set("policy", policy)
                    .set("line", bytes(&cache.line)?);
                self.option("-numa", option.finish());
            }
        }
        Ok(())
    }
}

fn bytes(size: &CacheSize) -> Result<u64> {
    model::scaled::unit_bytes(&size.unit)
        .and_then(|each| size.value.checked_mul(each))
        .ok_or_else(|| unsupported(format!("<cache>: '{} {}' is no size", size.value, size.unit)))
}

fn ranges(cpus: &CpuSet) -> impl Iterator<Item = String> + '_ {
    cpus.ranges().map(|range| {
        if range.start() == range.end() {
            range.start().to_string()
        } else {
            format!("{}-{}", range.start(), range.end())
        }
    })
}

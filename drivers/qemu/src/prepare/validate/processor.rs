//! The processor, its NUMA nodes and their memory.

use super::{unsupported, wrong};
use error::Result;
use model::domain::Domain;
use model::domain::cpu::{Cpu, CpuCacheMode, CpuMode, MaxPhysAddrMode};

/// What the processor's elements say of each other.
pub(super) fn check(domain: &Domain) -> Result<()> {
    let cpu = domain.cpu.as_deref();
    if let Some(cpu) = cpu {
        features(cpu)?;
    }
    nodes(domain)
}

fn features(cpu: &Cpu) -> Result<()> {
    if let Some(cache) = &cpu.cache {
        match cache.mode {
            CpuCacheMode::Emulate if cache.level.is_some_and(|level| level != 3) => {
                return Err(unsupported(
                    "<cpu>: <cache mode='emulate'> can only be of level='3'",
                ));
            }
            CpuCacheMode::Passthrough if cache.level.is_some() => {
                return Err(unsupported("<cpu>: <cache mode='passthrough'> has no level"));
            }
            CpuCacheMode::Passthrough
                if !matches!(cpu.mode, Some(CpuMode::HostPassthrough | CpuMode::Maximum)) =>
            {
                return Err(unsupported(
                    "<cpu>: <cache mode='passthrough'> needs mode='host-passthrough' or 'maximum'",
                ));
            }
            _ => {}
        }
    }
    if let Some(address) = &cpu.max_phys_addr
        && address.mode == MaxPhysAddrMode::Passthrough
        && address.bits.is_some()
    {
        return Err(unsupported(
            "<cpu>: <maxphysaddr mode='passthrough'> takes the host's number of bits, not its own",
        ));
    }
    Ok(())
}

fn nodes(domain: &Domain) -> Result<()> {
    let cells = domain
        .cpu
        .as_deref()
        .and_then(|cpu| cpu.numa.as_ref())
        .map_or(&[][..], |numa| &numa.cells);
    // Sorted and numbered by now.
    if cells.iter().zip(0..).any(|(cell, id)| cell.id != Some(id)) {
        return Err(wrong(
            "<numa>: the ids of <cell> elements count from 0 without gaps, each once",
        ));
    }
    let known = |node: u32| cells.iter().any(|cell| cell.id == Some(node)) || (cells.is_empty() && node == 0);
    let pages = domain
        .memory_backing
        .as_deref()
        .and_then(|backing| backing.huge_pages.as_ref())
        .map_or(&[][..], |pages| &pages.pages);
    let nodes = pages.iter().filter_map(|page| page.nodeset.as_ref());
    if let Some(node) = nodes.flat_map(|nodes| nodes.iter()).find(|node| !known(*node)) {
        return Err(unsupported(format!("<hugepages>: the guest has no node {node}")));
    }
    if pages.iter().filter(|page| page.nodeset.is_none()).count() > 1 {
        return Err(unsupported("<hugepages>: two sizes are for all nodes"));
    }
    if domain.max_memory.is_some() && cells.is_empty() {
        return Err(unsupported(
            "<maxMemory>: plugging memory in needs at least one NUMA node",
        ));
    }
    for module in &domain.devices.memories {
        if let Some(node) = module.target.node.filter(|node| !known(*node)) {
            return Err(unsupported(format!(
                "<memory>: the guest has no node {node} to plug it into"
            )));
        }
    }
    Ok(())
}

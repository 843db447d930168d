//! The processor, its NUMA nodes and their memory.

use super::{unsupported, wrong, wrong_detail};
use error::Result;
use model::domain::Domain;
use model::domain::cpu::{Cpu, CpuCacheMode, CpuFeature, CpuFeaturePolicy, CpuMode, MaxPhysAddrMode};

/// What the processor's elements say of each other.
pub(super) fn check(domain: &Domain) -> Result<()> {
    let cpu = domain.cpu.as_deref();
    if let Some(cpu) = cpu {
        features(cpu)?;
        vectors(cpu)?;
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

/// ARM's scalable vectors: their lengths are features that need the feature itself.
fn vectors(cpu: &Cpu) -> Result<()> {
    let is_on = |feature: &CpuFeature| {
        !matches!(
            feature.policy,
            Some(CpuFeaturePolicy::Disable | CpuFeaturePolicy::Forbid)
        )
    };
    let off = cpu
        .features
        .iter()
        .any(|feature| feature.name == "sve" && !is_on(feature));
    let is_length = |name: &str| {
        name.strip_prefix("sve")
            .is_some_and(|bits| !bits.is_empty() && bits.bytes().all(|digit| digit.is_ascii_digit()))
    };
    let length = cpu
        .features
        .iter()
        .find(|feature| is_length(&feature.name) && is_on(feature));
    match length {
        Some(length) if off => Err(unsupported(format!(
            "<cpu>: SVE disabled, but SVE vector lengths provided: '{}'",
            length.name
        ))),
        _ => Ok(()),
    }
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
        return wrong_detail(&format!("<hugepages>: the guest has no node {node}"));
    }
    if pages.iter().filter(|page| page.nodeset.is_none()).count() > 1 {
        return Err(unsupported("<hugepages>: two sizes are for all nodes"));
    }
    // One node, or none, is all nodes: its pages are the guest's.
    let whole = pages.iter().find(|page| page.nodeset.is_none());
    let first = pages
        .iter()
        .find(|page| page.nodeset.as_ref().is_some_and(|nodes| nodes.contains(0)));
    if let (true, Some(whole), Some(first)) = (cells.is_empty(), whole, first)
        && whole.size != first.size
    {
        return wrong_detail(&format!(
            "<hugepages>: {} KiB and {} KiB are both for the whole of a guest without NUMA nodes",
            whole.size.0, first.size.0
        ));
    }
    overlaps(domain)?;
    if domain.max_memory.is_some() && cells.is_empty() {
        return Err(unsupported(
            "<maxMemory>: plugging memory in needs at least one NUMA node",
        ));
    }
    for module in &domain.devices.memories {
        if let Some(node) = module.target.node.filter(|node| !known(*node)) {
            return wrong_detail(&format!("<memory>: the guest has no node {node} to plug it into"));
        }
    }
    Ok(())
}

/// Whether two devices of memory are at one place of the guest's memory.
fn overlaps(domain: &Domain) -> Result<()> {
    let mut places: Vec<(u64, u64)> = Vec::new();
    for module in &domain.devices.memories {
        let Some(base) = module.target.address.as_ref().map(|address| address.base.0) else {
            continue;
        };
        places.push((base, base.saturating_add(module.target.size.bytes())));
    }
    places.sort_unstable();
    let clash = places
        .windows(2)
        .find(|two| matches!(two, [(_, end), (start, _)] if start < end));
    match clash {
        Some([(one, end), (other, _)]) => Err(unsupported(format!(
            "<memory>: the one at {one:#x} to {end:#x} overlaps with the one at {other:#x}"
        ))),
        _ => Ok(()),
    }
}

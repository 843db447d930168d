//! Where the guest runs: threads, and nodes of the host's memory.

use super::{argument, unsupported, wrong, wrong_detail};
use error::Result;
use model::CpuSet;
use model::domain::Domain;
use model::domain::tune::{CacheTunePart, CacheType, NumaMode};
use model::domain::vcpu::Placement;
use std::collections::BTreeSet;

/// Checks both.
pub(super) fn check(domain: &Domain) -> Result<()> {
    threads(domain)?;
    shares(domain)?;
    nodes(domain)
}

/// Shares of the host's caches and of its memory's bandwidth: processors have one of each, and are watched within it.
fn shares(domain: &Domain) -> Result<()> {
    let Some(tune) = domain.cpu_tune.as_deref() else {
        return Ok(());
    };
    let overlap = |one: &CpuSet, other: &CpuSet| one.iter().any(|number| other.contains(number));
    let caches = tune.cache_tunes.iter().map(|one| (&one.vcpus, "cachetune"));
    let bandwidths = tune.memory_tunes.iter().map(|one| (&one.vcpus, "memorytune"));
    let mut known: Vec<(&CpuSet, &str)> = Vec::new();
    for (vcpus, element) in caches.chain(bandwidths) {
        // The same processors may have one of each.
        let clash =
            |(other, of): &(&CpuSet, &str)| overlap(vcpus, other) && (*of == element || *other != vcpus);
        if known.iter().any(clash) {
            return Err(wrong(format!(
                "<{element} vcpus='{vcpus}'>: some of them are another one's"
            )));
        }
        known.push((vcpus, element));
    }
    let within = |element: &str, vcpus: &CpuSet, monitor: &CpuSet| {
        if monitor.iter().all(|number| vcpus.contains(number)) {
            return Ok(());
        }
        Err(argument(format!(
            "<{element} vcpus='{vcpus}'>: <monitor vcpus='{monitor}'> has others"
        )))
    };
    for cache in &tune.cache_tunes {
        let mut places = BTreeSet::new();
        for part in &cache.parts {
            match part {
                CacheTunePart::Monitor(monitor) => within("cachetune", &cache.vcpus, &monitor.vcpus)?,
                CacheTunePart::Cache(share) => {
                    let kinds: &[&str] = match share.r#type {
                        CacheType::Both => &["code", "data"],
                        CacheType::Code => &["code"],
                        CacheType::Data => &["data"],
                    };
                    for kind in kinds {
                        if !places.insert((share.level, share.id, *kind)) {
                            return Err(wrong(format!(
                                "<cachetune>: the cache {} of level {} is there twice for {kind}",
                                share.id, share.level
                            )));
                        }
                    }
                }
            }
        }
    }
    for bandwidth in &tune.memory_tunes {
        let mut nodes = BTreeSet::new();
        if let Some(twice) = bandwidth.nodes.iter().find(|node| !nodes.insert(node.id)) {
            return Err(wrong(format!(
                "<memorytune>: <node id='{}'> is there twice",
                twice.id
            )));
        }
        for monitor in &bandwidth.monitors {
            within("memorytune", &bandwidth.vcpus, &monitor.vcpus)?;
        }
    }
    Ok(())
}

fn threads(domain: &Domain) -> Result<()> {
    let Some(tune) = domain.cpu_tune.as_deref() else {
        return Ok(());
    };
    let mut seen = BTreeSet::new();
    for processor in tune.vcpu_scheds.iter().flat_map(|one| one.vcpus.iter()) {
        if !seen.insert(processor) {
            return wrong_detail("<vcpusched>: 'vcpus' must not overlap");
        }
    }
    let known = |thread: u32| match &domain.iothread_ids {
        Some(ids) if !ids.threads.is_empty() => ids.threads.iter().any(|one| one.id == thread),
        _ => (1..=domain.iothreads.unwrap_or(0)).contains(&thread),
    };
    let mut seen = BTreeSet::new();
    for thread in tune.iothread_scheds.iter().flat_map(|one| one.iothreads.iter()) {
        if !known(thread) {
            return Err(unsupported(format!(
                "<iothreadsched>: there is no I/O thread {thread}"
            )));
        }
        if !seen.insert(thread) {
            return wrong_detail("<iothreadsched>: 'iothreads' must not overlap");
        }
    }
    Ok(())
}

fn nodes(domain: &Domain) -> Result<()> {
    let Some(tune) = domain.numa_tune.as_deref() else {
        return Ok(());
    };
    let memory = tune.memory.as_ref();
    if memory.is_some_and(|memory| memory.placement == Some(Placement::Static) && memory.nodeset.is_none()) {
        return Err(unsupported(
            "<numatune><memory placement='static'> needs a 'nodeset'",
        ));
    }
    let has_cells = domain
        .cpu
        .as_deref()
        .and_then(|cpu| cpu.numa.as_ref())
        .is_some_and(|numa| !numa.cells.is_empty());
    if !tune.nodes.is_empty() && !has_cells {
        return Err(wrong(
            "<numatune>: <memnode> needs NUMA nodes of the guest, <cpu><numa>",
        ));
    }
    let restrictive = memory.and_then(|memory| memory.mode) == Some(NumaMode::Restrictive);
    for node in &tune.nodes {
        if (node.mode == Some(NumaMode::Restrictive)) != restrictive {
            return Err(wrong(
                "<numatune>: either <memory> and every <memnode> have mode='restrictive', or none has",
            ));
        }
    }
    Ok(())
}

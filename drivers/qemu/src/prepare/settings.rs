//! Elements beside the devices: what they leave open, and what they say in more words than needed.

use model::CpuSet;
use model::domain::cpu::{NumaCell, Sibling};
use model::domain::devices::disk::Disk;
use model::domain::memory::MemTune;
use model::domain::security::SecLabelType;
use model::domain::tune::{IoThreadSched, NumaMode, VcpuSched};
use model::domain::vcpu::{IoThread, IoThreadIds, Placement};
use model::domain::{Domain, GenId};
use model::scaled::Kibibytes;
use std::collections::BTreeSet;

/// The distance of a node to itself, and to others that say nothing of theirs.
const LOCAL: u32 = 10;
const REMOTE: u32 = 20;

/// From here on a limit of memory is none, in KiB.
const UNLIMITED: u64 = 9_007_199_254_740_991;

/// Completes all of them.
pub(super) fn complete(domain: &mut Domain) {
    if let Some(GenId { uuid }) = domain.genid.as_mut() {
        uuid.get_or_insert_with(uuid::Uuid::new_v4);
    }
    limits(domain);
    threads(domain);
    schedulers(domain);
    placement(domain);
    labels(domain);
    nodes(domain);
}

/// Limits that limit nothing.
fn limits(domain: &mut Domain) {
    let Some(tune) = domain.mem_tune.as_deref_mut() else {
        return;
    };
    let all = [
        &mut tune.hard_limit,
        &mut tune.soft_limit,
        &mut tune.min_guarantee,
        &mut tune.swap_hard_limit,
    ];
    for limit in all {
        limit.take_if(|Kibibytes(size)| *size >= UNLIMITED);
    }
    domain.mem_tune.take_if(|tune| **tune == MemTune::default());
}

/// I/O threads that are counted and not named get the lowest free numbers; named ones are counted.
fn threads(domain: &mut Domain) {
    let named = domain.iothread_ids.as_ref().map_or(0, |ids| ids.threads.len());
    let count = domain.iothreads.map_or(0, |count| count as usize);
    if named == 0 || named >= count {
        return;
    }
    let ids = domain
        .iothread_ids
        .get_or_insert_with(|| IoThreadIds { threads: Vec::new() });
    let taken: BTreeSet<u32> = ids.threads.iter().map(|one| one.id).collect();
    let mut free = (1..=u32::MAX).filter(|id| !taken.contains(id));
    while ids.threads.len() < count {
        let Some(id) = free.next() else { return };
        ids.threads.push(IoThread {
            id,
            thread_pool_min: None,
            thread_pool_max: None,
            poll: None,
        });
    }
}

/// One element a processor and a thread, sorted.
fn schedulers(domain: &mut Domain) {
    let Some(tune) = domain.cpu_tune.as_deref_mut() else {
        return;
    };
    let single = |number: u32| {
        let mut set = CpuSet::default();
        set.insert(number, number);
        set
    };
    // Long lists stay as they are: no machine has so many processors.
    let few = |set: &CpuSet| set.len() <= 4096;
    if tune.vcpu_scheds.iter().all(|one| few(&one.vcpus)) {
        let mut each: Vec<(u32, VcpuSched)> = tune
            .vcpu_scheds
            .iter()
            .flat_map(|one| {
                one.vcpus.iter().map(|number| {
                    let vcpus = single(number);
                    (number, VcpuSched { vcpus, ..one.clone() })
                })
            })
            .collect();
        each.sort_by_key(|(number, _)| *number);
        tune.vcpu_scheds = each.into_iter().map(|(_, one)| one).collect();
    }
    if tune.iothread_scheds.iter().all(|one| few(&one.iothreads)) {
        let mut each: Vec<(u32, IoThreadSched)> = tune
            .iothread_scheds
            .iter()
            .flat_map(|one| {
                one.iothreads.iter().map(|number| {
                    let iothreads = single(number);
                    (
                        number,
                        IoThreadSched {
                            iothreads,
                            ..one.clone()
                        },
                    )
                })
            })
            .collect();
        each.sort_by_key(|(number, _)| *number);
        tune.iothread_scheds = each.into_iter().map(|(_, one)| one).collect();
    }
}

/// Whether numad or the document says where the guest runs.
fn placement(domain: &mut Domain) {
    if let Some(memory) = domain
        .numa_tune
        .as_deref_mut()
        .and_then(|tune| tune.memory.as_mut())
        && memory.nodeset.is_none()
    {
        memory.placement.get_or_insert(Placement::Auto);
        memory.mode.get_or_insert(NumaMode::Strict);
    }
    let memory_auto = domain
        .numa_tune
        .as_deref()
        .and_then(|tune| tune.memory.as_ref())
        .is_some_and(|memory| memory.placement == Some(Placement::Auto));
    let pinned = domain.cpu_tune.as_deref().is_some_and(|tune| {
        !tune.vcpu_pins.is_empty() || tune.emulator_pin.is_some() || !tune.iothread_pins.is_empty()
    });
    if memory_auto && domain.vcpu.cpuset.is_none() && !pinned {
        domain.vcpu.placement = Some(Placement::Auto);
    }
}

/// Labels without a model, and what only a run says of labels.
fn labels(domain: &mut Domain) {
    for label in &mut domain.seclabels {
        if label.r#type == Some(SecLabelType::None) {
            label.model.get_or_insert_with(|| "none".to_owned());
        }
        label.image_label = None;
    }
    domain.devices.disks.iter_mut().for_each(skipped);
}

/// Whether a file could not be labelled is a run's to say.
fn skipped(disk: &mut Disk) {
    if let Some(details) = disk.source.details_mut() {
        details
            .seclabels
            .retain(|label| label.labelskip != Some(xml::YesNo::Yes));
    }
}

/// Where some nodes' distances are given, all are: both ways alike.
fn nodes(domain: &mut Domain) {
    let Some(numa) = domain.cpu.as_deref_mut().and_then(|cpu| cpu.numa.as_mut()) else {
        return;
    };
    missing_processors(&mut numa.cells, domain.vcpu.maximum);
    if numa.cells.iter().all(|cell| cell.distances.is_empty()) || numa.cells.len() > 128 {
        return;
    }
    let given = |cells: &[NumaCell], from: u32, to: u32| {
        let cell = cells.iter().find(|cell| cell.id == Some(from))?;
        cell.distances
            .iter()
            .find(|one| one.id == to)
            .map(|one| one.value)
    };
    let known = numa.cells.clone();
    let ids: Vec<u32> = known.iter().filter_map(|cell| cell.id).collect();
    for cell in &mut numa.cells {
        let Some(from) = cell.id else { continue };
        for to in &ids {
            if cell.distances.iter().any(|one| one.id == *to) {
                continue;
            }
            let default = if from == *to { LOCAL } else { REMOTE };
            let value = given(&known, *to, from).unwrap_or(default);
            cell.distances.push(Sibling { id: *to, value });
        }
        cell.distances.sort_by_key(|one| one.id);
    }
}

/// Processors that no node has are the first one's.
fn missing_processors(cells: &mut [NumaCell], maximum: u32) {
    let held: Vec<CpuSet> = cells.iter().filter_map(|cell| cell.cpus.clone()).collect();
    if held.is_empty() || maximum > 65_536 {
        return;
    }
    let missing = (0..maximum).filter(|number| held.iter().all(|cpus| !cpus.contains(*number)));
    let missing: Vec<u32> = missing.collect();
    if let Some(first) = cells.first_mut() {
        for number in missing {
            first.cpus.get_or_insert_default().insert(number, number);
        }
    }
}

//! The figures of each group.

use super::{Call, group};
use crate::domain::{DirtyRate, RunState, State};
use crate::presentation;
use protocol::{TypedParam, TypedParamValue};

type Tell = fn(&Call, &State, &mut Vec<TypedParam>);

/// Every group that is told, in the order of its bit.
pub(super) const ALL: &[(u32, Tell)] = &[
    (group::STATE, run_state),
    (group::CPU_TOTAL, cpu),
    (group::BALLOON, balloon),
    (group::VCPU, vcpus),
    (group::INTERFACE, interfaces),
    (group::BLOCK, blocks),
    (group::IOTHREAD, iothreads),
    // No events are counted and no bandwidth is monitored, so PERF and MEMORY have no figures.
    (group::DIRTYRATE, dirty_rate),
];

fn add(params: &mut Vec<TypedParam>, name: impl Into<String>, value: impl Into<TypedParamValue>) {
    params.push(TypedParam::new(name, value));
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn run_state(_: &Call, state: &State, params: &mut Vec<TypedParam>) {
    add(params, "state.state", state.run.number());
    add(params, "state.reason", state.run.reason());
}

fn cpu(_: &Call, state: &State, params: &mut Vec<TypedParam>) {
    let Some(stat) = state.live.as_ref().and_then(|live| live.process.stat()) else {
        return;
    };
    add(params, "cpu.time", stat.cpu_time());
    add(params, "cpu.user", stat.user_time());
    add(params, "cpu.system", stat.system_time());
    // Nobody can ask for cache monitors, so there are none.
    add(params, "cpu.cache.monitor.count", 0_u32);
    if state.live.as_ref().is_some_and(|live| !live.names.accelerated) {
        // Only the kernel's hypervisor polls for a halted processor.
        add(params, "cpu.haltpoll.success.time", 0_u64);
        add(params, "cpu.haltpoll.fail.time", 0_u64);
    }
}

/// The figure of memory before which the time of all of them has always stood.
pub(crate) const AFTER_UPDATE: &str = "stat-disk-caches";

/// What the guest says of its memory: QEMU's name, ours, and whether it counts bytes that are told in KiB.
const MEMORY: &[(&str, &str, bool)] = &[
    ("stat-swap-in", "balloon.swap_in", true),
    ("stat-swap-out", "balloon.swap_out", true),
    ("stat-major-faults", "balloon.major_fault", false),
    ("stat-minor-faults", "balloon.minor_fault", false),
    ("stat-free-memory", "balloon.unused", true),
    ("stat-total-memory", "balloon.available", true),
    ("stat-available-memory", "balloon.usable", true),
    ("stat-disk-caches", "balloon.disk_caches", true),
    ("stat-htlb-pgalloc", "balloon.hugetlb_pgalloc", false),
    ("stat-htlb-pgfail", "balloon.hugetlb_pgfail", false),
];

fn balloon(_: &Call, state: &State, params: &mut Vec<TypedParam>) {
    add(params, "balloon.current", presentation::memory(state));
    add(
        params,
        "balloon.maximum",
        state.document().map_or(0, |document| document.summary.max_memory),
    );
    let Some(live) = state.live.as_ref() else { return };
    let sample = live.sample.load();
    if let Some(stats) = sample.memory.as_ref() {
        for (theirs, ours, bytes) in MEMORY {
            if *theirs == AFTER_UPDATE {
                add(params, "balloon.last-update", stats.last_update);
            }
            if let Some(value) = stats.get(theirs) {
                add(params, *ours, if *bytes { value / 1024 } else { value });
            }
        }
    }
    if let Some(bytes) = live.process.resident() {
        add(params, "balloon.rss", bytes / 1024);
    }
}

fn vcpus(call: &Call, state: &State, params: &mut Vec<TypedParam>) {
    let Some(document) = state.document() else { return };
    add(params, "vcpu.current", document.summary.vcpus);
    add(params, "vcpu.maximum", document.summary.max_vcpus);
    let Some(live) = state.live.as_ref() else { return };
    for vcpu in live.sample.load().vcpus.iter() {
        let number = vcpu.index;
        // VIR_VCPU_RUNNING: QEMU tells no other of a processor that is plugged in.
        add(params, format!("vcpu.{number}.state"), 1_i32);
        if let Some(stat) = live.process.thread(vcpu.thread) {
            add(params, format!("vcpu.{number}.time"), stat.cpu_time());
        }
        // A kernel that does not count the waiting is told as none, as stock daemons do.
        let wait = call
            .counts_waiting
            .then(|| live.process.wait(vcpu.thread))
            .flatten();
        add(params, format!("vcpu.{number}.wait"), wait.unwrap_or(0));
        if let Some(times) = live.process.schedule(vcpu.thread) {
            add(params, format!("vcpu.{number}.delay"), times.delay);
        }
    }
}

fn interfaces(call: &Call, state: &State, params: &mut Vec<TypedParam>) {
    let Some(live) = state.live.as_ref() else { return };
    let names = &live.names.interfaces;
    add(params, "net.count", count(names.len()));
    for (index, name) in names.iter().enumerate() {
        if name.target.is_empty() {
            continue;
        }
        add(params, format!("net.{index}.name"), &*name.target);
        let Some(counters) = call.interface(name) else {
            continue;
        };
        for (what, value) in [
            ("rx.bytes", counters.received[0]),
            ("rx.pkts", counters.received[1]),
            ("rx.errs", counters.received[2]),
            ("rx.drop", counters.received[3]),
            ("tx.bytes", counters.sent[0]),
            ("tx.pkts", counters.sent[1]),
            ("tx.errs", counters.sent[2]),
            ("tx.drop", counters.sent[3]),
        ] {
            add(params, format!("net.{index}.{what}"), value);
        }
    }
}

fn blocks(call: &Call, state: &State, params: &mut Vec<TypedParam>) {
    let Some(live) = state.live.as_ref() else {
        return images(state, params);
    };
    let sample = live.sample.load();
    let layer = |node: Option<u32>| sample.layers.get(&node?);
    let at = params.len();
    let mut index = 0_usize;
    for disk in &live.names.disks {
        name_block(params, index, &disk.target, disk.source.as_deref(), disk.node);
        if let Some(figures) = sample.block(disk) {
            let stats = &figures.stats;
            for (what, value) in [
                ("rd.reqs", stats.rd_operations),
                ("rd.bytes", stats.rd_bytes),
                ("rd.times", stats.rd_total_time_ns),
                ("wr.reqs", stats.wr_operations),
                ("wr.bytes", stats.wr_bytes),
                ("wr.times", stats.wr_total_time_ns),
                ("fl.reqs", stats.flush_operations),
                ("fl.times", stats.flush_total_time_ns),
            ] {
                add(params, format!("block.{index}.{what}"), value);
            }
        }
        if let Some(top) = layer(disk.node) {
            sizes(params, index, top.written, top.capacity, top.physical);
        }
        index += 1;
        for below in disk.below.iter().filter(|_| call.backing) {
            name_block(params, index, &disk.target, below.source.as_deref(), below.node);
            if let Some(layer) = layer(below.node) {
                sizes(params, index, layer.written, layer.capacity, layer.physical);
            }
            index += 1;
        }
    }
    params.insert(at, TypedParam::new("block.count", count(index)));
}

/// The disks of a shut-off domain.
fn images(state: &State, params: &mut Vec<TypedParam>) {
    let disks = state.document().map_or(&[][..], |document| &document.disks);
    add(params, "block.count", count(disks.len()));
    for (index, disk) in disks.iter().enumerate() {
        name_block(params, index, &disk.target, disk.path.as_deref(), None);
        if let Some(known) = disk.sizes() {
            sizes(params, index, known.allocation, known.capacity, known.physical);
        }
    }
}

fn name_block(
    params: &mut Vec<TypedParam>,
    index: usize,
    target: &str,
    path: Option<&str>,
    node: Option<u32>,
) {
    add(params, format!("block.{index}.name"), target);
    if let Some(path) = path {
        add(params, format!("block.{index}.path"), path);
    }
    if let Some(node) = node {
        add(params, format!("block.{index}.backingIndex"), node);
    }
}

fn sizes(params: &mut Vec<TypedParam>, index: usize, allocation: u64, capacity: u64, physical: u64) {
    add(params, format!("block.{index}.allocation"), allocation);
    add(params, format!("block.{index}.capacity"), capacity);
    add(params, format!("block.{index}.physical"), physical);
}

fn iothreads(_: &Call, state: &State, params: &mut Vec<TypedParam>) {
    let Some(live) = state.live.as_ref() else { return };
    let sample = live.sample.load();
    if sample.iothreads.is_empty() || !matches!(state.run, RunState::Running(_) | RunState::Paused(_)) {
        return;
    }
    add(params, "iothread.count", count(sample.iothreads.len()));
    for thread in sample.iothreads.iter() {
        let Some(id) = thread.id.strip_prefix("iothread") else {
            continue;
        };
        add(
            params,
            format!("iothread.{id}.poll-max-ns"),
            u64::try_from(thread.poll_max_ns).unwrap_or(0),
        );
        add(
            params,
            format!("iothread.{id}.poll-grow"),
            u32::try_from(thread.poll_grow).unwrap_or(0),
        );
        add(
            params,
            format!("iothread.{id}.poll-shrink"),
            u32::try_from(thread.poll_shrink).unwrap_or(0),
        );
    }
}

fn dirty_rate(_: &Call, state: &State, params: &mut Vec<TypedParam>) {
    let Some(live) = state.live.as_ref() else { return };
    if let Some(rate) = live.sample.load().dirty_rate.as_deref() {
        tell_dirty_rate(rate, params);
    }
}

fn tell_dirty_rate(rate: &DirtyRate, params: &mut Vec<TypedParam>) {
    // `virDomainDirtyRateStatus`.
    let status = match rate.status.as_str() {
        "unstarted" => 0_i32,
        "measuring" => 1,
        "measured" => 2,
        _ => return,
    };
    add(params, "dirtyrate.calc_status", status);
    add(params, "dirtyrate.calc_start_time", rate.start_time);
    add(
        params,
        "dirtyrate.calc_period",
        i32::try_from(rate.calc_time).unwrap_or(i32::MAX),
    );
    if let Some(mode) = rate.mode.as_deref() {
        add(params, "dirtyrate.calc_mode", mode);
    }
    if status != 2 {
        return;
    }
    if let Some(speed) = rate.dirty_rate {
        add(params, "dirtyrate.megabytes_per_second", speed);
    }
    for vcpu in &rate.vcpu_dirty_rate {
        let name = format!("dirtyrate.vcpu.{}.megabytes_per_second", vcpu.id);
        add(params, name, u64::try_from(vcpu.dirty_rate).unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_told_once_it_is_measured() {
        let told = |text: &str| {
            let mut params = Vec::new();
            tell_dirty_rate(&serde_json::from_str(text).unwrap(), &mut params);
            params.into_iter().map(|param| param.field).collect::<Vec<_>>()
        };
        let measured = r#"{"status":"measured","start-time":3,"calc-time":1,"mode":"dirty-ring","dirty-rate":9,
            "vcpu-dirty-rate":[{"id":0,"dirty-rate":9}]}"#;
        assert_eq!(
            told(measured),
            [
                "dirtyrate.calc_status",
                "dirtyrate.calc_start_time",
                "dirtyrate.calc_period",
                "dirtyrate.calc_mode",
                "dirtyrate.megabytes_per_second",
                "dirtyrate.vcpu.0.megabytes_per_second",
            ]
        );
        assert_eq!(
            told(r#"{"status":"unstarted","start-time":0,"calc-time":0}"#).len(),
            3
        );
        assert_eq!(
            told(r#"{"status":"dancing","start-time":0,"calc-time":0}"#).len(),
            0
        );
    }
}

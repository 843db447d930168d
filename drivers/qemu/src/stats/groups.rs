//! The figures of each group.

use super::group;
use crate::domain::{RunState, State};
use crate::presentation;
use protocol::{TypedParam, TypedParamValue};

type Tell = fn(&State, &mut Vec<TypedParam>);

/// Every group that is told, in the order of its bit.
pub(super) const ALL: &[(u32, Tell)] = &[
    (group::STATE, run_state),
    (group::CPU_TOTAL, cpu),
    (group::BALLOON, balloon),
    (group::VCPU, vcpus),
    (group::INTERFACE, interfaces),
    (group::BLOCK, blocks),
    (group::IOTHREAD, iothreads),
];

fn add(params: &mut Vec<TypedParam>, name: impl Into<String>, value: impl Into<TypedParamValue>) {
    params.push(TypedParam::new(name, value));
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn run_state(state: &State, params: &mut Vec<TypedParam>) {
    add(params, "state.state", state.run.number());
    add(params, "state.reason", state.run.reason());
}

fn cpu(state: &State, params: &mut Vec<TypedParam>) {
    let Some(stat) = state.live.as_ref().and_then(|live| live.process.stat()) else {
        return;
    };
    add(params, "cpu.time", stat.cpu_time());
    add(params, "cpu.user", stat.user_time());
    add(params, "cpu.system", stat.system_time());
}

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

fn balloon(state: &State, params: &mut Vec<TypedParam>) {
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
            if let Some(value) = stats.get(theirs) {
                add(params, *ours, if *bytes { value / 1024 } else { value });
            }
        }
        add(params, "balloon.last-update", stats.last_update);
    }
    if let Some(bytes) = live.process.resident() {
        add(params, "balloon.rss", bytes / 1024);
    }
}

fn vcpus(state: &State, params: &mut Vec<TypedParam>) {
    let Some(document) = state.document() else { return };
    add(params, "vcpu.current", document.summary.vcpus);
    add(params, "vcpu.maximum", document.summary.max_vcpus);
    let Some(live) = state.live.as_ref() else { return };
    for vcpu in live.sample.load().vcpus.iter() {
        let number = vcpu.cpu_index;
        // VIR_VCPU_RUNNING: QEMU tells no other of a processor that is plugged in.
        add(params, format!("vcpu.{number}.state"), 1_i32);
        if let Some(stat) = live.process.thread(vcpu.thread_id) {
            add(params, format!("vcpu.{number}.time"), stat.cpu_time());
        }
        if let Some(times) = live.process.schedule(vcpu.thread_id) {
            add(params, format!("vcpu.{number}.delay"), times.delay);
        }
    }
}

fn interfaces(state: &State, params: &mut Vec<TypedParam>) {
    let Some(live) = state.live.as_ref() else { return };
    let names = &live.names.interfaces;
    add(params, "net.count", count(names.len()));
    if names.iter().all(|name| name.is_empty()) {
        return;
    }
    let Ok(table) = std::fs::read_to_string("/proc/net/dev") else {
        return;
    };
    for (index, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        add(params, format!("net.{index}.name"), &**name);
        let Some(counters) = Counters::of(&table, name) else {
            continue;
        };
        // What the host's end sends is what the guest receives.
        for (what, value) in [
            ("rx.bytes", counters.sent[0]),
            ("rx.pkts", counters.sent[1]),
            ("rx.errs", counters.sent[2]),
            ("rx.drop", counters.sent[3]),
            ("tx.bytes", counters.received[0]),
            ("tx.pkts", counters.received[1]),
            ("tx.errs", counters.received[2]),
            ("tx.drop", counters.received[3]),
        ] {
            add(params, format!("net.{index}.{what}"), value);
        }
    }
}

/// An interface's counters: bytes, packets, errors, drops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counters {
    /// What it received.
    pub received: [u64; 4],
    /// What it sent.
    pub sent: [u64; 4],
}

impl Counters {
    /// Those of an interface in the text of `/proc/net/dev`.
    pub(crate) fn of(table: &str, name: &str) -> Option<Self> {
        let line = table
            .lines()
            .find_map(|line| line.trim_start().strip_prefix(name)?.strip_prefix(':'))?;
        let fields: Vec<u64> = line
            .split_ascii_whitespace()
            .filter_map(|field| field.parse().ok())
            .collect();
        let received = fields.get(..4)?.try_into().ok()?;
        let sent = fields.get(8..12)?.try_into().ok()?;
        Some(Self { received, sent })
    }
}

fn blocks(state: &State, params: &mut Vec<TypedParam>) {
    let Some(live) = state.live.as_ref() else { return };
    let names = &live.names.disks;
    add(params, "block.count", count(names.len()));
    let sample = live.sample.load();
    for (index, disk) in names.iter().enumerate() {
        add(params, format!("block.{index}.name"), &*disk.target);
        if let Some(source) = disk.source.as_deref() {
            add(params, format!("block.{index}.path"), source);
        }
        if let Some(node) = disk.node {
            add(params, format!("block.{index}.backingIndex"), node);
        }
        let Some(figures) = sample.block(disk) else {
            continue;
        };
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
            ("allocation", stats.wr_highest_offset),
        ] {
            add(params, format!("block.{index}.{what}"), value);
        }
    }
}

fn iothreads(state: &State, params: &mut Vec<TypedParam>) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_the_whole_name() {
        let table = "Inter-|   Receive\n vnet10: 9 9 9 9 0 0 0 0 9 9 9 9 0 0 0 0\n  vnet1: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n";
        assert_eq!(
            Counters::of(table, "vnet1"),
            Some(Counters {
                received: [1, 2, 3, 4],
                sent: [5, 6, 7, 8]
            })
        );
        assert_eq!(Counters::of(table, "vnet"), None);
        assert_eq!(Counters::of("vnet1: 1 2", "vnet1"), None);
    }
}

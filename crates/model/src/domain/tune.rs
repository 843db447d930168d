//! Tuning of the domain on its host: processor time and pinning, host NUMA nodes, block I/O, cache allocation.

use xml::{Choice, Element, Value};

use super::vcpu::Placement;
use crate::CpuSet;

/// `<cputune>`. Periods and quotas are in microseconds; a quota of -1 is no limit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "cputune")]
pub struct CpuTune {
    #[xml(value = "shares")]
    pub shares: Option<u64>,
    #[xml(value = "period")]
    pub period: Option<u64>,
    #[xml(value = "quota")]
    pub quota: Option<i64>,
    #[xml(value = "global_period")]
    pub global_period: Option<u64>,
    #[xml(value = "global_quota")]
    pub global_quota: Option<i64>,
    #[xml(value = "emulator_period")]
    pub emulator_period: Option<u64>,
    #[xml(value = "emulator_quota")]
    pub emulator_quota: Option<i64>,
    #[xml(value = "iothread_period")]
    pub iothread_period: Option<u64>,
    #[xml(value = "iothread_quota")]
    pub iothread_quota: Option<i64>,
    #[xml(children = "vcpupin")]
    pub vcpu_pins: Vec<VcpuPin>,
    #[xml(child = "emulatorpin")]
    pub emulator_pin: Option<EmulatorPin>,
    #[xml(children = "iothreadpin")]
    pub iothread_pins: Vec<IoThreadPin>,
    #[xml(child = "emulatorsched")]
    pub emulator_sched: Option<EmulatorSched>,
    #[xml(children = "vcpusched")]
    pub vcpu_scheds: Vec<VcpuSched>,
    #[xml(children = "iothreadsched")]
    pub iothread_scheds: Vec<IoThreadSched>,
    #[xml(children = "cachetune")]
    pub cache_tunes: Vec<CacheTune>,
    #[xml(children = "memorytune")]
    pub memory_tunes: Vec<MemoryTune>,
}

/// `<vcpupin vcpu='0' cpuset='1-4'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "vcpupin")]
pub struct VcpuPin {
    #[xml(attr)]
    pub vcpu: u32,
    #[xml(attr)]
    pub cpuset: CpuSet,
}

/// `<emulatorpin cpuset='1-4'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "emulatorpin")]
pub struct EmulatorPin {
    #[xml(attr)]
    pub cpuset: CpuSet,
}

/// `<iothreadpin iothread='1' cpuset='1-4'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "iothreadpin")]
pub struct IoThreadPin {
    #[xml(attr)]
    pub iothread: u32,
    #[xml(attr)]
    pub cpuset: CpuSet,
}

/// Scheduler of processor threads.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "vcpusched")]
pub struct VcpuSched {
    #[xml(attr)]
    pub vcpus: CpuSet,
    #[xml(attr)]
    pub scheduler: Scheduler,
    #[xml(attr)]
    pub priority: Option<u32>,
}

/// Scheduler of I/O threads.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "iothreadsched")]
pub struct IoThreadSched {
    #[xml(attr)]
    pub iothreads: CpuSet,
    #[xml(attr)]
    pub scheduler: Scheduler,
    #[xml(attr)]
    pub priority: Option<u32>,
}

/// Scheduler of the emulator's other threads.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "emulatorsched")]
pub struct EmulatorSched {
    #[xml(attr)]
    pub scheduler: Scheduler,
    #[xml(attr)]
    pub priority: Option<u32>,
}

/// Scheduling class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum Scheduler {
    #[xml("batch")]
    Batch,
    #[xml("idle")]
    Idle,
    #[xml("fifo")]
    Fifo,
    #[xml("rr")]
    RoundRobin,
}

/// Share of the host's last-level cache for some processors.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "cachetune")]
pub struct CacheTune {
    #[xml(attr)]
    pub vcpus: CpuSet,
    /// Live documents: name of the control group.
    #[xml(attr)]
    pub id: Option<String>,
    #[xml(choice)]
    pub parts: Vec<CacheTunePart>,
}

/// Allocation, or monitoring of what is used.
#[derive(Debug, Clone, PartialEq, Eq, Choice)]
pub enum CacheTunePart {
    #[xml(name = "cache")]
    Cache(CacheAllocation),
    #[xml(name = "monitor")]
    Monitor(CacheMonitor),
}

/// Allocation of one cache.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "cache")]
pub struct CacheAllocation {
    #[xml(attr)]
    pub id: u32,
    #[xml(attr)]
    pub level: u32,
    #[xml(attr)]
    pub r#type: CacheType,
    /// In `unit`s.
    #[xml(attr)]
    pub size: u64,
    #[xml(attr)]
    pub unit: Option<String>,
}

/// What is cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum CacheType {
    #[xml("both")]
    Both,
    #[xml("code")]
    Code,
    #[xml("data")]
    Data,
}

/// Monitoring of a cache.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "monitor")]
pub struct CacheMonitor {
    #[xml(attr)]
    pub level: u32,
    #[xml(attr)]
    pub vcpus: CpuSet,
}

/// Share of the host's memory bandwidth for some processors.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "memorytune")]
pub struct MemoryTune {
    #[xml(attr)]
    pub vcpus: CpuSet,
    #[xml(children = "node")]
    pub nodes: Vec<BandwidthAllocation>,
    #[xml(children = "monitor")]
    pub monitors: Vec<BandwidthMonitor>,
}

/// Bandwidth on one host node.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "node")]
pub struct BandwidthAllocation {
    #[xml(attr)]
    pub id: u32,
    /// In percent.
    #[xml(attr)]
    pub bandwidth: u32,
}

/// Monitoring of memory bandwidth.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "monitor")]
pub struct BandwidthMonitor {
    #[xml(attr)]
    pub vcpus: CpuSet,
}

/// `<numatune>`: host nodes that memory comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "numatune")]
pub struct NumaTune {
    #[xml(child)]
    pub memory: Option<NumaMemory>,
    #[xml(children = "memnode")]
    pub nodes: Vec<NumaMemNode>,
}

/// Host nodes for the whole domain.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "memory")]
pub struct NumaMemory {
    #[xml(attr)]
    pub mode: Option<NumaMode>,
    #[xml(attr)]
    pub placement: Option<Placement>,
    #[xml(attr)]
    pub nodeset: Option<CpuSet>,
}

/// Host nodes for one node of the guest.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "memnode")]
pub struct NumaMemNode {
    #[xml(attr = "cellid")]
    pub cell_id: u32,
    #[xml(attr)]
    pub mode: Option<NumaMode>,
    #[xml(attr)]
    pub nodeset: CpuSet,
}

/// How strictly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum NumaMode {
    #[xml("strict")]
    Strict,
    #[xml("preferred")]
    Preferred,
    #[xml("interleave")]
    Interleave,
    /// By cgroup only.
    #[xml("restrictive")]
    Restrictive,
}

/// `<blkiotune>`: weight and limits of the domain on the host's block devices.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "blkiotune")]
pub struct BlkioTune {
    #[xml(value = "weight")]
    pub weight: Option<u32>,
    #[xml(children = "device")]
    pub devices: Vec<BlkioDevice>,
}

/// One block device of the host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "device")]
pub struct BlkioDevice {
    #[xml(value = "path")]
    pub path: String,
    #[xml(value = "weight")]
    pub weight: Option<u32>,
    #[xml(value = "read_iops_sec")]
    pub read_iops_sec: Option<u32>,
    #[xml(value = "write_iops_sec")]
    pub write_iops_sec: Option<u32>,
    #[xml(value = "read_bytes_sec")]
    pub read_bytes_sec: Option<u64>,
    #[xml(value = "write_bytes_sec")]
    pub write_bytes_sec: Option<u64>,
}

//! What happens when a guest ends or fails, its power management, and performance events.

use xml::{Element, Value, YesNo};

/// `<on_poweroff>`, `<on_reboot>`, `<on_crash>`; the core-dumping ones stand in the last only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum LifecycleAction {
    #[xml("destroy")]
    Destroy,
    #[xml("restart")]
    Restart,
    /// The emulator stays, stopped, to be looked at.
    #[xml("preserve")]
    Preserve,
    #[xml("rename-restart")]
    RenameRestart,
    #[xml("coredump-destroy")]
    CoredumpDestroy,
    #[xml("coredump-restart")]
    CoredumpRestart,
}

/// `<on_lockfailure>`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum LockFailureAction {
    #[xml("poweroff")]
    PowerOff,
    #[xml("restart")]
    Restart,
    #[xml("pause")]
    Pause,
    #[xml("ignore")]
    Ignore,
}

/// `<pm>`: sleep states that the guest's firmware offers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "pm")]
pub struct PowerManagement {
    #[xml(child = "suspend-to-mem")]
    pub suspend_to_mem: Option<SleepState>,
    #[xml(child = "suspend-to-disk")]
    pub suspend_to_disk: Option<SleepState>,
}

/// `<suspend-to-mem enabled='no'/>`
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "suspend-to-mem")]
pub struct SleepState {
    #[xml(attr)]
    pub enabled: Option<YesNo>,
}

/// `<perf>`: events that are counted while the domain runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "perf")]
pub struct Perf {
    #[xml(children = "event")]
    pub events: Vec<PerfEvent>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "event")]
pub struct PerfEvent {
    #[xml(attr)]
    pub name: PerfEventName,
    #[xml(attr)]
    pub enabled: YesNo,
}

/// Events that can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum PerfEventName {
    #[xml("cmt")]
    Cmt,
    #[xml("mbmt")]
    Mbmt,
    #[xml("mbml")]
    Mbml,
    #[xml("cpu_cycles")]
    CpuCycles,
    #[xml("instructions")]
    Instructions,
    #[xml("cache_references")]
    CacheReferences,
    #[xml("cache_misses")]
    CacheMisses,
    #[xml("branch_instructions")]
    BranchInstructions,
    #[xml("branch_misses")]
    BranchMisses,
    #[xml("bus_cycles")]
    BusCycles,
    #[xml("stalled_cycles_frontend")]
    StalledCyclesFrontend,
    #[xml("stalled_cycles_backend")]
    StalledCyclesBackend,
    #[xml("ref_cpu_cycles")]
    RefCpuCycles,
    #[xml("cpu_clock")]
    CpuClock,
    #[xml("task_clock")]
    TaskClock,
    #[xml("page_faults")]
    PageFaults,
    #[xml("context_switches")]
    ContextSwitches,
    #[xml("cpu_migrations")]
    CpuMigrations,
    #[xml("page_faults_min")]
    PageFaultsMin,
    #[xml("page_faults_maj")]
    PageFaultsMaj,
    #[xml("alignment_faults")]
    AlignmentFaults,
    #[xml("emulation_faults")]
    EmulationFaults,
}

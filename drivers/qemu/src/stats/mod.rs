//! Statistics of domains as `virConnectGetAllDomainStats` tells them: groups of named figures.
//!
//! Everything is told from what is published. Before that, guests are asked for fresh figures, all at the same time and
//! for as long as the caller's patience lasts; who does not answer is told with the last known ones.

mod groups;
mod interface;
mod refresh;

pub(crate) use groups::AFTER_UPDATE;
pub(crate) use interface::{Counters, Interfaces};
pub(crate) use refresh::{PATIENCE, refresh};

use crate::domain::{Ask, InterfaceName, State};
use protocol::TypedParam;
use std::cell::OnceCell;

/// Groups of figures, by the header's bits.
pub(crate) mod group {
    #![allow(missing_docs, reason = "each name is the header's own")]
    pub(crate) const STATE: u32 = 1;
    pub(crate) const CPU_TOTAL: u32 = 2;
    pub(crate) const BALLOON: u32 = 4;
    pub(crate) const VCPU: u32 = 8;
    pub(crate) const INTERFACE: u32 = 16;
    pub(crate) const BLOCK: u32 = 32;
    pub(crate) const PERF: u32 = 64;
    pub(crate) const IOTHREAD: u32 = 128;
    pub(crate) const MEMORY: u32 = 256;
    pub(crate) const DIRTYRATE: u32 = 512;
    pub(crate) const VM: u32 = 1024;
    /// All that are told.
    pub(crate) const KNOWN: u32 =
        STATE | CPU_TOTAL | BALLOON | VCPU | INTERFACE | BLOCK | PERF | IOTHREAD | MEMORY | DIRTYRATE;
    /// All that the header numbers.
    pub(crate) const NUMBERED: u32 = KNOWN | VM;
}

/// What has to be asked of QEMU for these groups.
pub(crate) fn needed(groups: u32) -> Ask {
    Ask {
        memory: groups & group::BALLOON != 0,
        vcpus: groups & group::VCPU != 0,
        blocks: groups & group::BLOCK != 0,
        iothreads: groups & group::IOTHREAD != 0,
        dirty_rate: groups & group::DIRTYRATE != 0,
    }
}

/// What the domains of one call have in common.
#[derive(Debug)]
pub(crate) struct Call {
    groups: u32,
    /// Whether the images that disks are based on are told too.
    backing: bool,
    /// Whether the kernel counts how long threads wait.
    counts_waiting: bool,
    interfaces: OnceCell<Interfaces>,
}

impl Call {
    /// A call for these groups.
    pub(crate) fn new(groups: u32, backing: bool) -> Self {
        let counts_waiting = groups & group::VCPU != 0
            && std::fs::read("/proc/sys/kernel/sched_schedstats").is_ok_and(|text| text.starts_with(b"1"));
        Self {
            groups,
            backing,
            counts_waiting,
            interfaces: OnceCell::new(),
        }
    }

    /// The figures of one domain.
    pub(crate) fn collect(&self, state: &State) -> Vec<TypedParam> {
        let mut params = Vec::with_capacity(if state.is_active() { 48 } else { 8 });
        for (bit, tell) in groups::ALL {
            if self.groups & bit != 0 {
                tell(self, state, &mut params);
            }
        }
        params
    }

    fn interface(&self, name: &InterfaceName) -> Option<Counters> {
        let read = || Interfaces::read().unwrap_or_default();
        self.interfaces.get_or_init(read).of_guest(name)
    }
}

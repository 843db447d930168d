//! Statistics of domains as `virConnectGetAllDomainStats` tells them: groups of named figures.
//!
//! Everything is told from what is published. Before that, guests are asked for fresh figures, all at the same time and
//! for as long as the caller's patience lasts; who does not answer is told with the last known ones.

mod groups;
mod refresh;

pub(crate) use groups::Counters;
pub(crate) use refresh::{PATIENCE, refresh};

use crate::domain::{Ask, State};
use protocol::TypedParam;

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
    pub(crate) const KNOWN: u32 = STATE | CPU_TOTAL | BALLOON | VCPU | INTERFACE | BLOCK | IOTHREAD;
    /// All that the header numbers.
    pub(crate) const NUMBERED: u32 = KNOWN | PERF | MEMORY | DIRTYRATE | VM;
}

/// What has to be asked of QEMU for these groups.
pub(crate) fn needed(groups: u32) -> Ask {
    Ask {
        memory: groups & group::BALLOON != 0,
        vcpus: groups & group::VCPU != 0,
        blocks: groups & group::BLOCK != 0,
        iothreads: groups & group::IOTHREAD != 0,
    }
}

/// The figures of one domain.
pub(crate) fn collect(state: &State, groups: u32) -> Vec<TypedParam> {
    let mut params = Vec::with_capacity(if state.is_active() { 48 } else { 8 });
    for (bit, tell) in groups::ALL {
        if groups & bit != 0 {
            tell(state, &mut params);
        }
    }
    params
}

//! A domain's share of its host: changed in the definition, and for the running guest in its control groups and QEMU.

mod block;
mod disk;
mod memory;
mod numa;
mod perf;
mod processors;

pub(crate) use disk::{LIMITS, limit, set_limit};
pub(crate) use memory::UNLIMITED;

use super::change::{changed_definition, impossible, invalid};
use crate::domain::{Live, Owner};
use crate::flags::Impact;
use crate::groups::GuestGroups;
use cgroup::Controller;
use error::{Code, Domain as ErrorDomain, Error, Result};

/// What is changed by one call, and where.
#[derive(Debug, Clone, Copy)]
struct Tuning {
    /// What it is called, for who may not.
    what: &'static str,
    /// What does it for a running guest.
    controller: Controller,
}

impl Owner {
    /// Which of the domain's two configurations is meant.
    fn tuned(&self, tuning: Tuning, flags: u32) -> Result<Impact> {
        if self.driver.groups.is_session() {
            let text = format!("{} is not available in session mode", tuning.what);
            return Err(Error::new(Code::OperationUnsupported, ErrorDomain::Qemu, text));
        }
        let state = self.domain.state();
        Impact::of(flags, state.is_active(), state.is_persistent())
    }
}

impl Tuning {
    /// The running guest's groups.
    fn groups(self, live: &Live) -> Result<&GuestGroups> {
        groups_with(live, self.controller)
    }
}

/// The groups of a running guest, if they have a controller.
///
/// # Errors
/// [`Code::OperationInvalid`] if they have not.
pub(crate) fn groups_with(live: &Live, controller: Controller) -> Result<&GuestGroups> {
    let groups = live.groups.as_ref();
    groups
        .filter(|groups| groups.whole().hierarchy().has(controller))
        .ok_or_else(|| impossible(format!("cgroup {controller} controller is not mounted")))
}

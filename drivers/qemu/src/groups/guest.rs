//! The groups of one guest.

use super::told;
use crate::lifecycle::scope;
use cgroup::{Bandwidth, Controller, Group};
use error::Result;
use parking_lot::Mutex;
use std::path::Path;

/// Which threads of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    /// One virtual processor.
    Vcpu(u32),
    /// One I/O thread.
    IoThread(u32),
    /// The others.
    Emulator,
}

/// The partition of the last guest goes with it, and must not while another one's group is made in it.
static PARTITION: Mutex<()> = Mutex::new(());

impl Threads {
    fn name(self) -> String {
        match self {
            Self::Vcpu(number) => format!("vcpu{number}"),
            Self::IoThread(number) => format!("iothread{number}"),
            Self::Emulator => "emulator".to_owned(),
        }
    }
}

/// The groups of one guest.
#[derive(Debug, Clone)]
pub(crate) struct GuestGroups {
    /// What all the guest's processes and threads are below.
    whole: Group,
    /// Where it stands beside other guests: there its weight counts.
    beside_others: Group,
    /// The scope's unit, where systemd has the weights.
    unit: Option<String>,
}

impl GuestGroups {
    pub(super) fn without_systemd(group: Group) -> Self {
        Self {
            beside_others: group.clone(),
            whole: group,
            unit: None,
        }
    }

    /// Those of a process in a scope, or in a group below it; `None` if it is in none of a machine's.
    pub(super) fn of_scope(group: Group) -> Option<Self> {
        let scope = group
            .path()
            .ancestors()
            .find(|path| path.extension().is_some_and(|end| end == "scope"))?;
        let unit = scope.file_name()?.to_str()?.to_owned();
        if !unit.starts_with("machine-") {
            return None;
        }
        let top = group.hierarchy().group(Path::new(scope));
        Some(Self {
            whole: top.child("libvirt"),
            beside_others: top,
            unit: Some(unit),
        })
    }

    /// Makes them, and moves a process in, to the emulator's threads.
    pub(super) fn enter(&self, pid: u32) -> cgroup::Result<()> {
        {
            let _turn = PARTITION.lock();
            self.whole.create()?;
        }
        self.whole.add_process(pid)?;
        // A group of version 2 can be divided only once nobody is in it itself.
        self.whole.create()?;
        let emulator = self.threads(Threads::Emulator);
        emulator.create()?;
        emulator.add_process(pid)
    }

    /// The group of all its threads.
    pub(crate) fn whole(&self) -> &Group {
        &self.whole
    }

    /// The group of some threads. It may not be there.
    pub(crate) fn threads(&self, which: Threads) -> Group {
        self.whole.of_threads(&which.name())
    }

    /// Makes a group of threads and moves one in, whatever group of the guest's it was in.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(crate) fn divide(&self, which: Threads, thread: i64) -> Result<Group> {
        let group = self.threads(which);
        let thread = u32::try_from(thread).unwrap_or_default();
        group
            .create()
            .and_then(|()| group.add_thread(thread))
            .map_err(told)?;
        Ok(group)
    }

    /// The host's processors that some threads may use, where control groups hold them to that.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(crate) fn set_processors(&self, which: Threads, list: &str) -> Result<()> {
        let group = self.threads(which);
        if !group.hierarchy().has(Controller::CpuSet) || !group.exists() {
            return Ok(());
        }
        group.set_processors(list).map_err(told)
    }

    /// Removes all of them; whoever was in them has ended. What is left is told in the log.
    pub(crate) fn remove(&self) {
        if let Err(err) = self.whole.remove() {
            tracing::warn!(%err, "a control group of a guest cannot be removed");
        }
        // A private instance's partition goes with its last guest.
        if self.unit.is_none()
            && let Some(partition) = self.whole.parent()
        {
            let _turn = PARTITION.lock();
            partition.remove_if_empty();
        }
    }

    /// Sets its share of the processors.
    ///
    /// # Errors
    /// The kernel or systemd refuses.
    pub(crate) async fn set_shares(&self, shares: u64) -> Result<()> {
        match &self.unit {
            Some(unit) if self.whole.hierarchy().is_unified(Controller::Cpu) => {
                check_weight(shares)?;
                scope::set_property(unit, "CPUWeight", shares).await
            }
            _ => self.beside_others.set_cpu_shares(shares).map_err(told),
        }
    }

    /// Its share of the processors.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(crate) fn shares(&self) -> Result<u64> {
        self.beside_others.cpu_shares().map_err(told)
    }

    /// Sets its weight at block devices.
    ///
    /// # Errors
    /// The kernel or systemd refuses.
    pub(crate) async fn set_block_weight(&self, weight: u64) -> Result<()> {
        match &self.unit {
            // That the kernel has no scheduler that weighs systemd would not tell.
            Some(unit) if self.beside_others.block_weight().is_ok() && self.is_unified(Controller::Block) => {
                check_weight(weight)?;
                scope::set_property(unit, "IOWeight", weight).await
            }
            _ => self.beside_others.set_block_weight(weight).map_err(told),
        }
    }

    /// Its weight at block devices.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(crate) fn block_weight(&self) -> Result<u64> {
        self.beside_others.block_weight().map_err(told)
    }

    fn is_unified(&self, controller: Controller) -> bool {
        self.whole.hierarchy().is_unified(controller)
    }

    /// How much time the group of these threads may use; `None` where there is no such group.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(crate) fn bandwidth(&self, which: Threads) -> Result<Option<Bandwidth>> {
        let group = self.threads(which);
        if !group.exists() {
            return Ok(None);
        }
        group.cpu_bandwidth().map(Some).map_err(told)
    }
}

/// The range of systemd's weights, which are the kernel's.
fn check_weight(value: u64) -> Result<()> {
    let (least, most) = (1, 10_000);
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(told(cgroup::Error::OutOfRange {
        what: "shares",
        value,
        least,
        most,
    }))
}

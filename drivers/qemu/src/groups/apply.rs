//! What a document says is put into force: for the whole guest before QEMU runs, and for each thread once it is there.

use super::wanted::held_nodes;
use super::{GuestGroups, Schedulers, Threads, told};
use cgroup::{Access, BlockDevice, BlockLimit};
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::CpuSet;
use model::domain::Domain as Model;
use model::domain::tune::{BlkioDevice, CpuTune};
use std::path::Path;

/// Driver of terminals, of which each guest's console opens some (`Documentation/admin-guide/devices.txt`).
const PTY_MAJOR: u32 = 136;

/// Driver of sound cards.
const SOUND_MAJOR: u32 = 116;

impl GuestGroups {
    /// Limits the whole guest, whose process waits. It may open its `own` devices and those of every guest.
    ///
    /// # Errors
    /// The kernel refuses, or a device is not there.
    pub(crate) async fn limit(&self, model: &Model, own: &[Access], every_guest: &[String]) -> Result<()> {
        let tune = model.cpu_tune.as_deref();
        if let Some(shares) = tune.and_then(|tune| tune.shares) {
            self.set_shares(shares).await?;
        }
        if let Some(weight) = model.blkio_tune.as_deref().and_then(|tune| tune.weight) {
            self.set_block_weight(u64::from(weight)).await?;
        }
        self.limit_whole(model).map_err(told)?;
        for device in model.blkio_tune.iter().flat_map(|tune| &tune.devices) {
            self.limit_device(device)?;
        }
        self.allow_devices(own, every_guest).map_err(told)?;
        let emulator = self.threads(Threads::Emulator);
        self.place(model, Threads::Emulator, &emulator).map_err(told)
    }

    fn limit_whole(&self, model: &Model) -> cgroup::Result<()> {
        let whole = self.whole();
        if let Some(tune) = model.cpu_tune.as_deref() {
            limit_time(whole, tune.global_period, tune.global_quota)?;
        }
        let Some(tune) = model.mem_tune.as_deref() else {
            return Ok(());
        };
        let bytes = |limit: model::scaled::Kibibytes| limit.bytes();
        if let Some(limit) = tune.soft_limit {
            whole.set_memory_soft_limit(Some(bytes(limit)))?;
        }
        if tune.hard_limit.is_some() || tune.swap_hard_limit.is_some() {
            let with_swap = tune.swap_hard_limit.map(|limit| Some(bytes(limit)));
            whole.set_memory_limits(tune.hard_limit.map(bytes), with_swap)?;
        }
        Ok(())
    }

    /// Has the guest's share of a block device be what a document says.
    ///
    /// # Errors
    /// The kernel refuses, or the device is not there.
    pub(crate) fn limit_device(&self, wanted: &BlkioDevice) -> Result<()> {
        let device = block_device(&wanted.path)?;
        let whole = self.whole();
        if let Some(weight) = wanted.weight {
            whole.set_device_weight(device, u64::from(weight)).map_err(told)?;
        }
        for (limit, value) in [
            (BlockLimit::ReadOperations, wanted.read_iops_sec.map(u64::from)),
            (BlockLimit::WriteOperations, wanted.write_iops_sec.map(u64::from)),
            (BlockLimit::ReadBytes, wanted.read_bytes_sec),
            (BlockLimit::WriteBytes, wanted.write_bytes_sec),
        ] {
            if let Some(value) = value {
                whole.set_device_limit(device, limit, value).map_err(told)?;
            }
        }
        Ok(())
    }

    /// Lets the guest's processes open its own devices, those of every guest, and no others. Where no files control that,
    /// nothing is held back.
    fn allow_devices(&self, own: &[Access], every_guest: &[String]) -> cgroup::Result<()> {
        if !self.whole().hierarchy().has(cgroup::Controller::Devices) {
            return Ok(());
        }
        let every_guest = every_guest.iter().filter_map(|path| Access::to(Path::new(path)));
        let drivers = [Access::to_driver(PTY_MAJOR), Access::to_driver(SOUND_MAJOR)];
        let all: Vec<Access> = every_guest.chain(own.iter().cloned()).chain(drivers).collect();
        self.whole().allow_only(&all)
    }

    /// Where some threads run, where their memory comes from, and how long they run.
    fn place(&self, model: &Model, which: Threads, group: &cgroup::Group) -> cgroup::Result<()> {
        if group.hierarchy().has(cgroup::Controller::CpuSet) {
            if let Some(processors) = processors(model, which) {
                group.set_processors(&processors.to_string())?;
            }
            if let Some(nodes) = held_nodes(model) {
                group.set_memory_nodes(&nodes)?;
            }
        }
        let Some(tune) = model.cpu_tune.as_deref() else {
            return Ok(());
        };
        let (period, quota) = bandwidth(tune, which);
        limit_time(group, period, quota)
    }
}

/// Has a thread run where, how long and before whom its document says.
///
/// # Errors
/// The kernel refuses.
pub(crate) fn settle_thread(
    groups: Option<&GuestGroups>,
    model: &Model,
    which: Threads,
    thread: i64,
) -> Result<()> {
    if let Some(groups) = groups {
        let group = groups.divide(which, thread)?;
        groups.place(model, which, &group).map_err(told)?;
    }
    Schedulers(model.cpu_tune.as_deref()).apply(which, thread)
}

/// Has the emulator's main thread run before or after whom its document says.
///
/// # Errors
/// The kernel refuses.
pub(crate) fn schedule_emulator(model: &Model, thread: i64) -> Result<()> {
    Schedulers(model.cpu_tune.as_deref()).apply(Threads::Emulator, thread)
}

fn limit_time(group: &cgroup::Group, period: Option<u64>, quota: Option<i64>) -> cgroup::Result<()> {
    // 0 is what a document says that knows none.
    let (period, quota) = (
        period.filter(|period| *period > 0),
        quota.filter(|quota| *quota != 0),
    );
    if period.is_none() && quota.is_none() {
        return Ok(());
    }
    group.set_cpu_bandwidth(period, quota)
}

fn bandwidth(tune: &CpuTune, which: Threads) -> (Option<u64>, Option<i64>) {
    match which {
        Threads::Vcpu(_) => (tune.period, tune.quota),
        Threads::IoThread(_) => (tune.iothread_period, tune.iothread_quota),
        Threads::Emulator => (tune.emulator_period, tune.emulator_quota),
    }
}

/// The host's processors that some threads run on; `None` where the document leaves it open.
pub(crate) fn processors(model: &Model, which: Threads) -> Option<&CpuSet> {
    let tune = model.cpu_tune.as_deref();
    let pinned = tune.and_then(|tune| match which {
        Threads::Vcpu(number) => {
            let pin = tune.vcpu_pins.iter().find(|pin| pin.vcpu == number)?;
            Some(&pin.cpuset)
        }
        Threads::IoThread(number) => {
            let pin = tune.iothread_pins.iter().find(|pin| pin.iothread == number)?;
            Some(&pin.cpuset)
        }
        Threads::Emulator => Some(&tune.emulator_pin.as_ref()?.cpuset),
    });
    pinned.or(model.vcpu.cpuset.as_ref())
}

/// The block device of a path that a client or a document names.
///
/// # Errors
/// [`Code::SystemError`] when there is none.
pub(crate) fn block_device(path: &str) -> Result<BlockDevice> {
    BlockDevice::at(Path::new(path)).map_err(|err| {
        let text = format!("Path '{path}' must be a block device: {err}");
        Error::new(Code::SystemError, ErrorDomain::Qemu, text).caused_by(err)
    })
}

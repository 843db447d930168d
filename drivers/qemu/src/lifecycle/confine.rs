//! Where a guest's processes and threads run: among the host's machines, in control groups, on which processors.

use super::{COMMAND_WAIT, Launched, monitor_error, scope};
use crate::config::QemuConfig;
use crate::domain::{Live, Owner, Process};
use crate::groups::{self, Groups, GuestGroups, Threads, settle_thread};
use crate::images;
use crate::launcher::Devices;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::CpuSet;
use model::domain::Domain as Model;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Owner {
    /// Puts the process that becomes QEMU, and waits, among the host's machines and into control groups with the guest's
    /// limits; `named` are the paths in its arguments.
    ///
    /// # Errors
    /// A limit cannot be set.
    pub(super) async fn confine(
        &self,
        model: &Model,
        id: i32,
        process: &Arc<Process>,
        named: Vec<String>,
        launched: &Launched,
    ) -> Result<Option<GuestGroups>> {
        let driver = &self.driver;
        let name = Arc::clone(&self.domain.state().name);
        if driver.machines {
            let slice = Groups::slice(driver.groups.partition(model));
            scope::enter(&name, id, self.domain.uuid, process.pid(), &slice).await;
        }
        let (making, document, pid) = (Arc::clone(driver), model.clone(), process.pid().unsigned_abs());
        let made = driver
            .blocking(move || making.groups.make(&document, id, &name, pid))
            .await?;
        let Some(groups) = made else {
            // There is none for this guest, which then must not want one.
            groups::check(model, &Groups::none())?;
            return Ok(None);
        };
        // They go again if the start fails from here on.
        launched.set_groups(Some(groups.clone()));
        let own = driver
            .images
            .run(images::WAIT, move |_| Ok(groups::nodes::accesses(&named)))
            .await?;
        groups
            .limit(model, &own, &driver.config().cgroup_device_acl.0)
            .await?;
        Ok(Some(groups))
    }
}

impl Owner {
    /// The `/dev` of a guest that gets one of its own: with the nodes of every guest and those that its arguments name.
    pub(super) fn own_devices(
        &self,
        config: &QemuConfig,
        domain_dir: &Path,
        named: &[String],
    ) -> Option<Devices> {
        if !config.namespaces.mount || self.driver.groups.is_session() {
            return None;
        }
        let every_guest = config.cgroup_device_acl.0.iter();
        Some(Devices {
            place: domain_dir.join("dev"),
            nodes: every_guest.chain(named).map(PathBuf::from).collect(),
        })
    }
}

/// The threads that a running guest's document can speak of, as QEMU tells of them. Processors that share one thread have
/// none of their own.
pub(crate) async fn threads(live: &Live) -> Result<Vec<(Threads, i64)>> {
    let own = i64::from(live.process.pid());
    let monitor = live.monitor()?;
    let all = monitor
        .query_cpus_fast(COMMAND_WAIT)
        .await
        .map_err(monitor_error)?;
    let mut users = BTreeMap::new();
    for cpu in &all {
        *users.entry(cpu.thread_id).or_insert(0) += 1;
    }
    let alone = all
        .iter()
        .filter(|cpu| cpu.thread_id != own && users.get(&cpu.thread_id) == Some(&1));
    let mut threads: Vec<(Threads, i64)> = alone
        .map(|cpu| (Threads::Vcpu(cpu.cpu_index), cpu.thread_id))
        .collect();
    for thread in monitor
        .query_iothreads(COMMAND_WAIT)
        .await
        .map_err(monitor_error)?
    {
        let number = thread.id.strip_prefix("iothread");
        if let Some(number) = number.and_then(|number| number.parse().ok()) {
            threads.push((Threads::IoThread(number), thread.thread_id));
        }
    }
    Ok(threads)
}

/// Has the threads of a guest that is being started run where, how long and before whom its document says.
///
/// # Errors
/// When the host does not have the processors, or the guest's processors share one thread.
pub(crate) async fn settle_threads(model: &Model, live: &Live) -> Result<()> {
    let pid = live.process.pid();
    if let Some(cpus) = &model.vcpu.cpuset {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))
            .into_iter()
            .flatten()
            .flatten();
        for task in tasks.filter_map(|task| task.file_name().to_str()?.parse().ok()) {
            bind(task, cpus)?;
        }
    }
    let threads = threads(live).await?;
    let tune = model.cpu_tune.as_deref();
    let pins = tune.map_or(&[][..], |tune| &tune.vcpu_pins);
    // A processor that is not plugged in has no thread yet.
    let pinned = pins.iter().any(|pin| pin.vcpu < model.vcpu.current());
    let has_own = threads.iter().any(|(which, _)| matches!(which, Threads::Vcpu(_)));
    if pinned && !has_own {
        return Err(no_thread_of_its_own());
    }
    for (which, thread) in [(Threads::Emulator, i64::from(pid))].into_iter().chain(threads) {
        if which == Threads::Emulator {
            groups::schedule_emulator(model, thread)?;
        } else {
            settle_thread(live.groups.as_ref(), model, which, thread)?;
        }
        if let Some(cpus) = groups::processors(model, which) {
            bind(thread, cpus)?;
        }
    }
    Ok(())
}

/// What a client hears that wants to bind a processor which shares its thread.
pub(crate) fn no_thread_of_its_own() -> Error {
    let text = "cpu affinity is not supported";
    Error::new(Code::OperationInvalid, ErrorDomain::Qemu, text)
}

/// Lets a thread run on those processors only.
pub(crate) fn bind(thread: i64, cpus: &CpuSet) -> Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    for cpu in cpus.iter().map(|cpu| cpu as usize) {
        if cpu < rustix::thread::CpuSet::MAX_CPU {
            set.set(cpu);
        }
    }
    let pid = i32::try_from(thread)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    let bound = match pid {
        // Without a number it would be this daemon's own thread.
        None => Err(rustix::io::Errno::SRCH),
        pid => rustix::thread::sched_setaffinity(pid, &set),
    };
    bound.map_err(|err| {
        let text = format!("cannot set CPU affinity on thread {thread}: {err}");
        Error::new(Code::SystemError, ErrorDomain::Qemu, text).caused_by(err)
    })
}

//! What a run of a domain occupies on the host, and gives back when it ends, however it ends.

use super::filters::Guards;
use super::huge_pages;
use super::macvtap::{self, Macvtap};
use super::networks::Connections;
use super::scripts::{self, DownScript};
use super::traces::{self, Trace};
use crate::Driver;
use crate::config::QemuConfig;
use crate::domain::Process;
use crate::groups::GuestGroups;
use crate::host_devices::HostDevices;
use crate::ownership::{self, Owned};
use crate::ports::Port;
use parking_lot::Mutex;
use rustix::process::Signal;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a helper process may take to end itself once its guest is gone.
const HELPER_WAIT: Duration = Duration::from_secs(5);

/// The files, ports, links and helper processes of one run.
///
/// Dropping it before [`Resources::settle`] gives everything back, so a start that fails half way leaves nothing behind.
/// Afterwards only [`Resources::release`] does: a daemon that ends must leave a guest what it has, and the next one makes
/// the same value from the status document.
#[derive(Debug, Default)]
pub(crate) struct Resources {
    /// Folders removed with all that is in them.
    pub folders: Vec<PathBuf>,
    /// Files removed.
    pub files: Vec<PathBuf>,
    /// Images that take what is written to transient disks; removed.
    pub overlays: Vec<PathBuf>,
    /// Ports of graphics servers.
    pub ports: Vec<Port>,
    /// Links of the host that do not go with QEMU by themselves.
    pub macvtaps: Vec<Macvtap>,
    /// Ports of virtual networks.
    pub connections: Connections,
    /// Devices of the host.
    pub host_devices: HostDevices,
    /// What taps leave on the host.
    pub traces: Vec<Trace>,
    /// Filters of taps.
    pub guards: Guards,
    /// Scripts to be run once the taps are gone.
    pub down_scripts: Vec<DownScript>,
    /// Processes beside QEMU, ended with it.
    pub helpers: Vec<Arc<Process>>,
    /// Files that are its user's as long as it runs.
    pub owned: Vec<Owned>,
    /// Whether whose they were is noted at them.
    pub remembers_owners: bool,
    /// Its control groups; removed once all its processes have ended.
    pub groups: Option<GuestGroups>,
    /// Whoever waits for the end of a start that fails.
    pub launched: Launched,
    /// Whether the guest runs and keeps all this beyond the life of this value.
    settled: bool,
}

impl Resources {
    /// What every run has: its folders, pid file and status document.
    pub(crate) fn of_run(driver: &Driver, config: &QemuConfig, id: i32, name: &str) -> Self {
        let paths = &driver.paths;
        let memory = paths.memory_dir(config.memory_backing_dir.as_deref(), id, name);
        let mut folders = vec![paths.domain_dir(id, name), paths.channel_dir(id, name), memory];
        folders.extend(huge_pages::folders(&driver.host, config, id, name));
        Self {
            folders,
            files: vec![paths.pid_file(name), paths.status(name)],
            overlays: Vec::new(),
            ports: Vec::new(),
            macvtaps: Vec::new(),
            connections: Connections::default(),
            host_devices: HostDevices::default(),
            traces: Vec::new(),
            guards: Guards::default(),
            down_scripts: Vec::new(),
            owned: Vec::new(),
            remembers_owners: config.remember_owner,
            groups: None,
            launched: Launched::default(),
            helpers: Vec::new(),
            settled: false,
        }
    }

    /// The processes beside QEMU, by number.
    pub(crate) fn helper_pids(&self) -> Vec<i32> {
        self.helpers.iter().map(|helper| helper.pid()).collect()
    }

    /// The start is done: from now on the guest owns all this, whatever becomes of this daemon.
    pub(crate) fn settle(&mut self) {
        self.settled = true;
    }

    /// Takes in a process that was started for the guest.
    pub(crate) fn add_helper(&mut self, helper: Arc<Process>) {
        self.launched.add(Arc::clone(&helper));
        self.helpers.push(helper);
    }

    /// Ends the helper processes and waits for their end: the next run needs what they hold.
    pub(crate) async fn end_helpers(&mut self) {
        end_all(std::mem::take(&mut self.helpers)).await;
    }

    /// Gives everything back. Blocks on the disk and the kernel, inside the runtime.
    pub(crate) fn release(mut self) {
        self.settled = false;
        if let Some(groups) = self.groups.take() {
            groups.remove();
        }
    }
}

/// The processes that a start has made, for whoever has to wait until they are gone when it fails, and the control groups
/// that go after them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Launched(Arc<Mutex<LeftOvers>>);

#[derive(Debug, Default)]
struct LeftOvers {
    processes: Vec<Arc<Process>>,
    groups: Option<GuestGroups>,
}

impl Launched {
    /// Takes one in.
    pub(crate) fn add(&self, process: Arc<Process>) {
        self.0.lock().processes.push(process);
    }

    /// Takes in the guest's control groups.
    pub(crate) fn set_groups(&self, groups: Option<GuestGroups>) {
        self.0.lock().groups = groups;
    }

    /// Ends all of them and waits for their end; gives the groups that are empty now.
    pub(crate) async fn end(&self) -> Option<GuestGroups> {
        let LeftOvers { processes, groups } = std::mem::take(&mut *self.0.lock());
        end_all(processes).await;
        groups
    }
}

async fn end_all(processes: Vec<Arc<Process>>) {
    for process in &processes {
        told_of(process, process.signal(Signal::TERM));
    }
    for process in processes {
        if tokio::time::timeout(HELPER_WAIT, process.ended()).await.is_err() {
            told_of(&process, process.signal(Signal::KILL));
            process.ended().await;
        }
    }
}

impl Drop for Resources {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        for helper in &self.helpers {
            told_of(helper, helper.signal(Signal::TERM));
        }
        macvtap::remove_all(&self.macvtaps);
        self.guards.give_back();
        traces::remove_all(&self.traces);
        // Before the network can give them to others.
        self.host_devices.give_back();
        self.connections.give_back();
        scripts::down(&self.down_scripts);
        for owned in self.owned.iter().filter(|owned| owned.returns) {
            if let Err(err) = ownership::take_back(&owned.path, self.remembers_owners) {
                tracing::warn!(%err, "a file of a guest does not go back to its owner");
            }
        }
        for file in self.overlays.iter().chain(&self.files) {
            told(file, fs::remove_file(file));
        }
        for folder in &self.folders {
            told(folder, fs::remove_dir_all(folder));
        }
    }
}

fn told_of(helper: &Process, outcome: std::io::Result<()>) {
    if let Err(err) = outcome {
        tracing::warn!(pid = helper.pid(), %err, "a guest's helper process cannot be ended");
    }
}

fn told(path: &Path, outcome: std::io::Result<()>) {
    if let Err(err) = outcome
        && err.kind() != ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %err, "a left-over of a guest cannot be removed");
    }
}

//! The first thing a daemon does: find the guests that an earlier one left, and finish or undo what it had begun.
//!
//! What a status document says of a process is believed only if that process has the guest's folder in its environment:
//! numbers of processes are used again.

use super::filters::Guards;
use super::networks::{self, Connections};
use super::status::{OwnedFile, Status};
use super::{COMMAND_WAIT, Resources, macvtap, monitor_error, provide, scripts, tpm, traces, transient};
use crate::Driver;
use crate::domain::{
    Actions, Document, Domain, Guest, Link, Live, Names, Owner, Paused, Process, RunState, Running, Sample,
    Shutoff, State, process,
};
use crate::events::{Event, Lifecycle, Resumed, Stopped, Suspended};
use crate::host_devices::HostDevices;
use crate::leases::Leases;
use arc_swap::ArcSwap;
use error::Result;
use qmp::{Monitor, Options};
use rustix::process::Signal;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::SetOnce;
use uuid::Uuid;
use xml::YesNo;

/// A status document as found.
#[derive(Debug)]
struct Found {
    name: String,
    status: Status,
}

impl Driver {
    /// Takes over every guest that a status document speaks of. Blocks on the disk.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(crate) fn adopt_all(self: &Arc<Self>) -> Result<()> {
        let mut named = HashSet::new();
        for path in documents(&self.paths.run) {
            let Some(name) = path
                .file_name()
                .and_then(|name| name.to_str()?.strip_suffix(".xml"))
            else {
                continue;
            };
            let read = fs::read_to_string(&path).map_err(|err| err.to_string());
            let status = read.and_then(|text| model::read::<Status>(&text).map_err(|err| err.to_string()));
            match status {
                Ok(status) => {
                    named.extend(
                        status
                            .assigned
                            .iter()
                            .filter_map(|assigned| assigned.port.clone()),
                    );
                    self.adopt(Found {
                        name: name.to_owned(),
                        status,
                    });
                }
                // It stays where it is: it may speak of a guest that somebody can still save by hand.
                Err(err) => tracing::error!(path = %path.display(), %err, "a guest's status cannot be read"),
            }
        }
        networks::give_back_others(self, &named);
        Ok(())
    }

    fn adopt(self: &Arc<Self>, found: Found) {
        let Found { name, status } = found;
        let id = status.domain.id.unwrap_or(0);
        self.domains.id_in_use(id);
        let folder = self.paths.domain_dir(id, &name);
        let mut resources = Resources::of_run(self, &self.config(), id, &name);
        resources.macvtaps = macvtap::of(&status.domain);
        let given = status
            .assigned
            .iter()
            .filter_map(|assigned| assigned.port.clone());
        resources.connections = Connections::of(self, &status.domain, given);
        resources.host_devices =
            HostDevices::of(&self.host, &self.claims, &status.domain, status.assigned.clone());
        resources.traces = traces::of(&status.domain);
        resources.guards = Guards::of(self, &status.domain);
        resources.down_scripts = scripts::of(&status.domain);
        resources.overlays = transient::of(&status.domain);
        resources.owned = status.owned.iter().map(OwnedFile::owned).collect();
        let unfinished = status.pid.is_none() || status.run() == RunState::Paused(Paused::StartingUp);
        if unfinished {
            resources.groups = self.groups.of_adopted(&status.domain, id, &name, None);
            tracing::info!(domain = name, "undoing a start that was not finished");
            for process in processes_in(&folder) {
                end(process);
            }
            resources.release();
            self.forget_tpm(&status);
            return;
        }
        let process = status
            .pid
            .filter(|pid| works_in(*pid, &folder))
            .and_then(|pid| Process::hold(pid).ok());
        let running = process.is_some().then_some(status.pid).flatten();
        resources.groups = self.groups.of_adopted(&status.domain, id, &name, running);
        resources.helpers = helpers(&status, &folder);
        if process.is_some() && status.bound == Some(YesNo::Yes) {
            // Its client has lost the connection that it was bound to.
            tracing::info!(domain = name, "ending a guest that goes with its client");
            for process in processes_in(&folder) {
                end(process);
            }
            return self.note_end(&name, status, resources, (Shutoff::Destroyed, Stopped::Destroyed));
        }
        match process {
            Some(process) => self.take_over(&name, status, process, resources),
            None => {
                tracing::info!(domain = name, "the guest ended while the daemon was away");
                self.note_end(&name, status, resources, (Shutoff::Unknown, Stopped::Failed));
            }
        }
    }

    /// The guest has ended, and no daemon was there to tell it.
    fn note_end(
        self: &Arc<Self>,
        name: &str,
        status: Status,
        resources: Resources,
        (reason, detail): (Shutoff, Stopped),
    ) {
        resources.release();
        self.forget_tpm(&status);
        let reference = |uuid: Uuid| protocol::remote::Domain {
            name: name.to_owned(),
            uuid: uuid.into_bytes(),
            id: -1,
        };
        let Some(uuid) = status.domain.uuid else { return };
        if let Ok(domain) = self.domains.by_uuid(uuid) {
            let mut state = State::clone(&domain.state());
            state.run = RunState::Shutoff(reason);
            domain.publish(state);
        }
        self.events
            .send(&reference(uuid), Event::Lifecycle(Lifecycle::Stopped(detail)));
    }

    /// A domain without definition leaves no TPM behind, unless its document says so.
    fn forget_tpm(&self, status: &Status) {
        let Some(uuid) = status.domain.uuid else { return };
        if self.domains.by_uuid(uuid).is_err()
            && tpm::is_fleeting(&status.domain)
            && let Err(err) = tpm::forget(&self.paths.tpm_state(uuid))
        {
            tracing::warn!(%err, "a TPM's state was not removed");
        }
    }

    fn take_over(self: &Arc<Self>, name: &str, status: Status, process: Process, mut resources: Resources) {
        let Some(uuid) = status.domain.uuid else {
            tracing::error!(domain = name, "the guest's status names no UUID");
            resources.settle();
            return;
        };
        resources.ports = self.ports.of(&status.domain);
        resources.settle();
        let run = status.run();
        let monitor_path = PathBuf::from(&status.monitor.path);
        let live = Arc::new(Live {
            id: status.domain.id.unwrap_or(0),
            document: Document::of(&status.domain),
            origin: Document::of(&status.origin.domain),
            process: Arc::new(process),
            groups: resources.groups.clone(),
            monitor_slot: Arc::new(SetOnce::new()),
            agent: provide::agent_path(&status.domain).map(crate::agent::Channel::new),
            actions: Actions::of(&status.domain),
            names: Arc::new(Names::of(&status.domain).with_volumes(&status.volumes)),
            volumes: status.volumes.into(),
            sample: Arc::new(ArcSwap::from_pointee(Sample::of(&status.domain))),
            bound_to: None,
            monitor_path: monitor_path.clone(),
        });
        let connect = connect(monitor_path, format!("domain {name}"));
        let guest = Guest {
            live: Arc::clone(&live),
            link: Link::connecting(connect),
            resources,
            leases: status
                .lock
                .map(|lock| Leases::new(lock.leases, lock.held.is_yes())),
            reboot: false,
        };
        let domain = match self.domains.by_uuid(uuid) {
            Ok(domain) => domain,
            Err(_) => {
                let domain = Arc::new(Domain::new(uuid, name));
                if let Err(err) = self.domains.insert(Arc::clone(&domain)) {
                    tracing::error!(domain = name, %err, "a running guest cannot be managed");
                    return;
                }
                domain
            }
        };
        let mut state = State::clone(&domain.state());
        state.live = Some(live);
        state.run = run;
        domain.publish(state);
        domain.own(Owner::adopting(Arc::clone(self), Arc::clone(&domain), guest));
    }
}

impl Owner {
    /// The monitor of an adopted guest answers: what it does now is what counts, not what the document said.
    ///
    /// # Errors
    /// What the monitor says.
    pub(crate) async fn on_connected(&mut self, monitor: Monitor) -> Result<()> {
        let status = monitor.query_status(COMMAND_WAIT).await.map_err(monitor_error)?;
        if let Some(guest) = self.guest.as_ref() {
            // Set once: there is one connection for each adoption.
            let _ = guest.monitor_slot().set(monitor);
        }
        let run = self.domain.state().run;
        match (run, status.running) {
            (RunState::Paused(_), true) => {
                self.lease_or_stop().await?;
                self.enter(
                    RunState::Running(Running::Unpaused),
                    Lifecycle::Resumed(Resumed::Unpaused),
                )
                .await;
            }
            (RunState::Running(_), false) if status.status == "shutdown" => {
                return self.on_shutdown(None).await;
            }
            (RunState::Running(_), false) => {
                let (reason, detail) = match status.status.as_str() {
                    "io-error" => (Paused::IoError, Suspended::IoError),
                    "watchdog" => (Paused::Watchdog, Suspended::Watchdog),
                    _ => (Paused::Unknown, Suspended::Paused),
                };
                self.enter(RunState::Paused(reason), Lifecycle::Suspended(detail))
                    .await;
            }
            _ => {}
        }
        Ok(())
    }
}

/// The way to a monitor that may be silent for as long as somebody keeps its process stopped.
async fn connect(path: PathBuf, label: String) -> qmp::Result<(Monitor, qmp::Events)> {
    const PATIENCE: Duration = Duration::from_secs(3600);
    loop {
        match Monitor::connect(&path, Options::new(label.clone()).deadline(PATIENCE)).await {
            Err(late) if late.is_timeout() => {}
            outcome => return outcome,
        }
    }
}

fn documents(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "xml"))
        .collect()
}

/// The processes beside QEMU that are still the guest's.
fn helpers(status: &Status, folder: &Path) -> Vec<Arc<Process>> {
    status
        .helpers
        .iter()
        .filter(|helper| works_in(helper.pid, folder))
        .filter_map(|helper| Process::hold(helper.pid).ok())
        .map(Arc::new)
        .collect()
}

/// Whether the process was started for that folder.
fn works_in(pid: u32, folder: &Path) -> bool {
    process::variable(pid, "XDG_CACHE_HOME").is_some_and(|place| Path::new(&place).starts_with(folder))
}

/// Every process that was started for that folder.
fn processes_in(folder: &Path) -> Vec<u32> {
    process::numbers().filter(|pid| works_in(*pid, folder)).collect()
}

fn end(pid: u32) {
    if let Ok(process) = Process::hold(pid)
        && let Err(err) = process.signal(Signal::KILL)
    {
        tracing::warn!(pid, %err, "a QEMU that nobody waits for cannot be ended");
    }
}

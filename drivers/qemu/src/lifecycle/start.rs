//! A start: from a definition to a running QEMU, or back to nothing.
//!
//! ```text
//!  definition ─ prepare::start ─► live document ─ volumes ─ images::open_chains ─► with what its disks are based on
//!     ─ provide ─► files, sockets, ports ─ command::build ─► arguments
//!     status document without pid ─► QEMU ─► status with pid ─► monitor answers ─► settled ─► cont
//! ```
//! Until the guest is settled every step is undone by dropping [`Resources`] and killing the process; a daemon that dies
//! meanwhile leaves a status document that tells the next one to do the same.

use super::filters::Guards;
use super::launch::Program;
use super::log_file::{self, LogFile};
use super::logd::Logd;
use super::secrets::Secrets;
use super::volumes::Volumes;
use super::{
    COMMAND_WAIT, Launched, Resources, fd_groups, huge_pages, launch_security, listens, monitor_error,
    placement, processor, provide, status, taps, tpm, transient,
};
use crate::command::{self, CommandContext, Found};
use crate::domain::{
    Actions, Document, Ending, Guest, Link, Live, Names, Owner, Paused, Process, RunState, Running, Sample,
};
use crate::events::{Event, Lifecycle, Resumed, Started, Suspended};
use crate::groups;
use crate::host_devices;
use crate::images::{self, Dropped};
use crate::launcher::{Launch, Leasing, Policy};
use crate::ownership;
use crate::paths::monitor_socket;
use crate::prepare;
use arc_swap::ArcSwap;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain as Model;
use qmp::Monitor;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::SetOnce;

/// How long QEMU may take from its start until its monitor answers: firmware, memory and disks are set up meanwhile.
const STARTUP_WAIT: Duration = Duration::from_secs(60);

/// How a domain is started.
#[derive(Debug, Default)]
pub(crate) struct StartOptions {
    /// Its processors stand still until somebody resumes it.
    pub paused: bool,
    /// The session whose end is the guest's.
    pub bound_to: Option<u64>,
    /// UEFI variables are made anew.
    pub reset_nvram: bool,
    /// A saved image is thrown away.
    pub force_boot: bool,
}

impl Owner {
    /// Starts the domain from `origin`, its completed document.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`] when it runs already; whatever keeps it from starting, with QEMU's own words. Nothing
    /// is left behind then.
    pub(crate) async fn start(&mut self, origin: Arc<Document>, options: StartOptions) -> Result<()> {
        if self.guest.is_some() {
            return Err(Error::new(
                Code::OperationInvalid,
                ErrorDomain::Qemu,
                "domain is already running",
            ));
        }
        self.discard_saved(options.force_boot).await?;
        let launched = Launched::default();
        let (guest, model) = match self.bring_up(Arc::clone(&origin), &options, &launched).await {
            Ok(brought_up) => brought_up,
            Err(err) => {
                // The next start needs what they hold.
                let groups = launched.end().await;
                let state = tpm::state_to_forget(&self.driver, &self.domain, &origin);
                let clearing = self.driver.blocking(move || {
                    if let Some(groups) = groups {
                        groups.remove();
                    }
                    tpm::forget_all(state)
                });
                if let Err(err) = clearing.await {
                    tracing::warn!(%err, "left-overs of a start were not removed");
                }
                return Err(err);
            }
        };
        let (paused, process) = (options.paused, Arc::clone(guest.process()));
        self.publish(|state| {
            state.live = Some(Arc::clone(&guest.live));
            state.run = RunState::Paused(Paused::StartingUp);
            state.updated = false;
        });
        let has_agent = guest.live.agent.is_some();
        self.guest = Some(Box::new(guest));
        if has_agent {
            // Nobody in the guest can have opened the channel yet; the numbers are the header's.
            self.tell(Event::AgentLifecycle { state: 2, reason: 1 });
        }
        let outcome = self.let_go(&model, paused).await;
        if outcome.is_err() {
            process.set_ending(Ending::Failed);
            self.finish().await?;
        }
        outcome
    }

    /// The start's last steps, with a guest that is already known.
    async fn let_go(&mut self, model: &Model, paused: bool) -> Result<()> {
        let state = self.domain.state();
        let live = state.running()?;
        let monitor = live.monitor()?;
        crate::definition::plug_at_start(model, live).await?;
        super::confine::settle_threads(model, live).await?;
        provide::after_start(model, monitor, &self.driver.config()).await?;
        if paused {
            self.publish(|state| state.run = RunState::Paused(Paused::User));
            self.save_status().await;
            self.settle();
            self.tell(Event::Lifecycle(Lifecycle::Started(Started::Booted)));
            self.tell(Event::Lifecycle(Lifecycle::Suspended(Suspended::Paused)));
            return Ok(());
        }
        monitor.cont(COMMAND_WAIT).await.map_err(monitor_error)?;
        self.publish(|state| state.run = RunState::Running(Running::Booted));
        self.save_status().await;
        self.settle();
        self.tell(Event::Lifecycle(Lifecycle::Resumed(Resumed::Unpaused)));
        self.tell(Event::Lifecycle(Lifecycle::Started(Started::Booted)));
        Ok(())
    }

    fn settle(&mut self) {
        if let Some(guest) = self.guest.as_mut() {
            guest.resources.settle();
        }
    }

    /// Everything up to a QEMU whose monitor answers, its processors still.
    async fn bring_up(
        &self,
        origin: Arc<Document>,
        options: &StartOptions,
        launched: &Launched,
    ) -> Result<(Guest, Model)> {
        let driver = &self.driver;
        let name = Arc::clone(&self.domain.state().name);
        let mut model = origin.parse()?;
        let emulator = model.devices.emulator.clone().ok_or_else(|| {
            Error::new(
                Code::InternalError,
                ErrorDomain::Qemu,
                format!("domain '{name}' names no emulator"),
            )
        })?;
        let caps = driver.binaries.get(emulator.as_ref()).await?;
        let id = driver.domains.next_id();
        model.id = Some(id);
        prepare::start(&mut model, &caps, &driver.facts())?;
        let (volumes, mut without) = Volumes::resolve(driver, &mut model).await?;
        let (model, catalogue) = processor::choose(driver, model, &caps).await?;
        let looking = driver.images.run(images::WAIT, move |reading| {
            let mut model = model;
            let dropped = images::open_chains(&mut model, reading)?;
            let overlays = transient::cover(&mut model, reading)?;
            let other_blocks = images::other_blocks(&model);
            Ok((model, dropped, overlays, other_blocks))
        });
        let (mut model, dropped, overlays, other_blocks) = looking.await?;
        without.extend(dropped);
        for Dropped { path, alias } in without {
            self.tell(Event::DiskDropped { path, alias });
        }
        prepare::number(&mut model);
        groups::check(&model, &driver.groups)?;
        groups::check_nodes(&model, &driver.host)?;
        launch_security::check(&mut model, &caps)?;
        let advised = model.clone();
        let advice = driver.blocking(move || placement::advise(&advised)).await?;
        let leases = driver.leases_for(&model, !options.paused)?;
        let identity = driver.identity_of(&model)?;
        ownership::tell(&mut model);
        let config = driver.config();
        let encryption = config.encryption();
        encryption.settle(&mut model);
        let mut secrets = Secrets::of(driver, &model, &encryption).await?;
        let logd = Logd::for_start(driver, &name, self.domain.uuid).await?;
        let mut resources = Resources::of_run(driver, &config, id, &name);
        resources.launched = launched.clone();
        resources.connections.join(driver, &mut model).await?;
        let given = resources.connections.with_devices();
        resources.host_devices = host_devices::find(driver, &mut model, given).await?;
        listens::find(driver, &mut model).await?;
        resources.guards = Guards::of_start(driver);
        let mut descriptors = taps::open(driver, &mut model, &mut resources).await?;
        fd_groups::open(&model, &self.domain.fd_groups, &mut descriptors)?;
        if let Some(logd) = &logd {
            logd.outputs(&model, &mut descriptors).await?;
        }
        let domain_dir = driver.paths.domain_dir(id, &name);
        let monitor_path = monitor_socket(&domain_dir);
        let channel_dir = driver.paths.channel_dir(id, &name);
        let memory_dir = driver
            .paths
            .memory_dir(config.memory_backing_dir.as_deref(), id, &name);

        // All that blocks on the disk, in one go.
        let ground = provide::Ground {
            domain_dir: domain_dir.clone(),
            channel_dir: channel_dir.clone(),
            memory_dir: memory_dir.clone(),
            huge_pages: huge_pages::folders(&driver.host, &config, id, &name),
            monitor: monitor_path.clone(),
            status: driver.paths.status(&name),
            origin: Arc::clone(&origin),
            identity,
            host: driver.host.clone(),
            reset_nvram: options.reset_nvram,
            overlays,
            tpm: tpm::Ground {
                domain_dir: domain_dir.clone(),
                state: driver.paths.tpm_state(self.domain.uuid),
                log: driver.paths.tpm_log(&name),
                identity: driver.tpm_identity(&config)?,
                qemu: identity,
                passphrases: secrets.take_passphrases(),
            },
        };
        let ports = driver.ports.clone();
        let settings = Arc::clone(&config);
        let (provided, sealed, mut resources, mut model, render_node) = driver
            .blocking(move || {
                let render_node = ground.host.render_node();
                let provided = provide::before_start(
                    &mut model,
                    &ground,
                    &ports,
                    &settings,
                    descriptors,
                    &mut resources,
                )?;
                let sealed = secrets.seal(&ground.domain_dir, ground.identity)?;
                Ok((provided, sealed, resources, model, render_node))
            })
            .await?;

        let context = CommandContext {
            id,
            domain_dir: domain_dir.clone(),
            channel_dir,
            monitor_fd: Some(provided.monitor_fd),
            sandbox: config.seccomp_sandbox,
            log_timestamp: config.log_timestamp,
            dump_guest_core: config.dump_guest_core,
            vnc_password: config.vnc_password.is_some(),
            spice_password: config.spice_password.is_some(),
            encryption,
            master_key: sealed.master_key,
            provided: provided.served,
            secrets: sealed.secrets,
            memory_dir,
            huge_pages: provided.huge_pages,
            descriptors: provided.named,
            found: Found {
                render_node,
                numa_nodes: advice.clone(),
                scsi_nodes: resources.host_devices.scsi_nodes.clone(),
                other_blocks,
                ..Found::default()
            },
        };
        not_built(&model)?;
        let line = command::build(&model, &caps, &context)?;
        let mut environment = command::environment(&domain_dir);
        environment.extend(line.environment);
        let header = log_file::header(&environment, &line.binary, &line.arguments);
        let log = driver.open_log(logd.as_ref(), &name, header).await?;
        let program = Program {
            binary: line.binary,
            arguments: line.arguments,
            environment,
            descriptors: provided.descriptors,
            identity,
        };
        let placed = placement::placed(&model, advice.as_ref(), &driver.host);
        let mut named = groups::nodes::paths(&program.arguments);
        named.extend(resources.host_devices.nodes());
        let launch = Launch {
            leasing: leases.as_ref().map(|leases| Leasing {
                socket: driver.lockd_socket(),
                uuid: self.domain.uuid.into_bytes(),
                name: name.to_string(),
                id: u32::try_from(id).unwrap_or_default(),
                leases: if leases.held() {
                    leases.list.clone()
                } else {
                    Vec::new()
                },
            }),
            memory: groups::memory_policy(&placed, &driver.groups)
                .map(|(policy, nodes)| (Policy(policy), nodes)),
            devices: self.own_devices(&config, &domain_dir, &named),
            memory_lock: host_devices::memory_lock(&model),
            identity,
        };
        let (process, connection, log) = driver
            .blocking(move || {
                let (process, connection) = program.spawn_waiting(&log)?;
                Ok((Arc::new(process), connection, log))
            })
            .await?;
        launched.add(Arc::clone(&process));
        // From here on a failure has to end the process too.
        let unfinished = KillOnDrop(Some(Arc::clone(&process)));
        let groups = self.confine(&placed, id, &process, named, launched).await?;
        resources.groups.clone_from(&groups);
        if let Some(partition) = groups
            .as_ref()
            .and(driver.groups.partition(&model))
            .map(str::to_owned)
        {
            model.resource.get_or_insert_default().partition = Some(partition);
        }
        launch.tell(connection).await?;
        let starting = status::Snapshot {
            run: RunState::Paused(Paused::StartingUp),
            pid: Some(process.pid()),
            bound: options.bound_to.is_some(),
            monitor: &monitor_path,
            helpers: &resources.helper_pids(),
            volumes: &[],
            owned: &resources.owned,
            assigned: resources.host_devices.assigned(),
            leases: leases.as_ref(),
            origin: &origin.text,
            document: &model.to_xml(),
        }
        .to_text();
        let (status_path, pid_file) = (driver.paths.status(&name), driver.paths.pid_file(&name));
        let pid = process.pid();
        driver
            .blocking(move || {
                status::write(&status_path, &starting)?;
                std::fs::write(&pid_file, format!("{pid}\n")).map_err(|err| {
                    let text = format!("cannot write '{}': {err}", pid_file.display());
                    Error::new(Code::OperationFailed, ErrorDomain::Qemu, text).caused_by(err)
                })
            })
            .await?;

        let label = format!("domain {name}");
        let connect = Monitor::connect(&monitor_path, qmp::Options::new(label).deadline(STARTUP_WAIT));
        let (monitor, events) = tokio::select! {
            biased;
            connected = connect => match connected {
                Ok(connected) => connected,
                Err(err) => {
                    // A closed monitor mostly means that QEMU is just ending; its words come with its end.
                    let _ = tokio::time::timeout(Duration::from_secs(2), process.ended()).await;
                    return Err(refused(&name, &log, &err.to_string()).await);
                }
            },
            () = process.ended() => {
                return Err(refused(&name, &log, "it ended before its monitor answered").await);
            }
        };
        if let Err(err) = provide::learn(&mut model, &monitor).await {
            let said = log.last_words().await;
            return Err(if said.is_empty() { err } else { err.context(said) });
        }
        if let Some(catalogue) = &catalogue {
            processor::learn(&mut model, &monitor, catalogue).await?;
        }
        let document = volumes.document(&model);
        let live = Arc::new(Live {
            id,
            document,
            origin,
            process: Arc::clone(&process),
            groups,
            monitor_slot: Arc::new(SetOnce::new_with(Some(monitor))),
            monitor_path,
            agent: provide::agent_path(&model).map(crate::agent::Channel::new),
            actions: Actions::of(&model),
            names: Arc::new(Names::of(&model)),
            volumes: volumes.paths(),
            sample: Arc::new(ArcSwap::from_pointee(Sample::of(&model))),
            bound_to: options.bound_to,
        });
        unfinished.keep();
        let guest = Guest {
            live,
            link: Link::Open(events),
            resources,
            leases,
            reboot: false,
        };
        Ok((guest, placement::placed(&model, advice.as_ref(), &driver.host)))
    }

    /// A saved image stands before a fresh start.
    async fn discard_saved(&self, force: bool) -> Result<()> {
        let state = self.domain.state();
        if !state.managed_save {
            return Ok(());
        }
        if !force {
            return Err(Error::new(
                Code::NoSupport,
                ErrorDomain::Qemu,
                format!(
                    "domain '{}' has a saved image, and restoring is not supported yet; force a fresh boot to discard it",
                    state.name
                ),
            ));
        }
        let path = self.driver.paths.managed_save(&state.name);
        self.driver
            .blocking(move || {
                daemon::durable::remove(&path).map_err(|err| {
                    let text = format!("cannot remove the saved image '{}': {err}", path.display());
                    Error::new(Code::OperationFailed, ErrorDomain::Qemu, text).caused_by(err)
                })
            })
            .await?;
        self.publish(|state| state.managed_save = false);
        Ok(())
    }

    /// Writes the status document of what is published now. A failure is told in the log: the guest goes on, and the
    /// next daemon asks QEMU itself what it does.
    pub(crate) async fn save_status(&self) {
        let state = self.domain.state();
        let Some(live) = state.live.as_ref() else { return };
        let guest = self.guest.as_deref();
        let text = status::of(live, state.run, guest);
        let path = self.driver.paths.status(&state.name);
        if let Err(err) = self.driver.blocking(move || status::write(&path, &text)).await {
            tracing::error!(domain = %state.name, %err, "a guest's status was not written");
        }
    }
}

async fn refused(name: &str, log: &LogFile, otherwise: &str) -> Error {
    let text = format!(
        "QEMU did not start domain '{name}': {}",
        words(log, otherwise).await
    );
    Error::new(Code::InternalError, ErrorDomain::Qemu, text)
}

/// QEMU's own words, or ours where it said nothing.
async fn words(log: &LogFile, otherwise: &str) -> String {
    let said = log.last_words().await;
    if said.is_empty() {
        otherwise.to_owned()
    } else {
        said
    }
}

/// Ends a process whose start is not done.
struct KillOnDrop(Option<Arc<Process>>);

impl KillOnDrop {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        let Some(process) = self.0.take() else { return };
        if let Err(err) = process.signal(rustix::process::Signal::KILL) {
            tracing::warn!(pid = process.pid(), %err, "a QEMU that did not start cannot be ended");
        }
        // Nobody else is left to reap it.
        tokio::spawn(async move { process.ended().await });
    }
}

/// What QEMU has arguments for and the host's side is missing of.
fn not_built(model: &Model) -> Result<()> {
    let given = [(
        "perf",
        model
            .perf
            .iter()
            .flat_map(|perf| &perf.events)
            .any(|event| event.enabled.is_yes()),
    )];
    match given.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(Error::new(
            Code::ConfigUnsupported,
            ErrorDomain::Qemu,
            format!("<{name}>: guests with it are not started yet"),
        )),
        None => Ok(()),
    }
}

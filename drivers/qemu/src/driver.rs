//! The driver itself: everything it has, and how it is opened.

use crate::binary::{BinaryCache, BinaryCaps, orphans};
use crate::capabilities::{Capabilities, SecurityModel};
use crate::config::{LockManager, QemuConfig};
use crate::console::Consoles;
use crate::domain::{Domain, Mark};
use crate::events::Hub;
use crate::groups::Groups;
use crate::handlers;
use crate::host_devices::Claims;
use crate::images::Reader;
use crate::leases::LockdConfig;
use crate::lifecycle::provide::GraphicsPorts;
use crate::lifecycle::scope::has_machines;
use crate::ownership::{self, Identity};
use crate::paths::Paths;
use crate::prepare::Facts;
use crate::registry::Registry;
use crate::succession::Work;
use arc_swap::ArcSwap;
use daemon::access::{By, Kind, Object};
use daemon::config::Loaded;
use daemon::confinement::{self, CapabilitySet, Needs};
use daemon::connection::Connection;
use daemon::{Handover, Info, Instance, Layout, Routes};
use error::{Code, Domain as ErrorDomain, Error, Result};
use host::Host;
use protocol::Priority;
use rpc::Session;
use std::sync::Arc;

/// The QEMU driver of one instance.
#[derive(Debug)]
pub struct Driver {
    /// The domains.
    pub(crate) domains: Registry,
    /// Who wants to hear of them.
    pub(crate) events: Hub,
    /// The host.
    pub(crate) host: Host,
    /// Where everything lies.
    pub(crate) paths: Arc<Paths>,
    /// What QEMU binaries can do.
    pub(crate) binaries: Arc<BinaryCache>,
    /// Answers about capabilities.
    pub(crate) capabilities: Capabilities,
    /// `qemu.conf`, as last read.
    config: ArcSwap<QemuConfig>,
    /// The user and group guests run as, where not the daemon's own.
    pub(crate) identity: Option<(u32, u32)>,
    /// What guests lease, where there is a lock manager; as read when the driver was opened.
    pub(crate) lockd: Option<LockdConfig>,
    /// Ports of graphics servers.
    pub(crate) ports: GraphicsPorts,
    /// Which of the host's devices guests have.
    pub(crate) claims: Arc<Claims>,
    /// Who reads disk images.
    pub(crate) images: Reader,
    /// Who is connected to which console.
    pub(crate) consoles: Consoles,
    /// Whether guests are machines of the host's.
    pub(crate) machines: bool,
    /// What guests' control groups are made of.
    pub(crate) groups: Groups,
    /// Whether domains are worked on.
    pub(crate) work: Work,
    instance: Instance,
}

impl Driver {
    /// Runs what blocks where that harms nobody, inside the runtime: it may hold processes and make tasks.
    ///
    /// # Errors
    /// What `work` answers; [`Code::InternalError`] when it panicked.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let runtime = tokio::runtime::Handle::current();
        let work = move || {
            let _entered = runtime.enter();
            work()
        };
        self.instance.workers.blocking(Priority::High, work).await?
    }

    /// `qemu.conf` as it holds now; whoever does more than one thing by it asks once.
    pub(crate) fn config(&self) -> Arc<QemuConfig> {
        self.config.load_full()
    }

    /// The user and group TPM emulators run as, where not the daemon's own: those of guests unless set.
    ///
    /// # Errors
    /// [`Code::ConfSyntax`] for names that do not exist.
    pub(crate) fn tpm_identity(&self, config: &QemuConfig) -> Result<Option<(u32, u32)>> {
        let (user, group) = (config.swtpm_user.as_deref(), config.swtpm_group.as_deref());
        if user.is_none() && group.is_none() {
            return Ok(self.identity);
        }
        account(
            &self.instance.layout,
            ("swtpm_user", user),
            ("swtpm_group", group),
        )
    }

    /// The user and group that QEMU of a guest runs as, where not the daemon's own: its document's, else those of all guests.
    ///
    /// # Errors
    /// [`Code::InvalidArg`] for a label that names nobody, [`Code::ConfigUnsupported`] for one that a daemon of a user's own
    /// is told.
    pub(crate) fn identity_of(&self, model: &model::domain::Domain) -> Result<Option<Identity>> {
        let own = ownership::identity(model, self.instance.layout.privileged())?;
        Ok(own.or(self.identity))
    }

    /// The socket of that name of another daemon of this instance.
    pub(crate) fn neighbour_socket(&self, name: &str) -> std::path::PathBuf {
        self.instance.layout.run_dir().join(name)
    }

    /// What definitions are completed with.
    pub(crate) fn facts(&self) -> Facts {
        Facts {
            nvram_dir: self.paths.nvram_dir(),
            lib_dir: self.paths.lib.clone(),
            run_dir: self.paths.run.clone(),
            host: self.host.clone(),
            variables: self.config().nvram.0.clone(),
        }
    }

    /// The QEMU for guests like the host.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn default_binary(&self) -> Result<Arc<BinaryCaps>> {
        self.binaries.default_for(&self.host.architecture()).await
    }

    /// Ends `domain` with `session`, where `wanted`.
    pub(crate) fn destroy_with(self: &Arc<Self>, session: &Session, wanted: bool, domain: &Arc<Domain>) {
        if !wanted {
            return;
        }
        let (driver, domain, id) = (Arc::clone(self), Arc::downgrade(domain), session.id());
        let runtime = tokio::runtime::Handle::current();
        session.at_end(move || {
            runtime.spawn(async move {
                if let Some(domain) = domain.upgrade() {
                    driver.end_bound(&domain, id).await;
                }
            });
        });
    }

    async fn end_bound(self: &Arc<Self>, domain: &Arc<Domain>, session: u64) {
        use futures_util::FutureExt;
        let ended = domain
            .run(self, "ending with its client", move |owner| {
                async move {
                    let guest = owner
                        .guest
                        .as_ref()
                        .filter(|guest| guest.live.bound_to == Some(session));
                    match guest.map(|guest| guest.live.id) {
                        Some(id) => owner.destroy(id, false).await,
                        None => Ok(()),
                    }
                }
                .boxed()
            })
            .await;
        if let Err(err) = ended {
            tracing::error!(domain = %domain.state().name, %err, "a guest did not end with its client");
        }
    }

    /// Starts what is marked for it, once a boot of the host.
    fn autostart(self: &Arc<Self>) {
        let mark = self.paths.run.join("autostarted");
        if mark.exists() {
            return;
        }
        if let Err(err) = std::fs::write(&mark, "") {
            tracing::warn!(path = %mark.display(), %err, "domains may be started again by the next daemon");
        }
        let all = self.domains.all().into_iter();
        let marked = all.filter(|domain| {
            let marks = domain.state().autostart;
            marks.always || marks.once
        });
        self.work.set_autostart(marked.map(|domain| domain.uuid));
        self.start_marked();
    }

    /// Starts what is to be started with the host, one after the other.
    pub(crate) fn start_marked(self: &Arc<Self>) {
        if self.work.next_autostart().is_none() {
            return;
        }
        let driver = Arc::clone(self);
        tokio::spawn(async move {
            while let Some(uuid) = driver.work.next_autostart() {
                if let Ok(domain) = driver.domains.by_uuid(uuid) {
                    driver.autostart_one(&domain).await;
                }
                driver.work.autostarted();
                let pause = u64::from(driver.config().auto_start_delay);
                if pause > 0 {
                    tokio::time::sleep(std::time::Duration::from_secs(pause)).await;
                }
            }
        });
    }

    async fn autostart_one(self: &Arc<Self>, domain: &Arc<Domain>) {
        use futures_util::FutureExt;
        let started = domain
            .run(self, "starting with the daemon", |owner| {
                async move {
                    let state = owner.domain.state();
                    // The mark for one start is gone before the start: a start that fails is not tried at each boot.
                    owner.set_autostart(Mark::Once, false).await?;
                    match state.definition.clone() {
                        Some(definition) if !state.is_active() => {
                            owner
                                .start(definition, crate::lifecycle::StartOptions::default())
                                .await
                        }
                        _ => Ok(()),
                    }
                }
                .boxed()
            })
            .await;
        if let Err(err) = started {
            tracing::error!(domain = %domain.state().name, %err, "a domain did not start with the daemon");
        }
    }
}

impl daemon::Driver for Driver {
    const INFO: Info = Info {
        daemon: "virtqemud",
        about: "Manages QEMU guests",
        driver: "qemu",
    };
    /// Guests inherit whatever is taken away here, and so do helpers that become other users. No guest needs these.
    const NEEDS: Needs = Needs {
        capabilities: confinement::Capabilities::AllBut(
            CapabilitySet::AUDIT_CONTROL
                .union(CapabilitySet::AUDIT_READ)
                .union(CapabilitySet::BLOCK_SUSPEND)
                .union(CapabilitySet::LINUX_IMMUTABLE)
                .union(CapabilitySet::MAC_ADMIN)
                .union(CapabilitySet::MAC_OVERRIDE)
                .union(CapabilitySet::SYSLOG)
                .union(CapabilitySet::SYS_BOOT)
                .union(CapabilitySet::SYS_MODULE)
                .union(CapabilitySet::SYS_PACCT)
                .union(CapabilitySet::SYS_TIME)
                .union(CapabilitySet::SYS_TTY_CONFIG)
                .union(CapabilitySet::WAKE_ALARM),
        ),
        children: true,
        places: None,
    };

    async fn open(instance: Instance) -> Result<Arc<Self>> {
        let handover = instance.take_handover();
        if handover.is_some() {
            orphans::end_inherited().await;
        }
        let layout = Arc::clone(&instance.layout);
        let host = Host::local();
        let config = Arc::new(read_config(&layout)?);
        let identity = identity(&layout, &config)?;
        let lockd = read_lockd_config(&layout, &config)?;
        let paths = Arc::new(Paths::new(&layout));
        for (folder, mode) in paths.folders() {
            let ready = daemon::durable::create_folder(&folder, mode)
                .and_then(|()| daemon::durable::remove_left_overs(&folder, "xml"));
            ready.map_err(|err| {
                let text = format!("cannot prepare the folder '{}': {err}", folder.display());
                Error::new(Code::OperationFailed, ErrorDomain::Qemu, text).caused_by(err)
            })?;
        }
        let mut binaries = BinaryCache::new(paths.cache.join("capabilities"), host.clone());
        if let Some((user, group)) = identity {
            binaries = binaries.asking_as(user, group);
        }
        let binaries = Arc::new(binaries);
        let (user, group) = identity.unwrap_or_else(own_identity);
        let label = format!("+{user}:+{group}");
        let labels = ["kvm", "qemu"]
            .map(|kind| (kind.to_owned(), label.clone()))
            .to_vec();
        let security = if layout.privileged() {
            vec![
                SecurityModel {
                    name: "none".to_owned(),
                    labels: Vec::new(),
                },
                SecurityModel {
                    name: "dac".to_owned(),
                    labels,
                },
            ]
        } else {
            vec![SecurityModel {
                name: "none".to_owned(),
                labels: Vec::new(),
            }]
        };
        let machines = has_machines(&layout);
        let groups = Groups::find(&layout, &config, machines);
        let own_config = (!layout.privileged()).then(|| layout.config_dir().to_owned());
        let driver = Arc::new(Self {
            domains: Registry::default(),
            events: Hub::default(),
            capabilities: Capabilities::new(Arc::clone(&binaries), security, own_config),
            binaries,
            host,
            ports: GraphicsPorts::new(&config),
            config: ArcSwap::new(config),
            identity,
            lockd,
            paths,
            claims: Arc::default(),
            images: Reader::default(),
            consoles: Consoles::default(),
            machines,
            groups,
            work: Work::default(),
            instance,
        });
        let opening = Arc::clone(&driver);
        driver.blocking(move || opening.load_definitions()).await?;
        let adopting = Arc::clone(&driver);
        driver.blocking(move || adopting.adopt_all()).await?;
        match handover {
            Some(handover) => driver.take_over_from(&handover)?,
            None => driver.autostart(),
        }
        // Nobody waits for this: a look at every process of the host may take a while.
        let cleaning = Arc::clone(&driver);
        tokio::spawn(async move {
            let ended = cleaning.blocking(|| {
                orphans::end();
                Ok(())
            });
            if let Err(err) = ended.await {
                tracing::warn!(%err, "probes of an earlier daemon were not looked for");
            }
        });
        Ok(driver)
    }

    fn routes(routes: &mut Routes<Self>) {
        handlers::routes(routes);
    }

    async fn describe(&self, kind: Kind, by: By<'_>) -> Result<Object> {
        self.object(kind, by)
    }

    fn supports_feature(&self, feature: i32) -> bool {
        /// `VIR_DRV_FEATURE_TYPED_PARAM_STRING`.
        const TYPED_PARAM_STRING: i32 = 9;
        /// `VIR_DRV_FEATURE_NETWORK_UPDATE_HAS_CORRECT_ORDER`: virtnetworkd's calls are passed on as they are.
        const NETWORK_UPDATE_IN_ORDER: i32 = 16;
        matches!(feature, TYPED_PARAM_STRING | NETWORK_UPDATE_IN_ORDER)
    }

    fn busy(&self) -> bool {
        self.domains.any_active()
    }

    async fn reload(&self) -> Result<()> {
        let config = read_config(&self.instance.layout)?;
        if identity(&self.instance.layout, &config)? != self.identity {
            tracing::warn!("qemu.conf: user and group hold for guests after this daemon's next start");
        }
        if read_lockd_config(&self.instance.layout, &config)? != self.lockd {
            tracing::warn!("lock_manager and qemu-lockd.conf hold for guests after this daemon's next start");
        }
        self.ports.change(&config);
        self.config.store(Arc::new(config));
        Ok(())
    }

    async fn hand_over(&self) -> Result<Handover> {
        // Files that the next program would refuse keep this one running.
        let config = read_config(&self.instance.layout)?;
        identity(&self.instance.layout, &config)?;
        read_lockd_config(&self.instance.layout, &config)?;
        self.come_to_rest().await
    }

    fn go_on(&self) {
        self.work_on();
    }

    async fn shutdown(&self) {}
}

impl Connection for Driver {
    const SCHEME: &'static str = "qemu";
    const TYPE: &'static str = "QEMU";

    fn instance(&self) -> &Instance {
        &self.instance
    }
}

/// Reads `qemu.conf`; what is odd in it is told in the log.
fn read_config(layout: &Layout) -> Result<QemuConfig> {
    let loaded = Loaded::<QemuConfig>::file(&layout.config_file("qemu"))
        .map_err(|err| Error::new(Code::ConfSyntax, ErrorDomain::Conf, err.to_string()).caused_by(err))?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    Ok(loaded.values)
}

/// Reads `qemu-lockd.conf`, where it counts.
fn read_lockd_config(layout: &Layout, config: &QemuConfig) -> Result<Option<LockdConfig>> {
    if config.lock_manager == LockManager::Nop {
        return Ok(None);
    }
    let loaded = Loaded::<LockdConfig>::file(&layout.config_file("qemu-lockd"))
        .map_err(|err| Error::new(Code::ConfSyntax, ErrorDomain::Conf, err.to_string()).caused_by(err))?;
    Ok(Some(loaded.values))
}

/// The user and group of guests, where they are not the daemon's own.
fn identity(layout: &Layout, config: &QemuConfig) -> Result<Option<(u32, u32)>> {
    account(
        layout,
        ("user", config.user.as_deref()),
        ("group", config.group.as_deref()),
    )
}

/// The user and group that two keys of `qemu.conf` name, where they are not the daemon's own.
fn account(
    layout: &Layout,
    (user_key, user): (&str, Option<&str>),
    (group_key, group): (&str, Option<&str>),
) -> Result<Option<(u32, u32)>> {
    if user.is_none() && group.is_none() {
        return Ok(None);
    }
    let refused = |text: String| Error::new(Code::ConfSyntax, ErrorDomain::Conf, text);
    if !layout.privileged() {
        return Err(refused(format!(
            "qemu.conf: {user_key} and {group_key} can only be set for a daemon that runs as root"
        )));
    }
    let (own_user, own_group) = own_identity();
    let user = match user {
        None => own_user,
        Some(name) => number(name)
            .or_else(|| uzers::get_user_by_name(name).map(|user| user.uid()))
            .ok_or_else(|| refused(format!("qemu.conf: {user_key}: there is no user '{name}'")))?,
    };
    let group = match group {
        None => own_group,
        Some(name) => number(name)
            .or_else(|| uzers::get_group_by_name(name).map(|group| group.gid()))
            .ok_or_else(|| refused(format!("qemu.conf: {group_key}: there is no group '{name}'")))?,
    };
    Ok(((user, group) != (own_user, own_group)).then_some((user, group)))
}

fn own_identity() -> (u32, u32) {
    (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    )
}

fn number(name: &str) -> Option<u32> {
    name.strip_prefix('+').unwrap_or(name).parse().ok()
}

impl Paths {
    /// The driver's places in an instance.
    fn new(layout: &Layout) -> Self {
        let driver = <Driver as daemon::Driver>::INFO.driver;
        Self {
            config: layout.driver_config_dir(driver),
            run: layout.driver_run_dir(driver),
            lib: layout.driver_lib_dir(driver),
            log: layout.driver_log_dir(driver),
            cache: layout.driver_cache_dir(driver),
        }
    }
}

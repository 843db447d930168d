//! The life of a daemon, from its command line to its exit code.

use crate::activation::{self, Moment, tell};
use crate::admin::Admin;
use crate::config::{DaemonConfig, Loaded, NO_AUTH_TCP, NetworkConfig, Schema};
use crate::flags::{Exit, Flags, Parsed};
use crate::idle::idle;
use crate::logging::{LogConfig, LogLevel, Logging, OutputSpec, Sink};
use crate::network::{self, NetworkSocket};
use crate::server::{ClientLimits, Door, Server, Service};
use crate::sockets::{self, Bound, Kind, SocketFile};
use crate::succession::{self, ClientNote, Luggage, Notes, Program, SocketNote};
use crate::workers::{Limits, Workers};
use crate::{Daemon, Handover, Info, Instance, Layout, PidFile, detach, durable};
use error::{Code, Domain, Error};
use parking_lot::Mutex;
use rpc::{Keepalive, Session};
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// The most threads that serve calls; more would only hand work around.
const THREADS_MAX: usize = 4;
/// How long a daemon may take to end.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long a client that asked for the end may take to read the reply and leave.
const REPLY: Duration = Duration::from_millis(500);
/// Where the journal listens.
const JOURNAL: &str = "/run/systemd/journal/socket";

/// Why a daemon does not run, and its exit code.
struct Failure {
    exit: Exit,
    text: String,
}

/// Makes a failure of anything that says what happened.
fn ends<E: Display>(exit: Exit) -> impl FnOnce(E) -> Failure {
    move |cause| Failure {
        exit,
        text: cause.to_string(),
    }
}

/// Runs a daemon, be it a driver's or another: the whole of its `main`.
pub fn run<D: Daemon>() -> ExitCode {
    let outcome = match Flags::parse_from(&D::INFO, std::env::args_os()) {
        Parsed::Print(text) => {
            // A reader that went away has read enough.
            let _ = std::io::stdout().write_all(text.as_bytes());
            return Exit::Success.into();
        }
        Parsed::Refuse(text) => Err(Failure {
            exit: Exit::Refused,
            text: text.trim_end().to_owned(),
        }),
        Parsed::Run(flags) if flags.daemon && !flags.successor => {
            detach::leave_behind(&flags).map_err(ends(Exit::Setup))
        }
        Parsed::Run(flags) => start::<D>(&flags).map(|()| Exit::Success.into()),
    };
    outcome.unwrap_or_else(|failure| {
        let _ = writeln!(std::io::stderr(), "{}: {}", D::INFO.daemon, failure.text);
        failure.exit.into()
    })
}

/// Everything that is done while the process has one thread.
fn start<D: Daemon>(flags: &Flags) -> Result<(), Failure> {
    let luggage = flags
        .successor
        .then(Luggage::take)
        .transpose()
        .map_err(ends(Exit::Setup))?;
    if flags.detached && luggage.is_none() {
        detach::settle().map_err(ends(Exit::Setup))?;
    }
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let info = D::INFO;
    let layout = Layout::detect().map_err(ends(Exit::Refused))?;
    let config_path = flags
        .config
        .clone()
        .unwrap_or_else(|| layout.config_file(info.daemon));
    let config = load::<D>(&config_path, flags.config.is_some())?;
    let logging = start_logging(&info, flags, &layout, &config.values)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let on_stderr = logging.outputs().0.contains("stderr");
    let config_file = (config_path, flags.config.is_some());
    let started = serve_process::<D>(flags, layout, config_file, config.values, logging, luggage);
    // Where the log goes to the standard error, it is said there once.
    if let Err(failure) = &started
        && !on_stderr
    {
        tracing::error!("{}", failure.text);
    }
    started
}

fn load<D: Daemon>(path: &Path, named: bool) -> Result<Loaded<DaemonConfig>, Failure> {
    let loaded = Loaded::shared_file(path, named, D::defaults(), D::KEYS).map_err(ends(Exit::Refused))?;
    let config: &DaemonConfig = &loaded.values;
    let refuse = |key, reason: String| Failure {
        exit: Exit::Refused,
        text: loaded.refuse(path, key, reason).to_string(),
    };
    for (low, high) in [
        ("min_workers", "max_workers"),
        ("admin_min_workers", "admin_max_workers"),
    ] {
        let (min, max) = if low == "min_workers" {
            (config.min_workers, config.max_workers)
        } else {
            (config.admin_min_workers, config.admin_max_workers)
        };
        if max == 0 || min > max {
            return Err(refuse(
                high,
                format!("must be at least 1 and at least {low}, which is {min}"),
            ));
        }
    }
    for (key, value) in [
        ("max_clients", config.max_clients),
        ("admin_max_clients", config.admin_max_clients),
        ("max_client_requests", config.max_client_requests),
        ("admin_max_client_requests", config.admin_max_client_requests),
    ] {
        if value == 0 {
            return Err(refuse(key, "must be at least 1".to_owned()));
        }
    }
    Ok(loaded)
}

fn start_logging(
    info: &Info,
    flags: &Flags,
    layout: &Layout,
    config: &DaemonConfig,
) -> Result<Logging, Failure> {
    let log = LogConfig {
        level: config.log_level,
        filters: config.log_filters.clone(),
        outputs: config.log_outputs.clone(),
        verbose: flags.verbose,
        warnings: Vec::new(),
    }
    .with_environment(|name| std::env::var(name).ok());
    let in_foreground = !flags.detached && std::io::stderr().is_terminal();
    let sink = if !in_foreground && layout.private_root().is_none() && Path::new(JOURNAL).exists() {
        Sink::Journald
    } else if flags.detached {
        let file = layout.log_dir().join(format!("{}.log", info.daemon));
        durable::create_folder(layout.log_dir(), 0o700).map_err(ends(Exit::Folders))?;
        Sink::File(file)
    } else {
        Sink::Stderr
    };
    let level = if flags.verbose {
        LogLevel::Info
    } else {
        LogLevel::Warning
    };
    let logging = Logging::start(
        &log,
        OutputSpec {
            level: level.min(log_level(&log)),
            sink,
        },
    );
    let logging = logging.map_err(ends(Exit::Refused))?;
    for warning in &log.warnings {
        tracing::warn!("{warning}");
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(
            place,
            "panic: {}",
            panic.payload_as_str().unwrap_or("without a message")
        );
    }));
    Ok(logging)
}

/// What a default output lets through: all that the daemon's own level does.
fn log_level(log: &LogConfig) -> LogLevel {
    log.level
        .and_then(LogLevel::from_number)
        .unwrap_or(LogLevel::Warning)
}

fn serve_process<D: Daemon>(
    flags: &Flags,
    layout: Layout,
    config_file: (PathBuf, bool),
    config: DaemonConfig,
    logging: Logging,
    luggage: Option<Luggage>,
) -> Result<(), Failure> {
    let info = D::INFO;
    // Before anybody can replace the program's file.
    let program = Program::own(flags).map_err(ends(Exit::Setup))?;
    raise_file_limit();
    let pid_path = flags
        .pid_file
        .clone()
        .unwrap_or_else(|| layout.pid_file(info.daemon));
    for folder in pid_path.parent().into_iter().chain([layout.run_dir()]) {
        durable::create_folder(folder, layout.folder_mode()).map_err(ends(Exit::Folders))?;
    }
    let held = match luggage {
        Some(luggage) => Held::inherited(luggage, &pid_path).map_err(ends(Exit::Setup))?,
        None => Held {
            pid_file: PidFile::acquire(&pid_path).map_err(ends(Exit::Refused))?,
            sockets: Vec::new(),
            network: Vec::new(),
            clients: Vec::new(),
            handover: None,
        }
        .listening::<D>(&layout, &config, &config_file)?,
    };
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(THREADS_MAX);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("rpc")
        .enable_all()
        .build()
        .map_err(ends(Exit::Setup))?;
    let process = Process {
        instance: Instance {
            layout: Arc::new(layout),
            workers: Workers::new(worker_limits(&config)),
            config: Arc::new(config),
            config_file,
            handover: Arc::new(Mutex::new(held.handover)),
        },
        pid_file: held.pid_file,
        program,
        detached: flags.detached && !flags.successor,
        timeout: flags.timeout.map(|seconds| Duration::from_secs(seconds.into())),
        logging,
    };
    let ended = runtime.block_on(process.serve::<D>(held.sockets, held.network, held.clients));
    // What still runs there may wait for a disk; nothing acknowledged depends on it.
    runtime.shutdown_background();
    ended
}

/// Clients, guests and consoles each take descriptors; the soft limit is only a guard against old programs.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(failure) = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            ..limit
        },
    ) {
        tracing::debug!(%failure, "cannot raise the limit of open files");
    }
}

fn worker_limits(config: &DaemonConfig) -> Limits {
    Limits {
        min: config.min_workers,
        max: config.max_workers,
        priority: config.prio_workers,
    }
}

fn client_limits(config: &DaemonConfig) -> ClientLimits {
    ClientLimits {
        max: config.max_clients,
        max_anonymous: config.max_anonymous_clients.min(config.max_clients),
    }
}

fn session_limits(requests: u32, interval: i32, count: u32) -> rpc::Limits {
    rpc::Limits {
        max_requests: requests,
        keepalive: Keepalive::from_config(interval, count),
        ..rpc::Limits::default()
    }
}

/// A process that is set up but does not serve yet.
struct Process {
    instance: Instance,
    pid_file: PidFile,
    program: Program,
    /// Whether somebody waits to hear that clients are served.
    detached: bool,
    timeout: Option<Duration>,
    logging: Logging,
}

/// A listening socket with its purpose and its file, if the daemon made it.
type Listening = (Kind, UnixListener, Option<SocketFile>);

/// Takes clients from each socket, for ever.
fn accept_all<D: Daemon>(
    listening: &[Listening],
    network: &[NetworkSocket],
    service: &Arc<Service<D>>,
    admin_service: &Arc<Service<Admin>>,
) -> std::io::Result<JoinSet<()>> {
    let mut accepting = JoinSet::new();
    for (kind, listener, _) in listening {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::UnixListener::from_std(listener.try_clone()?)?;
        let door = Door::Unix {
            listener,
            read_only: *kind == Kind::ReadOnly,
        };
        match kind {
            Kind::Admin => accepting.spawn(Arc::clone(admin_service).accept(door)),
            _ => accepting.spawn(Arc::clone(service).accept(door)),
        };
    }
    for socket in network {
        let door = match (socket, service.server.entrance()) {
            (NetworkSocket::Tcp(listener), _) => Door::Tcp(tcp(listener)?),
            (NetworkSocket::Tls(listener), Some(entrance)) => Door::Tls(tcp(listener)?, Arc::clone(entrance)),
            // It was asked for before, where there is such a socket.
            (NetworkSocket::Tls(_), None) => continue,
        };
        accepting.spawn(Arc::clone(service).accept(door));
    }
    Ok(accepting)
}

fn tcp(listener: &std::net::TcpListener) -> std::io::Result<tokio::net::TcpListener> {
    listener.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(listener.try_clone()?)
}

/// What a daemon has before it serves: newly opened, or handed over by the program before in this process.
struct Held {
    pid_file: PidFile,
    sockets: Vec<Bound>,
    network: Vec<NetworkSocket>,
    clients: Vec<(ClientNote, UnixStream)>,
    handover: Option<Handover>,
}

impl Held {
    /// With the sockets that systemd opened, or else with those that the configuration asks for.
    fn listening<D: Daemon>(
        mut self,
        layout: &Layout,
        config: &DaemonConfig,
        (path, named): &(PathBuf, bool),
    ) -> Result<Self, Failure> {
        let keys = D::NETWORK
            .then(|| Loaded::shared_file(path, *named, NetworkConfig::default(), DaemonConfig::KEYS));
        let keys: Option<Loaded<NetworkConfig>> = keys.transpose().map_err(ends(Exit::Refused))?;
        let network = keys.as_ref().map(|keys| &keys.values);
        let activated =
            activation::sockets(D::INFO.daemon, D::SOCKETS, network).map_err(ends(Exit::Sockets))?;
        if activated.own.is_empty() && activated.network.is_empty() {
            // Whoever finds the daemon's own sockets finds the others, too.
            if let Some(network) = network {
                let bound = network::bind_all(network, config.max_queued_clients);
                self.network = bound.map_err(ends(Exit::Sockets))?;
            }
            let bound = sockets::bind_all(D::SOCKETS, D::KINDS, layout, config);
            self.sockets = bound.map_err(ends(Exit::Sockets))?;
        } else {
            self.network = activated.network;
            let own = activated.own.into_iter();
            self.sockets = own
                .map(|(kind, listener)| Bound::activated(kind, listener))
                .collect();
        }
        let plain = self
            .network
            .iter()
            .any(|socket| matches!(socket, NetworkSocket::Tcp(_)));
        match keys.filter(|keys| plain && keys.values.auth_tcp.is_none()) {
            Some(keys) => Err(ends(Exit::Refused)(keys.refuse(path, "auth_tcp", NO_AUTH_TCP))),
            None => Ok(self),
        }
    }

    fn inherited(mut luggage: Luggage, pid_path: &Path) -> std::io::Result<Self> {
        let pid_file = PidFile::inherited(pid_path, luggage.descriptor()?);
        let notes = std::mem::take(&mut luggage.notes.sockets);
        let mut sockets = Vec::new();
        for SocketNote { kind, file } in notes {
            sockets.push(Bound::inherited(kind, luggage.descriptor()?.into(), file));
        }
        let notes = std::mem::take(&mut luggage.notes.clients);
        let mut clients = Vec::new();
        for note in notes {
            let stream = UnixStream::from(luggage.descriptor()?);
            stream.set_nonblocking(true)?;
            clients.push((note, stream));
        }
        Ok(Self {
            pid_file,
            sockets,
            // Nobody who serves there hands over.
            network: Vec::new(),
            clients,
            handover: Some(luggage.into_handover()),
        })
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hang_up: Signal,
    /// Where it means something.
    succeed: Option<Signal>,
}

impl Signals {
    fn new(hands_over: bool) -> std::io::Result<Self> {
        let succeed = hands_over.then(|| signal(SignalKind::user_defined1()));
        Ok(Self {
            succeed: succeed.transpose()?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the signal to run the program anew.
    async fn succeed(asked: &mut Option<Signal>) {
        match asked {
            Some(asked) => drop(asked.recv().await),
            None => std::future::pending().await,
        }
    }

    /// Waits for a signal that ends the daemon.
    async fn end(terminate: &mut Signal, interrupt: &mut Signal, quit: &mut Signal) -> &'static str {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            _ = quit.recv() => "SIGQUIT",
        }
    }
}

impl Process {
    async fn serve<D: Daemon>(
        self,
        bound: Vec<Bound>,
        network: Vec<NetworkSocket>,
        clients_before: Vec<(ClientNote, UnixStream)>,
    ) -> Result<(), Failure> {
        let mut signals = Signals::new(D::HANDS_OVER).map_err(ends(Exit::Setup))?;
        succession::take_signal().map_err(ends(Exit::Setup))?;
        let daemon = tokio::select! {
            daemon = D::open(self.instance.clone()) => daemon.map_err(ends(Exit::Driver))?,
            reason = Signals::end(&mut signals.terminate, &mut signals.interrupt, &mut signals.quit) => {
                tracing::info!(reason, "ended before it served");
                return Ok(());
            }
        };
        let config = &self.instance.config;
        let (clients, clients_seen) = watch::channel(0);
        let (timeout, timeout_seen) = watch::channel(self.timeout);
        let server = Server::new(
            D::INFO.daemon,
            self.instance.workers.clone(),
            client_limits(config),
            session_limits(
                config.max_client_requests,
                config.keepalive_interval,
                config.keepalive_count,
            ),
            clients.clone(),
        );
        let admin_server = Server::new(
            "admin",
            Workers::new(Limits {
                min: config.admin_min_workers,
                max: config.admin_max_workers,
                priority: 0,
            }),
            ClientLimits {
                max: config.admin_max_clients,
                max_anonymous: 0,
            },
            session_limits(
                config.admin_max_client_requests,
                config.admin_keepalive_interval,
                config.admin_keepalive_count,
            ),
            clients,
        );
        let servers = vec![Arc::clone(&admin_server), Arc::clone(&server)];
        let (shutdown, mut asked) = mpsc::unbounded_channel::<Arc<Session>>();
        let admin = Admin::new(servers.clone(), self.logging.clone(), timeout, shutdown);
        let service = Arc::new(Service {
            server: Arc::clone(&server),
            router: Arc::new(D::router()),
            driver: Arc::clone(&daemon),
        });
        let admin_service = Arc::new(Service {
            server: admin_server,
            router: Arc::new(Admin::router()),
            driver: Arc::new(admin),
        });
        for (client, stream) in clients_before {
            let stream = tokio::net::UnixStream::from_std(stream).map_err(ends(Exit::Sockets))?;
            service.resume(client, stream);
        }
        let listening: Vec<_> = bound.into_iter().map(Bound::into_parts).collect();
        if network
            .iter()
            .any(|socket| matches!(socket, NetworkSocket::Tls(_)))
        {
            server.set_entrance(daemon.entrance().await.map_err(ends(Exit::Driver))?);
        }
        let accept = || accept_all(&listening, &network, &service, &admin_service);
        let mut accepting = accept().map_err(ends(Exit::Sockets))?;
        tell(Moment::Ready);
        if self.detached
            && let Err(failure) = detach::ready()
        {
            tracing::warn!(%failure, "cannot tell that clients are served");
        }
        tracing::info!(daemon = D::INFO.daemon, "clients are served");
        let watched = tokio::spawn(watchdog());
        let busy = Arc::clone(&daemon);
        let idle = idle(clients_seen, timeout_seen, move || busy.busy());
        tokio::pin!(idle);
        let reason = loop {
            tokio::select! {
                reason = Signals::end(&mut signals.terminate, &mut signals.interrupt, &mut signals.quit) => break reason,
                Some(session) = asked.recv() => {
                    // Who asked leaves after the reply.
                    let _ = tokio::time::timeout(REPLY, session.closed()).await;
                    break "the admin socket";
                }
                () = &mut idle => break "nothing to do",
                _ = signals.hang_up.recv() => self.reload(&*daemon, &server).await,
                () = Signals::succeed(&mut signals.succeed) => {
                    accepting.shutdown().await;
                    let failure = self.succeed(&*daemon, &server, &listening).await;
                    tracing::error!(%failure, "the program was not run anew, and this one goes on");
                    accepting = accept().map_err(ends(Exit::Sockets))?;
                }
            }
        };
        tracing::info!(reason, "ending");
        tell(Moment::Stopping);
        accepting.shutdown().await;
        if tokio::time::timeout(FAREWELL, daemon.shutdown()).await.is_err() {
            tracing::warn!("the daemon did not end in time");
        }
        for server in servers {
            server.end();
        }
        watched.abort();
        drop(listening);
        Ok(())
    }

    /// SIGUSR1: the program anew. Comes back only with the reason why not.
    async fn succeed<D: Daemon>(&self, daemon: &D, server: &Server, listening: &[Listening]) -> Error {
        // The next program could not say no any more.
        match self.load_again::<D>().await {
            Ok(Ok(_)) => {}
            Ok(Err(failure)) => return Error::new(Code::ConfSyntax, Domain::Conf, failure.text),
            Err(failure) => return failure,
        }
        tracing::info!("the program is run anew");
        let sessions = server.sessions();
        let held = sessions.iter().map(|session| async {
            let note = ClientNote {
                id: session.id(),
                read_only: session.read_only(),
            };
            session.hold_still().await.map(|socket| (note, socket))
        });
        let clients: Vec<_> = futures_util::future::join_all(held).await;
        let clients: Vec<_> = clients.into_iter().flatten().collect();
        let failure = match daemon.hand_over().await {
            Ok(handover) => {
                let notes = Notes {
                    sockets: listening
                        .iter()
                        .map(|(kind, _, file)| SocketNote {
                            kind: *kind,
                            file: file.as_ref().map(|file| file.path().to_owned()),
                        })
                        .collect(),
                    clients: clients.iter().map(|(note, _)| *note).collect(),
                    driver: handover.notes,
                };
                let descriptors: Vec<_> = std::iter::once(self.pid_file.as_fd())
                    .chain(listening.iter().map(|(_, listener, _)| listener.as_fd()))
                    .chain(clients.iter().map(|(_, socket)| socket.as_fd()))
                    .chain(handover.descriptors.iter().map(AsFd::as_fd))
                    .collect();
                tell(Moment::Reloading);
                let failure = self.program.succeed(&notes, &descriptors);
                tell(Moment::Ready);
                daemon.go_on();
                Error::new(
                    Code::SystemError,
                    Domain::Rpc,
                    format!("cannot run it: {failure}"),
                )
            }
            Err(failure) => failure,
        };
        for session in sessions {
            session.read_on();
        }
        failure
    }

    /// What the configuration file says now.
    async fn load_again<D: Daemon>(&self) -> Result<Result<Loaded<DaemonConfig>, Failure>, Error> {
        let (path, named) = self.instance.config_file.clone();
        self.instance
            .workers
            .blocking(protocol::Priority::High, move || load::<D>(&path, named))
            .await
    }

    /// SIGHUP: what the configuration says now, as far as it can change while running. Logging is changed through the
    /// admin socket, and sockets by a restart.
    async fn reload<D: Daemon>(&self, daemon: &D, server: &Server) {
        tell(Moment::Reloading);
        match self.load_again::<D>().await {
            Ok(Ok(loaded)) => {
                let config = loaded.values;
                for warning in &loaded.warnings {
                    tracing::warn!("{warning}");
                }
                let applied = self
                    .instance
                    .workers
                    .set_limits(worker_limits(&config))
                    .and_then(|()| server.set_limits(client_limits(&config)));
                server.set_session_limits(session_limits(
                    config.max_client_requests,
                    config.keepalive_interval,
                    config.keepalive_count,
                ));
                if let Err(failure) = applied {
                    tracing::error!(%failure, "the configuration is refused");
                }
            }
            Ok(Err(failure)) => {
                tracing::error!(
                    "the configuration is refused, and the former stays in force: {}",
                    failure.text
                );
            }
            Err(failure) => tracing::error!(%failure, "the configuration cannot be read"),
        }
        if let Err(failure) = daemon.reload().await {
            tracing::error!(%failure, "its own configuration is refused, and the former stays in force");
        }
        tell(Moment::Ready);
    }
}

/// Tells systemd that calls are still served: this runs where they do.
async fn watchdog() {
    let Some(interval) = activation::watchdog() else {
        return;
    };
    let mut ticks = tokio::time::interval(interval);
    loop {
        ticks.tick().await;
        tell(Moment::Alive);
    }
}

//! The life of a daemon, from its command line to its exit code.

mod held;
mod mechanisms;
mod process;
mod signals;
mod succeed;

use crate::access::Polkit;
use crate::config::{Auth, DaemonConfig, Loaded};
use crate::confinement::Confinement;
use crate::flags::{Exit, Flags, Parsed};
use crate::logging::{LogConfig, LogLevel, Logging, OutputSpec, Sink};
use crate::server::ClientLimits;
use crate::succession::{Luggage, Program};
use crate::workers::{Limits, Workers};
use crate::{Daemon, Info, Instance, Layout, PidFile, detach, durable, succession};
use held::Held;
use mechanisms::Mechanisms;
use parking_lot::Mutex;
use process::Process;
use rpc::Keepalive;
use signals::Signals;
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, LocalOptions};

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
    let outcome = match Flags::parse_from(&D::INFO, D::NETWORK, std::env::args_os()) {
        Parsed::Print(text) => {
            // A reader that went away has read enough.
            let _ = std::io::stdout().write_all(text.as_bytes());
            return Exit::Success.into();
        }
        Parsed::Refuse(text) => Err(Failure {
            exit: Exit::Refused,
            text: text.trim_end().to_owned(),
        }),
        Parsed::Run(flags) if flags.rehearsal => rehearse::<D>(&flags).map(|()| Exit::Success.into()),
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

/// Whether this program would take over from the one that asks.
fn rehearse<D: Daemon>(flags: &Flags) -> Result<(), Failure> {
    let notes = succession::rehearsed_notes().map_err(ends(Exit::Setup))?;
    let layout = Layout::detect().map_err(ends(Exit::Refused))?;
    let config_file = config_file::<D>(flags, &layout);
    let config = load::<D>(&config_file.0, config_file.1)?;
    if let Some(held) = &notes.confinement {
        let wanted = wanted_confinement::<D>(flags, &layout, &config.values);
        let wanted = wanted.map_or(Ok(()), |wanted| wanted.fits(held));
        wanted.map_err(ends(Exit::Refused))?;
    }
    Mechanisms::rehearse(&layout, &config_file, &config.values, &notes)
}

/// How the daemon is to be confined, unless its configuration says that it is not.
fn wanted_confinement<D: Daemon>(
    flags: &Flags,
    layout: &Layout,
    config: &DaemonConfig,
) -> Option<Confinement> {
    if !config.confinement {
        return None;
    }
    let own = std::env::current_exe().ok();
    let program = own.and_then(|own| own.parent().map(Path::to_owned));
    let pid_file = flags.pid_file.clone();
    let pid_file = pid_file.unwrap_or_else(|| layout.pid_file(D::INFO.daemon));
    let sockets = config.unix_sock_dir.as_ref().map(PathBuf::from);
    let named = config_file::<D>(flags, layout);
    // One that is refused is told where it is used.
    let network = held::network_keys::<D>(&named.0, named.1).ok().flatten();
    let certificates = network
        .map(|network| network.values.folders())
        .unwrap_or_default();
    let keytab = crate::access::keytab_folder(layout);
    Some(Confinement::wanted(&D::NEEDS, layout, |places| {
        places
            .and_read(program)
            .and_read([layout.config_dir().to_owned()])
            .and_read(flags.config.clone())
            .and_read(certificates)
            .and_read(keytab)
            .and_write([layout.run_dir().to_owned(), layout.log_dir().to_owned()])
            .and_write(log_folders(config))
            .and_remove(sockets)
            .and_remove(pid_file.parent().map(Path::to_owned))
    }))
}

/// Where files of the log lie that the configuration names.
fn log_folders(config: &DaemonConfig) -> Vec<PathBuf> {
    let outputs = config.log_outputs.as_deref().unwrap_or_default();
    let files = outputs.split_ascii_whitespace().filter_map(|output| {
        let file = Path::new(output.split_once(":file:")?.1);
        file.parent().map(Path::to_owned)
    });
    files.collect()
}

/// The daemon's configuration file, and whether somebody named it.
fn config_file<D: Daemon>(flags: &Flags, layout: &Layout) -> (PathBuf, bool) {
    let named = flags.config.clone();
    let is_named = named.is_some();
    (
        named.unwrap_or_else(|| layout.config_file(D::INFO.daemon)),
        is_named,
    )
}

/// Everything that is done while the process has one thread.
fn start<D: Daemon>(flags: &Flags) -> Result<(), Failure> {
    let signals = Signals::listen().map_err(ends(Exit::Setup))?;
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
    let config_file = config_file::<D>(flags, &layout);
    let config = load::<D>(&config_file.0, config_file.1)?;
    let logging = start_logging(&info, flags, &layout, &config.values)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let on_stderr = logging.outputs().0.contains("stderr");
    let started = serve_process::<D>(
        flags,
        layout,
        config_file,
        config.values,
        logging,
        luggage,
        signals,
    );
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
    if config.access_drivers.polkit && !D::GUARDS {
        let text = "this daemon has no objects that access could be granted to; the daemons that have them are to say so in \
                    their files";
        return Err(refuse("access_drivers", text.to_owned()));
    }
    let asks = [
        ("auth_unix_ro", config.auth_unix_ro != Auth::None),
        (
            "auth_unix_rw",
            config.auth_unix_rw.is_some_and(|auth| auth != Auth::None),
        ),
    ];
    if let Some((key, _)) = asks.iter().find(|(_, asks)| *asks && !D::AUTHENTICATES) {
        let text = "this daemon serves its own user alone, and asks nobody else";
        return Err(refuse(key, text.to_owned()));
    }
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
    signals: Signals,
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
            claims: Vec::new(),
            sockets: Vec::new(),
            network: Vec::new(),
            clients: Vec::new(),
            handover: None,
            confinement: None,
        }
        .listening::<D>(&layout, &config, &config_file, flags.listen)?,
    };
    let confinement = match wanted_confinement::<D>(flags, &layout, &config) {
        Some(wanted) => Some(wanted.apply(held.confinement.as_ref())),
        // What is given away does not come back.
        None => held.confinement,
    };
    let process = Process {
        instance: Instance {
            layout: Arc::new(layout),
            workers: Workers::new(worker_limits(&config)),
            config: Arc::new(config),
            passage: None,
            config_file,
            handover: Arc::new(Mutex::new(held.handover)),
            polkit: Polkit::default(),
            claims: Arc::new(Mutex::new(held.claims)),
        },
        pid_file: held.pid_file,
        program,
        confinement,
        detached: flags.detached && !flags.successor,
        timeout: flags.timeout.map(|seconds| Duration::from_secs(seconds.into())),
        logging,
    };
    run_to_end::<D>(process.serve::<D>(signals, held.sockets, held.network, held.clients))
}

/// Runs what serves calls: on this thread, or on some of their own.
fn run_to_end<D: Daemon>(serve: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    // What still runs at the end may wait for a disk; nothing acknowledged depends on it.
    if D::THREADS <= 1 {
        // The kind that can be nothing else leaves the code of the other one out.
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default());
        let runtime = runtime.map_err(ends(Exit::Setup))?;
        let ended = runtime.block_on(serve);
        runtime.shutdown_background();
        ended
    } else {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads(processors.min(D::THREADS))
            .thread_name("rpc")
            .enable_all()
            .build();
        let runtime = runtime.map_err(ends(Exit::Setup))?;
        let ended = runtime.block_on(serve);
        runtime.shutdown_background();
        ended
    }
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

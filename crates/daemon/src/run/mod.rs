//! The life of a daemon, from its command line to its exit code.

mod held;
mod process;
mod signals;

use crate::config::{DaemonConfig, Loaded};
use crate::flags::{Exit, Flags, Parsed};
use crate::logging::{LogConfig, LogLevel, Logging, OutputSpec, Sink};
use crate::server::ClientLimits;
use crate::succession::{Luggage, Program};
use crate::workers::{Limits, Workers};
use crate::{Daemon, Info, Instance, Layout, PidFile, detach, durable};
use held::Held;
use parking_lot::Mutex;
use process::Process;
use rpc::Keepalive;
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// The most threads that serve calls; more would only hand work around.
const THREADS_MAX: usize = 4;
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

//! The process that becomes QEMU. It waits until the daemon has put it where the guest is to run, among the host's machines
//! and in control groups, and acquires the guest's leases, as the one that virtlockd will know them by.
//!
//! Nothing can be done between fork and exec without `unsafe`, so the daemon runs its own program, which becomes QEMU:
//! ```text
//!   virtqemud ── starts ──► virtqemud as "virtqemud-guest" BINARY ARGUMENT...
//!      Launch as JSON ────► its standard input
//!      the refusal, or ◄─── nothing: it is closed by the exec
//! ```
//! The daemon's own connection to virtlockd would not do: that takes the process at the other end for the guest.

mod devices;

pub(crate) use devices::Devices;

use crate::leases::{Lease, Speaker, acquire_all};
use error::{Code, Domain as ErrorDomain, Error, Result};
use kernel::scheduling::{MemoryPolicy, set_memory_policy};
use protocol::lock as wire;
use rustix::io::FdFlags;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::ffi::OsString;
use std::io::Read;
use std::os::fd::IntoRawFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The name it goes by until it is QEMU.
pub(crate) const NAME: &str = "virtqemud-guest";

/// How long it may take: every lease has its own patience.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of a refusal at most.
const ANSWER_MAX: u64 = 64 * 1024;

/// What it has to know.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Launch {
    /// What it leases, where there is a lock manager.
    pub leasing: Option<Leasing>,
    /// Where its memory comes from, if the kernel is to be told: in which way, from which nodes.
    pub memory: Option<(Policy, Vec<u32>)>,
    /// Bytes of memory that QEMU may hold in place, where the daemon's own limit may not do; `u64::MAX` for no limit.
    pub memory_lock: Option<u64>,
    /// The `/dev` that it has for itself, if not the host's.
    pub devices: Option<Devices>,
    /// User and group it runs QEMU as, where not its own.
    pub identity: Option<(u32, u32)>,
}

/// What it leases, and as whom.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Leasing {
    /// virtlockd's.
    pub socket: PathBuf,
    /// The domain's.
    pub uuid: [u8; 16],
    /// The domain's.
    pub name: String,
    /// The run's.
    pub id: u32,
    /// What is acquired now.
    pub leases: Vec<Lease>,
}

/// [`MemoryPolicy`], as it is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "MemoryPolicy")]
enum PolicyDef {
    Strict,
    Preferred,
    Interleave,
}

/// A policy of memory.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Policy(#[serde(with = "PolicyDef")] pub MemoryPolicy);

/// Why it did not become QEMU.
#[derive(Debug, Serialize, Deserialize)]
struct Refusal {
    code: i32,
    domain: i32,
    detail: String,
}

impl Launch {
    /// Tells a process that was started for this, over `stream`, and waits until it is QEMU.
    ///
    /// # Errors
    /// [`Code::ResourceBusy`] with who has one of the leases, or why else it is not.
    pub(crate) async fn tell(&self, stream: UnixStream) -> Result<()> {
        let lost = |err: std::io::Error| {
            let text = format!("the process that becomes QEMU cannot be spoken to: {err}");
            Error::new(Code::InternalError, ErrorDomain::Qemu, text).caused_by(err)
        };
        let told = serde_json::to_vec(self).map_err(|err| lost(err.into()))?;
        stream.set_nonblocking(true).map_err(lost)?;
        let mut stream = tokio::net::UnixStream::from_std(stream).map_err(lost)?;
        let asking = async {
            stream.write_all(&told).await?;
            stream.shutdown().await?;
            let mut answer = Vec::new();
            stream.take(ANSWER_MAX).read_to_end(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = tokio::time::timeout(PATIENCE, asking).await;
        let answer = answer.unwrap_or_else(|late| Err(late.into())).map_err(lost)?;
        if answer.is_empty() {
            return Ok(());
        }
        let refusal: Refusal = serde_json::from_slice(&answer).map_err(|err| lost(err.into()))?;
        Err(Error::new(
            Code::from_number(refusal.code).unwrap_or(Code::InternalError),
            ErrorDomain::from_number(refusal.domain).unwrap_or(ErrorDomain::Locking),
            refusal.detail,
        ))
    }
}

/// The whole of `main` where this process was started to become a guest's; `None` where it was not.
pub fn become_guest() -> Option<ExitCode> {
    let mut arguments = std::env::args_os();
    if arguments.next()? != NAME {
        return None;
    }
    let failure = match prepare_and_exec(arguments) {
        Ok(never) => match never {},
        Err(failure) => failure,
    };
    let refusal = Refusal {
        code: failure.code().number(),
        domain: failure.domain().number(),
        detail: failure.detail().to_owned(),
    };
    // Nobody else could be told.
    let told = serde_json::to_vec(&refusal).unwrap_or_else(|_| b"?".to_vec());
    let _ = rustix::io::write(rustix::stdio::stdin(), &told);
    Some(ExitCode::FAILURE)
}

fn failed(what: &str, err: std::io::Error) -> Error {
    let text = format!("cannot {what}: {err}");
    Error::new(Code::InternalError, ErrorDomain::Qemu, text).caused_by(err)
}

fn prepare_and_exec(mut arguments: std::env::ArgsOs) -> Result<Infallible> {
    let binary = arguments.next().unwrap_or_default();
    let arguments: Vec<OsString> = arguments.collect();
    let mut told = Vec::new();
    std::io::stdin()
        .read_to_end(&mut told)
        .map_err(|err| failed("hear what to do", err))?;
    let launch: Launch =
        serde_json::from_slice(&told).map_err(|err| failed("understand what to do", err.into()))?;
    // Must not be dropped before the exec: that would shut its connection.
    let _held = launch.leasing.map(Leasing::acquire).transpose()?;
    if let Some((Policy(policy), nodes)) = launch.memory {
        set_memory_policy(policy, nodes).map_err(|err| failed("have memory come from those nodes", err))?;
    }
    if let Some(bytes) = launch.memory_lock {
        allow_memory_lock(bytes).map_err(|err| {
            let what = format!("let QEMU lock {bytes} bytes of memory");
            failed(&what, err.into())
        })?;
    }
    if let Some(devices) = &launch.devices {
        devices
            .enter()
            .map_err(|err| failed("make a /dev for the guest alone", err))?;
    }
    let mut command = Command::new(&binary);
    command.args(arguments).stdin(Stdio::null());
    if let Some((user, group)) = launch.identity {
        command.uid(user).gid(group);
    }
    let failure = command.exec();
    Err(failed(
        &format!("run '{}'", PathBuf::from(binary).display()),
        failure,
    ))
}

/// Raises this process's limit, which becomes QEMU's, where it is lower.
fn allow_memory_lock(bytes: u64) -> rustix::io::Result<()> {
    let wanted = (bytes != u64::MAX).then_some(bytes);
    let now = getrlimit(Resource::Memlock);
    // None is no limit.
    let is_enough = |limit: Option<u64>| match (limit, wanted) {
        (None, _) => true,
        (Some(limit), Some(wanted)) => limit >= wanted,
        (Some(_), None) => false,
    };
    if is_enough(now.current) {
        return Ok(());
    }
    let maximum = if is_enough(now.maximum) {
        now.maximum
    } else {
        wanted
    };
    setrlimit(
        Resource::Memlock,
        Rlimit {
            current: wanted,
            maximum,
        },
    )
}

impl Leasing {
    /// Acquires the leases; they are held as long as the connection is, which QEMU inherits.
    fn acquire(self) -> Result<(tokio::runtime::Runtime, Speaker)> {
        let socket = UnixStream::connect(&self.socket).map_err(|err| {
            let text = format!("Failed to connect socket to '{}': {err}", self.socket.display());
            Error::new(Code::SystemError, ErrorDomain::Locking, text)
        })?;
        // QEMU has it for as long as it lives, and does not know.
        let inherited = socket
            .try_clone()
            .map_err(|err| failed("double the connection", err))?;
        rustix::io::fcntl_setfd(&inherited, FdFlags::empty())
            .map_err(|err| failed("leave the connection to QEMU", err.into()))?;
        let _ = inherited.into_raw_fd();
        socket
            .set_nonblocking(true)
            .map_err(|err| failed("prepare the connection", err))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|err| failed("start a runtime", err))?;
        let speaker = runtime.block_on(async {
            let stream = tokio::net::UnixStream::from_std(socket)
                .map_err(|err| failed("watch the connection", err))?;
            let owner = wire::Owner {
                uuid: self.uuid,
                name: self.name.clone(),
                id: self.id,
                pid: std::process::id(),
            };
            let speaker = Speaker::over(stream, owner).await?;
            acquire_all(&speaker, &self.leases).await?;
            speaker.restrict().await?;
            Ok::<_, Error>(speaker)
        })?;
        Ok((runtime, speaker))
    }
}

//! The process that becomes QEMU: it acquires the guest's leases first, as the one that virtlockd will know them by.
//!
//! Nothing can be done between fork and exec without `unsafe`, so the daemon runs its own program, which becomes QEMU:
//! ```text
//!   virtqemud ── starts ──► virtqemud as "virtqemud-guest" BINARY ARGUMENT...
//!      Launch as JSON ────► its standard input
//!      the refusal, or ◄─── nothing: it is closed by the exec
//! ```
//! The daemon's own connection would not do: virtlockd takes the process at the other end for the guest.

use super::{Lease, Speaker, acquire_all};
use error::{Code, Domain as ErrorDomain, Error, Result};
use protocol::lock as wire;
use rustix::io::FdFlags;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::ffi::OsString;
use std::io::Read;
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
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Launch {
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
    /// User and group it runs QEMU as, where not its own.
    pub identity: Option<(u32, u32)>,
}

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
            let text = format!("the process that acquires leases cannot be spoken to: {err}");
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
    let failure = match acquire_and_exec(arguments) {
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

fn acquire_and_exec(mut arguments: std::env::ArgsOs) -> Result<Infallible> {
    let failed = |what: &str, err: std::io::Error| {
        let text = format!("cannot {what}: {err}");
        Error::new(Code::InternalError, ErrorDomain::Locking, text).caused_by(err)
    };
    let binary = arguments.next().unwrap_or_default();
    let arguments: Vec<OsString> = arguments.collect();
    let mut told = Vec::new();
    std::io::stdin()
        .read_to_end(&mut told)
        .map_err(|err| failed("hear what to lease", err))?;
    let launch: Launch =
        serde_json::from_slice(&told).map_err(|err| failed("understand what to lease", err.into()))?;
    let socket = UnixStream::connect(&launch.socket).map_err(|err| {
        let text = format!("Failed to connect socket to '{}': {err}", launch.socket.display());
        Error::new(Code::SystemError, ErrorDomain::Locking, text)
    })?;
    // QEMU has it for as long as it lives, and does not know.
    let inherited = socket
        .try_clone()
        .map_err(|err| failed("double the connection", err))?;
    rustix::io::fcntl_setfd(&inherited, FdFlags::empty())
        .map_err(|err| failed("leave the connection to QEMU", err.into()))?;
    socket
        .set_nonblocking(true)
        .map_err(|err| failed("prepare the connection", err))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|err| failed("start a runtime", err))?;
    // Must not be dropped before the exec: that would shut the connection.
    let _speaker = runtime.block_on(async {
        let stream =
            tokio::net::UnixStream::from_std(socket).map_err(|err| failed("watch the connection", err))?;
        let owner = wire::Owner {
            uuid: launch.uuid,
            name: launch.name.clone(),
            id: launch.id,
            pid: std::process::id(),
        };
        let speaker = Speaker::over(stream, owner).await?;
        acquire_all(&speaker, &launch.leases).await?;
        speaker.restrict().await?;
        Ok::<_, Error>(speaker)
    })?;
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

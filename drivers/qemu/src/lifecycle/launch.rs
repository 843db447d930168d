//! Starting a process for a guest: its arguments, descriptors, user and log, and nothing of what it means.

use super::log_file::LogFile;
use crate::domain::Process;
use crate::leases::launcher::{self, Launch};
use command_fds::{CommandFdExt, FdMapping};
use error::{Code, Domain as ErrorDomain, Error, Result};
use process_wrap::std::{CommandWrap, ProcessSession};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What to run.
#[derive(Debug)]
pub(crate) struct Program {
    /// The binary, absolute.
    pub binary: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its whole environment: nothing is inherited.
    pub environment: Vec<(String, String)>,
    /// Descriptors and the numbers the arguments know them by.
    pub descriptors: Vec<(OwnedFd, i32)>,
    /// User and group it runs as, where not the daemon's own.
    pub identity: Option<(u32, u32)>,
}

impl Program {
    /// Starts it with its output in the log, and holds it.
    ///
    /// It leads a session of its own: a signal meant for the daemon's terminal does not reach guests, and the kernel does
    /// not hang up on a stopped guest when the daemon, its parent, ends.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn spawn(self, log: &LogFile) -> Result<Process> {
        self.start(log, None)
    }

    /// The same, with leases that the process acquires before it becomes the program. Blocks until it has.
    ///
    /// # Errors
    /// [`Code::ResourceBusy`] with who has one of them, or when it cannot be started.
    pub(crate) fn spawn_with_leases(self, log: &LogFile, launch: &Launch) -> Result<Process> {
        let failed = |err: std::io::Error| {
            let text = format!("cannot prepare the process that acquires leases: {err}");
            Error::new(Code::InternalError, ErrorDomain::Qemu, text).caused_by(err)
        };
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        let mut arguments = vec![self.binary.display().to_string()];
        arguments.extend(self.arguments);
        let launcher = Self {
            binary: "/proc/self/exe".into(),
            arguments,
            // It takes the guest's user when it becomes the guest's.
            identity: None,
            ..self
        };
        let process = launcher.start(log, Some(theirs.into()))?;
        launch.tell(ours).inspect_err(|_| {
            // It ends by itself, unless it is stuck.
            if let Err(err) = process.signal(rustix::process::Signal::KILL) {
                tracing::warn!(pid = process.pid(), %err, "a process that should acquire leases cannot be ended");
            }
        })?;
        Ok(process)
    }

    /// Starts it; with a connection as its standard input it is the process that acquires leases.
    fn start(self, log: &LogFile, leasing: Option<OwnedFd>) -> Result<Process> {
        let binary = self.binary.display().to_string();
        let failed = |err: std::io::Error| {
            Error::new(
                Code::InternalError,
                ErrorDomain::Qemu,
                format!("cannot run '{binary}': {err}"),
            )
            .caused_by(err)
        };
        let mut command = Command::new(&self.binary);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.handle().map_err(failed)?)
            .stderr(log.handle().map_err(failed)?);
        if let Some(connection) = leasing {
            command.arg0(launcher::NAME).stdin(connection);
        }
        if let Some((user, group)) = self.identity {
            command.uid(user).gid(group);
        }
        let mappings = self
            .descriptors
            .into_iter()
            .map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd });
        command.fd_mappings(mappings.collect()).map_err(|err| {
            Error::new(
                Code::InternalError,
                ErrorDomain::Qemu,
                format!("descriptors for '{binary}': {err}"),
            )
        })?;
        // The process is followed by its own handle, not as a child: the next daemon is not its parent.
        let mut child = CommandWrap::from(command)
            .wrap(ProcessSession)
            .spawn()
            .map_err(failed)?;
        Process::hold(child.id()).map_err(|err| {
            // Nobody could ever end it.
            let _ = child.kill();
            failed(err)
        })
    }
}

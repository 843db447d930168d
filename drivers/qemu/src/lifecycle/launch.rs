//! Starting a process for a guest: its arguments, descriptors, user and log, and nothing of what it means.

use super::log_file::LogFile;
use crate::domain::Process;
use crate::launcher;
use command_fds::{CommandFdExt, FdMapping};
use error::{Code, Domain as ErrorDomain, Error, Result};
use process_wrap::std::{CommandWrap, ProcessSession};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

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

    /// The same, as a process that waits until it is told over the connection what to do before it becomes the program, with
    /// [`Launch::tell`](crate::launcher::Launch::tell).
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn spawn_waiting(self, log: &LogFile) -> Result<(Process, UnixStream)> {
        let failed = |err: std::io::Error| {
            let text = format!("cannot prepare the process that becomes QEMU: {err}");
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
        Ok((launcher.start(log, Some(theirs.into()))?, ours))
    }

    /// Starts it; with a connection as its standard input it is the process that waits.
    fn start(self, log: &LogFile, waiting: Option<OwnedFd>) -> Result<Process> {
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
        if let Some(connection) = waiting {
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

/// Runs a program that asks nobody and ends by itself, or goes to the background. `element` is what errors begin with.
/// Blocks, inside the runtime.
///
/// # Errors
/// [`Code::OperationTimeout`] when it does not end in time; its own last words when it fails.
pub(super) fn run_to_end(element: &str, name: &str, command: Command, deadline: Duration) -> Result<()> {
    let output = output(element, name, command, deadline)?;
    if output.status.success() {
        return Ok(());
    }
    let said = words(&output);
    // That nobody listens to the system's log is not why it failed.
    let all = said.lines().filter(|line| !line.ends_with("to syslog"));
    let last: Vec<&str> = all.rev().take(4).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    let text = format!(
        "{element}: {name} failed ({}): {}",
        output.status,
        last.join("; ")
    );
    Err(Error::new(Code::InternalError, ErrorDomain::Qemu, text))
}

/// The same of a program that is only asked something; gives what it said, however it ends.
///
/// # Errors
/// [`Code::OperationTimeout`] when it does not end in time.
pub(super) fn ask(element: &str, name: &str, command: Command, deadline: Duration) -> Result<String> {
    output(element, name, command, deadline).map(|output| words(&output))
}

/// Runs a program that ends by itself for what it says on its standard output. Blocks, inside the runtime.
///
/// # Errors
/// As [`run_to_end`].
pub(super) fn run_for_words(
    element: &str,
    name: &str,
    command: Command,
    deadline: Duration,
) -> Result<String> {
    let output = output(element, name, command, deadline)?;
    if !output.status.success() {
        let text = format!(
            "{element}: {name} failed ({}): {}",
            output.status,
            words(&output).trim()
        );
        return Err(Error::new(Code::InternalError, ErrorDomain::Qemu, text));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn words(output: &Output) -> String {
    let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&said).into_owned()
}

fn output(element: &str, name: &str, command: Command, deadline: Duration) -> Result<Output> {
    let mut command = tokio::process::Command::from(command);
    command.current_dir("/").stdin(Stdio::null()).kill_on_drop(true);
    let output = async { tokio::time::timeout(deadline, command.output()).await };
    let output = tokio::runtime::Handle::current().block_on(output).map_err(|_| {
        let text = format!("{element}: {name} did not end within {deadline:?}");
        Error::new(Code::OperationTimeout, ErrorDomain::Qemu, text)
    })?;
    output.map_err(|err| {
        let text = format!("{element}: cannot run {name}: {err}");
        Error::new(Code::InternalError, ErrorDomain::Qemu, text).caused_by(err)
    })
}

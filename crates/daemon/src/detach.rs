//! `--daemon`: a process of its own session, left behind when clients are served.
//!
//! Rust cannot fork with threads and `unsafe` away, so the daemon runs itself again:
//! ```text
//!   virtqemud --daemon ── starts ──► virtqemud --detached   (setsid, folder /)
//!      waits on a pipe ◄── "ready" ──┘ its standard output, which then is /dev/null
//!      ends: 0, or the other's exit code if it ended instead
//! ```

use crate::flags::{Exit, Flags};
use std::io::{self, Read, Write};
use std::process::{Command, ExitCode, Stdio};

/// What is said on the pipe.
const READY: u8 = b'\n';

/// Starts the process to be left behind and waits until it is ready.
pub(crate) fn leave_behind(flags: &Flags) -> io::Result<ExitCode> {
    let mut child = Command::new("/proc/self/exe")
        .args(flags.detached_arguments())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut said = [0];
    let ready = match child.stdout.take() {
        Some(mut pipe) => pipe.read(&mut said)? == 1 && said == [READY],
        None => false,
    };
    if ready {
        return Ok(Exit::Success.into());
    }
    let code = child
        .wait()?
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .filter(|code| *code != 0);
    Ok(ExitCode::from(code.unwrap_or(Exit::Setup as u8)))
}

/// The first thing that the process left behind does.
pub(crate) fn settle() -> io::Result<()> {
    rustix::process::setsid()?;
    std::env::set_current_dir("/")
}

/// Tells whoever waits that clients are served; from here on, nobody hears the standard output and error.
pub(crate) fn ready() -> io::Result<()> {
    let mut out = io::stdout();
    out.write_all(&[READY])?;
    out.flush()?;
    let nowhere = std::fs::OpenOptions::new().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&nowhere)?;
    rustix::stdio::dup2_stderr(&nowhere)?;
    Ok(())
}

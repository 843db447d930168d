//! A process that outlives the daemon, held by a descriptor that can never mean another one.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;
use tokio::io::unix::AsyncFd;

/// How long one that was asked to end may take before it is killed.
const GRACE: Duration = Duration::from_secs(2);

/// A process of ours, started by this daemon or an earlier one; never its child.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    handle: AsyncFd<OwnedFd>,
}

impl Process {
    /// Takes hold of the process of that number, inside the runtime.
    ///
    /// # Errors
    /// There is none (any more).
    pub(crate) fn hold(pid: u32) -> io::Result<Self> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or(io::ErrorKind::InvalidInput)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe for types that lie about their descriptor; OwnedFd does not"
        )]
        let handle = AsyncFd::new(pidfd_open(pid, PidfdFlags::NONBLOCK)?)?;
        Ok(Self { pid, handle })
    }

    /// Its number.
    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&self) {
        if let Ok(mut guard) = self.handle.readable().await {
            guard.retain_ready();
        }
    }

    /// Sends it `signal`; one that has ended takes it silently.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        match pidfd_send_signal(self.handle.as_fd(), signal) {
            Err(Errno::SRCH) | Ok(()) => Ok(()),
            Err(other) => Err(other.into()),
        }
    }

    /// Ends it, and waits until it has ended.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(crate) async fn end(&self) -> io::Result<()> {
        self.signal(Signal::TERM)?;
        if tokio::time::timeout(GRACE, self.ended()).await.is_err() {
            self.signal(Signal::KILL)?;
            self.ended().await;
        }
        Ok(())
    }
}

/// Ends a process at once, and waits until it has ended. Blocks.
pub(crate) fn end_now(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let Some(handle) = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else {
        return;
    };
    if pidfd_send_signal(&handle, Signal::KILL).is_ok() {
        let mut ended = [PollFd::new(&handle, PollFlags::IN)];
        let wait = Timespec::try_from(GRACE).ok();
        // Whether it has ended or not: there is nothing else to be done.
        let _ = poll(&mut ended, wait.as_ref());
    }
}

/// The processes that have `word` among their arguments, and a program of the name `program`. Blocks.
pub(crate) fn with_argument(program: &str, word: &str) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| has_argument(*pid, program, word)).collect()
}

/// Whether a process is of that program and has that argument.
pub(crate) fn has_argument(pid: u32, program: &str, word: &str) -> bool {
    let Ok(line) = std::fs::read(format!("/proc/{pid}/cmdline")) else {
        return false;
    };
    let mut words = line.split(|byte| *byte == 0);
    let own = words.next().and_then(|first| std::str::from_utf8(first).ok());
    let own = own.and_then(|first| Path::new(first).file_name());
    own.is_some_and(|name| name == program) && words.any(|found| found == word.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_is_found_by_what_it_was_started_with_and_ended() {
        let word = "36000.125";
        let mut child = std::process::Command::new("sleep").arg(word).spawn().unwrap();
        while !has_argument(child.id(), "sleep", word) {
            // It has not become what it is going to be.
            std::thread::yield_now();
        }
        assert_eq!(with_argument("sleep", word), [child.id()]);
        assert!(!has_argument(child.id(), "cat", word));
        let process = Process::hold(child.id()).unwrap();
        assert_eq!(process.pid(), child.id());
        process.end().await.unwrap();
        child.wait().unwrap();
        process.signal(Signal::TERM).unwrap();
    }
}

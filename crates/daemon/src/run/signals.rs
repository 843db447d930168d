//! The signals that a daemon listens to, and how those come to its children.
//!
//! A child has what its parent's thread held back and what its parent ignored. So a daemon listens before it has a second
//! thread, and holds nothing back from then on, on any thread: whatever starts a program, and wherever, need not know of signals.

use nix::sys::signal::{SigSet, Signal as Number};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ignored by every program that is written in Rust, which has its children not ignore it.
const SIGPIPE: i32 = Number::SIGPIPE as i32;

/// Each of them, once it is listened to.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hang_up: Signal,
    /// libvirt's virtlogd and virtlockd know this one.
    first_user: Signal,
    second_user: Signal,
}

impl Signals {
    /// Listens, from the one thread that there is. What came in before, since [`hold`], is heard then.
    pub(super) fn listen() -> std::io::Result<Self> {
        // Who listens needs a runtime at hand; who hears may be in any that comes later.
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let _here = runtime.enter();
        let signals = Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hang_up: signal(SignalKind::hangup())?,
            first_user: signal(SignalKind::user_defined1())?,
            second_user: signal(SignalKind::user_defined2())?,
        };
        for number in ignored() {
            // Where somebody listens, even if nobody hears, the next program starts with the default. The kernel and the C library
            // keep some for themselves.
            let _ = signal(SignalKind::from_raw(number));
        }
        SigSet::empty().thread_set_mask()?;
        Ok(signals)
    }

    /// Waits for a signal that ends the daemon.
    pub(super) async fn end(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.quit.recv() => "SIGQUIT",
        }
    }

    /// Waits for whatever comes next.
    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::End("SIGTERM"),
            _ = self.interrupt.recv() => Asked::End("SIGINT"),
            _ = self.quit.recv() => Asked::End("SIGQUIT"),
            _ = self.hang_up.recv() => Asked::Reload,
            _ = self.first_user.recv() => Asked::Succeed,
            _ = self.second_user.recv() => Asked::Succeed,
        }
    }
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// The daemon ends, by the signal of that name.
    End(&'static str),
    /// It reads its configuration again, or becomes the program that has taken the place of its file.
    Reload,
    /// It runs its program anew.
    Succeed,
}

/// Those that would end a process that does not listen, and mean something else.
fn patient() -> SigSet {
    [Number::SIGHUP, Number::SIGUSR1, Number::SIGUSR2]
        .into_iter()
        .collect()
}

/// They wait until the next program listens.
pub(super) fn hold() -> std::io::Result<()> {
    patient().thread_block().map_err(Into::into)
}

/// They wait no more: somebody listens still.
pub(super) fn take() -> std::io::Result<()> {
    patient().thread_unblock().map_err(Into::into)
}

/// The signals that whoever started this process had it ignore.
fn ignored() -> Vec<i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored_by(&status)
}

/// Those that a process ignores, by what the kernel tells of it (proc_pid_status(5)).
fn ignored_by(status: &str) -> Vec<i32> {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let set = line.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    let set = set.unwrap_or(0);
    let ignored = (1..=64).filter(|number| set & (1 << (number - 1)) != 0);
    ignored.filter(|number| *number != SIGPIPE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_known_by_the_kernels_words() {
        let status = "Name:\tvirtqemud\nSigBlk:\t0000000000000001\nSigIgn:\t8000000000301001\nSigCgt:\t0000000000000002\n";
        assert_eq!(ignored_by(status), [1, 21, 22, 64]);
        assert_eq!(ignored_by("SigIgn:\t0000000000001000\n"), [0; 0]);
        assert_eq!(ignored_by(""), [0; 0]);
    }
}

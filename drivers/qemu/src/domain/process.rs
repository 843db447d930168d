//! A QEMU process, held by a descriptor that can never mean another one.

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, test_kill_process, waitid,
};
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::io::unix::AsyncFd;

/// A process of a guest: ours, or one that an earlier daemon started.
#[derive(Debug)]
pub struct Process {
    pid: Pid,
    handle: AsyncFd<OwnedFd>,
    ending: AtomicU8,
}

/// Why a process is about to end, when somebody here wanted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Nobody here asked for it.
    Unasked = 0,
    /// The guest shut down and QEMU may go.
    Shutdown = 1,
    /// It is being destroyed.
    Destroyed = 2,
}

impl Process {
    /// Takes hold of the process with that number.
    ///
    /// # Errors
    /// When there is none (any more), or the kernel has no such handles.
    pub fn hold(pid: u32) -> io::Result<Self> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
        let handle = AsyncFd::new(pidfd_open(pid, PidfdFlags::NONBLOCK)?)?;
        Ok(Self { pid, handle, ending: AtomicU8::new(Ending::Unasked as u8) })
    }

    /// Its number.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Waits until it has ended, and reaps it where it is our child.
    pub async fn ended(&self) {
        // Readable means ended; an error of the handle itself leaves nothing else to wait for.
        if let Ok(mut guard) = self.handle.readable().await {
            guard.retain_ready();
        }
        let _ = waitid(WaitId::PidFd(self.handle.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
    }

    /// Sends it `signal`; a process that has ended takes it silently.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        match pidfd_send_signal(self.handle.as_fd(), signal) {
            Err(Errno::SRCH) | Ok(()) => Ok(()),
            Err(other) => Err(other.into()),
        }
    }

    /// Notes why it is going to end. The first reason stays.
    pub fn set_ending(&self, ending: Ending) {
        let unasked = Ending::Unasked as u8;
        let _ = self.ending.compare_exchange(unasked, ending as u8, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Why it ends, as noted.
    pub fn ending(&self) -> Ending {
        match self.ending.load(Ordering::Acquire) {
            1 => Ending::Shutdown,
            2 => Ending::Destroyed,
            _ => Ending::Unasked,
        }
    }

    /// Whether a process of that number exists.
    pub fn exists(pid: u32) -> bool {
        i32::try_from(pid).ok().and_then(Pid::from_raw).is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_child_is_seen_to_end_and_reaped() {
        let child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let process = Process::hold(child.id()).unwrap();
        process.set_ending(Ending::Destroyed);
        process.set_ending(Ending::Shutdown);
        assert_eq!(process.ending(), Ending::Destroyed);
        process.signal(Signal::KILL).unwrap();
        process.ended().await;
        assert!(!Process::exists(child.id()), "a zombie is left");
        process.signal(Signal::KILL).unwrap();
    }

    #[tokio::test]
    async fn no_process_no_handle() {
        assert!(Process::hold(u32::MAX).is_err());
        assert!(Process::hold(0).is_err());
    }
}

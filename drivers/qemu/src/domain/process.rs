//! A QEMU process, held by a descriptor that can never mean another one.

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::io::unix::AsyncFd;

/// A process of a guest: ours, or one that an earlier daemon started.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    handle: AsyncFd<OwnedFd>,
    ending: AtomicU8,
}

/// Why a process is about to end, when somebody here wanted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Nobody here asked for it.
    Unasked = 0,
    /// The guest shut down and QEMU may go.
    Shutdown = 1,
    /// It is being destroyed.
    Destroyed = 2,
    /// The guest crashed and is not wanted any more.
    Crashed = 3,
    /// It did not come up.
    Failed = 4,
}

impl Process {
    /// Takes hold of the process with that number.
    ///
    /// # Errors
    /// When there is none (any more), or the kernel has no such handles.
    pub(crate) fn hold(pid: u32) -> io::Result<Self> {
        let pid = i32::try_from(pid)
            .ok()
            .and_then(Pid::from_raw)
            .ok_or(io::ErrorKind::InvalidInput)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe for types that lie about their descriptor; OwnedFd does not"
        )]
        let handle = AsyncFd::new(pidfd_open(pid, PidfdFlags::NONBLOCK)?)?;
        Ok(Self {
            pid,
            handle,
            ending: AtomicU8::new(Ending::Unasked as u8),
        })
    }

    /// Its number.
    pub(crate) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Waits until it has ended, and reaps it where it is our child.
    pub(crate) async fn ended(&self) {
        // Readable means ended; an error of the handle itself leaves nothing else to wait for.
        if let Ok(mut guard) = self.handle.readable().await {
            guard.retain_ready();
        }
        let _ = waitid(
            WaitId::PidFd(self.handle.as_fd()),
            WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
        );
    }

    /// Sends it `signal`; a process that has ended takes it silently.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        match pidfd_send_signal(self.handle.as_fd(), signal) {
            Err(Errno::SRCH) | Ok(()) => Ok(()),
            Err(other) => Err(other.into()),
        }
    }

    /// Nanoseconds of processor time it has used.
    pub(crate) fn cpu_time(&self) -> Option<u64> {
        self.stat().map(Stat::cpu_time)
    }

    /// What the kernel says of it.
    pub(crate) fn stat(&self) -> Option<Stat> {
        stat(&format!("/proc/{}/stat", self.pid()))
    }

    /// The host's processors that one of its threads may run on.
    pub(crate) fn affinity(&self, thread: i64) -> Vec<usize> {
        let thread = i32::try_from(thread).ok().and_then(Pid::from_raw);
        let Ok(set) = rustix::thread::sched_getaffinity(thread) else {
            return Vec::new();
        };
        (0..rustix::thread::CpuSet::MAX_CPU)
            .filter(|cpu| set.is_set(*cpu))
            .collect()
    }

    /// How long one of its threads ran and waited for a processor.
    pub(crate) fn schedule(&self, thread: i64) -> Option<Schedule> {
        let text = std::fs::read_to_string(format!("/proc/{}/task/{thread}/schedstat", self.pid())).ok()?;
        let mut fields = text.split_ascii_whitespace();
        Some(Schedule {
            run: fields.next()?.parse().ok()?,
            delay: fields.next()?.parse().ok()?,
        })
    }

    /// Nanoseconds that one of its threads wanted to run and could not, where the kernel counts them.
    pub(crate) fn wait(&self, thread: i64) -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/task/{thread}/sched", self.pid())).ok()?;
        let line = text.lines().find(|line| line.contains("wait_sum"))?;
        // Milliseconds, with nanoseconds as six decimals.
        let (whole, decimals) = line.rsplit_once(':')?.1.trim().split_once('.')?;
        let (whole, decimals): (u64, u64) = (whole.parse().ok()?, decimals.parse().ok()?);
        whole.checked_mul(1_000_000)?.checked_add(decimals)
    }

    /// What the kernel says of one of its threads.
    pub(crate) fn thread(&self, thread: i64) -> Option<Stat> {
        stat(&format!("/proc/{}/task/{thread}/stat", self.pid()))
    }

    /// Bytes of memory that lie in RAM.
    pub(crate) fn resident(&self) -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", self.pid())).ok()?;
        let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
        pages.checked_mul(rustix::param::page_size() as u64)
    }

    /// Notes why it is going to end. The first reason stays.
    pub(crate) fn set_ending(&self, ending: Ending) {
        let unasked = Ending::Unasked as u8;
        let _ = self
            .ending
            .compare_exchange(unasked, ending as u8, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Why it ends, as noted.
    pub(crate) fn ending(&self) -> Ending {
        match self.ending.load(Ordering::Acquire) {
            1 => Ending::Shutdown,
            2 => Ending::Destroyed,
            3 => Ending::Crashed,
            4 => Ending::Failed,
            _ => Ending::Unasked,
        }
    }
}

/// The numbers of all processes.
pub(crate) fn numbers() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// A variable of the environment that a process was started with.
pub(crate) fn variable(pid: u32, name: &str) -> Option<String> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    environment.split(|byte| *byte == 0).find_map(|variable| {
        let (found, value) = std::str::from_utf8(variable).ok()?.split_once('=')?;
        (found == name).then(|| value.to_owned())
    })
}

/// What the kernel says of a process or thread (`proc(5)`, `/proc/pid/stat`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Ticks in user mode.
    pub user: u64,
    /// Ticks in the kernel.
    pub system: u64,
    /// The processor it ran on last.
    pub processor: i32,
}

/// Nanoseconds of one thread (`/proc/pid/task/tid/schedstat`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// On a processor.
    pub run: u64,
    /// Ready but waiting for one.
    pub delay: u64,
}

/// One tick: the kernel's user-visible clock runs at 100 Hz everywhere.
const TICK: u64 = 10_000_000;

impl Stat {
    /// Nanoseconds of processor time.
    pub(crate) fn cpu_time(self) -> u64 {
        self.user_time().saturating_add(self.system_time())
    }

    /// Nanoseconds in user mode.
    pub(crate) fn user_time(self) -> u64 {
        self.user.saturating_mul(TICK)
    }

    /// Nanoseconds in the kernel.
    pub(crate) fn system_time(self) -> u64 {
        self.system.saturating_mul(TICK)
    }
}

fn stat(path: &str) -> Option<Stat> {
    let text = std::fs::read_to_string(path).ok()?;
    // The name in brackets may hold anything, brackets too.
    let (_, fields) = text.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    // Counted from the third field on.
    let field = |number: usize| fields.get(number.checked_sub(3)?).copied();
    Some(Stat {
        user: field(14)?.parse().ok()?,
        system: field(15)?.parse().ok()?,
        processor: field(39)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::test_kill_process;

    fn exists(pid: u32) -> bool {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        pid.is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
    }

    #[tokio::test]
    #[expect(
        clippy::zombie_processes,
        reason = "that the handle reaps it is what is tested"
    )]
    async fn a_child_is_seen_to_end_and_reaped() {
        let child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let process = Process::hold(child.id()).unwrap();
        process.set_ending(Ending::Destroyed);
        process.set_ending(Ending::Shutdown);
        assert_eq!(process.ending(), Ending::Destroyed);
        process.signal(Signal::KILL).unwrap();
        process.ended().await;
        assert!(!exists(child.id()), "a zombie is left");
        process.signal(Signal::KILL).unwrap();
    }

    #[tokio::test]
    async fn no_process_no_handle() {
        assert!(Process::hold(u32::MAX).is_err());
        assert!(Process::hold(0).is_err());
    }
}

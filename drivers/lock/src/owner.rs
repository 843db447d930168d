//! Who holds leases.

use nix::errno::Errno;
use parking_lot::Mutex;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A process with the domain it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    pub(crate) uuid: [u8; 16],
    pub(crate) name: String,
    /// The domain's id.
    pub(crate) id: u32,
    pub(crate) pid: u32,
}

impl From<protocol::lock::Owner> for Owner {
    fn from(owner: protocol::lock::Owner) -> Self {
        let protocol::lock::Owner { uuid, name, id, pid } = owner;
        Self { uuid, name, id, pid }
    }
}

/// What is known of a client; kept with its session.
#[derive(Debug, Default)]
pub(crate) struct Client(pub(crate) Mutex<Known>);

/// What a client has said.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Known {
    /// For whom it speaks.
    pub(crate) owner: Option<Owner>,
    /// It may do nothing any more: it is to be inherited by a guest's process.
    pub(crate) restricted: bool,
    /// It is the owner's own, whose end is the owner's.
    pub(crate) is_holder: bool,
}

/// How long a process may take to end by itself after its connection ended: the kernel closes that first.
const LEAVING: Duration = Duration::from_secs(2);

/// How long it may take after it was asked to.
const ENDING: Duration = Duration::from_secs(2);

/// A process that cannot be mistaken for a later one with its number.
#[derive(Debug)]
pub(crate) struct Process {
    pid: u32,
    handle: AsyncFd<OwnedFd>,
}

impl Process {
    /// Takes hold of a process; `None` if it is gone.
    pub(crate) fn hold(pid: u32) -> Option<Self> {
        let number = Pid::from_raw(i32::try_from(pid).ok()?)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe for types that lie about their descriptor; OwnedFd does not"
        )]
        let handle =
            AsyncFd::with_interest(pidfd_open(number, PidfdFlags::NONBLOCK).ok()?, Interest::READABLE);
        Some(Self {
            pid,
            handle: handle.ok()?,
        })
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&self) {
        // An error of the handle itself leaves nothing else to wait for.
        let _ = self.handle.readable().await;
    }

    /// Sees to it that it ends, and waits for that. One that goes on without its connection writes to what may be another's soon: it is
    /// ended.
    pub(crate) async fn end(&self) {
        if self.ended_within(LEAVING).await {
            return;
        }
        tracing::warn!(
            pid = self.pid,
            "the owner of leases has closed its connection and is ended"
        );
        self.signal(Signal::TERM);
        if !self.ended_within(ENDING).await {
            self.signal(Signal::KILL);
            // It may be the kernel that has to finish first; until then the leases are not free.
            self.ended().await;
        }
    }

    async fn ended_within(&self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.ended()).await.is_ok()
    }

    fn signal(&self, signal: Signal) {
        if let Err(failure) = pidfd_send_signal(self.handle.get_ref(), signal)
            && failure.raw_os_error() != Errno::ESRCH as i32
        {
            tracing::error!(pid = self.pid, %failure, "the owner of leases cannot be ended");
        }
    }
}

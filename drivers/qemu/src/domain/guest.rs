//! What is behind a running domain, for its owner only.

use super::{Live, Process};
use crate::leases::Leases;
use crate::lifecycle::Resources;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use qmp::{Events, Monitor};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::SetOnce;
use tokio::time::Instant;

/// How long the monitor of a guest that was just adopted is waited for by those who need it; one that works answers in
/// milliseconds.
pub(crate) const ADOPTION_WAIT: Duration = Duration::from_secs(10);

/// A running guest.
pub(crate) struct Guest {
    /// What is published of it.
    pub live: Arc<Live>,
    /// How its monitor is reached.
    pub link: Link,
    /// What it occupies on the host.
    pub resources: Resources,
    /// What it leases, where there was a lock manager at its start.
    pub leases: Option<Leases>,
    /// Whether the next shutdown of the guest is a reboot somebody here asked for.
    pub reboot: bool,
}

/// How far the way to a monitor has come.
pub(crate) enum Link {
    /// An adopted guest that has not answered yet, and until when jobs wait for that. The lock is never taken: it only
    /// makes the future shareable.
    Connecting(Mutex<BoxFuture<'static, qmp::Result<(Monitor, Events)>>>, Instant),
    /// What its monitor says unasked.
    Open(Events),
    /// It is gone: what is left is the end of the process.
    Lost,
}

/// What the owner of a running domain hears.
#[derive(Debug)]
pub(crate) enum Notice {
    /// The monitor of an adopted guest answers at last.
    Connected(Monitor),
    /// QEMU tells something.
    Event(qmp::Event),
    /// The monitor is gone although the process may live.
    Lost,
    /// The process is gone.
    Gone,
}

impl std::fmt::Debug for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Guest({:?})", self.live)
    }
}

impl Link {
    /// The way to an adopted guest's monitor.
    pub(crate) fn connecting(
        attempt: impl Future<Output = qmp::Result<(Monitor, Events)>> + Send + 'static,
    ) -> Self {
        Self::Connecting(attempt.boxed().into(), Instant::now() + ADOPTION_WAIT)
    }
}

impl Guest {
    /// Until when jobs wait, if they do: a call that comes right after the daemon's start would else fail for nothing.
    pub(crate) fn jobs_wait_until(&self) -> Option<Instant> {
        match self.link {
            Link::Connecting(_, until) => Some(until),
            _ => None,
        }
    }

    /// The next thing to hear. Cancel safe.
    pub(crate) async fn next_notice(&mut self) -> Notice {
        let process = Arc::clone(&self.live.process);
        tokio::select! {
            // What QEMU said before it ended tells why it ended.
            biased;
            notice = next_word(&mut self.link) => notice,
            () = process.ended() => Notice::Gone,
        }
    }

    /// The monitor's place for those who read figures.
    pub(crate) fn monitor_slot(&self) -> &Arc<SetOnce<Monitor>> {
        &self.live.monitor_slot
    }

    /// The QEMU process.
    pub(crate) fn process(&self) -> &Arc<Process> {
        &self.live.process
    }
}

async fn next_word(link: &mut Link) -> Notice {
    match link {
        Link::Open(events) => {
            if let Some(event) = events.next().await {
                return Notice::Event(event);
            }
            *link = Link::Lost;
            Notice::Lost
        }
        Link::Connecting(attempt, _) => match attempt.get_mut().await {
            Ok((monitor, events)) => {
                *link = Link::Open(events);
                Notice::Connected(monitor)
            }
            Err(err) => {
                tracing::warn!(%err, "the monitor of an adopted guest cannot be reached");
                *link = Link::Lost;
                Notice::Lost
            }
        },
        Link::Lost => std::future::pending().await,
    }
}

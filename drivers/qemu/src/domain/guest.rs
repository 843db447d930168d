//! What is behind a running domain, for its owner only.

use super::Live;
use crate::lifecycle::Resources;
use std::sync::Arc;

/// A running guest.
#[derive(Debug)]
pub struct Guest {
    /// What is published of it.
    pub live: Arc<Live>,
    /// What its monitor says unasked.
    pub events: qmp::Events,
    /// What it occupies on the host.
    pub resources: Resources,
    /// Whether the next shutdown of the guest is a reboot somebody here asked for.
    pub reboot: bool,
    /// The session that takes it down when it ends (`VIR_DOMAIN_START_AUTODESTROY`).
    pub bound_to: Option<u64>,
}

/// What the owner of a running domain hears.
#[derive(Debug)]
pub enum Notice {
    /// QEMU tells something.
    Event(qmp::Event),
    /// The monitor or the process is gone.
    Gone,
}

impl Guest {
    /// The next thing to hear. Cancel safe.
    pub async fn next_notice(&mut self) -> Notice {
        tokio::select! {
            // What QEMU said before it ended tells why it ended.
            biased;
            event = self.events.next() => event.map_or(Notice::Gone, Notice::Event),
            () = self.live.process.ended() => Notice::Gone,
        }
    }
}

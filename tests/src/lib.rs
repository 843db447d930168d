//! What tests of a whole daemon need: a private instance, stock clients that talk to it, and guests.
//!
//! Everything lies below one temporary folder and ends with the value that stands for it, guests too.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests end where something is not as it must be"
)]

mod client;
mod guest;
mod instance;

pub use client::{Outcome, python};
pub use guest::{disk, guest_with_agent, idle_domain, stand_in_domain, tiny_guest};
pub use instance::{Instance, daemon};

use std::time::{Duration, Instant};

/// How long anything may take that a test waits for. Generous: what is waited for is whether, not when.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until `what` is there.
///
/// # Panics
/// When it is not there within [`PATIENCE`].
pub fn wait_for<T>(name: &str, mut what: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = what() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {name}");
        // There is nothing to be woken by when another process's file or answer changes.
        std::thread::sleep(Duration::from_millis(20));
    }
}

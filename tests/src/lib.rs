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
mod daemon;
mod guest;
mod instance;
mod network;
mod sequence;
mod user;

pub use client::{Outcome, console, python};
pub use daemon::Daemon;
pub use guest::{
    chatty_guest, disk, guest_with_agent, idle_domain, qemu_img, qemu_img_with, stand_in_domain, tiny_guest,
};
pub use instance::{Instance, binary};
pub use private_instance::PATIENCE;
pub use sequence::Sequence;
pub use user::User;

use std::time::Duration;

/// Waits until `what` is there.
///
/// # Panics
/// When it is not there within [`PATIENCE`].
pub fn wait_for<T>(name: &str, mut what: impl FnMut() -> Option<T>) -> T {
    let found = private_instance::wait_until(name, Duration::from_millis(20), || Ok(what()));
    found.unwrap_or_else(|err| panic!("{err}"))
}

/// A TCP port of the loopback address that nobody listens on.
///
/// # Panics
/// When there is none.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

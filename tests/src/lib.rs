//! What tests of a whole daemon need: a private instance, stock clients that talk to it, and guests.
//!
//! Everything lies below one temporary folder and ends with the value that stands for it, guests too.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests end where something is not as it must be"
)]

mod agent;
mod authority;
mod bus;
mod client;
mod daemon;
mod events;
mod firewalld;
mod guest;
mod instance;
mod kdc;
mod lan;
mod loop_device;
mod network;
mod polkit;
mod random_kill;
mod raw_client;
mod sequence;
mod storage;
mod talk;
mod user;

pub use authority::{Authority, server_template};
pub use bus::Bus;
pub use client::{Outcome, console, python, virt_install};
pub use daemon::Daemon;
pub use events::hear_lives;
pub use firewalld::Firewalld;
pub use guest::{
    chatty_guest, disk, guest_kernel, guest_with_agent, idle_domain, qemu_img, qemu_img_with,
    stand_in_domain, tiny_guest, users_guest,
};
pub use instance::{Instance, binary, mode};
pub use kdc::Kdc;
pub use lan::{Lodger, Outside};
pub use loop_device::LoopDevice;
pub use network::Network;
pub use polkit::Polkit;
pub use private_instance::{Hanging, PATIENCE};
pub use random_kill::RandomKills;
pub use raw_client::{RawClient, raw_client};
pub use sequence::Sequence;
pub use storage::{add_pool, files_of_pool, pool_folder, storage, volumes_of_pool};
pub use talk::Talk;
pub use user::User;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Waits until `what` is there.
///
/// # Panics
/// When it is not there within [`PATIENCE`].
pub fn wait_for<T>(name: &str, mut what: impl FnMut() -> Option<T>) -> T {
    let found = private_instance::wait_until(name, Duration::from_millis(20), || Ok(what()));
    found.unwrap_or_else(|err| panic!("{err}"))
}

/// Copies a program that is to be run. A process of its own does it: one that another thread forks meanwhile would have the copy
/// open for writing, and what somebody may write to cannot be run.
///
/// # Panics
/// When it cannot be copied.
pub fn copy_program(from: &Path, to: &Path) {
    let copied = Outcome::of(Command::new("cp").arg(from).arg(to));
    assert!(copied.success, "{}", copied.stderr);
}

/// A TCP port of the loopback address that nobody listens on.
///
/// # Panics
/// When there is none.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

//! The QEMU machine protocol and the guest agent, with a deadline on every command.
//!
//! [`Monitor`] is a cheap handle of one connection to QEMU; any number of callers execute commands through it at
//! once. [`Events`] is the other end of the same connection: what QEMU says unasked. [`agent::Agent`] speaks with
//! the guest agent, which runs inside the guest and is trusted in nothing.
//!
//! ```text
//!  callers -> Monitor -> waiting line -> socket -> QEMU
//!                                                    |
//!  callers <- replies by id <-- reader task <- socket
//!  owner   <- Events (bounded) <---'
//! ```
//!
//! This crate knows nothing of domains, command lines or libvirt's errors.

pub mod agent;
mod commands;
mod error;
mod events;
mod line;
mod monitor;
mod outgoing;
mod reader;
mod reply;
pub mod types;

pub use error::{CloseReason, Error, Result};
pub use events::{Event, Events, Timestamp};
pub use line::{LineSplitter, TooLong};
pub use monitor::{Monitor, Options};
pub use types::Greeting;

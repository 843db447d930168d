//! The log driver: pipes of guests, drained into files that roll over.
//!
//! ```text
//!  QEMU ─ pipe ─► drain (a task each) ─► sink ─► NAME.log, NAME.log.0, NAME.log.1, ...
//!  virtqemud ─ open, position, read, append ─► handlers ─► logs ─┘
//! ```
//! It knows of no guests, only of paths: who writes where is what the callers say, and they are the daemon's own user.
//! Nobody waits for another's disk: each log writes on a thread of its own for as long as its disk takes.

mod cleaner;
mod config;
mod drain;
mod driver;
mod handlers;
mod logs;
mod place;
mod reader;
mod rotating;
mod sink;

pub use config::LogConfig;
pub use driver::Driver;

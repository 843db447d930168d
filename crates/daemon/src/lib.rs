//! What every daemon shares: flags, configuration, sockets, activation, idle exit, admin, logging.

pub mod config;
mod driver;
pub mod durable;
mod layout;
mod workers;

pub use driver::{Driver, Info, Instance};
pub use layout::{Layout, LayoutError, Mode, ROOT_VARIABLE};
pub use workers::{LIMIT_MAX, Limits, Numbers, Workers};

//! What every daemon shares: flags, configuration, sockets, activation, idle exit, admin, logging.

pub mod config;
pub mod durable;
mod layout;

pub use layout::{Layout, LayoutError, Mode, ROOT_VARIABLE};

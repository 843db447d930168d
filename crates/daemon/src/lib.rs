//! What every daemon shares: flags, configuration, sockets, activation, idle exit, admin, logging.

mod access;
mod activation;
mod admin;
pub mod call_flags;
pub mod config;
pub mod connection;
mod daemon;
mod detach;
mod driver;
pub mod durable;
pub mod events;
mod flags;
pub mod handshake;
mod idle;
mod layout;
pub mod lists;
pub mod logging;
mod network;
mod pid_file;
mod routes;
mod run;
pub mod schema_check;
mod server;
mod sockets;
mod succession;
mod workers;

pub use daemon::{Daemon, Entrance};
pub use driver::{Driver, Info, Instance};
pub use flags::{COMPATIBLE_VERSION, Exit, Flags, Parsed};
pub use layout::{Layout, LayoutError, Mode, ROOT_VARIABLE};
pub use pid_file::{PidFile, PidFileError};
pub use routes::Routes;
pub use run::run;
pub use sockets::{Kind, socket_name};
pub use succession::Handover;
pub use workers::{LIMIT_MAX, Limits, Numbers, Workers};

//! The QEMU driver: domains as QEMU processes.

mod agent;
pub mod binary;
pub mod capabilities;
pub mod command;
pub mod config;
mod console;
mod definition;
mod domain;
mod driver;
mod events;
mod flags;
mod handlers;
mod images;
mod leases;
mod lifecycle;
mod paths;
mod ports;
pub mod prepare;
mod presentation;
pub mod processor;
mod registry;
mod stats;

pub use driver::Driver;
pub use leases::config::LockdConfig;
pub use leases::launcher::become_guest;

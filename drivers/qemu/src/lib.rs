//! The QEMU driver: domains as QEMU processes.

pub mod abi;
mod access;
mod agent;
pub mod binary;
mod board;
pub mod capabilities;
pub mod command;
pub mod config;
mod console;
mod definition;
mod domain;
mod driver;
mod events;
mod flags;
mod groups;
mod handlers;
mod host_devices;
mod images;
mod launcher;
mod leases;
mod lifecycle;
mod ownership;
mod paths;
mod ports;
pub mod prepare;
mod presentation;
pub mod processor;
mod registry;
mod stats;
mod succession;

pub use driver::Driver;
pub use launcher::become_guest;
pub use leases::config::LockdConfig;

//! The QEMU driver: domains as QEMU processes.

pub mod binary;
pub mod capabilities;

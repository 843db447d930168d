//! What of Linux no crate has a safe call for: [devices](device) that are set up by an `ioctl`, when the content
//! of a [`mod@file`] goes to its disk, the [`memory`] of the process itself, and how threads are [scheduled](scheduling). The only unsafe code of the project is here, each block with
//! its reason.

pub mod device;
pub mod file;
pub mod memory;
pub mod scheduling;

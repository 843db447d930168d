//! The lock driver: leases on disks and other things that one guest at a time may write to.
//!
//! ```text
//!  register(owner) ─► acquire(space, name) ─► a lock on a file ─► release, or the end of the owner
//! ```
//! A lease is a lock on the first byte of a file: the disk itself ("direct", the space without a name), or a file that stands
//! for it in a folder, which other hosts may see too. It belongs to a process, not to a connection. The connection that
//! the process itself made is its sign of life: QEMU inherits it and never speaks on it, and when it is closed, the process
//! is gone or about to be ended, and its leases are free.

mod driver;
mod handlers;
mod lease;
mod owner;
mod spaces;

pub use driver::Driver;

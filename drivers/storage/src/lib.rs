//! The storage driver: pools, and volumes of them.
//!
//! ```text
//!  clients ── reads ───► Registry of Pools: State, Volumes
//!          ── changes ─► Driver::define / start / ...    a pool's turn, one at a time ─┐
//!          ── volumes ─► Driver::create_volume / ...     side by side ─────────────────┤
//!                                                                                      ▼
//!                              Backend (a file a kind) on the pool's own Threads ─► files, qemu-img, mount, ...
//! ```
//! Whatever touches a pool's storage may never come back, and then costs that pool only: see `pool/threads.rs`.

mod access;
mod backend;
mod capabilities;
mod claims;
mod devices;
mod driver;
mod events;
mod failure;
mod files;
mod handlers;
mod host_mounts;
mod journal;
mod keys;
mod lifecycle;
mod lvm;
mod parted;
mod pool;
mod qemu_img;
mod registry;
mod startup;
mod store;
mod sysfs;
mod turns;
mod unlock;
mod volume;

pub use driver::Driver;

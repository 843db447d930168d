//! Control groups, by which Linux limits and measures what processes use: version 1, with a tree for each controller, and
//! version 2, with one tree for all (`Documentation/admin-guide/cgroup-v1` and `cgroup-v2.rst` of the kernel).
//!
//! ```text
//!  Hierarchy::find ── what is mounted where ──► Group, a path in all trees
//!      Group::create ► add_process ► child("vcpu0").add_thread ► set_... ► remove
//! ```
//! A host may have some controllers in version 1 and others in version 2; a value is written where its controller is. A group
//! is a path: whoever makes one takes care that it goes again.
//!
//! What the crates of this field offer does not know groups of threads in version 2, nor hosts of both versions.

mod block;
mod cpu;
mod devices;
mod error;
mod group;
mod hierarchy;
mod memory;

pub use block::{BlockDevice, BlockLimit};
pub use cpu::{Bandwidth, QUOTA_MAX};
pub use devices::Access;
pub use error::{Error, Result};
pub use group::Group;
pub use hierarchy::{Controller, Hierarchy};

//! The public API: all that a client asks of a connection.
//!
//! Types are named as the protocol names them, without its prefix, and hold its fields under their own names in snake
//! case; a field that may be null is an `Option`. The procedures stand in [`procedure`], the types in a file a subject.
#![allow(
    missing_docs,
    reason = "types and fields are the protocol's own; libvirt's API reference explains them"
)]

mod connect;
mod domain;
mod domain_block;
mod domain_change;
mod domain_event;
mod domain_get;
mod domain_query;
mod interface;
pub mod limits;
mod migration;
mod network;
mod node;
mod node_device;
mod nwfilter;
pub mod procedure;
mod secret;
mod snapshot;
mod storage;

pub use connect::*;
pub use domain::*;
pub use domain_block::*;
pub use domain_change::*;
pub use domain_event::*;
pub use domain_get::*;
pub use domain_query::*;
pub use interface::*;
pub use migration::*;
pub use network::*;
pub use node::*;
pub use node_device::*;
pub use nwfilter::*;
pub use procedure::PROGRAM;
pub use secret::*;
pub use snapshot::*;
pub use storage::*;

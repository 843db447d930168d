//! The programs of the wire protocol: types and one table of procedures.
//!
//! This crate knows what travels and nothing of how: no sockets, no dispatch. Each program is a module with its types
//! and a `procedure` module where a line declares a procedure. The facts are those of libvirt 11.3; newer releases only
//! append. A test compares everything here with the protocol's definition where that is at hand. [`hybrid`] is not libvirt's.

pub mod admin;
pub mod hybrid;
pub mod keepalive;
pub mod lock;
pub mod log;
pub mod lxc;
pub mod net;
mod permission;
mod procedure;
mod program;
mod public_name;
pub mod qemu;
pub mod remote;
mod typed_param;

pub use permission::{AclRule, When, action, permissions};
pub use procedure::{Body, Direction, Event, Kind, Priority, Procedure, ProcedureInfo, Recode, Stream};
pub use program::{PROGRAMS, Program, recodes};
pub use typed_param::{TypedParam, TypedParamValue};

use program::program;

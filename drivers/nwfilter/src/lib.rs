//! The network filter driver: what guests may send and receive.
//!
//! ```text
//!            reads                           changes, one at a time
//!  clients -------> Registry of filters    define / undefine filters, create / delete bindings
//!                   and bindings                |
//!                       ^                       | rules::compile: all rules of a port, pure
//!                       |                       | Firewall: one transaction of the kernel
//!                       |                       | Store: on disk for good
//!                       +-----------------------+
//! ```
//! A binding is a port of a guest with its filter. What holds in the kernel follows from the documents on disk: the next daemon makes
//! all rules anew from them, in one step.

mod access;
mod addresses;
mod binding;
mod change;
mod driver;
mod failure;
mod firewall;
mod handlers;
pub mod learning;
mod registry;
mod rules;
mod store;

pub use driver::Driver;

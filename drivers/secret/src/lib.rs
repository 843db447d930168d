//! The secret driver: values that unlock volumes, storage, keys and TPMs.
//!
//! ```text
//!           reads                            changes, one at a time
//!  clients -------> Registry of Secrets    Driver::define / set_value / undefine
//!                        ^                        |
//!                        | publish, tell events   | Store: on disk for good
//!                        +------------------------+
//! ```
//! A `Secret` never changes: a change makes another one and puts it in its place.

mod access;
mod change;
mod cipher;
pub mod config;
mod driver;
mod events;
mod handlers;
mod registry;
mod secret;
mod store;
mod succession;

pub use driver::Driver;

//! Who serves which procedure: one file for each subject, each with its own list.

mod binding;
mod filter;

use crate::Driver;
use daemon::Routes;
use error::{Domain, Result};

/// One call of a client.
pub(crate) type Call = rpc::Context<Driver>;

/// Registers all of them.
pub(crate) fn routes(routes: &mut Routes<Driver>) {
    daemon::connection::routes(routes);
    filter::routes(routes);
    binding::routes(routes);
}

/// Refuses flags outside `known`.
fn check_flags(call: &str, flags: u32, known: u32) -> Result<()> {
    daemon::call_flags::check(Domain::Nwfilter, call, flags, known)
}

//! A domain's life as a process: started, adopted by the next daemon, paused, shut down, ended.
//!
//! Each file holds the operations of one kind as methods of [`Owner`](crate::domain::Owner).

mod addresses;
mod adopt;
pub(crate) mod bandwidth;
mod bridge_port;
mod confine;
mod descriptors;
mod end;
mod fd_groups;
mod filters;
mod huge_pages;
pub(crate) mod launch;
mod launch_security;
mod leasing;
mod links;
mod listens;
pub(crate) mod log_file;
mod logd;
mod macvtap;
mod native;
pub(crate) mod networks;
mod notices;
mod passt;
mod pause;
mod placement;
mod power;
mod processor;
pub(crate) mod provide;
mod resources;
pub(crate) mod scope;
mod scripts;
mod secrets;
mod start;
pub(crate) mod status;
mod switch;
mod system_networks;
mod taps;
pub(crate) mod tpm;
mod traces;
mod transient;
mod vhost_scsi;
pub(crate) mod volumes;
mod vsock;

pub(crate) use confine::{bind, no_thread_of_its_own, threads};
pub(crate) use power::PowerWay;
pub(crate) use resources::{Launched, Resources};
pub(crate) use start::StartOptions;

use error::{Code, Domain, Error, Result};
use std::time::Duration;

/// How long QEMU may take to answer a command that changes something.
pub(crate) const COMMAND_WAIT: Duration = Duration::from_secs(15);

/// Refuses the first thing that is asked for and would be ignored.
///
/// # Errors
/// [`Code::NoSupport`] with what `say` makes of its name.
fn refuse_asked(
    all: impl IntoIterator<Item = (&'static str, bool)>,
    say: impl FnOnce(&str) -> String,
) -> Result<()> {
    match all.into_iter().find(|(_, asked)| *asked) {
        None => Ok(()),
        Some((what, _)) => Err(Error::new(Code::NoSupport, Domain::Qemu, say(what))),
    }
}

/// The error of an operation that needs a running domain.
pub(crate) fn not_running() -> Error {
    Error::new(Code::OperationInvalid, Domain::Qemu, "domain is not running")
}

/// What a client hears when the monitor does not do what it should.
pub(crate) fn monitor_error(err: qmp::Error) -> Error {
    let code = match &err {
        err if err.is_timeout() => Code::OperationTimeout,
        err if err.is_closed() => Code::OperationFailed,
        _ => Code::InternalError,
    };
    Error::new(code, Domain::Qemu, err.to_string()).caused_by(err)
}

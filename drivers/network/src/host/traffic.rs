//! The limits of bridges in the kernel: what crate `traffic` says, set by tc. Everything here blocks.

use daemon::program::Program;
use error::{Domain, Result};

/// Has tc do what the lines say, up to the first that it cannot.
///
/// # Errors
/// Its words; [`error::Code::NoSupport`] where it is not installed.
pub(crate) fn set(lines: &str) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    Program::new(Domain::Network, traffic::PROGRAM)
        .with(traffic::ARGUMENTS)
        .run(lines.as_bytes())
}

/// Has tc do what it can of what the lines say.
///
/// # Errors
/// As [`set`], after the last line.
pub(crate) fn set_what_is_possible(lines: &str) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    Program::new(Domain::Network, traffic::PROGRAM)
        .with(traffic::REGARDLESS)
        .run(lines.as_bytes())
}

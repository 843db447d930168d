//! The limits of bridges in the kernel: what crate `traffic` says, set by tc. Everything here blocks.

use super::tool;
use error::Result;

/// Has tc do what the lines say, up to the first that it cannot.
///
/// # Errors
/// Its words; [`error::Code::NoSupport`] where it is not installed.
pub(crate) fn set(lines: &str) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    tell(traffic::ARGUMENTS, lines)
}

/// Has tc do what it can of what the lines say.
///
/// # Errors
/// As [`set`], after the last line.
pub(crate) fn set_what_is_possible(lines: &str) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    tell(traffic::REGARDLESS, lines)
}

fn tell<const N: usize>(arguments: [&'static str; N], lines: &str) -> Result<()> {
    let tc = tool(traffic::PROGRAM).with(arguments).with_input(lines);
    tc.run_to_end().map(drop)
}

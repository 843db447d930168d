//! What goes wrong with control groups.

use crate::Controller;
use std::path::PathBuf;

/// Why something of a group cannot be read or set.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host has no such controller, or it is not to be used.
    #[error("cgroup {0} controller is not mounted")]
    NoController(Controller),
    /// The controller is there and does not know this.
    #[error("{0} is not supported by this kernel's {1} controller")]
    NotSupported(&'static str, Controller),
    /// No value of that kind.
    #[error("{what} '{value}' must be in range [{least}, {most}]")]
    OutOfRange {
        /// Of what.
        what: &'static str,
        /// What was given.
        value: u64,
        /// What is allowed at least.
        least: u64,
        /// What is allowed at most.
        most: u64,
    },
    /// A file of a group does not say what it should.
    #[error("'{path}' says '{said}'")]
    Unexpected {
        /// The file.
        path: PathBuf,
        /// What it says.
        said: String,
    },
    /// The kernel refuses.
    #[error("cannot {what} '{path}': {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

//! Configuration files: libvirt's `key = value` format, and typed tables of keys.
//!
//! A daemon or a driver lists its keys once, with [`schema!`]: name, type, default and meaning. Reading a file against
//! such a table gives the typed values or one [`ConfigError`] that says file, line and key; nothing is guessed and
//! nothing is skipped. A key that belongs to another daemon is a warning that names the file where it works.
//!
//! The file is written by an administrator but read as hostile: its size is bounded, and so are its values.

mod daemon;
mod network;
mod schema;
mod syntax;
mod value;

pub use daemon::{AccessDrivers, Audit, Auth, DaemonConfig, HostUuid, HostUuidSource, Usernames};
pub use network::{NetworkAuth, NetworkConfig, Port, Strength};
pub use schema::{Key, Loaded, Read, Schema, schema};
pub use syntax::{Entry, Value};
pub use value::{FromValue, Octal, OneOrMore};

use std::path::{Path, PathBuf};

/// The largest file that is read, in bytes.
pub const FILE_MAX: u64 = 1024 * 1024;

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A line is not in the format.
    #[error("{}:{line}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u32,
        /// What is wrong with it.
        reason: String,
    },
    /// A key is unknown, is there twice, or has a value it cannot have.
    #[error("{}:{line}: {key}: {reason}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u32,
        /// The key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The text of the file at `path`; `None` if there is none.
pub(crate) fn text_of(path: &Path) -> Result<Option<String>, ConfigError> {
    use std::io::{Error, ErrorKind, Read as _};
    let unreadable = |source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(source) if source.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(unreadable(source)),
    };
    let mut bytes = Vec::new();
    file.take(FILE_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(unreadable(Error::new(
            ErrorKind::FileTooLarge,
            format!("larger than {FILE_MAX} bytes"),
        )));
    }
    let text = String::from_utf8(bytes).map_err(|bad| {
        let good = bad
            .as_bytes()
            .get(..bad.utf8_error().valid_up_to())
            .unwrap_or_default();
        ConfigError::Syntax {
            path: path.to_owned(),
            line: 1 + u32::try_from(good.iter().filter(|byte| **byte == b'\n').count())
                .unwrap_or(u32::MAX - 1),
            reason: "not UTF-8".to_owned(),
        }
    })?;
    Ok(Some(text))
}

//! What can go wrong between us and QEMU, or the guest agent.

use std::io;
use std::time::Duration;

/// The result of a command.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a command has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No answer came in time. The connection stays usable; a late answer is thrown away.
    #[error("{command} was not answered within {} ms", after.as_millis())]
    Timeout {
        /// The command.
        command: String,
        /// How long it was waited for.
        after: Duration,
        /// Whether any of it reached the peer. If not, it will never be carried out.
        sent: bool,
    },
    /// The connection is gone.
    #[error("the connection is closed: {0}")]
    Closed(CloseReason),
    /// The peer said something it may not say.
    #[error("{0}")]
    Protocol(String),
    /// The peer refused the command.
    #[error("{command}: {desc}")]
    Command {
        /// The command.
        command: String,
        /// The error's class: `GenericError`, `CommandNotFound`, `DeviceNotActive`, `DeviceNotFound`, `KVMMissingCap`.
        class: String,
        /// The peer's own words.
        desc: String,
    },
    /// What we were asked to send is no command.
    #[error("not a command: {0}")]
    NotACommand(String),
    /// Too many commands wait for this peer already.
    #[error("{unanswered} commands wait for an answer already")]
    Overloaded {
        /// How many.
        unanswered: usize,
    },
    /// No connection could be made.
    #[error("cannot connect to {path}: {source}")]
    Connect {
        /// The socket.
        path: String,
        /// The system's error.
        source: io::Error,
    },
}

impl Error {
    /// Whether the peer refused with this class.
    pub fn is_class(&self, wanted: &str) -> bool {
        matches!(self, Self::Command { class, .. } if class == wanted)
    }

    /// Whether the peer does not know the command.
    pub fn is_command_not_found(&self) -> bool {
        self.is_class("CommandNotFound")
    }

    /// Whether it is only late.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout { .. })
    }

    /// Whether the connection is gone.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer closed it, as it does when it ends.
    #[error("the peer ended it")]
    Eof,
    /// The last handle on our side was dropped.
    #[error("it was given up")]
    Dropped,
    /// The system says so.
    #[error("{0}")]
    Io(String),
    /// The peer cannot be understood.
    #[error("{0}")]
    Protocol(String),
}

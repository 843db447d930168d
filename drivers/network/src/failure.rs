//! What clients hear when something does not work.

use error::{Code, Domain, Error};
use std::fmt::Display;
use std::io;

/// A failure of networks.
pub(crate) fn refused(code: Code, text: impl Into<String>) -> Error {
    Error::new(code, Domain::Network, text)
}

/// What cannot be done in the state that something is in.
pub(crate) fn invalid(text: impl Into<String>) -> Error {
    refused(Code::OperationInvalid, text)
}

/// A document that asks for what cannot be.
pub(crate) fn impossible(text: impl Into<String>) -> Error {
    refused(Code::ConfigUnsupported, text)
}

/// An argument that cannot be.
pub(crate) fn argument(text: impl Into<String>) -> Error {
    refused(Code::InvalidArg, text)
}

/// What the host's kernel says, with what was tried: "cannot make the bridge 'virbr0'".
pub(crate) fn system(what: impl Display, cause: impl Into<io::Error>) -> Error {
    Error::system(Domain::Network, what, cause)
}

//! What clients hear when something does not work.

use error::{Code, Domain, Error};
use std::fmt::Display;
use std::io;

/// A failure of storage.
pub(crate) fn refused(code: Code, text: impl Into<String>) -> Error {
    Error::new(code, Domain::Storage, text)
}

/// What cannot be done in the state that something is in.
pub(crate) fn invalid(text: impl Into<String>) -> Error {
    refused(Code::OperationInvalid, text)
}

/// What is not built, or not there to be used.
pub(crate) fn unsupported(text: impl Into<String>) -> Error {
    refused(Code::NoSupport, text)
}

/// An argument that cannot be.
pub(crate) fn argument(text: impl Into<String>) -> Error {
    refused(Code::InvalidArg, text)
}

/// What the host's kernel says, with what was tried: "cannot open '/images'".
pub(crate) fn system(what: impl Display, cause: impl Into<io::Error>) -> Error {
    Error::system(Domain::Storage, what, cause)
}

//! What clients hear when something does not work.

use error::{Code, Domain, Error};

/// A failure of network filters.
pub(crate) fn refused(code: Code, text: impl Into<String>) -> Error {
    Error::new(code, Domain::Nwfilter, text)
}

/// What stock daemons call internal, though documents are to blame.
pub(crate) fn internal(text: impl Into<String>) -> Error {
    refused(Code::InternalError, text)
}

/// A document that asks for what cannot be.
pub(crate) fn impossible(text: impl Into<String>) -> Error {
    refused(Code::ConfigUnsupported, text)
}

//! Errors of documents as clients hear them: the one place where the reader's errors get a code.

use error::{Code, Domain, Error, Result};

/// What a client hears when a document is refused: text that is no XML, or XML that says something wrong.
pub fn document_error(error: xml::Error) -> Error {
    let code = match &error {
        xml::Error::Unsupported(_) => Code::ConfigUnsupported,
        error if error.is_syntax() => Code::XmlDetail,
        _ => Code::XmlError,
    };
    let domain = if code == Code::XmlDetail {
        Domain::Xml
    } else {
        Domain::Domain
    };
    Error::new(code, domain, error.to_string())
}

/// Reads a document of any type, with errors as clients hear them.
///
/// # Errors
/// [`Code::XmlDetail`] for what is no XML, [`Code::XmlError`] for a wrong value, [`Code::ConfigUnsupported`] for one
/// that is right but not supported.
pub fn read<T: xml::Element>(text: &str) -> Result<T> {
    xml::from_str(text).map_err(document_error)
}

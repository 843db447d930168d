//! Errors as clients see them: a code, a domain and a sentence that names the object.
//!
//! A crate that knows nothing of the wire has its own error type and is turned into this one at the edge; the
//! documents and drivers, whose failures *are* libvirt's, use it directly. The numbers come from the public header
//! `virterror.h` and the wire's `virNetMessageError`.

mod numbers;

pub use numbers::{Code, Domain};

use std::error::Error as StdError;
use std::fmt;

/// The result of anything a client may hear about.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One failure. [`fmt::Display`] gives the whole sentence a client shows.
#[derive(Debug)]
pub struct Error {
    code: Code,
    domain: Domain,
    detail: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A failure of kind `code` in `domain`; `detail` names the object and what to do, without repeating what the
    /// code says by itself.
    pub fn new(code: Code, domain: Domain, detail: impl Into<String>) -> Self {
        Self {
            code,
            domain,
            detail: detail.into(),
            source: None,
        }
    }

    /// What the host's kernel says, with what was tried: "cannot open '/images'".
    pub fn system(domain: Domain, what: impl fmt::Display, cause: impl Into<std::io::Error>) -> Self {
        let cause = cause.into();
        let words = cause.to_string();
        // The number says nothing to people.
        let words = words.split(" (os error").next().unwrap_or_default();
        Self::new(Code::SystemError, domain, format!("{what}: {words}")).caused_by(cause)
    }

    /// Keeps `source` for the log; what the client needs of it belongs into the sentence.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same failure told as of another domain: a document's error becomes the driver's.
    #[must_use]
    pub fn in_domain(mut self, domain: Domain) -> Self {
        self.domain = domain;
        self
    }

    /// Puts `context` before the detail: "disk vda: no such file".
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.detail = format!("{context}: {}", self.detail);
        self
    }

    /// What went wrong.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Who says so.
    pub fn domain(&self) -> Domain {
        self.domain
    }

    /// The sentence without the code's lead-in, as the wire's `str1` carries it.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code.lead() {
            Some(lead) => write!(f, "{lead}: {}", self.detail),
            None => f.write_str(&self.detail),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_starts_with_what_the_code_means() {
        let error = Error::new(Code::NoDomain, Domain::Qemu, "no domain with matching name 'x'");
        assert_eq!(
            error.to_string(),
            "Domain not found: no domain with matching name 'x'"
        );
        assert_eq!((error.code().number(), error.domain().number()), (42, 10));
    }

    #[test]
    fn numbers_survive_the_way_back() {
        for number in 0..200 {
            if let Some(code) = Code::from_number(number) {
                assert_eq!(code.number(), number);
                assert!(code.name().starts_with("VIR_ERR_"));
            }
        }
        assert_eq!(Code::from_number(9999), None);
        assert_eq!(Domain::from_number(7), Some(Domain::Rpc));
    }

    #[test]
    fn the_cause_is_kept_beside_the_sentence() {
        let error = Error::new(Code::OperationFailed, Domain::Qemu, "cannot open 'a'")
            .caused_by(std::io::Error::other("disk on fire"));
        assert_eq!(
            StdError::source(&error).map(ToString::to_string).as_deref(),
            Some("disk on fire")
        );
    }
}

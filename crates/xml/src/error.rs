//! What can be wrong with a document.

use crate::MAX_DEPTH;

/// The result of reading a document.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a document was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not well-formed.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// Counted from 1.
        line: u32,
        /// Counted from 1, in characters.
        column: u32,
        /// The parser's words.
        message: String,
    },
    /// Not UTF-8.
    #[error("the document is not UTF-8 (byte {offset})")]
    Encoding {
        /// Number of good bytes.
        offset: usize,
    },
    /// More bytes than a document may have.
    #[error("the document is larger than {} bytes", crate::MAX_SIZE)]
    TooLarge,
    /// Elements nested too deeply.
    #[error("line {line}: elements are nested deeper than {MAX_DEPTH} levels")]
    TooDeep {
        /// Counted from 1.
        line: usize,
    },
    /// A document type declaration, the home of entities.
    #[error("line {line}: a document type declaration is not allowed")]
    DocumentType {
        /// Counted from 1.
        line: usize,
    },
    /// Another document than asked for.
    #[error("unexpected root element <{found}>, expecting <{expected}>")]
    Root {
        /// The name asked for.
        expected: &'static str,
        /// The name found.
        found: String,
    },
    /// An attribute that must be there is not.
    #[error("Missing required attribute '{attribute}' in element '{element}'")]
    MissingAttribute {
        /// The element.
        element: String,
        /// The attribute.
        attribute: &'static str,
    },
    /// A child element that must be there is not.
    #[error("Missing required element '{child}' in element '{element}'")]
    MissingChild {
        /// The element.
        element: String,
        /// The child.
        child: String,
    },
    /// An attribute whose value does not fit.
    #[error(
        "Invalid value for attribute '{attribute}' in element '{element}': '{value}'.{}",
        hint(expected)
    )]
    Attribute {
        /// The element.
        element: String,
        /// The attribute.
        attribute: &'static str,
        /// What it said, shortened if endless.
        value: String,
        /// What would fit; may be empty.
        expected: &'static str,
    },
    /// An element whose text does not fit.
    #[error("Invalid value for element '{element}': '{value}'.{}", hint(expected))]
    Text {
        /// The element.
        element: String,
        /// What it said, shortened if endless.
        value: String,
        /// What would fit; may be empty.
        expected: &'static str,
    },
    /// Well-formed, but makes no sense; the sentence names the element.
    #[error("{0}")]
    Invalid(String),
    /// A number beyond all bounds; the sentence names the element.
    #[error("{0}")]
    Overflow(String),
    /// Sensible, but not something this system does; the sentence names the element.
    #[error("{0}")]
    Unsupported(String),
}

impl Error {
    /// Longest part of a foreign value that an error repeats, in characters.
    const QUOTED: usize = 128;

    pub(crate) fn syntax(error: &roxmltree::Error) -> Self {
        let position = error.pos();
        Self::Syntax {
            line: position.row,
            column: position.col,
            message: error.to_string(),
        }
    }

    /// An attribute whose value does not fit.
    pub fn attribute(element: &str, attribute: &'static str, value: &str, expected: &'static str) -> Self {
        Self::Attribute {
            element: element.to_owned(),
            attribute,
            value: shorten(value),
            expected,
        }
    }

    /// An element whose text does not fit.
    pub fn text(element: &str, value: &str, expected: &'static str) -> Self {
        Self::Text {
            element: element.to_owned(),
            value: shorten(value),
            expected,
        }
    }

    /// A sentence about something that makes no sense.
    pub fn invalid(sentence: impl Into<String>) -> Self {
        Self::Invalid(sentence.into())
    }

    /// A sentence about something that is not supported.
    pub fn unsupported(sentence: impl Into<String>) -> Self {
        Self::Unsupported(sentence.into())
    }

    /// Whether the text is no XML at all, or not one that is read here, as opposed to XML that says something wrong.
    pub fn is_syntax(&self) -> bool {
        matches!(
            self,
            Self::Syntax { .. }
                | Self::Encoding { .. }
                | Self::TooLarge
                | Self::TooDeep { .. }
                | Self::DocumentType { .. }
        )
    }
}

fn hint(expected: &str) -> String {
    if expected.is_empty() {
        String::new()
    } else {
        format!(" Expected {expected}")
    }
}

fn shorten(value: &str) -> String {
    match value.char_indices().nth(Error::QUOTED) {
        Some((end, _)) => format!("{}...", value.get(..end).unwrap_or_default()),
        None => value.to_owned(),
    }
}

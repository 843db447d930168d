//! What documents say about themselves: title, description, and elements of applications' own, as the calls
//! `virDomainSetMetadata` and `virNetworkSetMetadata` and their kin read and change them.

mod element;

use crate::domain::Domain;
use crate::network::Network;
pub(crate) use element::distinct;
use error::{Code, Domain as Origin, Error, Result};
use xml::RawElement;

/// Numbers of the kinds, which `virDomainMetadataType` and `virNetworkMetadataType` share.
const DESCRIPTION: i32 = 0;
const TITLE: i32 = 1;
const ELEMENT: i32 = 2;

/// A document that has metadata.
pub trait Described {
    /// Whose errors are told.
    const ORIGIN: Origin;
    /// What the document is called in errors.
    const NAME: &'static str;
    /// Tells that the metadata that was asked for is not there.
    const MISSING: Code;

    /// Its `<title>`.
    fn title(&self) -> Option<&str>;

    /// Its `<description>`.
    fn description(&self) -> Option<&str>;

    /// Its `<metadata>`.
    fn elements(&self) -> Option<&RawElement>;

    /// All of it, to be changed.
    fn metadata(&mut self) -> Metadata<'_>;
}

/// The metadata of a document.
#[derive(Debug)]
pub struct Metadata<'a> {
    /// `<title>`.
    pub title: &'a mut Option<String>,
    /// `<description>`.
    pub description: &'a mut Option<String>,
    /// `<metadata>`.
    pub elements: &'a mut Option<RawElement>,
}

macro_rules! described {
    ($document:ty, $origin:expr, $name:literal, $missing:expr) => {
        impl Described for $document {
            const ORIGIN: Origin = $origin;
            const NAME: &'static str = $name;
            const MISSING: Code = $missing;

            fn title(&self) -> Option<&str> {
                self.title.as_deref()
            }

            fn description(&self) -> Option<&str> {
                self.description.as_deref()
            }

            fn elements(&self) -> Option<&RawElement> {
                self.metadata.as_ref()
            }

            fn metadata(&mut self) -> Metadata<'_> {
                Metadata {
                    title: &mut self.title,
                    description: &mut self.description,
                    elements: &mut self.metadata,
                }
            }
        }
    };
}

described!(Domain, Origin::Domain, "domain", Code::NoDomainMetadata);
described!(Network, Origin::Network, "network", Code::NoNetworkMetadata);

fn invalid<D: Described>(text: impl Into<String>) -> Error {
    Error::new(Code::InvalidArg, D::ORIGIN, text)
}

fn namespace<D: Described>(uri: Option<String>) -> Result<String> {
    uri.ok_or_else(|| invalid::<D>("the namespace of the metadata is missing"))
}

fn unknown<D: Described>(kind: i32) -> Error {
    invalid::<D>(format!("unknown metadata type {kind}"))
}

/// The metadata of a kind, as applications get it; that of kind 2 is the element of the namespace `uri`.
///
/// # Errors
/// [`Code::InvalidArg`] for an unknown kind or a namespace that is missing, [`Described::MISSING`] when there is none.
pub fn find<D: Described>(document: &D, kind: i32, uri: Option<String>) -> Result<String> {
    let found = match kind {
        DESCRIPTION => document.description().map(str::to_owned),
        TITLE => document.title().map(str::to_owned),
        ELEMENT => {
            let element = element::element(document.elements(), &namespace::<D>(uri)?);
            element.as_ref().map(element::plain)
        }
        other => return Err(unknown::<D>(other)),
    };
    found.ok_or_else(|| Error::new(D::MISSING, D::ORIGIN, "Requested metadata element is not present"))
}

/// A piece of metadata that is to be, or to be no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// `<description>`.
    Description(Option<String>),
    /// `<title>`.
    Title(Option<String>),
    /// The element of a namespace.
    Element {
        /// The namespace.
        uri: String,
        /// The prefix the element gets.
        key: String,
        /// The element; `None` removes it.
        text: Option<String>,
    },
}

impl Piece {
    /// As a client hands it in; an empty text removes it, as for libvirt.
    ///
    /// # Errors
    /// [`Code::InvalidArg`] for an unknown kind, or an element without namespace or prefix.
    pub fn new<D: Described>(
        kind: i32,
        text: Option<String>,
        key: Option<String>,
        uri: Option<String>,
    ) -> Result<Self> {
        let text = text.filter(|text| !text.is_empty());
        match kind {
            DESCRIPTION => Ok(Self::Description(text)),
            TITLE => Ok(Self::Title(text)),
            ELEMENT => Ok(Self::Element {
                uri: namespace::<D>(uri)?,
                key: match (key, text.is_some()) {
                    (Some(key), _) => key,
                    (None, false) => String::new(),
                    (None, true) => return Err(invalid::<D>("the prefix of the metadata is missing")),
                },
                text,
            }),
            other => Err(unknown::<D>(other)),
        }
    }

    /// Puts it into a document.
    ///
    /// # Errors
    /// When the element is no XML, or the title has several lines.
    pub fn apply<D: Described>(&self, document: &mut D) -> Result<()> {
        let metadata = document.metadata();
        match self {
            Self::Description(text) => metadata.description.clone_from(text),
            Self::Title(text) => {
                if text.as_ref().is_some_and(|text| text.contains('\n')) {
                    let text = format!("a {}'s title cannot contain line breaks", D::NAME);
                    return Err(invalid::<D>(text));
                }
                metadata.title.clone_from(text);
            }
            Self::Element { uri, key, text } => {
                let text = text.as_ref();
                let given = text
                    .map(|text| element::in_namespace(text, uri, key))
                    .transpose()?;
                *metadata.elements = element::with_element(metadata.elements.as_ref(), uri, given)?;
            }
        }
        Ok(())
    }

    /// The number of its kind, and its namespace, as events tell them.
    pub fn told(&self) -> (i32, Option<&str>) {
        match self {
            Self::Description(_) => (DESCRIPTION, None),
            Self::Title(_) => (TITLE, None),
            Self::Element { uri, .. } => (ELEMENT, Some(uri)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network() -> Network {
        Network::from_xml("<network><name>n</name><title>t</title></network>").unwrap()
    }

    #[test]
    fn pieces_are_put_in_found_and_removed() {
        let mut network = network();
        assert_eq!(find(&network, TITLE, None).unwrap(), "t");
        let (key, uri) = (Some("k".to_owned()), Some("urn:app".to_owned()));
        let text = Some("<app/>".to_owned());
        let piece = Piece::new::<Network>(ELEMENT, text, key.clone(), uri.clone()).unwrap();
        assert_eq!(piece.told(), (ELEMENT, Some("urn:app")));
        piece.apply(&mut network).unwrap();
        assert_eq!(find(&network, ELEMENT, uri.clone()).unwrap(), "<app/>");
        let none = Piece::new::<Network>(ELEMENT, Some(String::new()), None, uri.clone()).unwrap();
        none.apply(&mut network).unwrap();
        let missing = find(&network, ELEMENT, uri).unwrap_err();
        assert_eq!(
            (missing.code(), missing.domain()),
            (Code::NoNetworkMetadata, Origin::Network)
        );
    }

    #[test]
    fn what_is_wrong_is_an_argument() {
        let wrong = |outcome: Result<Piece>| assert_eq!(outcome.unwrap_err().code(), Code::InvalidArg);
        wrong(Piece::new::<Network>(3, None, None, None));
        wrong(Piece::new::<Network>(ELEMENT, None, None, None));
        let text = || Some("<a/>".to_owned());
        wrong(Piece::new::<Domain>(
            ELEMENT,
            text(),
            None,
            Some("urn:a".to_owned()),
        ));
        let lines = Piece::new::<Network>(TITLE, Some("a\nb".to_owned()), None, None).unwrap();
        assert_eq!(lines.apply(&mut network()).unwrap_err().code(), Code::InvalidArg);
    }
}

//! XML documents to types and back, with errors that name the element.
//!
//! A document is parsed into a read-only tree ([`Node`]), and a type reads itself from a node through [`Fields`];
//! [`Writer`] prints a type the way libvirt prints its documents. Both directions come from one declaration: the
//! derives `Element`, `Fields`, `Choice` and `Value` of this crate.
//!
//! - A type that derives [`Fields`] is the attributes and children of *some* element: it may be a child under any
//!   name, or be flattened into the surrounding element. [`Element`] adds the name it has as a document's root.
//! - [`Choice`] is a list of different child elements whose order is kept.
//! - [`Value`] is what fits into an attribute or a text.
//!
//! Reading is lenient where libvirt is: the order of elements does not matter, and what nobody asks for is ignored.
//! A value of a wrong form is an error. Documents are hostile: size, depth and number of nodes are limited before a
//! tree is built, and document type declarations, and entities with them, are refused.
//!
//! ```
//! use xml::{Element, Value, YesNo};
//!
//! #[derive(Debug, Clone, Copy, PartialEq, Value)]
//! enum Bus {
//!     #[xml("virtio")]
//!     Virtio,
//!     #[xml("usb")]
//!     Usb,
//! }
//!
//! #[derive(Debug, PartialEq, Element)]
//! #[xml(element = "disk")]
//! struct Disk {
//!     #[xml(attr)]
//!     bus: Bus,
//!     #[xml(attr)]
//!     managed: Option<YesNo>,
//!     #[xml(value = "serial")]
//!     serial: Option<String>,
//!     #[xml(flag = "readonly")]
//!     readonly: bool,
//! }
//!
//! let disk: Disk = xml::from_str("<disk bus='usb'><readonly/><serial>A&amp;B</serial></disk>")?;
//! assert_eq!(disk, Disk { bus: Bus::Usb, managed: None, serial: Some("A&B".into()), readonly: true });
//! assert_eq!(xml::to_string(&disk), "<disk bus='usb'>\n  <serial>A&amp;B</serial>\n  <readonly/>\n</disk>\n");
//! # Ok::<(), xml::Error>(())
//! ```

extern crate self as xml;

mod element;
mod error;
mod guard;
mod name;
mod node;
mod raw;
mod value;
mod writer;

#[cfg(test)]
mod derive_tests;

pub use element::{Choice, Element, Fields};
pub use error::{Error, Result};
pub use guard::{MAX_DEPTH, MAX_NODES, MAX_SIZE};
pub use name::Name;
pub use node::Node;
pub use raw::RawElement;
pub use value::{Hex, HexInteger, OnOff, Value, YesNo};
pub use writer::Writer;
pub use xml_derive::{Choice, Element, Fields, Value};

/// Reads a document whose root is the element of `T`.
///
/// # Errors
/// Everything of [`Error`]: not well-formed, too large, another root, a value that does not fit.
pub fn from_str<T: Element>(text: &str) -> Result<T> {
    with_root(text, |root| {
        if root.is(T::NAME.into()) {
            T::read(root)
        } else {
            Err(Error::Root {
                expected: T::NAME,
                found: root.name().to_owned(),
            })
        }
    })
}

/// As [`from_str`], from bytes that are perhaps not UTF-8.
///
/// # Errors
/// As [`from_str`], and [`Error::Encoding`].
pub fn from_slice<T: Element>(bytes: &[u8]) -> Result<T> {
    from_str(text_of(bytes)?)
}

/// Parses `text` and hands its root element to `read`: for documents whose root decides what they are.
///
/// # Errors
/// Those of the parser, and those of `read`.
pub fn with_root<R>(text: &str, read: impl FnOnce(Node<'_>) -> Result<R>) -> Result<R> {
    guard::check(text)?;
    let options = roxmltree::ParsingOptions {
        allow_dtd: false,
        nodes_limit: MAX_NODES,
        ..Default::default()
    };
    let document =
        roxmltree::Document::parse_with_options(text, options).map_err(|error| Error::syntax(&error))?;
    read(Node::new(document.root_element()))
}

/// Prints a document: no XML declaration, two spaces a level, a newline at the end.
pub fn to_string<T: Element>(value: &T) -> String {
    to_string_named(value, T::NAME)
}

/// As [`to_string`], for a type that is not tied to one element name.
pub fn to_string_named<T: Fields>(value: &T, name: &str) -> String {
    let mut writer = Writer::new();
    writer.child(name, value);
    writer.finish()
}

fn text_of(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|error| Error::Encoding {
        offset: error.valid_up_to(),
    })
}

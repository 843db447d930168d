//! What a type must do to be read from and written to an element.

use crate::{Node, Result, Writer};

/// Attributes and children of an element, whatever its name.
///
/// Attributes and children are written in two passes, so that a flattened part can add to both.
pub trait Fields: Sized {
    /// Reads the value from the element it is written in.
    ///
    /// # Errors
    /// A missing or malformed part, named together with its element.
    fn read(node: Node<'_>) -> Result<Self>;

    /// Adds the attributes to the element just opened.
    fn write_attributes(&self, writer: &mut Writer);

    /// Adds text and child elements.
    fn write_children(&self, writer: &mut Writer);

    /// Whether `node`, a child of the element, is one that this type reads. Decides what is left for a field that
    /// keeps everything else.
    fn claims(node: Node<'_>) -> bool {
        let _ = node;
        false
    }

    /// Whether `node` has this part at all, when the part is flattened and optional.
    fn present(node: Node<'_>) -> bool {
        let _ = node;
        true
    }
}

/// A type that can be the root of a document.
pub trait Element: Fields {
    /// The name of that root.
    const NAME: &'static str;
}

/// One of several different child elements, told apart by name.
pub trait Choice: Sized {
    /// Reads `node` if it is one of these elements.
    ///
    /// # Errors
    /// As [`Fields::read`].
    fn read_choice(node: Node<'_>) -> Result<Option<Self>>;

    /// Writes the element under its name.
    fn write_choice(&self, writer: &mut Writer);

    /// Whether `node` is one of these elements.
    fn claims_choice(node: Node<'_>) -> bool;
}

impl<T: Fields> Fields for Box<T> {
    fn read(node: Node<'_>) -> Result<Self> {
        T::read(node).map(Self::new)
    }

    fn write_attributes(&self, writer: &mut Writer) {
        T::write_attributes(self, writer);
    }

    fn write_children(&self, writer: &mut Writer) {
        T::write_children(self, writer);
    }

    fn claims(node: Node<'_>) -> bool {
        T::claims(node)
    }

    fn present(node: Node<'_>) -> bool {
        T::present(node)
    }
}

impl<T: Element> Element for Box<T> {
    const NAME: &'static str = T::NAME;
}

/// An element without attributes and children.
impl Fields for () {
    fn read(_: Node<'_>) -> Result<Self> {
        Ok(())
    }

    fn write_attributes(&self, _: &mut Writer) {}

    fn write_children(&self, _: &mut Writer) {}
}

//! An element of a parsed document, as types read it.

use std::borrow::Cow;

use crate::{Choice, Error, Fields, Name, RawElement, Result, Value};

/// An element. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct Node<'d>(roxmltree::Node<'d, 'd>);

impl<'d> Node<'d> {
    pub(crate) fn new(node: roxmltree::Node<'d, 'd>) -> Self {
        Self(node)
    }

    pub(crate) fn inner(&self) -> roxmltree::Node<'d, 'd> {
        self.0
    }

    /// The name without prefix.
    pub fn name(&self) -> &'d str {
        self.0.tag_name().name()
    }

    /// The namespace that the element is in.
    pub fn namespace(&self) -> Option<&'d str> {
        self.0.tag_name().namespace().filter(|uri| !uri.is_empty())
    }

    /// Whether the element has that name, in that namespace.
    pub fn is(&self, name: Name<'_>) -> bool {
        self.name() == name.local && self.namespace() == name.namespace.map(|namespace| namespace.uri)
    }

    /// The attribute `name`, which is outside any namespace.
    pub fn attribute(&self, name: &str) -> Option<&'d str> {
        self.0
            .attributes()
            .find(|attribute| attribute.name() == name && attribute.namespace().is_none())
            .map(|attribute| attribute.value())
    }

    /// All child elements.
    pub fn elements(&self) -> impl Iterator<Item = Node<'d>> + use<'d> {
        self.0.children().filter(|node| node.is_element()).map(Node)
    }

    /// The first child element of that name.
    pub fn child<'n>(&self, name: impl Into<Name<'n>>) -> Option<Node<'d>> {
        let name = name.into();
        self.elements().find(|node| node.is(name))
    }

    /// The child elements of that name.
    pub fn children<'n, N: Into<Name<'n>>>(
        &self,
        name: N,
    ) -> impl Iterator<Item = Node<'d>> + use<'d, 'n, N> {
        let name = name.into();
        self.elements().filter(move |node| node.is(name))
    }

    /// The text directly inside the element.
    pub fn text(&self) -> Cow<'d, str> {
        let mut texts = self
            .0
            .children()
            .filter(roxmltree::Node::is_text)
            .filter_map(|node| node.text());
        match (texts.next(), texts.next()) {
            (None, _) => Cow::Borrowed(""),
            (Some(only), None) => Cow::Borrowed(only),
            (Some(first), Some(second)) => {
                let mut all = format!("{first}{second}");
                all.extend(texts);
                Cow::Owned(all)
            }
        }
    }

    /// The value of an attribute that must be there.
    ///
    /// # Errors
    /// Missing, or of a wrong form.
    pub fn required<T: Value>(&self, attribute: &'static str) -> Result<T> {
        self.optional(attribute)?.ok_or_else(|| Error::MissingAttribute {
            element: self.name().to_owned(),
            attribute,
        })
    }

    /// The value of an attribute that may be missing.
    ///
    /// # Errors
    /// Of a wrong form.
    pub fn optional<T: Value>(&self, attribute: &'static str) -> Result<Option<T>> {
        let Some(text) = self.attribute(attribute) else {
            return Ok(None);
        };
        match T::parse(text) {
            Some(value) => Ok(Some(value)),
            None => Err(self.attribute_error(attribute, text, T::EXPECTED)),
        }
    }

    /// The error of an attribute that says something wrong.
    pub fn attribute_error(&self, attribute: &'static str, value: &str, expected: &'static str) -> Error {
        Error::attribute(self.name(), attribute, value, expected)
    }

    /// The error of a child that is missing.
    pub fn missing_child<'n>(&self, name: impl Into<Name<'n>>) -> Error {
        Error::MissingChild {
            element: self.name().to_owned(),
            child: name.into().local.to_owned(),
        }
    }

    /// The element's own text as a value; none where it is empty.
    ///
    /// # Errors
    /// Of a wrong form.
    pub fn own_value<T: Value>(&self) -> Result<Option<T>> {
        let text = self.text();
        if text.is_empty() {
            return Ok(None);
        }
        match T::parse(&text) {
            Some(value) => Ok(Some(value)),
            None => Err(Error::text(self.name(), &text, T::EXPECTED)),
        }
    }

    /// The element's own text as a value that must be there; a string may be empty.
    ///
    /// # Errors
    /// Empty, or of a wrong form.
    pub fn own_text<T: Value>(&self) -> Result<T> {
        let text = self.text();
        T::parse(&text).ok_or_else(|| Error::text(self.name(), &text, T::EXPECTED))
    }

    /// The text of the first child of that name as a value; none where it is missing or empty.
    ///
    /// # Errors
    /// Of a wrong form.
    pub fn value<'n, T: Value>(&self, name: impl Into<Name<'n>>) -> Result<Option<T>> {
        match self.child(name) {
            Some(child) => child.own_value(),
            None => Ok(None),
        }
    }

    /// The text of the first child of that name, which must be there.
    ///
    /// # Errors
    /// Missing, or of a wrong form.
    pub fn required_value<'n, T: Value>(&self, name: impl Into<Name<'n>>) -> Result<T> {
        let name = name.into();
        self.child(name)
            .ok_or_else(|| self.missing_child(name))?
            .own_text()
    }

    /// The texts of all children of that name.
    ///
    /// # Errors
    /// Of a wrong form.
    pub fn values<'n, T: Value>(&self, name: impl Into<Name<'n>>) -> Result<Vec<T>> {
        self.children(name).map(|child| child.own_text()).collect()
    }

    /// The first child of that name as a type.
    ///
    /// # Errors
    /// Those of the type.
    pub fn part<'n, T: Fields>(&self, name: impl Into<Name<'n>>) -> Result<Option<T>> {
        self.child(name).map(T::read).transpose()
    }

    /// The first child of that name as a type, which must be there.
    ///
    /// # Errors
    /// Missing, and those of the type.
    pub fn required_part<'n, T: Fields>(&self, name: impl Into<Name<'n>>) -> Result<T> {
        let name = name.into();
        T::read(self.child(name).ok_or_else(|| self.missing_child(name))?)
    }

    /// All children of that name as a type.
    ///
    /// # Errors
    /// Those of the type.
    pub fn parts<'n, T: Fields>(&self, name: impl Into<Name<'n>>) -> Result<Vec<T>> {
        self.children(name).map(T::read).collect()
    }

    /// The children of the first child `wrapper` of that name as a type.
    ///
    /// # Errors
    /// Those of the type.
    pub fn wrapped_parts<'n, T: Fields>(
        &self,
        wrapper: impl Into<Name<'n>>,
        name: impl Into<Name<'n>>,
    ) -> Result<Vec<T>> {
        self.child(wrapper)
            .map_or_else(|| Ok(Vec::new()), |wrapper| wrapper.parts(name))
    }

    /// All children that are among the choices, in their order.
    ///
    /// # Errors
    /// Those of the types.
    pub fn choices<T: Choice>(&self) -> Result<Vec<T>> {
        self.elements()
            .filter_map(|child| T::read_choice(child).transpose())
            .collect()
    }

    /// The first child that is among the choices.
    ///
    /// # Errors
    /// Those of the types.
    pub fn choice<T: Choice>(&self) -> Result<Option<T>> {
        self.elements()
            .find_map(|child| T::read_choice(child).transpose())
            .transpose()
    }

    /// The flattened part `T`, if the element has it.
    ///
    /// # Errors
    /// Those of the type.
    pub fn flattened<T: Fields>(&self) -> Result<Option<T>> {
        if T::present(*self) {
            T::read(*self).map(Some)
        } else {
            Ok(None)
        }
    }

    /// The element as it was written.
    pub fn to_raw(&self) -> RawElement {
        RawElement::of(*self)
    }
}

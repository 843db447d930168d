//! Elements that are kept as they were written.
//!
//! Their text is self-contained: what they use of the namespaces that were declared further out is declared again on
//! them, so that they mean the same wherever they are put.

use std::fmt;

use crate::{Error, Node, Result, with_root};

/// An element with everything in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawElement {
    text: Box<str>,
    name: Box<str>,
    namespace: Option<Box<str>>,
}

impl RawElement {
    /// Reads a document and keeps its root.
    ///
    /// # Errors
    /// Those of the parser.
    pub fn parse(text: &str) -> Result<Self> {
        with_root(text, |root| Ok(Self::of(root)))
    }

    pub(crate) fn of(node: Node<'_>) -> Self {
        let inner = node.inner();
        let source = inner
            .document()
            .input_text()
            .get(inner.range())
            .unwrap_or_default();
        let name_end = source
            .find([' ', '\t', '\r', '\n', '/', '>'])
            .unwrap_or(source.len());
        let (start, rest) = source.split_at(name_end);
        let own: Vec<&str> = attribute_names(rest).collect();
        let mut text = start.to_owned();
        for namespace in inner.namespaces() {
            let (declaration, used) = match namespace.name() {
                Some("xml") => continue,
                Some(prefix) => (format!("xmlns:{prefix}"), source.contains(&format!("{prefix}:"))),
                None => ("xmlns".to_owned(), !namespace.uri().is_empty()),
            };
            if used && !own.contains(&declaration.as_str()) {
                text.push(' ');
                text.push_str(&declaration);
                text.push_str("=\"");
                text.push_str(
                    &namespace
                        .uri()
                        .replace('&', "&amp;")
                        .replace('<', "&lt;")
                        .replace('"', "&quot;"),
                );
                text.push('"');
            }
        }
        text.push_str(rest);
        Self {
            text: text.into(),
            name: node.name().into(),
            namespace: node.namespace().map(Into::into),
        }
    }

    /// The element's text, from its start tag to its end tag.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name without prefix.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The namespace that the element is in.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Hands the element to `read`, parsed.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn with_node<R>(&self, read: impl FnOnce(Node<'_>) -> Result<R>) -> Result<R> {
        with_root(&self.text, read)
    }

    /// Its child elements, each self-contained.
    pub fn children(&self) -> Vec<Self> {
        self.with_node(|node| Ok(node.elements().map(Self::of).collect()))
            .unwrap_or_default()
    }

    /// An element `name` outside any namespace that holds `children`.
    ///
    /// # Errors
    /// A name that is none.
    pub fn wrapping(name: &str, children: &[Self]) -> Result<Self> {
        let mut text = format!("<{name}>");
        for child in children {
            text.push_str("\n    ");
            text.push_str(&child.text);
        }
        text.push_str("\n  </");
        text.push_str(name);
        text.push('>');
        let element = Self::parse(&text)?;
        if *element.name == *name {
            Ok(element)
        } else {
            Err(Error::invalid(format!("'{name}' is no element name")))
        }
    }
}

/// The names of the attributes, prefixes included, that follow an element's name in a start tag known to be good.
fn attribute_names(tag: &str) -> impl Iterator<Item = &str> {
    let mut rest = tag;
    std::iter::from_fn(move || {
        let (name, value) = rest
            .trim_start()
            .split_once('=')
            .filter(|(name, _)| !name.contains(['>', '/']))?;
        let value = value.trim_start();
        let quote = value.chars().next()?;
        rest = value.get(1..)?.split_once(quote)?.1;
        Some(name.trim_end())
    })
}

impl fmt::Display for RawElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_of_the_surroundings_come_along() {
        let text = "<d xmlns:a='urn:a' xmlns:b='urn:b' xmlns='urn:d'><a:x><y z='a:q'/></a:x></d>";
        let raw = with_root(text, |root| {
            Ok(root.elements().map(RawElement::of).collect::<Vec<_>>())
        })
        .unwrap();
        let [raw] = raw.as_slice() else {
            panic!("one child")
        };
        assert_eq!((raw.name(), raw.namespace()), ("x", Some("urn:a")));
        assert_eq!(raw, &RawElement::parse(raw.as_str()).unwrap());
        assert!(
            raw.as_str().contains("xmlns:a=\"urn:a\"") && raw.as_str().contains("xmlns=\"urn:d\""),
            "{raw}"
        );
        assert!(!raw.as_str().contains("urn:b"), "{raw}");
    }

    #[test]
    fn what_an_element_declares_itself_is_not_declared_again() {
        let text = "<d xmlns:a='urn:a'><x a = 'xmlns:b=' xmlns:a = \"urn:/a'>\" b='/'><a:y c='1'/></x></d>";
        let raw = with_root(text, |root| {
            Ok(root.elements().map(RawElement::of).collect::<Vec<_>>())
        })
        .unwrap();
        assert_eq!(raw.first().map(RawElement::as_str), text.get(19..text.len() - 4));
        assert_eq!(
            attribute_names("  a='1' b = \"=\" />").collect::<Vec<_>>(),
            ["a", "b"]
        );
    }

    #[test]
    fn text_inside_stays_as_it_was() {
        let text = "<m>\n   <a:x xmlns:a=\"urn:a\"> <![CDATA[<&]]>  <!-- kept --></a:x>\n</m>";
        assert_eq!(RawElement::parse(text).unwrap().as_str(), text);
        let children = RawElement::parse(text).unwrap().children();
        assert_eq!(children.len(), 1);
        assert_eq!(RawElement::wrapping("m", &children).unwrap().children(), children);
        assert!(RawElement::wrapping("m><x", &children).is_err());
    }
}

//! `<metadata>`: what applications keep with a document, one element for each namespace.

use error::Result;
use std::collections::BTreeSet;
use xml::RawElement;

use crate::document_error;

/// The element of that namespace, as a document of its own.
pub(super) fn element(metadata: Option<&RawElement>, namespace: &str) -> Option<RawElement> {
    metadata?
        .children()
        .into_iter()
        .find(|child| child.namespace() == Some(namespace))
}

/// An element as applications get it back: without the prefix it has inside the document.
pub(super) fn plain(element: &RawElement) -> String {
    let text = element.as_str();
    let Some((prefix, _)) = text.get(1..).and_then(|rest| rest.split_once(':')) else {
        return text.to_owned();
    };
    if !text
        .get(1..)
        .is_some_and(|rest| rest.starts_with(&format!("{prefix}:{}", element.name())))
    {
        return text.to_owned();
    }
    let bare = text
        .replace(&format!("<{prefix}:"), "<")
        .replace(&format!("</{prefix}:"), "</");
    for quote in ['"', '\''] {
        let start = format!(" xmlns:{prefix}={quote}");
        if let Some((before, rest)) = bare.split_once(&start)
            && let Some((_, after)) = rest.split_once(quote)
        {
            return format!("{before}{after}");
        }
    }
    bare
}

/// The metadata with the element of that namespace replaced by `element`, or without it.
///
/// # Errors
/// When `element` is none of that namespace.
pub(super) fn with_element(
    metadata: Option<&RawElement>,
    namespace: &str,
    element: Option<RawElement>,
) -> Result<Option<RawElement>> {
    let mut children = metadata.map(RawElement::children).unwrap_or_default();
    let place = children
        .iter()
        .position(|child| child.namespace() == Some(namespace));
    match (place, element) {
        (Some(at), Some(element)) => {
            if let Some(slot) = children.get_mut(at) {
                *slot = element;
            }
        }
        (Some(at), None) => {
            children.remove(at);
        }
        (None, Some(element)) => children.push(element),
        (None, None) => {}
    }
    if children.is_empty() {
        return Ok(None);
    }
    RawElement::wrapping("metadata", &children)
        .map(Some)
        .map_err(document_error)
}

/// The first element of each namespace: there is one for an application, and elements of none are nobody's.
pub(crate) fn distinct(metadata: RawElement) -> RawElement {
    let children = metadata.children();
    let mut seen = BTreeSet::new();
    let kept: Vec<RawElement> = children
        .iter()
        .filter(|child| {
            child
                .namespace()
                .is_some_and(|namespace| seen.insert(namespace.to_owned()))
        })
        .cloned()
        .collect();
    if kept.len() == children.len() {
        return metadata;
    }
    RawElement::wrapping("metadata", &kept).unwrap_or(metadata)
}

/// `text` as an element of `namespace` whose prefix is `key`, the way applications hand it in.
///
/// # Errors
/// When it is no XML, or `key` is no prefix.
pub(super) fn in_namespace(text: &str, namespace: &str, key: &str) -> Result<RawElement> {
    let given = RawElement::parse(text).map_err(document_error)?;
    if given.namespace() == Some(namespace) {
        return Ok(given);
    }
    // The element comes without namespace: its name gets the prefix, its content stays.
    let source = given.as_str();
    let name_end = 1 + given.name().len();
    let (_, rest) = source.split_at_checked(name_end).unwrap_or((source, ""));
    let close = format!("</{}", given.name());
    let rest = match rest.rfind(&close) {
        Some(at) => {
            let (body, end) = rest.split_at(at);
            let end = end.get(close.len()..).unwrap_or_default();
            format!("{body}</{key}:{}{end}", given.name())
        }
        None => rest.to_owned(),
    };
    let uri = namespace
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;");
    RawElement::parse(&format!("<{key}:{} xmlns:{key}=\"{uri}\"{rest}", given.name())).map_err(document_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_comes_in_is_found_and_goes() {
        let element_of = in_namespace("<app a='1'><x/></app>", "urn:app", "k").unwrap();
        assert_eq!(element_of.namespace(), Some("urn:app"));
        let metadata = with_element(None, "urn:app", Some(element_of)).unwrap();
        let found = element(metadata.as_ref(), "urn:app").unwrap();
        assert!(found.as_str().contains("<x/>"), "{}", found.as_str());
        assert_eq!(plain(&found), "<app a='1'><x/></app>");
        assert!(element(metadata.as_ref(), "urn:other").is_none());
        assert!(
            with_element(metadata.as_ref(), "urn:app", None)
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn what_is_no_xml_or_no_prefix_is_refused() {
        assert!(in_namespace("<app", "urn:app", "k").is_err());
        assert!(in_namespace("<app/>", "urn:app", "a b").is_err());
    }
}

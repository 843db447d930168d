//! Limits that are checked before a tree is built.
//!
//! One pass over the bytes, without recursion, finds how deep elements nest and whether there is a document type
//! declaration. It does not judge well-formedness: where it loses track it stops, because the parser, which comes
//! next, stops at the same place.

use crate::{Error, Result};

/// Bytes that a document may have.
pub const MAX_SIZE: usize = 10 << 20;

/// Levels that elements may nest.
pub const MAX_DEPTH: usize = 256;

/// Elements, texts, comments and the like that a document may have.
pub const MAX_NODES: u32 = 1_000_000;

pub(crate) fn check(text: &str) -> Result<()> {
    if text.len() > MAX_SIZE {
        return Err(Error::TooLarge);
    }
    let mut depth = 0_usize;
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let Some(tag) = rest.get(start..) else { break };
        let next = if tag.starts_with("<!--") {
            after(tag, "-->")
        } else if tag.starts_with("<![CDATA[") {
            after(tag, "]]>")
        } else if tag.starts_with("<?") {
            after(tag, "?>")
        } else if tag.starts_with("<!") {
            return Err(Error::DocumentType {
                line: line_of(text, tag),
            });
        } else if tag.starts_with("</") {
            depth = depth.saturating_sub(1);
            after(tag, ">")
        } else {
            let end = start_tag(tag);
            if let Some((_, empty)) = end {
                if depth >= MAX_DEPTH {
                    return Err(Error::TooDeep {
                        line: line_of(text, tag),
                    });
                }
                depth += usize::from(!empty);
            }
            end.and_then(|(length, _)| tag.get(length..))
        };
        let Some(next) = next else { break };
        rest = next;
    }
    Ok(())
}

/// What follows the first `end`.
fn after<'t>(text: &'t str, end: &str) -> Option<&'t str> {
    text.find(end).and_then(|at| text.get(at + end.len()..))
}

/// Length of a start tag, and whether it is an empty element's. A `>` inside quotes does not end it.
fn start_tag(tag: &str) -> Option<(usize, bool)> {
    let mut quote = None;
    let mut before = 0;
    for (at, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'>') => return Some((at + 1, before == b'/')),
            (None, _) => {}
        }
        before = byte;
    }
    None
}

/// Line of `rest`, the end of `text`, counted from 1.
fn line_of(text: &str, rest: &str) -> usize {
    let before = text.len().saturating_sub(rest.len());
    1 + text.bytes().take(before).filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_without_being_fooled() {
        let nested = |levels: usize| format!("{}{}", "<a b='>'>".repeat(levels), "</a>".repeat(levels));
        assert_eq!(check(&nested(MAX_DEPTH)), Ok(()));
        assert_eq!(check(&nested(MAX_DEPTH + 1)), Err(Error::TooDeep { line: 1 }));
        assert_eq!(check(&"<a>".repeat(1_000_000)), Err(Error::TooDeep { line: 1 }));
        assert_eq!(check(&format!("<x>{}</x>", "<a/>".repeat(1000))), Ok(()));
        assert_eq!(check(&format!("<x>{}</x>", "<a></a>".repeat(1000))), Ok(()));
        assert_eq!(check(&format!("<x><!--{}--></x>", "<a>".repeat(1000))), Ok(()));
        assert_eq!(
            check(&format!("<x><![CDATA[{}]]></x>", "<a>".repeat(1000))),
            Ok(())
        );
    }

    #[test]
    fn document_types_are_refused_wherever_they_stand() {
        assert_eq!(
            check("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>"),
            Err(Error::DocumentType { line: 1 })
        );
        assert_eq!(
            check("<?xml version='1.0'?>\n<!-- x -->\n<!DOCTYPE a><a/>"),
            Err(Error::DocumentType { line: 3 })
        );
    }

    #[test]
    fn endless_documents_are_refused() {
        assert_eq!(check(&"x".repeat(MAX_SIZE + 1)), Err(Error::TooLarge));
    }

    #[test]
    fn broken_tags_are_left_to_the_parser() {
        for text in ["<", "<a", "<a b='", "<!--", "<?", "</", "<![CDATA["] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }
}

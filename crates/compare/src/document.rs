//! XML as lines.

use roxmltree::{Document, Error, Node};

/// A line an element, indented by how deep it lies: its name, its attributes in the order of their names, its text.
///
/// # Errors
/// It is no XML.
pub fn lines(text: &str) -> Result<Vec<String>, Error> {
    let document = Document::parse(text)?;
    let mut lines = Vec::new();
    walk(document.root_element(), 0, &mut lines);
    Ok(lines)
}

fn walk(node: Node<'_, '_>, depth: usize, lines: &mut Vec<String>) {
    let mut attributes: Vec<_> = node
        .attributes()
        .map(|attribute| format!(" {}={}", attribute.name(), attribute.value()))
        .collect();
    attributes.sort();
    let name = node.tag_name().name();
    let text = node.text().unwrap_or_default().trim();
    lines.push(format!(
        "{}{name}{} {text}",
        "  ".repeat(depth),
        attributes.concat()
    ));
    for child in node.children().filter(Node::is_element) {
        walk(child, depth + 1, lines);
    }
}

/// What `expected` says and `found` does not: the paths of its elements for which there is no counterpart with the same text,
/// the same attributes and everything that is in it. Those of a name have to be in their order; what else `found` says does not
/// count.
///
/// # Errors
/// One of both is no XML.
pub fn missing(expected: &str, found: &str) -> Result<Vec<String>, Error> {
    let (expected, found) = (Document::parse(expected)?, Document::parse(found)?);
    let mut paths = Vec::new();
    let (expected, found) = (expected.root_element(), found.root_element());
    if !says(expected, found) {
        paths.push(described(expected));
    }
    lacking(expected, found, "", &mut paths);
    Ok(paths)
}

fn described(node: Node<'_, '_>) -> String {
    let attributes = node
        .attributes()
        .map(|one| format!(" {}={}", one.name(), one.value()));
    let attributes: String = attributes.collect();
    let text = node.text().unwrap_or_default().trim();
    format!("{}{attributes} {text}", node.tag_name().name())
        .trim_end()
        .to_owned()
}

/// Whether an element has another one's name, text and attributes.
fn says(expected: Node<'_, '_>, found: Node<'_, '_>) -> bool {
    let text = |node: Node<'_, '_>| node.text().unwrap_or_default().trim().to_owned();
    expected.tag_name().name() == found.tag_name().name()
        && text(expected) == text(found)
        && expected
            .attributes()
            .all(|one| found.attribute(one.name()) == Some(one.value()))
}

fn lacking(expected: Node<'_, '_>, found: Node<'_, '_>, path: &str, paths: &mut Vec<String>) {
    let mut taken: Vec<Node<'_, '_>> = Vec::new();
    for child in expected.children().filter(Node::is_element) {
        let name = child.tag_name().name();
        let last = taken.iter().rfind(|node| node.tag_name().name() == name);
        let rest = found
            .children()
            .filter(|node| node.is_element() && last.is_none_or(|last| node.id().get() > last.id().get()));
        let mut closest: Option<Vec<String>> = None;
        for candidate in rest.filter(|node| says(child, *node)) {
            let mut below = Vec::new();
            lacking(child, candidate, &format!("{path}/{name}"), &mut below);
            let whole = below.is_empty();
            if whole || closest.is_none() {
                closest = Some(below);
            }
            if whole {
                taken.push(candidate);
                break;
            }
        }
        match closest {
            Some(below) => paths.extend(below),
            None => paths.push(format!("{path}/{}", described(child))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_and_the_order_of_attributes_do_not_count() {
        let one = lines("<a y='2' x='1'><b>word</b></a>").unwrap();
        let other = lines("<a  x='1' y='2'>\n  <b>\n word </b>\n</a>").unwrap();
        assert_eq!(one, other);
        assert_eq!(one, ["a x=1 y=2 ", "  b word"]);
        assert!(lines("<a>").is_err());
    }

    #[test]
    fn what_is_there_beside_does_not_count() {
        let found = "<a x='1' y='2'><b n='1'/><c/><b n='2'><d>word</d></b></a>";
        let missing = |expected| missing(expected, found).unwrap();
        assert_eq!(missing("<a y='2'><b><d>word</d></b><c/></a>"), [""; 0]);
        assert_eq!(missing("<a><b n='3'/></a>"), ["/b n=3"]);
        assert_eq!(missing("<a><b n='2'><d>words</d></b></a>"), ["/b/d words"]);
        assert_eq!(missing("<a><b n='2'/><b n='1'/></a>"), ["/b n=1"]);
        assert_eq!(missing("<a x='2'/>"), ["a x=2"]);
    }
}

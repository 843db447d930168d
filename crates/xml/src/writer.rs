//! Printing documents as libvirt does.
//!
//! Two spaces a level, attributes in single quotes, `<x/>` for an element without content, text on the line of its
//! element. A namespace is declared on the root when the first element of it is written.

use crate::name::Namespace;
use crate::{Choice, Fields, Name, RawElement, Value};

/// A document being printed.
#[derive(Debug, Default)]
pub struct Writer {
    out: String,
    depth: usize,
    /// The last start tag still lacks its `>`.
    open: bool,
    /// The innermost element has text so far, so that its end tag follows on the same line.
    inline: bool,
    /// Where the next attribute of the root would go.
    root_end: usize,
    /// Prefixes that the root declares.
    declared: Vec<String>,
}

impl Writer {
    const INDENT: &'static str = "  ";

    /// An empty document.
    pub fn new() -> Self {
        Self {
            out: String::with_capacity(1024),
            ..Self::default()
        }
    }

    /// The text.
    pub fn finish(self) -> String {
        self.out
    }

    /// An element, whose attributes and children `body` writes, in that order.
    pub fn element<'n>(&mut self, name: impl Into<Name<'n>>, body: impl FnOnce(&mut Self)) {
        let name = name.into();
        self.line();
        self.out.push('<');
        self.push_name(name);
        self.open = true;
        if self.depth == 0 {
            self.root_end = self.out.len();
        }
        if let Some(namespace) = name.namespace {
            self.declare(namespace);
        }
        self.depth += 1;
        body(self);
        self.depth -= 1;
        if self.open {
            self.out.push_str("/>\n");
            self.open = false;
        } else {
            if !self.inline {
                self.indent();
            }
            self.out.push_str("</");
            self.push_name(name);
            self.out.push_str(">\n");
        }
        self.inline = false;
    }

    /// An attribute of the element just opened.
    pub fn attribute(&mut self, name: &str, value: &str) {
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("='");
        escape(&mut self.out, value, true);
        self.out.push('\'');
        if self.depth == 1 {
            self.root_end = self.out.len();
        }
    }

    /// What `body` writes of attributes, those of `names` first, in that order.
    pub fn leading(&mut self, names: &[&str], body: impl FnOnce(&mut Self)) {
        let start = self.out.len();
        body(self);
        let written = self.out.split_off(start);
        // A value has no quote in it.
        let mut attributes: Vec<&str> = written.split_inclusive("' ").collect();
        let place = |attribute: &str| {
            let name = attribute.trim_start().split('=').next().unwrap_or_default();
            names
                .iter()
                .position(|leading| *leading == name)
                .unwrap_or(names.len())
        };
        attributes.sort_by_key(|attribute| place(attribute));
        for attribute in attributes {
            self.out.push(' ');
            self.out.push_str(attribute.trim_matches(' '));
        }
    }

    /// An attribute of the element just opened.
    pub fn value_attribute<T: Value>(&mut self, name: &str, value: &T) {
        self.attribute(name, &value.format());
    }

    /// Text of the element just opened.
    pub fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.open {
            self.out.push('>');
            self.open = false;
            self.inline = true;
        }
        escape(&mut self.out, text, false);
    }

    /// An element with nothing but a text in it.
    pub fn value<'n, T: Value>(&mut self, name: impl Into<Name<'n>>, value: &T) {
        self.element(name, |writer| writer.text(&value.format()));
    }

    /// An element without content.
    pub fn flag<'n>(&mut self, name: impl Into<Name<'n>>) {
        self.element(name, |_| {});
    }

    /// An element of a type.
    pub fn child<'n, T: Fields>(&mut self, name: impl Into<Name<'n>>, value: &T) {
        self.element(name, |writer| {
            value.write_attributes(writer);
            value.write_children(writer);
        });
    }

    /// An element for each of `values`, inside one `wrapper` unless there are none.
    pub fn wrapped<'n, T: Fields>(
        &mut self,
        wrapper: impl Into<Name<'n>>,
        name: impl Into<Name<'n>>,
        values: &[T],
    ) {
        if !values.is_empty() {
            let name = name.into();
            self.element(wrapper, |writer| {
                values.iter().for_each(|value| writer.child(name, value))
            });
        }
    }

    /// One of several elements, under its own name.
    pub fn choice<T: Choice>(&mut self, value: &T) {
        value.write_choice(self);
    }

    /// An element as it was read.
    pub fn raw(&mut self, element: &RawElement) {
        self.line();
        self.out.push_str(element.as_str());
        self.out.push('\n');
    }

    /// Begins the line of a new element.
    fn line(&mut self) {
        if self.open {
            self.out.push_str(">\n");
            self.open = false;
        } else if self.inline {
            self.out.push('\n');
        }
        self.inline = false;
        self.indent();
    }

    fn indent(&mut self) {
        for _ in 0..self.depth {
            self.out.push_str(Self::INDENT);
        }
    }

    fn push_name(&mut self, name: Name<'_>) {
        if let Some(namespace) = name.namespace {
            self.out.push_str(namespace.prefix);
            self.out.push(':');
        }
        self.out.push_str(name.local);
    }

    fn declare(&mut self, namespace: Namespace<'_>) {
        if self.declared.iter().any(|prefix| prefix == namespace.prefix) {
            return;
        }
        let mut declaration = format!(" xmlns:{}='", namespace.prefix);
        escape(&mut declaration, namespace.uri, true);
        declaration.push('\'');
        self.out.insert_str(self.root_end, &declaration);
        self.root_end += declaration.len();
        self.declared.push(namespace.prefix.to_owned());
    }
}

/// Appends `text` with markup replaced. What XML cannot hold at all (control characters) is left out; white space that
/// a parser would change is written as a reference.
fn escape(out: &mut String, text: &str, attribute: bool) {
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| {
        matches!(
            c,
            '<' | '>' | '&' | '\'' | '"' | '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}'
        )
    }) {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        let mut chars = special.chars();
        match chars.next() {
            Some('<') => out.push_str("&lt;"),
            Some('>') => out.push_str("&gt;"),
            Some('&') => out.push_str("&amp;"),
            Some('\'') => out.push_str("&apos;"),
            Some('"') => out.push_str("&quot;"),
            Some('\r') => out.push_str("&#13;"),
            Some('\n') if attribute => out.push_str("&#10;"),
            Some('\t') if attribute => out.push_str("&#9;"),
            Some(kept @ ('\n' | '\t')) => out.push(kept),
            _ => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hostile_in_a_text_is_escaped() {
        let mut writer = Writer::new();
        writer.element("a", |writer| {
            writer.attribute("b", "<'\"&>\n\u{1}x");
            writer.element("c", |writer| writer.text("]]>\r\n"));
        });
        assert_eq!(
            writer.finish(),
            "<a b='&lt;&apos;&quot;&amp;&gt;&#10;x'>\n  <c>]]&gt;&#13;\n</c>\n</a>\n"
        );
    }

    #[test]
    fn a_namespace_is_declared_once_on_the_root() {
        let name = |local| Name::qualified("q", "urn:q", local);
        let mut writer = Writer::new();
        writer.element("root", |writer| {
            writer.attribute("a", "1");
            writer.element("plain", |_| {});
            writer.element(name("x"), |writer| {
                writer.element(name("y"), |writer| writer.attribute("b", "2"))
            });
        });
        let expected =
            "<root a='1' xmlns:q='urn:q'>\n  <plain/>\n  <q:x>\n    <q:y b='2'/>\n  </q:x>\n</root>\n";
        assert_eq!(writer.finish(), expected);
    }
}

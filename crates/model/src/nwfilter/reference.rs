//! `<filterref>`: a filter by its name, with values of its variables.

use std::collections::BTreeMap;
use xml::{Fields, Node, Writer};

/// Values of variables, by the variable's name. A variable may have several.
pub type Parameters = BTreeMap<String, Vec<String>>;

/// A filter that is included, or that an interface has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reference {
    /// The filter's name.
    pub filter: String,
    /// Values of variables.
    pub parameters: Parameters,
}

/// Whether a variable can have that name.
pub(super) fn is_name(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !text.is_empty() && text.bytes().all(letter)
}

fn is_value(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:".contains(&byte);
    !text.is_empty() && text.bytes().all(letter)
}

impl Fields for Reference {
    fn read(node: Node<'_>) -> xml::Result<Self> {
        let mut parameters = Parameters::new();
        for parameter in node.children("parameter") {
            let (Some(name), Some(value)) = (parameter.attribute("name"), parameter.attribute("value"))
            else {
                continue;
            };
            // One that cannot be is left out, as in stock daemons.
            if is_name(name) && is_value(value) {
                parameters
                    .entry(name.to_owned())
                    .or_default()
                    .push(value.to_owned());
            }
        }
        Ok(Self {
            filter: node.required("filter")?,
            parameters,
        })
    }

    fn write_attributes(&self, writer: &mut Writer) {
        writer.attribute("filter", &self.filter);
    }

    fn write_children(&self, writer: &mut Writer) {
        for (name, values) in &self.parameters {
            for value in values {
                writer.element("parameter", |writer| {
                    writer.attribute("name", name);
                    writer.attribute("value", value);
                });
            }
        }
    }
}

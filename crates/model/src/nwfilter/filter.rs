//! `<filter>` itself.

use super::{Chain, Reference, Rule};
use crate::Uuid;
use error::Result;
use xml::{Element, Fields, Node, Writer};

/// The lowest and the highest place of a rule or a chain.
pub(super) const PRIORITIES: std::ops::RangeInclusive<i32> = -1000..=1000;

/// The most rules and references of one document.
const ENTRIES: usize = 20_000;

/// A filter: rules, and other filters whose rules are its own too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// What references call it.
    pub name: String,
    /// The chain that its rules are in.
    pub chain: Chain,
    /// Where that chain stands among the rules of the root; low ones come first.
    pub priority: i32,
    /// `None` leaves the choice to the daemon.
    pub uuid: Option<Uuid>,
    /// What is in it, in the order of the document.
    pub entries: Vec<Entry>,
}

/// Part of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A rule of its own.
    Rule(Rule),
    /// Another filter.
    Reference(Reference),
}

impl Filter {
    /// Reads a document.
    ///
    /// # Errors
    /// As stock daemons: [`error::Code::XmlDetail`] for what is no XML, [`error::Code::InvalidArg`] for a chain or a priority that
    /// cannot be, [`error::Code::InternalError`] for everything else that is wrong.
    pub fn from_xml(text: &str) -> Result<Self> {
        xml::from_str(text).map_err(super::refused)
    }

    /// The whole document.
    pub fn to_xml(&self) -> String {
        xml::to_string(self)
    }

    /// The filters that it includes.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Reference(reference) => Some(reference),
            Entry::Rule(_) => None,
        })
    }
}

impl Element for Filter {
    const NAME: &'static str = "filter";
}

/// A priority that a document may say.
pub(super) fn priority(node: Node<'_>) -> xml::Result<Option<i32>> {
    let Some(priority) = node.optional::<i32>("priority")? else {
        return Ok(None);
    };
    if PRIORITIES.contains(&priority) {
        return Ok(Some(priority));
    }
    Err(xml::Error::unsupported(format!(
        "<{}>: priority='{priority}' is not between {} and {}",
        node.name(),
        PRIORITIES.start(),
        PRIORITIES.end()
    )))
}

impl Fields for Filter {
    fn read(node: Node<'_>) -> xml::Result<Self> {
        let name: String = node.required("name")?;
        let named = !name.is_empty() && !name.contains(['/', '\n']) && name != "." && name != "..";
        if !named {
            let text = format!(
                "<filter>: name='{}' cannot be the name of a filter",
                name.escape_debug()
            );
            return Err(xml::Error::invalid(text));
        }
        let chain: Chain = match node.attribute("chain") {
            None => Chain::default(),
            Some(text) => xml::Value::parse(text).ok_or_else(|| {
                let expected = <Chain as xml::Value>::EXPECTED;
                xml::Error::unsupported(format!("<filter>: chain='{text}' is not {expected}"))
            })?,
        };
        let priority = priority(node)?
            // What is at the root stands in no place among the root's own rules, and no document is written with one.
            .filter(|_| !chain.is_root())
            .unwrap_or_else(|| chain.usual_priority());
        let mut entries = Vec::new();
        for part in node.elements() {
            match part.name() {
                "rule" => entries.push(Entry::Rule(Rule::read(part)?)),
                "filterref" => entries.push(Entry::Reference(Reference::read(part)?)),
                _ => {}
            }
        }
        if entries.len() > ENTRIES {
            let text = format!("<filter>: '{name}' has more than {ENTRIES} rules");
            return Err(xml::Error::unsupported(text));
        }
        Ok(Self {
            name,
            chain,
            priority,
            uuid: node.value("uuid")?,
            entries,
        })
    }

    fn write_attributes(&self, writer: &mut Writer) {
        writer.attribute("name", &self.name);
        writer.attribute("chain", self.chain.name());
        if !self.chain.is_root() {
            writer.value_attribute("priority", &self.priority);
        }
    }

    fn write_children(&self, writer: &mut Writer) {
        if let Some(uuid) = &self.uuid {
            writer.value("uuid", uuid);
        }
        for entry in &self.entries {
            match entry {
                Entry::Rule(rule) => writer.child("rule", rule),
                Entry::Reference(reference) => writer.child("filterref", reference),
            }
        }
    }
}

//! Who may do what with a file: `<permissions>`.

use std::borrow::Cow;
use xml::{Element, Error, Fields, Node, Result, Value, Writer};

/// Permission bits, octal in documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mode(pub u32);

impl Value for Mode {
    const EXPECTED: &'static str = "an octal number up to 7777";

    fn parse(text: &str) -> Option<Self> {
        let mode = u32::from_str_radix(text.trim(), 8).ok()?;
        (mode <= 0o7777).then_some(Self(mode))
    }

    fn format(&self) -> Cow<'_, str> {
        Cow::Owned(format!("0{:o}", self.0))
    }
}

/// Permissions of a file; what is not given is left to the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Permissions {
    /// The permission bits.
    pub mode: Option<Mode>,
    /// The owner's number.
    pub owner: Option<u32>,
    /// The group's number.
    pub group: Option<u32>,
    /// The security label.
    pub label: Option<String>,
}

impl Permissions {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A user's or group's number. -1, in either way to write it, is none.
fn number(node: Node<'_>, name: &str) -> Result<Option<u32>> {
    let Some(text) = node.value::<String>(name)? else {
        return Ok(None);
    };
    match text.trim().parse::<i64>() {
        Ok(-1) => Ok(None),
        Ok(number) => match u32::try_from(number) {
            Ok(u32::MAX) => Ok(None),
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(Error::text(name, &text, "a number of 32 bits")),
        },
        Err(_) => Err(Error::text(name, &text, "a number")),
    }
}

impl Fields for Permissions {
    fn read(node: Node<'_>) -> Result<Self> {
        Ok(Self {
            mode: node.value("mode")?,
            owner: number(node, "owner")?,
            group: number(node, "group")?,
            label: node.value("label")?,
        })
    }

    fn write_attributes(&self, _: &mut Writer) {}

    fn write_children(&self, writer: &mut Writer) {
        if let Some(mode) = &self.mode {
            writer.value("mode", mode);
        }
        if let Some(owner) = &self.owner {
            writer.value("owner", owner);
        }
        if let Some(group) = &self.group {
            writer.value("group", group);
        }
        if let Some(label) = &self.label {
            writer.value("label", label);
        }
    }
}

impl Element for Permissions {
    const NAME: &'static str = "permissions";
}

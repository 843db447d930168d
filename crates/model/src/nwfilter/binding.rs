//! `<filterbinding>`: the filter of one interface of a guest.

use super::Reference;
use crate::{Mac, Uuid};
use error::Result;
use xml::{Element, Fields, Node, Writer};

/// The filter of one interface of a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The guest's name.
    pub owner_name: String,
    /// The guest's UUID.
    pub owner_uuid: Uuid,
    /// The interface on the host, which is how the binding is found.
    pub port_device: String,
    /// The interface of the host that a macvtap is on.
    pub link_device: Option<String>,
    /// The guest's address.
    pub mac: Mac,
    /// The filter, and values of its variables.
    pub reference: Reference,
}

impl Binding {
    /// Reads a document.
    ///
    /// # Errors
    /// [`error::Code::XmlDetail`] for what is no XML, [`error::Code::InternalError`] for everything that is wrong or missing.
    pub fn from_xml(text: &str) -> Result<Self> {
        xml::from_str(text).map_err(super::refused)
    }

    /// The whole document.
    pub fn to_xml(&self) -> String {
        xml::to_string(self)
    }
}

impl Element for Binding {
    const NAME: &'static str = "filterbinding";
}

impl Fields for Binding {
    fn read(node: Node<'_>) -> xml::Result<Self> {
        let part = |name: &'static str| node.child(name).ok_or_else(|| node.missing_child(name));
        let owner = part("owner")?;
        let link = node.child("linkdev").map(|link| link.required("name"));
        let port_device: String = part("portdev")?.required("name")?;
        if port_device.is_empty() || port_device.contains(['/', '\0', '\n']) {
            let text = format!(
                "<portdev>: name='{}' cannot be the name of an interface",
                port_device.escape_debug()
            );
            return Err(xml::Error::invalid(text));
        }
        Ok(Self {
            owner_name: owner.required_value("name")?,
            owner_uuid: owner.required_value("uuid")?,
            port_device,
            link_device: link.transpose()?,
            mac: part("mac")?.required("address")?,
            reference: Reference::read(part("filterref")?)?,
        })
    }

    fn write_attributes(&self, _: &mut Writer) {}

    fn write_children(&self, writer: &mut Writer) {
        writer.element("owner", |writer| {
            writer.value("name", &self.owner_name);
            writer.value("uuid", &self.owner_uuid);
        });
        writer.element("portdev", |writer| writer.attribute("name", &self.port_device));
        if let Some(link) = &self.link_device {
            writer.element("linkdev", |writer| writer.attribute("name", link));
        }
        writer.element("mac", |writer| writer.value_attribute("address", &self.mac));
        writer.child("filterref", &self.reference);
    }
}

//! `<secret>`: what a secret is called and what it is for. Its value is no part of the document.

use error::{Code, Domain, Error, Result};
use xml::{Element, YesNo};

use crate::{Uuid, document_error};

/// A secret.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "secret")]
pub struct Secret {
    /// Whether it is kept in memory only.
    #[xml(attr, default)]
    pub ephemeral: YesNo,
    /// Whether its value is told to no client.
    #[xml(attr, default)]
    pub private: YesNo,
    /// `None` leaves the choice to the daemon.
    #[xml(value = "uuid")]
    pub uuid: Option<Uuid>,
    /// What it is, for people.
    #[xml(value = "description")]
    pub description: Option<String>,
    /// What it is for.
    #[xml(child)]
    pub usage: Option<Usage>,
}

/// What a secret is for: the kind and the name of what is unlocked by it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Element)]
#[xml(element = "usage", tag = "type")]
pub enum Usage {
    /// Nothing in particular: the same as no such element.
    #[xml(name = "none")]
    None,
    /// An encrypted volume, by its path.
    #[xml(name = "volume")]
    Volume {
        /// The path.
        #[xml(value = "volume")]
        volume: String,
    },
    /// Ceph storage.
    #[xml(name = "ceph")]
    Ceph {
        /// A name of the user's choice.
        #[xml(value = "name")]
        name: String,
    },
    /// An iSCSI target.
    #[xml(name = "iscsi")]
    Iscsi {
        /// A name of the user's choice.
        #[xml(value = "target")]
        target: String,
    },
    /// The private key of a TLS certificate.
    #[xml(name = "tls")]
    Tls {
        /// A name of the user's choice.
        #[xml(value = "name")]
        name: String,
    },
    /// The state of an emulated TPM.
    #[xml(name = "vtpm")]
    Vtpm {
        /// A name of the user's choice.
        #[xml(value = "name")]
        name: String,
    },
}

impl Usage {
    /// The usage of that kind (`virSecretUsageType`) and name; `None` for a kind that does not exist or has no names.
    pub fn of(number: i32, id: &str) -> Option<Self> {
        let id = id.to_owned();
        Some(match number {
            1 => Self::Volume { volume: id },
            2 => Self::Ceph { name: id },
            3 => Self::Iscsi { target: id },
            4 => Self::Tls { name: id },
            5 => Self::Vtpm { name: id },
            _ => return None,
        })
    }

    /// The number of its kind (`virSecretUsageType`).
    pub const fn number(&self) -> i32 {
        match self {
            Self::None => 0,
            Self::Volume { .. } => 1,
            Self::Ceph { .. } => 2,
            Self::Iscsi { .. } => 3,
            Self::Tls { .. } => 4,
            Self::Vtpm { .. } => 5,
        }
    }

    /// The name of what is unlocked.
    pub fn id(&self) -> &str {
        match self {
            Self::None => "",
            Self::Volume { volume: id }
            | Self::Ceph { name: id }
            | Self::Iscsi { target: id }
            | Self::Tls { name: id }
            | Self::Vtpm { name: id } => id,
        }
    }
}

impl Secret {
    /// Reads a document and refuses what cannot be.
    ///
    /// # Errors
    /// As stock daemons: [`Code::XmlDetail`] for what is no XML, [`Code::InternalError`] for a malformed UUID or a usage
    /// without its name, [`Code::XmlError`] for everything else.
    pub fn from_xml(text: &str) -> Result<Self> {
        let mut secret: Self = xml::from_str(text).map_err(refused)?;
        match &secret.usage {
            Some(Usage::None) => secret.usage = None,
            Some(usage) if usage.id().is_empty() => {
                let text = "<usage>: the name of what the secret is for is missing";
                return Err(Error::new(Code::InternalError, Domain::Secret, text));
            }
            _ => {}
        }
        Ok(secret)
    }

    /// The whole document.
    pub fn to_xml(&self) -> String {
        xml::to_string(self)
    }
}

/// What a client hears of a document that does not fit.
fn refused(error: xml::Error) -> Error {
    use xml::Error as Wrong;
    let domain = match &error {
        Wrong::Text { element, .. } if element == "uuid" => {
            return Error::new(Code::InternalError, Domain::Secret, error.to_string());
        }
        Wrong::MissingChild { .. } => {
            return Error::new(Code::InternalError, Domain::Secret, error.to_string());
        }
        Wrong::Attribute { element, .. } if element == "usage" => Domain::Xml,
        Wrong::Root { .. } | Wrong::MissingAttribute { .. } => Domain::Xml,
        _ => Domain::Secret,
    };
    document_error(error).in_domain(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(inner: &str) -> String {
        format!("<secret><usage {inner}</usage></secret>")
    }

    #[test]
    fn a_document_is_written_as_libvirt_writes_it() {
        let text = "<secret private='yes'><usage type='iscsi'><target>disk</target></usage>\
                    <description>a &lt; b</description><uuid>0A81F5B284037B23C8D621CCC2F80D6F</uuid></secret>";
        let secret = Secret::from_xml(text).unwrap();
        assert_eq!(
            secret.to_xml(),
            "<secret ephemeral='no' private='yes'>\n  <uuid>0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f</uuid>\n  \
             <description>a &lt; b</description>\n  <usage type='iscsi'>\n    <target>disk</target>\n  </usage>\n</secret>\n"
        );
        assert_eq!(Secret::from_xml(&secret.to_xml()).unwrap(), secret);
    }

    #[test]
    fn every_kind_of_usage_has_its_number_and_its_name() {
        let kinds = [
            ("volume", "volume", 1),
            ("ceph", "name", 2),
            ("iscsi", "target", 3),
            ("tls", "name", 4),
            ("vtpm", "name", 5),
        ];
        for (kind, element, number) in kinds {
            let text = usage(&format!("type='{kind}'><{element}>/x y</{element}>"));
            let usage = Secret::from_xml(&text).unwrap().usage.unwrap();
            assert_eq!((usage.number(), usage.id()), (number, "/x y"));
            assert_eq!(Usage::of(number, "/x y"), Some(usage));
        }
        assert_eq!(
            Secret::from_xml(&usage("type='none'>")).unwrap(),
            Secret::default()
        );
    }

    #[test]
    fn what_cannot_be_is_refused_with_libvirts_code() {
        let cases = [
            ("<secret", Code::XmlDetail, Domain::Secret),
            ("<domain/>", Code::XmlError, Domain::Xml),
            ("<secret ephemeral='maybe'/>", Code::XmlError, Domain::Secret),
            ("<secret private='1'/>", Code::XmlError, Domain::Secret),
            (
                "<secret><uuid>xyz</uuid></secret>",
                Code::InternalError,
                Domain::Secret,
            ),
            ("<secret><usage/></secret>", Code::XmlError, Domain::Xml),
        ];
        let usages = [
            ("type='foo'>", Code::XmlError, Domain::Xml),
            ("type='volume'>", Code::InternalError, Domain::Secret),
            ("type='volume'><volume/>", Code::InternalError, Domain::Secret),
            ("type='iscsi'><name>x</name>", Code::InternalError, Domain::Secret),
        ];
        let usages = usages.map(|(inner, code, domain)| (usage(inner), code, domain));
        let cases = cases.map(|(text, code, domain)| (text.to_owned(), code, domain));
        for (text, code, domain) in cases.into_iter().chain(usages) {
            let refusal = Secret::from_xml(&text).unwrap_err();
            assert_eq!((refusal.code(), refusal.domain()), (code, domain), "{text}");
        }
    }
}

//! Storage: pools, the sources that pools may be made of, volumes.
//!
//! [`Pool::from_xml`] and [`Volume::from_xml`] are how documents of users get in: they read, refuse what cannot be, whatever
//! the host, and fill in what libvirt always writes. What the host's storage says is added by the driver.

mod check;
mod kind;
mod permissions;
mod pool;
mod source;
mod volume;

pub use kind::{PoolKind, VolumeKind};
pub use permissions::{Mode, Permissions};
pub use pool::{
    ConfigOptions, Cow, Features, MountOptions, NamedOption, Pool, PoolTarget, Refresh, RefreshAllocation,
    RefreshVolume,
};
pub use source::{
    Adapter, AdapterKind, Auth, AuthKind, AuthSecret, Device, Directory, FormatName, FreeExtent, Host,
    Initiator, Named, ParentAddress, PciPlace, PoolSource, PoolSources, Protocol,
};
pub use volume::{
    Backing, ClusterSize, Extent, MAX_SIZE, SourceDevice, Timestamps, Volume, VolumeFeatures, VolumeSource,
    VolumeTarget, check_volume_name,
};

use error::{Code, Domain, Error};

/// Attributes, with their elements, whose words stock daemons call unsupported rather than wrong.
const UNSUPPORTED: [(&str, &str); 5] = [
    ("auth", "type"),
    ("encryption", "format"),
    ("secret", "type"),
    ("volume", "allocation"),
    ("volume", "type"),
];

/// What a client hears of a document about storage that does not fit.
fn refused(error: xml::Error) -> Error {
    let text = error.to_string();
    match &error {
        xml::Error::Overflow(_) => Error::new(Code::Overflow, Domain::Storage, text),
        xml::Error::Attribute {
            attribute: "unit", ..
        } => Error::new(Code::InvalidArg, Domain::None, text),
        xml::Error::Attribute {
            element, attribute, ..
        } if UNSUPPORTED.contains(&(element, attribute)) => unsupported(text),
        xml::Error::MissingAttribute {
            element,
            attribute: "type",
        } if element == "auth" => unsupported(text),
        xml::Error::Root { .. } | xml::Error::Attribute { .. } | xml::Error::MissingAttribute { .. } => {
            crate::document_error(error).in_domain(Domain::Xml)
        }
        _ => crate::document_error(error).in_domain(Domain::Storage),
    }
}

/// Something that there is, and not here.
fn unsupported(sentence: impl Into<String>) -> Error {
    Error::new(Code::ConfigUnsupported, Domain::Storage, sentence)
}

/// Something that a document lacks or says wrong.
fn wrong(sentence: impl Into<String>) -> Error {
    Error::new(Code::XmlError, Domain::Storage, sentence)
}

/// A path without doubled slashes and without one at its end, as libvirt keeps paths of pools.
pub fn tidy_path(path: &str) -> String {
    let mut tidy = String::with_capacity(path.len());
    for step in path.chars() {
        if step != '/' || !tidy.ends_with('/') {
            tidy.push(step);
        }
    }
    if tidy.len() > 1 && tidy.ends_with('/') {
        tidy.pop();
    }
    tidy
}

#[cfg(test)]
mod tests {
    use super::tidy_path;

    #[test]
    fn a_path_has_one_slash_between_two_names() {
        for (given, tidy) in [
            ("///a////b//", "/a/b"),
            ("/", "/"),
            ("//", "/"),
            ("a/", "a"),
            ("", ""),
        ] {
            assert_eq!(tidy_path(given), tidy);
        }
    }
}

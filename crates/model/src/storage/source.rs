//! What a pool is made of: `<source>`, and `<sources>`, a list of what pools could be made of.

use crate::Uuid;
use error::Result;
use xml::{Element, Hex, Value, YesNo};

/// What a pool is made of. Which parts count depends on the pool's kind.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "source")]
pub struct PoolSource {
    /// Servers.
    #[xml(children = "host")]
    pub hosts: Vec<Host>,
    /// Devices, or a target's name.
    #[xml(children = "device")]
    pub devices: Vec<Device>,
    /// A folder of a server.
    #[xml(child = "dir")]
    pub directory: Option<Directory>,
    /// A SCSI adapter.
    #[xml(child)]
    pub adapter: Option<Adapter>,
    /// What the storage itself calls it: a volume group, a Ceph pool.
    #[xml(value = "name")]
    pub name: Option<String>,
    /// As whom an iSCSI target is used.
    #[xml(child)]
    pub initiator: Option<Initiator>,
    /// The format of what is there.
    #[xml(child)]
    pub format: Option<FormatName>,
    /// Who is let in.
    #[xml(child)]
    pub auth: Option<Auth>,
    /// The version of the protocol.
    #[xml(child)]
    pub protocol: Option<Protocol>,
    /// Who made it.
    #[xml(child)]
    pub vendor: Option<Named>,
    /// What it is sold as.
    #[xml(child)]
    pub product: Option<Named>,
}

impl PoolSource {
    /// Reads a document that is a source alone, as a search for sources takes it.
    ///
    /// # Errors
    /// As [`super::Pool::from_xml`].
    pub fn from_xml(text: &str) -> Result<Self> {
        xml::from_str(text).map_err(super::refused)
    }
}

/// What pools could be made of.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "sources")]
pub struct PoolSources {
    /// One for each pool that could be.
    #[xml(children = "source")]
    pub sources: Vec<PoolSource>,
}

impl PoolSources {
    /// Those that are known by a name and no more.
    pub fn named<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        let named = |name: N| PoolSource {
            name: Some(name.into()),
            ..PoolSource::default()
        };
        Self {
            sources: names.into_iter().map(named).collect(),
        }
    }
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "host")]
pub struct Host {
    /// Its name or address.
    #[xml(attr)]
    pub name: String,
    /// Its port.
    #[xml(attr)]
    pub port: Option<u16>,
}

/// A device, or the name of an iSCSI target.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "device")]
pub struct Device {
    /// Its path, or the target's name.
    #[xml(attr)]
    pub path: String,
    /// Whether names of partitions have a `p` before their number; unset, what the device's name asks for.
    #[xml(attr)]
    pub part_separator: Option<YesNo>,
    /// Parts of a disk without partition, as the daemon tells them.
    #[xml(children = "freeExtent")]
    pub free: Vec<FreeExtent>,
}

/// A part of a disk without partition, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "freeExtent")]
#[allow(missing_docs, reason = "as they are called")]
pub struct FreeExtent {
    #[xml(attr)]
    pub start: u64,
    #[xml(attr)]
    pub end: u64,
}

/// A folder of a server.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "dir")]
pub struct Directory {
    /// Its path there.
    #[xml(attr)]
    pub path: String,
}

/// A SCSI adapter.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "adapter")]
#[allow(missing_docs, reason = "formatstorage.html says what each means")]
pub struct Adapter {
    #[xml(attr)]
    pub r#type: Option<AdapterKind>,
    #[xml(attr)]
    pub name: Option<String>,
    #[xml(attr)]
    pub parent: Option<String>,
    #[xml(attr)]
    pub parent_wwnn: Option<String>,
    #[xml(attr)]
    pub parent_wwpn: Option<String>,
    #[xml(attr)]
    pub parent_fabric_wwn: Option<String>,
    #[xml(attr)]
    pub managed: Option<YesNo>,
    #[xml(attr)]
    pub wwnn: Option<String>,
    #[xml(attr)]
    pub wwpn: Option<String>,
    #[xml(child = "parentaddr")]
    pub parent_address: Option<ParentAddress>,
}

/// What an adapter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
#[allow(missing_docs, reason = "the words say it")]
pub enum AdapterKind {
    #[xml("scsi_host")]
    ScsiHost,
    #[xml("fc_host")]
    FcHost,
}

/// An adapter by its place on the PCI bus.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "parentaddr")]
pub struct ParentAddress {
    /// Tells the adapters of one place apart.
    #[xml(attr)]
    pub unique_id: u32,
    /// The place.
    #[xml(child)]
    pub address: PciPlace,
}

/// A place on the host's PCI bus.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "address")]
#[allow(missing_docs, reason = "as they are called")]
pub struct PciPlace {
    #[xml(attr)]
    pub domain: Hex<u16, 4>,
    #[xml(attr)]
    pub bus: Hex<u8, 2>,
    #[xml(attr)]
    pub slot: Hex<u8, 2>,
    #[xml(attr)]
    pub function: Hex<u8, 1>,
}

/// As whom an iSCSI target is used.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "initiator")]
pub struct Initiator {
    /// The qualified name.
    #[xml(child)]
    pub iqn: Named,
}

/// An element that is a name.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "name")]
pub struct Named {
    /// The name.
    #[xml(attr)]
    pub name: String,
}

/// Who is let in, and the secret that proves it.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "auth")]
pub struct Auth {
    /// How it is proved.
    #[xml(attr)]
    pub r#type: AuthKind,
    /// The user.
    #[xml(attr)]
    pub username: String,
    /// The secret.
    #[xml(child)]
    pub secret: AuthSecret,
}

/// How a user proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
#[allow(missing_docs, reason = "the words say it")]
pub enum AuthKind {
    #[xml("chap")]
    Chap,
    #[xml("ceph")]
    Ceph,
}

/// A secret of virtsecretd, by one of its names.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "secret")]
pub struct AuthSecret {
    /// Its UUID.
    #[xml(attr)]
    pub uuid: Option<Uuid>,
    /// What it is for.
    #[xml(attr)]
    pub usage: Option<String>,
}

/// A format by its word.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "format")]
pub struct FormatName {
    /// The word.
    #[xml(attr)]
    pub r#type: String,
}

impl From<&str> for FormatName {
    fn from(word: &str) -> Self {
        Self {
            r#type: word.to_owned(),
        }
    }
}

/// The version of a protocol.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "protocol")]
pub struct Protocol {
    /// Such as `4.1`.
    #[xml(attr)]
    pub ver: String,
}

//! `<pool>`: storage that volumes are taken from.

use super::{Permissions, PoolKind, PoolSource};
use crate::Uuid;
use crate::scaled::Bytes;
use error::Result;
use xml::{Element, Value, YesNo};

/// A storage pool.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(
    element = "pool",
    namespace(
        fs = "http://libvirt.org/schemas/storagepool/fs/1.0",
        rbd = "http://libvirt.org/schemas/storagepool/rbd/1.0"
    )
)]
pub struct Pool {
    /// What it is made of.
    #[xml(attr = "type")]
    pub kind: PoolKind,
    /// What the daemon calls it.
    #[xml(value = "name", default)]
    pub name: String,
    /// `None` leaves the choice to the daemon.
    #[xml(value = "uuid")]
    pub uuid: Option<Uuid>,
    /// Bytes there are; told by the daemon.
    #[xml(child)]
    pub capacity: Option<Bytes>,
    /// Bytes that are taken; told by the daemon.
    #[xml(child)]
    pub allocation: Option<Bytes>,
    /// Bytes that are free; told by the daemon.
    #[xml(child)]
    pub available: Option<Bytes>,
    /// What its file system does.
    #[xml(child)]
    pub features: Option<Features>,
    /// What it is made of.
    #[xml(child)]
    pub source: Option<PoolSource>,
    /// Where it is on the host; some kinds are nowhere.
    #[xml(child)]
    pub target: Option<PoolTarget>,
    /// How volumes are looked at.
    #[xml(child)]
    pub refresh: Option<Refresh>,
    /// Options for mounting.
    #[xml(child = "fs:mount_opts")]
    pub mount_options: Option<MountOptions>,
    /// Options for Ceph.
    #[xml(child = "rbd:config_opts")]
    pub config_options: Option<ConfigOptions>,
}

/// What the file system of a pool does.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "features")]
pub struct Features {
    /// Whether files share blocks until they are written.
    #[xml(child)]
    pub cow: Option<Cow>,
}

/// Whether files share blocks until they are written.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "cow")]
pub struct Cow {
    /// Whether.
    #[xml(attr)]
    pub state: YesNo,
}

/// Where a pool is on the host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "target")]
pub struct PoolTarget {
    /// The folder of its volumes.
    #[xml(value = "path")]
    pub path: Option<String>,
    /// That folder's permissions.
    #[xml(child)]
    pub permissions: Option<Permissions>,
}

/// How volumes are looked at.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "refresh")]
pub struct Refresh {
    /// How a volume is.
    #[xml(child)]
    pub volume: Option<RefreshVolume>,
}

/// How a volume is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "volume")]
pub struct RefreshVolume {
    /// What its allocation is taken for.
    #[xml(attr)]
    pub allocation: Option<RefreshAllocation>,
}

/// What a volume's allocation is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum RefreshAllocation {
    /// What the storage says, which may take long.
    #[xml("default")]
    Default,
    /// Its capacity.
    #[xml("capacity")]
    Capacity,
}

/// Options for mounting.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(
    element = "mount_opts",
    namespace(fs = "http://libvirt.org/schemas/storagepool/fs/1.0")
)]
pub struct MountOptions {
    /// Each as `mount -o` takes it.
    #[xml(children = "fs:option")]
    pub options: Vec<super::Named>,
}

/// Options for Ceph.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(
    element = "config_opts",
    namespace(rbd = "http://libvirt.org/schemas/storagepool/rbd/1.0")
)]
pub struct ConfigOptions {
    /// Each with its value.
    #[xml(children = "rbd:option")]
    pub options: Vec<NamedOption>,
}

/// A name with a value.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "option")]
#[allow(missing_docs, reason = "as they are called")]
pub struct NamedOption {
    #[xml(attr)]
    pub name: String,
    #[xml(attr)]
    pub value: String,
}

impl Pool {
    /// Reads a document and refuses what cannot be. Sizes are the daemon's to tell: those given are forgotten.
    ///
    /// # Errors
    /// As stock daemons: [`error::Code::XmlDetail`] for what is no XML, [`error::Code::InternalError`] for a UUID that is none,
    /// [`error::Code::XmlError`] for everything else.
    pub fn from_xml(text: &str) -> Result<Self> {
        let mut pool: Self = xml::from_str(text).map_err(super::refused)?;
        super::check::pool(&mut pool)?;
        Ok(pool)
    }

    /// The whole document.
    pub fn to_xml(&self) -> String {
        xml::to_string(self)
    }

    /// The folder of its volumes, where it has one.
    pub fn path(&self) -> Option<&str> {
        self.target.as_ref()?.path.as_deref()
    }

    /// What it is made of.
    pub fn source(&self) -> Option<&PoolSource> {
        self.source.as_ref()
    }
}

//! Where a disk's bytes come from: its source, the layers below it, and the copy that is being made of it.
//!
//! The same shape (`type` on the surrounding element, `<source>` inside it) serves the disk itself, each
//! `<backingStore>`, a `<dataStore>` and a `<mirror>`.

use xml::{Element, Fields, Node, RawElement, Result, Value, Writer, YesNo};

use super::address::PciAddress;
use super::chardev::Reconnect;
use super::disk::MetadataCache;
use super::info::DeviceSecLabel;
use crate::Uuid;

/// `type` attribute and `<source>` element; a drive without medium has no source.
#[derive(Debug, Clone, PartialEq, Fields)]
#[xml(tag = "type", default = "file")]
pub enum DiskSource {
    #[xml(name = "file")]
    File {
        #[xml(child)]
        source: Option<FileSource>,
    },
    #[xml(name = "block")]
    Block {
        #[xml(child)]
        source: Option<BlockSource>,
    },
    #[xml(name = "dir")]
    Dir {
        #[xml(child)]
        source: Option<DirSource>,
    },
    #[xml(name = "network")]
    Network {
        #[xml(child)]
        source: Option<Box<NetworkSource>>,
    },
    #[xml(name = "volume")]
    Volume {
        #[xml(child)]
        source: Option<VolumeSource>,
    },
    #[xml(name = "nvme")]
    Nvme {
        #[xml(child)]
        source: Option<NvmeSource>,
    },
    #[xml(name = "vhostuser")]
    VhostUser {
        #[xml(child)]
        source: Option<VhostUserSource>,
    },
    #[xml(name = "vhostvdpa")]
    VhostVdpa {
        #[xml(child)]
        source: Option<VhostVdpaSource>,
    },
}

impl Default for DiskSource {
    fn default() -> Self {
        Self::File { source: None }
    }
}

impl DiskSource {
    /// The path on the host, where the source is a file, a block device or a directory.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::File { source } => source.as_ref()?.file.as_deref(),
            Self::Block { source } => source.as_ref()?.dev.as_deref(),
            Self::Dir { source } => Some(source.as_ref()?.dir.as_str()),
            _ => None,
        }
    }

    /// The group of descriptors that a client gives for it, in place of a path.
    pub fn fd_group(&self) -> Option<&str> {
        match self {
            Self::File { source } => source.as_ref()?.fdgroup.as_deref(),
            _ => None,
        }
    }

    /// Whether no place is named: the drive is empty.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::File { source } => source.as_ref().is_none_or(|source| source.file.is_none()),
            Self::Block { source } => source.as_ref().is_none_or(|source| source.dev.is_none()),
            Self::Dir { source } => source.is_none(),
            Self::Network { source } => source.is_none(),
            Self::Volume { source } => source.is_none(),
            Self::Nvme { source } => source.is_none(),
            Self::VhostUser { source } => source.is_none(),
            Self::VhostVdpa { source } => source.is_none(),
        }
    }

    /// The name of the kind, as in the `type` attribute.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::File { .. } => "file",
            Self::Block { .. } => "block",
            Self::Dir { .. } => "dir",
            Self::Network { .. } => "network",
            Self::Volume { .. } => "volume",
            Self::Nvme { .. } => "nvme",
            Self::VhostUser { .. } => "vhostuser",
            Self::VhostVdpa { .. } => "vhostvdpa",
        }
    }

    /// What sources of all kinds have in common; vhost sources have none of it.
    pub fn details(&self) -> Option<&SourceDetails> {
        match self {
            Self::File { source } => source.as_ref().map(|source| &source.details),
            Self::Block { source } => source.as_ref().map(|source| &source.details),
            Self::Dir { source } => source.as_ref().map(|source| &source.details),
            Self::Network { source } => source.as_ref().map(|source| &source.details),
            Self::Volume { source } => source.as_ref().map(|source| &source.details),
            Self::Nvme { source } => source.as_ref().map(|source| &source.details),
            Self::VhostUser { .. } | Self::VhostVdpa { .. } => None,
        }
    }

    /// Takes out what proves to a server who asks: cookies.
    pub fn strip_secrets(&mut self) {
        if let Self::Network { source: Some(source) } = self {
            source.cookies.clear();
        }
        let store = self.details_mut().and_then(|details| details.data_store.as_mut());
        if let Some(store) = store {
            store.source.strip_secrets();
        }
    }

    /// As [`DiskSource::details`], to be changed.
    pub fn details_mut(&mut self) -> Option<&mut SourceDetails> {
        match self {
            Self::File { source } => source.as_mut().map(|source| &mut source.details),
            Self::Block { source } => source.as_mut().map(|source| &mut source.details),
            Self::Dir { source } => source.as_mut().map(|source| &mut source.details),
            Self::Network { source } => source.as_mut().map(|source| &mut source.details),
            Self::Volume { source } => source.as_mut().map(|source| &mut source.details),
            Self::Nvme { source } => source.as_mut().map(|source| &mut source.details),
            Self::VhostUser { .. } | Self::VhostVdpa { .. } => None,
        }
    }
}

/// Parts of a `<source>` that do not depend on its kind.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
pub struct SourceDetails {
    #[xml(attr = "startupPolicy")]
    pub startup_policy: Option<StartupPolicy>,
    /// Live documents: number of the image in API calls (`vda[3]`).
    #[xml(attr)]
    pub index: Option<u32>,
    /// The part of the place that holds the image.
    #[xml(wrapped = "slices/slice")]
    pub slices: Vec<Slice>,
    #[xml(children = "seclabel")]
    pub seclabels: Vec<DeviceSecLabel>,
    #[xml(child)]
    pub auth: Option<Auth>,
    #[xml(child)]
    pub encryption: Option<Encryption>,
    #[xml(child)]
    pub reservations: Option<Reservations>,
    #[xml(child = "dataStore")]
    pub data_store: Option<Box<DataStore>>,
    /// What a daemon notes for itself in a status file.
    #[xml(raw = "privateData")]
    pub private_data: Option<RawElement>,
}

/// A file on the host.
#[derive(Debug, Clone, PartialEq, Default, Element)]
#[xml(element = "source")]
pub struct FileSource {
    #[xml(attr)]
    pub file: Option<String>,
    /// Group of descriptors that a client passed with virDomainFDAssociate.
    #[xml(attr)]
    pub fdgroup: Option<String>,
    #[xml(flatten)]
    pub details: SourceDetails,
}

/// A block device of the host.
#[derive(Debug, Clone, PartialEq, Default, Element)]
#[xml(element = "source")]
pub struct BlockSource {
    #[xml(attr)]
    pub dev: Option<String>,
    #[xml(flatten)]
    pub details: SourceDetails,
}

/// A directory of the host, shown as a FAT file system.
#[derive(Debug, Clone, PartialEq, Default, Element)]
#[xml(element = "source")]
pub struct DirSource {
    #[xml(attr)]
    pub dir: String,
    #[xml(flatten)]
    pub details: SourceDetails,
}

/// A volume of a storage pool, looked up when the domain starts.
#[derive(Debug, Clone, PartialEq, Default, Element)]
#[xml(element = "source")]
pub struct VolumeSource {
    #[xml(attr)]
    pub pool: String,
    #[xml(attr)]
    pub volume: String,
    #[xml(attr)]
    pub mode: Option<VolumeMode>,
    #[xml(flatten)]
    pub details: SourceDetails,
}

/// How a volume of an iSCSI pool is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum VolumeMode {
    /// Through the host's block device.
    #[xml("host")]
    Host,
    /// By QEMU itself.
    #[xml("direct")]
    Direct,
}

/// A namespace of an NVMe controller that QEMU drives itself.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "source")]
pub struct NvmeSource {
    #[xml(attr = "type")]
    pub transport: NvmeTransport,
    /// Whether the controller is taken from the host's driver and given back.
    #[xml(attr)]
    pub managed: Option<YesNo>,
    /// Counted from 1.
    #[xml(attr)]
    pub namespace: u64,
    #[xml(child)]
    pub address: PciAddress,
    #[xml(flatten)]
    pub details: SourceDetails,
}

/// Bus of an NVMe controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum NvmeTransport {
    #[xml("pci")]
    Pci,
}

/// A vhost-user daemon's socket.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "source")]
pub struct VhostUserSource {
    #[xml(attr = "type")]
    pub transport: VhostUserTransport,
    #[xml(attr)]
    pub path: String,
    #[xml(child)]
    pub reconnect: Option<Reconnect>,
}

/// Kind of a vhost-user socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum VhostUserTransport {
    #[xml("unix")]
    Unix,
}

/// A vDPA device of the host.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "source")]
pub struct VhostVdpaSource {
    #[xml(attr)]
    pub dev: String,
}

/// What happens when the medium is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum StartupPolicy {
    /// Fail.
    #[xml("mandatory")]
    Mandatory,
    /// Fail on start, drop it on migration, restore and revert.
    #[xml("requisite")]
    Requisite,
    /// Drop it.
    #[xml("optional")]
    Optional,
}

/// Part of a file or device, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "slice")]
pub struct Slice {
    #[xml(attr = "type")]
    pub kind: SliceKind,
    #[xml(attr)]
    pub offset: u64,
    #[xml(attr)]
    pub size: u64,
}

/// Layer that a slice cuts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum SliceKind {
    /// The storage below the image format.
    #[xml("storage")]
    Storage,
}

/// User and secret for a network source.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "auth")]
pub struct Auth {
    #[xml(attr)]
    pub username: String,
    #[xml(child)]
    pub secret: AuthSecret,
}

/// Secret by UUID or by usage.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "secret")]
pub struct AuthSecret {
    /// `ceph` or `iscsi`, as the secret's own definition has it.
    #[xml(attr = "type")]
    pub kind: Option<String>,
    #[xml(attr)]
    pub uuid: Option<Uuid>,
    #[xml(attr)]
    pub usage: Option<String>,
}

/// Persistent reservations of a LUN, through a helper.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "reservations")]
pub struct Reservations {
    /// `yes`: the daemon starts the helper itself.
    #[xml(attr)]
    pub managed: Option<YesNo>,
    #[xml(child)]
    pub source: Option<ReservationsSource>,
}

/// Socket of the helper for persistent reservations.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "source")]
pub struct ReservationsSource {
    #[xml(attr = "type")]
    pub transport: VhostUserTransport,
    #[xml(attr)]
    pub path: String,
    /// Always `client`.
    #[xml(attr)]
    pub mode: Option<String>,
    #[xml(child)]
    pub reconnect: Option<Reconnect>,
}

/// The file that holds the guest's data beside a qcow2 image that holds only metadata.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "dataStore")]
pub struct DataStore {
    #[xml(child)]
    pub format: Option<ImageFormat>,
    #[xml(flatten)]
    pub source: DiskSource,
}

/// `<format type='qcow2'/>`
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "format")]
pub struct ImageFormat {
    #[xml(attr = "type")]
    pub kind: StorageFormat,
    #[xml(child)]
    pub metadata_cache: Option<MetadataCache>,
}

/// Formats of disk images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum StorageFormat {
    #[xml("raw")]
    Raw,
    #[xml("dir")]
    Dir,
    #[xml("bochs")]
    Bochs,
    #[xml("cloop")]
    Cloop,
    #[xml("dmg")]
    Dmg,
    #[xml("iso")]
    Iso,
    #[xml("vpc")]
    Vpc,
    #[xml("vdi")]
    Vdi,
    #[xml("fat")]
    Fat,
    #[xml("vhd")]
    Vhd,
    #[xml("ploop")]
    Ploop,
    #[xml("luks")]
    Luks,
    #[xml("cow")]
    Cow,
    #[xml("qcow")]
    Qcow,
    #[xml("qcow2")]
    Qcow2,
    #[xml("qed")]
    Qed,
    #[xml("vmdk")]
    Vmdk,
    /// Xen's old name for raw images.
    #[xml("aio")]
    Aio,
}

/// `<backingStore>`: the next layer of a chain, or, empty, the word that there is none.
///
/// A disk without any `<backingStore>` leaves it to the image's own header.
#[derive(Debug, Clone, PartialEq)]
pub enum BackingStore {
    /// The chain ends here.
    End,
    /// The next layer.
    Layer(Box<BackingLayer>),
}

impl BackingStore {
    /// The layer, unless the chain ends here.
    pub fn layer(&self) -> Option<&BackingLayer> {
        match self {
            Self::End => None,
            Self::Layer(layer) => Some(layer),
        }
    }
}

impl Fields for BackingStore {
    fn read(node: Node<'_>) -> Result<Self> {
        if node.attribute("type").is_none() {
            return Ok(Self::End);
        }
        BackingLayer::read(node).map(|layer| Self::Layer(Box::new(layer)))
    }

    fn write_attributes(&self, writer: &mut Writer) {
        if let Self::Layer(layer) = self {
            layer.write_attributes(writer);
        }
    }

    fn write_children(&self, writer: &mut Writer) {
        if let Self::Layer(layer) = self {
            layer.write_children(writer);
        }
    }
}

/// One layer below the top of a chain.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "backingStore")]
pub struct BackingLayer {
    #[xml(child)]
    pub format: Option<ImageFormat>,
    #[xml(flatten)]
    pub source: DiskSource,
    /// Live documents: number of the image in API calls (`vda[3]`).
    #[xml(attr)]
    pub index: Option<u32>,
    #[xml(child = "backingStore")]
    pub backing_store: Option<BackingStore>,
}

/// `<mirror>`: where a running block job copies the disk to.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "mirror")]
pub struct Mirror {
    /// The copy's path, in the form of old clients.
    #[xml(attr)]
    pub file: Option<String>,
    /// The copy's format, in the form of old clients.
    #[xml(attr = "format")]
    pub legacy_format: Option<StorageFormat>,
    #[xml(attr)]
    pub job: Option<MirrorJob>,
    #[xml(attr)]
    pub ready: Option<MirrorReady>,
    #[xml(child)]
    pub format: Option<ImageFormat>,
    #[xml(flatten)]
    pub source: DiskSource,
    #[xml(child = "backingStore")]
    pub backing_store: Option<BackingStore>,
}

/// Which job mirrors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum MirrorJob {
    #[xml("copy")]
    Copy,
    #[xml("active-commit")]
    ActiveCommit,
}

/// How far a mirror is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum MirrorReady {
    /// In step with the disk; may be pivoted to.
    #[xml("yes")]
    Yes,
    /// Being given up.
    #[xml("abort")]
    Abort,
    /// Being pivoted to.
    #[xml("pivot")]
    Pivot,
}

pub use super::disk_network::{NetworkProtocol, NetworkSource};
pub use super::encryption::{
    Cipher, Encryption, EncryptionEngine, EncryptionFormat, EncryptionSecret, EncryptionSecretKind, IvGen,
};

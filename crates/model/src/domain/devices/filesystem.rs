//! `<filesystem>`: a folder of the host that the guest sees.

use xml::{Element, Fields, OnOff, Value};

use super::disk_source::StorageFormat;
use super::hex::OctalMode;
use super::info::{DeviceInfo, VirtioModel, VirtioOptions};
use super::size::Bytes;

/// A shared file system.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "filesystem", leading = "type")]
pub struct Filesystem {
    #[xml(attr)]
    pub accessmode: Option<FsAccessMode>,
    #[xml(attr)]
    pub model: Option<VirtioModel>,
    #[xml(attr)]
    pub multidevs: Option<FsMultidevs>,
    /// Mode of new files, with the access mode `mapped`.
    #[xml(attr)]
    pub fmode: Option<OctalMode>,
    /// Mode of new folders, with the access mode `mapped`.
    #[xml(attr)]
    pub dmode: Option<OctalMode>,
    #[xml(child)]
    pub driver: Option<FsDriver>,
    #[xml(child)]
    pub binary: Option<FsBinary>,
    #[xml(child)]
    pub idmap: Option<IdMap>,
    #[xml(flatten)]
    pub kind: FilesystemKind,
    #[xml(child)]
    pub target: Option<FsTarget>,
    #[xml(flag = "readonly")]
    pub readonly: bool,
    #[xml(flatten)]
    pub info: DeviceInfo,
    #[xml(child)]
    pub space_hard_limit: Option<Bytes>,
    #[xml(child)]
    pub space_soft_limit: Option<Bytes>,
}

impl Filesystem {
    /// What the guest mounts by: a tag, or (containers) a folder.
    pub fn target_dir(&self) -> Option<&str> {
        self.target.as_ref().map(|target| target.dir.as_str())
    }

    /// The driver's name, where one is given.
    pub fn driver_type(&self) -> Option<FsDriverType> {
        self.driver.as_ref().and_then(|driver| driver.kind)
    }
}

/// The `type` of a file system and its place on the host.
#[derive(Debug, Clone, PartialEq, Eq, Fields)]
#[xml(tag = "type", default = "mount")]
pub enum FilesystemKind {
    #[xml(name = "mount")]
    Mount {
        #[xml(child)]
        source: Option<FsMountSource>,
    },
    #[xml(name = "block")]
    Block {
        #[xml(child)]
        source: FsBlockSource,
    },
    #[xml(name = "file")]
    File {
        #[xml(child)]
        source: FsFileSource,
    },
    #[xml(name = "template")]
    Template {
        #[xml(child)]
        source: FsTemplateSource,
    },
    #[xml(name = "ram")]
    Ram {
        #[xml(child)]
        source: FsRamSource,
    },
    #[xml(name = "bind")]
    Bind {
        #[xml(child)]
        source: FsMountSource,
    },
    #[xml(name = "volume")]
    Volume {
        #[xml(child)]
        source: FsVolumeSource,
    },
}

/// A folder, or the socket of a virtiofsd that somebody else runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "source")]
pub struct FsMountSource {
    #[xml(attr)]
    pub dir: Option<String>,
    #[xml(attr)]
    pub socket: Option<String>,
}

/// A block device.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "source")]
pub struct FsBlockSource {
    #[xml(attr)]
    pub dev: String,
}

/// An image file.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "source")]
pub struct FsFileSource {
    #[xml(attr)]
    pub file: String,
}

/// A template of OpenVZ.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "source")]
pub struct FsTemplateSource {
    #[xml(attr)]
    pub name: String,
}

/// A file system in memory.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "source")]
pub struct FsRamSource {
    #[xml(attr)]
    pub usage: u64,
    /// KiB where missing.
    #[xml(attr)]
    pub units: Option<String>,
}

/// A volume of a storage pool.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "source")]
pub struct FsVolumeSource {
    #[xml(attr)]
    pub pool: String,
    #[xml(attr)]
    pub volume: String,
}

/// Whose rights the guest's files get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum FsAccessMode {
    #[xml("passthrough")]
    Passthrough,
    /// Kept in extended attributes.
    #[xml("mapped")]
    Mapped,
    /// As `passthrough`, with failures to change owners ignored.
    #[xml("squash")]
    Squash,
}

/// What is done about a folder that spans several file systems, whose inode numbers may clash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum FsMultidevs {
    #[xml("default")]
    Default,
    #[xml("remap")]
    Remap,
    #[xml("forbid")]
    Forbid,
    #[xml("warn")]
    Warn,
}

/// What serves the file system.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "driver")]
pub struct FsDriver {
    #[xml(attr = "type")]
    pub kind: Option<FsDriverType>,
    #[xml(attr)]
    pub format: Option<StorageFormat>,
    #[xml(attr)]
    pub wrpolicy: Option<FsWritePolicy>,
    /// virtiofs: entries of the queue.
    #[xml(attr)]
    pub queue: Option<u32>,
    #[xml(flatten)]
    pub virtio: VirtioOptions,
}

/// Drivers of file systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum FsDriverType {
    #[xml("path")]
    Path,
    #[xml("handle")]
    Handle,
    #[xml("loop")]
    Loop,
    #[xml("nbd")]
    Nbd,
    #[xml("ploop")]
    Ploop,
    #[xml("virtiofs")]
    Virtiofs,
    #[xml("mtp")]
    Mtp,
}

/// When the guest's writes reach the host's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum FsWritePolicy {
    #[xml("immediate")]
    Immediate,
}

/// Settings of virtiofsd.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "binary")]
pub struct FsBinary {
    #[xml(attr)]
    pub path: Option<String>,
    #[xml(attr)]
    pub xattr: Option<OnOff>,
    #[xml(child)]
    pub cache: Option<FsCache>,
    #[xml(child)]
    pub sandbox: Option<FsSandbox>,
    #[xml(child)]
    pub lock: Option<FsLock>,
    #[xml(child)]
    pub thread_pool: Option<FsThreadPool>,
    #[xml(child)]
    pub openfiles: Option<FsOpenFiles>,
}

/// `<cache mode='always'/>`
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "cache")]
pub struct FsCache {
    #[xml(attr)]
    pub mode: Option<FsCacheMode>,
}

/// What the guest may cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum FsCacheMode {
    #[xml("none")]
    None,
    #[xml("always")]
    Always,
}

/// `<sandbox mode='chroot'/>`
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "sandbox")]
pub struct FsSandbox {
    #[xml(attr)]
    pub mode: Option<FsSandboxMode>,
}

/// How virtiofsd locks itself in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum FsSandboxMode {
    #[xml("namespace")]
    Namespace,
    #[xml("chroot")]
    Chroot,
}

/// Locks that are passed on to the host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "lock")]
pub struct FsLock {
    #[xml(attr)]
    pub posix: Option<OnOff>,
    #[xml(attr)]
    pub flock: Option<OnOff>,
}

/// `<thread_pool size='16'/>`
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "thread_pool")]
pub struct FsThreadPool {
    #[xml(attr)]
    pub size: Option<u32>,
}

/// `<openfiles max='100000'/>`
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "openfiles")]
pub struct FsOpenFiles {
    #[xml(attr)]
    pub max: Option<u64>,
}

/// How IDs of the guest map to those of the host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "idmap")]
pub struct IdMap {
    #[xml(children = "uid")]
    pub uids: Vec<IdRange>,
    #[xml(children = "gid")]
    pub gids: Vec<IdRange>,
}

/// A range of IDs.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "uid")]
pub struct IdRange {
    /// First ID in the guest.
    #[xml(attr)]
    pub start: u32,
    /// First ID on the host.
    #[xml(attr)]
    pub target: u32,
    #[xml(attr)]
    pub count: u32,
}

/// `<target dir='tag'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "target")]
pub struct FsTarget {
    #[xml(attr)]
    pub dir: String,
}

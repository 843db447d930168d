//! `<disk>`: a block device of the guest.
//!
//! The disk says how the guest sees it (target, geometry, identity) and how QEMU drives it (driver, throttling);
//! where its bytes come from is [`DiskSource`], chosen by the disk's `type`, and its backing files are [`BackingStore`].

use xml::{Element, OnOff, RawElement, Value, YesNo};

use super::disk_source::{Auth, BackingStore, DiskSource, Encryption, Mirror, StorageFormat};
use super::info::{DeviceInfo, VirtioModel, VirtioOptions};
use super::iothread::IoThreadMapping;
use super::size::Bytes;

/// A disk, CD-ROM or floppy drive, or a passed-through LUN.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "disk", leading = "type")]
pub struct Disk {
    #[xml(attr, default)]
    pub device: DiskDevice,
    #[xml(attr)]
    pub model: Option<VirtioModel>,
    /// With `device='lun'`: the guest may send raw SCSI commands that need CAP_SYS_RAWIO.
    #[xml(attr)]
    pub rawio: Option<YesNo>,
    #[xml(attr)]
    pub sgio: Option<SgIo>,
    /// What a snapshot of the domain does with this disk unless told otherwise.
    #[xml(attr)]
    pub snapshot: Option<DiskSnapshot>,
    #[xml(child)]
    pub driver: Option<DiskDriver>,
    /// Credentials in the old place, beside the source; libvirt keeps them where it found them.
    #[xml(child)]
    pub auth: Option<Auth>,
    #[xml(flatten)]
    pub source: DiskSource,
    #[xml(child = "backingStore")]
    pub backing_store: Option<BackingStore>,
    /// A running copy or active commit.
    #[xml(child)]
    pub mirror: Option<Mirror>,
    #[xml(child = "backenddomain")]
    pub backend_domain: Option<BackendDomain>,
    #[xml(child)]
    pub geometry: Option<Geometry>,
    #[xml(child = "blockio")]
    pub block_io: Option<BlockIo>,
    #[xml(child)]
    pub target: DiskTarget,
    /// Groups of `<throttlegroups>` that limit this disk; excludes `iotune`.
    #[xml(wrapped = "throttlefilters/throttlefilter")]
    pub throttle_filters: Vec<ThrottleFilter>,
    #[xml(child = "iotune")]
    pub io_tune: Option<IoTune>,
    #[xml(flag = "readonly")]
    pub readonly: bool,
    /// Several domains may have it open at once.
    #[xml(flag = "shareable")]
    pub shareable: bool,
    /// What the guest writes is thrown away when it ends.
    #[xml(child)]
    pub transient: Option<Transient>,
    #[xml(value = "serial")]
    pub serial: Option<String>,
    /// World wide name, 16 hex digits.
    #[xml(value = "wwn")]
    pub wwn: Option<String>,
    /// At most 8 printable characters.
    #[xml(value = "vendor")]
    pub vendor: Option<String>,
    /// At most 16 printable characters.
    #[xml(value = "product")]
    pub product: Option<String>,
    /// Encryption in the old place, beside the source.
    #[xml(child)]
    pub encryption: Option<Encryption>,
    #[xml(flatten)]
    pub info: DeviceInfo,
    /// What a daemon notes for itself in a status file.
    #[xml(raw = "privateData")]
    pub private_data: Option<RawElement>,
}

impl Disk {
    /// The path on the host, where the source is a file, a block device or a directory.
    pub fn source_path(&self) -> Option<&str> {
        self.source.path()
    }

    /// Whether there is anything to read from; an empty drive has no medium.
    pub fn has_medium(&self) -> bool {
        !self.source.is_empty()
    }

    /// Whether the medium can be taken out.
    pub fn is_removable(&self) -> bool {
        matches!(self.device, DiskDevice::Cdrom | DiskDevice::Floppy)
    }

    /// The image's format, where one is given.
    pub fn format(&self) -> Option<StorageFormat> {
        self.driver.as_ref().and_then(|driver| driver.format)
    }

    /// Encryption of the top image, wherever it is written.
    pub fn effective_encryption(&self) -> Option<&Encryption> {
        self.source
            .details()
            .and_then(|details| details.encryption.as_ref())
            .or(self.encryption.as_ref())
    }

    /// Credentials for the top image, wherever they are written.
    pub fn effective_auth(&self) -> Option<&Auth> {
        self.source
            .details()
            .and_then(|details| details.auth.as_ref())
            .or(self.auth.as_ref())
    }

    /// Takes cookies out, as clients without the right to see them get the document.
    pub fn strip_secrets(&mut self) {
        self.source.strip_secrets();
        if let Some(mirror) = &mut self.mirror {
            mirror.source.strip_secrets();
        }
        let mut below = self.backing_store.as_mut();
        while let Some(BackingStore::Layer(layer)) = below {
            layer.source.strip_secrets();
            below = layer.backing_store.as_mut();
        }
    }

    /// The layers below the top image that the document names, from the top down.
    pub fn backing_chain(&self) -> impl Iterator<Item = &super::disk_source::BackingLayer> {
        std::iter::successors(
            self.backing_store.as_ref().and_then(BackingStore::layer),
            |layer| layer.backing_store.as_ref().and_then(BackingStore::layer),
        )
    }
}

/// What the guest takes the disk for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Value)]
pub enum DiskDevice {
    #[default]
    #[xml("disk")]
    Disk,
    #[xml("cdrom")]
    Cdrom,
    #[xml("floppy")]
    Floppy,
    /// A SCSI unit that gets the guest's commands as they are.
    #[xml("lun")]
    Lun,
}

/// Whether the kernel filters the SCSI commands of an unprivileged process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum SgIo {
    #[xml("filtered")]
    Filtered,
    #[xml("unfiltered")]
    Unfiltered,
}

/// Part a disk takes in snapshots of its domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum DiskSnapshot {
    #[xml("no")]
    No,
    #[xml("internal")]
    Internal,
    #[xml("external")]
    External,
    #[xml("manual")]
    Manual,
}

/// How QEMU drives the disk.
#[derive(Debug, Clone, PartialEq, Default, Element)]
#[xml(element = "driver")]
pub struct DiskDriver {
    /// `qemu` for QEMU.
    #[xml(attr)]
    pub name: Option<String>,
    #[xml(attr = "type")]
    pub format: Option<StorageFormat>,
    #[xml(attr)]
    pub cache: Option<DiskCache>,
    #[xml(attr)]
    pub error_policy: Option<ErrorPolicy>,
    /// For reads; as `error_policy` where missing.
    #[xml(attr)]
    pub rerror_policy: Option<ErrorPolicy>,
    #[xml(attr)]
    pub io: Option<DiskIo>,
    #[xml(attr)]
    pub ioeventfd: Option<OnOff>,
    #[xml(attr)]
    pub event_idx: Option<OnOff>,
    #[xml(attr)]
    pub copy_on_read: Option<OnOff>,
    #[xml(attr)]
    pub discard: Option<Discard>,
    #[xml(attr)]
    pub detect_zeroes: Option<DetectZeroes>,
    /// Discarded clusters stay allocated in a qcow2 image.
    #[xml(attr)]
    pub discard_no_unref: Option<OnOff>,
    /// Number of the I/O thread that serves the disk; excludes `iothreads`.
    #[xml(attr)]
    pub iothread: Option<u32>,
    /// Number of virtqueues.
    #[xml(attr)]
    pub queues: Option<u32>,
    /// Entries of each virtqueue.
    #[xml(attr)]
    pub queue_size: Option<u32>,
    #[xml(flatten)]
    pub virtio: VirtioOptions,
    #[xml(child)]
    pub metadata_cache: Option<MetadataCache>,
    #[xml(child)]
    pub iothreads: Option<IoThreadMapping>,
}

/// Cache of an image's metadata (qcow2).
#[derive(Debug, Clone, PartialEq, Default, Element)]
#[xml(element = "metadata_cache")]
pub struct MetadataCache {
    #[xml(child)]
    pub max_size: Option<Bytes>,
}

/// How the host caches what the guest reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum DiskCache {
    #[xml("default")]
    Default,
    #[xml("none")]
    None,
    #[xml("writethrough")]
    WriteThrough,
    #[xml("writeback")]
    WriteBack,
    #[xml("directsync")]
    DirectSync,
    #[xml("unsafe")]
    Unsafe,
}

/// What happens when a request to the image fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum ErrorPolicy {
    #[xml("default")]
    Default,
    #[xml("stop")]
    Stop,
    #[xml("report")]
    Report,
    #[xml("ignore")]
    Ignore,
    /// Stops the guest when the space is used up, reports anything else.
    #[xml("enospace")]
    Enospace,
}

/// How QEMU hands requests to the host's kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum DiskIo {
    #[xml("default")]
    Default,
    #[xml("native")]
    Native,
    #[xml("threads")]
    Threads,
    #[xml("io_uring")]
    IoUring,
}

/// What becomes of the guest's discard requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum Discard {
    #[xml("default")]
    Default,
    #[xml("unmap")]
    Unmap,
    #[xml("ignore")]
    Ignore,
}

/// What becomes of writes of nothing but zeroes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum DetectZeroes {
    #[xml("default")]
    Default,
    #[xml("off")]
    Off,
    #[xml("on")]
    On,
    /// As discards.
    #[xml("unmap")]
    Unmap,
}

/// `<backenddomain name='x'/>`: the Xen domain that serves the device.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "backenddomain")]
pub struct BackendDomain {
    #[xml(attr)]
    pub name: String,
}

/// Cylinders, heads and sectors that the guest's BIOS is told.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "geometry")]
pub struct Geometry {
    #[xml(attr)]
    pub cyls: u32,
    #[xml(attr)]
    pub heads: u32,
    #[xml(attr)]
    pub secs: u32,
    #[xml(attr)]
    pub trans: Option<GeometryTranslation>,
}

/// Translation of the BIOS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum GeometryTranslation {
    #[xml("auto")]
    Auto,
    #[xml("none")]
    None,
    #[xml("lba")]
    Lba,
}

/// Block sizes that the guest is told, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "blockio")]
pub struct BlockIo {
    #[xml(attr)]
    pub logical_block_size: Option<u32>,
    #[xml(attr)]
    pub physical_block_size: Option<u32>,
    #[xml(attr)]
    pub discard_granularity: Option<u32>,
}

/// How the guest sees the disk.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "target")]
pub struct DiskTarget {
    /// Ordering hint and handle of API calls, not the name in the guest: `vda`, `sdb`, `hdc`, `fda`.
    #[xml(attr)]
    pub dev: String,
    /// Derived from the prefix of `dev` where missing.
    #[xml(attr)]
    pub bus: Option<DiskBus>,
    /// Live documents: whether the drive's tray is open.
    #[xml(attr)]
    pub tray: Option<Tray>,
    #[xml(attr)]
    pub removable: Option<OnOff>,
    /// In rpm; 1 stands for a drive without moving parts.
    #[xml(attr)]
    pub rotation_rate: Option<u32>,
}

/// Bus of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum DiskBus {
    #[xml("ide")]
    Ide,
    #[xml("fdc")]
    Fdc,
    #[xml("scsi")]
    Scsi,
    #[xml("virtio")]
    Virtio,
    #[xml("xen")]
    Xen,
    #[xml("usb")]
    Usb,
    #[xml("uml")]
    Uml,
    #[xml("sata")]
    Sata,
    #[xml("sd")]
    Sd,
}

/// Tray of a drive with removable media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum Tray {
    #[xml("closed")]
    Closed,
    #[xml("open")]
    Open,
}

/// One group of the chain that a disk's requests pass.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "throttlefilter")]
pub struct ThrottleFilter {
    #[xml(attr)]
    pub group: String,
}

/// Limits of bandwidth (bytes/s) and request rate (1/s), bursts (`_max`) and how long those may last (seconds).
///
/// The same fields make up a `<throttlegroup>`. A total excludes the read and write limits of the same kind.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "iotune")]
pub struct IoTune {
    #[xml(value = "total_bytes_sec")]
    pub total_bytes_sec: Option<u64>,
    #[xml(value = "read_bytes_sec")]
    pub read_bytes_sec: Option<u64>,
    #[xml(value = "write_bytes_sec")]
    pub write_bytes_sec: Option<u64>,
    #[xml(value = "total_iops_sec")]
    pub total_iops_sec: Option<u64>,
    #[xml(value = "read_iops_sec")]
    pub read_iops_sec: Option<u64>,
    #[xml(value = "write_iops_sec")]
    pub write_iops_sec: Option<u64>,
    #[xml(value = "total_bytes_sec_max")]
    pub total_bytes_sec_max: Option<u64>,
    #[xml(value = "read_bytes_sec_max")]
    pub read_bytes_sec_max: Option<u64>,
    #[xml(value = "write_bytes_sec_max")]
    pub write_bytes_sec_max: Option<u64>,
    #[xml(value = "total_iops_sec_max")]
    pub total_iops_sec_max: Option<u64>,
    #[xml(value = "read_iops_sec_max")]
    pub read_iops_sec_max: Option<u64>,
    #[xml(value = "write_iops_sec_max")]
    pub write_iops_sec_max: Option<u64>,
    /// Requests larger than this count as several, in bytes.
    #[xml(value = "size_iops_sec")]
    pub size_iops_sec: Option<u64>,
    /// Disks of one group share its limits.
    #[xml(value = "group_name")]
    pub group_name: Option<String>,
    #[xml(value = "total_bytes_sec_max_length")]
    pub total_bytes_sec_max_length: Option<u64>,
    #[xml(value = "read_bytes_sec_max_length")]
    pub read_bytes_sec_max_length: Option<u64>,
    #[xml(value = "write_bytes_sec_max_length")]
    pub write_bytes_sec_max_length: Option<u64>,
    #[xml(value = "total_iops_sec_max_length")]
    pub total_iops_sec_max_length: Option<u64>,
    #[xml(value = "read_iops_sec_max_length")]
    pub read_iops_sec_max_length: Option<u64>,
    #[xml(value = "write_iops_sec_max_length")]
    pub write_iops_sec_max_length: Option<u64>,
}

/// `<transient/>`
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "transient")]
pub struct Transient {
    /// Several domains start from the same image, each with changes of its own.
    #[xml(attr = "shareBacking")]
    pub share_backing: Option<YesNo>,
}

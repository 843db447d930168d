//! `<volume>`: what a guest gets of a pool.

use super::{FormatName, Permissions, PoolKind, VolumeKind, unsupported, wrong};
use crate::domain::devices::disk_source::Encryption;
use crate::scaled::Bytes;
use error::{Code, Domain, Error, Result};
use xml::{Element, Fields, Node, Value, Writer};

/// The largest size, in bytes: file systems count in signed numbers of 64 bits.
pub const MAX_SIZE: u64 = i64::MAX as u64;

/// A volume.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "volume")]
pub struct Volume {
    /// What it is on the host; the pool decides where nothing is said.
    #[xml(attr = "type")]
    pub kind: Option<VolumeKind>,
    /// Unique within its pool.
    #[xml(value = "name", default)]
    pub name: String,
    /// Unique on this host and beyond; told by the daemon.
    #[xml(value = "key")]
    pub key: Option<String>,
    /// What it is made of; told by the daemon.
    #[xml(child)]
    pub source: Option<VolumeSource>,
    /// Bytes that a guest sees.
    #[xml(child)]
    pub capacity: Option<Bytes>,
    /// Bytes that are taken at once, or, told by the daemon, that are taken.
    #[xml(child)]
    pub allocation: Option<Bytes>,
    /// Bytes until its end on the host; told by the daemon.
    #[xml(child)]
    pub physical: Option<Bytes>,
    /// Where and how it is.
    #[xml(child, default)]
    pub target: VolumeTarget,
    /// What it is based on.
    #[xml(child = "backingStore")]
    pub backing: Option<Backing>,
}

/// The parts of devices that a volume is made of.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "source")]
pub struct VolumeSource {
    /// The devices.
    #[xml(children = "device")]
    pub devices: Vec<SourceDevice>,
}

/// A device that a volume has parts of.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "device")]
pub struct SourceDevice {
    /// Its path.
    #[xml(attr)]
    pub path: String,
    /// The parts.
    #[xml(children = "extent")]
    pub extents: Vec<Extent>,
}

/// A part of a device, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "extent")]
pub struct Extent {
    /// Where it begins.
    #[xml(attr)]
    pub start: u64,
    /// Where it ends: the first byte behind it.
    #[xml(attr)]
    pub end: u64,
}

/// Where and how a volume is.
#[derive(Debug, Clone, PartialEq, Default, Element)]
#[xml(element = "target")]
pub struct VolumeTarget {
    /// Told by the daemon.
    #[xml(value = "path")]
    pub path: Option<String>,
    /// What it is written as.
    #[xml(child)]
    pub format: Option<FormatName>,
    /// Who may do what with it.
    #[xml(child)]
    pub permissions: Option<Permissions>,
    /// Told by the daemon.
    #[xml(child)]
    pub timestamps: Option<Timestamps>,
    /// How it is encrypted.
    #[xml(child)]
    pub encryption: Option<Encryption>,
    /// The version of qcow2, by the QEMU that came with it.
    #[xml(value = "compat")]
    pub compat: Option<String>,
    /// Whether a file system that shares blocks is not to do so.
    #[xml(flag = "nocow")]
    pub nocow: bool,
    /// The size of qcow2's clusters.
    #[xml(child = "clusterSize")]
    pub cluster_size: Option<ClusterSize>,
    /// What qcow2 does.
    #[xml(child)]
    pub features: Option<VolumeFeatures>,
}

/// What qcow2 does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VolumeFeatures {
    /// Counts of references are written late.
    pub lazy_refcounts: bool,
    /// Parts of clusters are allocated.
    pub extended_l2: bool,
}

impl Fields for VolumeFeatures {
    fn read(node: Node<'_>) -> xml::Result<Self> {
        let mut features = Self::default();
        for feature in node.elements() {
            match feature.name() {
                "lazy_refcounts" => features.lazy_refcounts = true,
                "extended_l2" => features.extended_l2 = true,
                // Whoever asks for more would not get it.
                other => return Err(xml::Error::unsupported(format!("unsupported feature {other}"))),
            }
        }
        Ok(features)
    }

    fn write_attributes(&self, _: &mut Writer) {}

    fn write_children(&self, writer: &mut Writer) {
        for (feature, name) in [
            (self.lazy_refcounts, "lazy_refcounts"),
            (self.extended_l2, "extended_l2"),
        ] {
            if feature {
                writer.element(name, |_| {});
            }
        }
    }
}

/// Seconds, and their fraction after a point, since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "timestamps")]
#[allow(missing_docs, reason = "as stat(2) calls them")]
pub struct Timestamps {
    #[xml(value = "atime")]
    pub atime: Option<String>,
    #[xml(value = "mtime")]
    pub mtime: Option<String>,
    #[xml(value = "ctime")]
    pub ctime: Option<String>,
    #[xml(value = "btime")]
    pub btime: Option<String>,
}

/// What a volume is based on.
#[derive(Debug, Clone, PartialEq, Default, Element)]
#[xml(element = "backingStore")]
pub struct Backing {
    /// Where that is, as the volume names it.
    #[xml(value = "path")]
    pub path: Option<String>,
    /// What it is written as.
    #[xml(child)]
    pub format: Option<FormatName>,
    /// Who may do what with it.
    #[xml(child)]
    pub permissions: Option<Permissions>,
    /// Told by the daemon.
    #[xml(child)]
    pub timestamps: Option<Timestamps>,
}

/// The size of qcow2's clusters, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClusterSize(pub u64);

impl Fields for ClusterSize {
    fn read(node: Node<'_>) -> xml::Result<Self> {
        Bytes::read(node).map(|Bytes(bytes)| Self(bytes))
    }

    fn write_attributes(&self, writer: &mut Writer) {
        writer.attribute("unit", "B");
    }

    fn write_children(&self, writer: &mut Writer) {
        writer.text(&self.0.format());
    }
}

/// Whether a volume may have that name: it becomes one of a file.
///
/// # Errors
/// [`Code::XmlError`] for none; [`Code::OperationInvalid`] for one that would leave the pool, which is what stock daemons
/// say; [`Code::XmlError`] for one that no file can have.
pub fn check_volume_name(name: &str) -> Result<()> {
    let invalid = |text: String| Err(Error::new(Code::OperationInvalid, Domain::Storage, text));
    match name {
        "" => Err(wrong("missing volume name element")),
        _ if name.contains('/') => invalid(format!("volume name '{name}' cannot contain '/'")),
        "." | ".." => invalid(format!("'{name}' cannot be the name of a volume")),
        _ if name.contains(char::is_control) => Err(wrong(format!(
            "<name>: '{}' cannot contain control characters",
            name.escape_debug()
        ))),
        _ if name.len() > 255 => Err(wrong("<name>: longer than 255 bytes")),
        _ => Ok(()),
    }
}

impl Volume {
    /// Reads the document of a volume in a pool of that kind and refuses what cannot be. What the daemon tells by itself
    /// is not taken from it.
    ///
    /// # Errors
    /// As stock daemons: [`Code::XmlDetail`] for what is no XML, [`Code::ConfigUnsupported`] for a format that such pools do not
    /// have, [`Code::XmlError`] for everything else.
    pub fn from_xml(text: &str, pool: PoolKind) -> Result<Self> {
        let mut volume: Self = xml::from_str(text).map_err(super::refused)?;
        if volume.name.is_empty() {
            return Err(wrong("missing volume name element"));
        }
        volume.source = None;
        volume.physical = None;
        volume.target.timestamps = None;
        volume.target.format = format(volume.target.format.take(), pool)?;
        volume.kind = Some(kind(pool, volume.format()));
        if let Some(encryption) = &volume.target.encryption {
            self::encryption(encryption)?;
        }
        if let Some(backing) = &mut volume.backing {
            backing.timestamps = None;
            backing.format = format(backing.format.take(), pool)?;
            if backing.path.as_deref().is_none_or(str::is_empty) {
                // An element without a path says that there is none.
                volume.backing = None;
            }
        }
        qcow2_options(&mut volume.target)?;
        let permissions = &mut volume.target.permissions;
        *permissions = permissions.take().filter(|given| !given.is_empty());
        Ok(volume)
    }

    /// The whole document, in which both sizes stand in any case.
    pub fn to_xml(&self) -> String {
        if self.capacity.is_some() && self.allocation.is_some() {
            return xml::to_string(self);
        }
        let mut told = self.clone();
        told.capacity.get_or_insert(Bytes(0));
        told.allocation.get_or_insert(Bytes(0));
        xml::to_string(&told)
    }

    /// The word of its format.
    pub fn format(&self) -> Option<&str> {
        self.target.format.as_ref().map(|format| format.r#type.as_str())
    }
}

/// What a volume of that format is on the host: the pool says so, whatever its document does.
fn kind(pool: PoolKind, format: Option<&str>) -> VolumeKind {
    match pool {
        PoolKind::Logical
        | PoolKind::Disk
        | PoolKind::Iscsi
        | PoolKind::Scsi
        | PoolKind::Mpath
        | PoolKind::Zfs => VolumeKind::Block,
        PoolKind::Gluster if format == Some("dir") => VolumeKind::Netdir,
        PoolKind::Rbd | PoolKind::Sheepdog | PoolKind::Gluster | PoolKind::IscsiDirect => VolumeKind::Network,
        _ if format == Some("dir") => VolumeKind::Dir,
        _ => VolumeKind::File,
    }
}

fn format(given: Option<FormatName>, pool: PoolKind) -> Result<Option<FormatName>> {
    let (known, default) = (pool.volume_formats(), pool.default_volume_format());
    match given {
        _ if known.is_empty() && default.is_none() => Ok(None),
        None => Ok(default.map(FormatName::from)),
        // Images of Ceph have that one only, which no list has.
        Some(format) if Some(format.r#type.as_str()) == default => Ok(Some(format)),
        // "none" is the word for a partition that nobody knows; files of no format are raw.
        Some(format) if format.r#type == "none" && pool != PoolKind::Disk => {
            Err(unsupported("unknown volume format type none"))
        }
        Some(format) if known.contains(&format.r#type.as_str()) => Ok(Some(format)),
        Some(format) => Err(unsupported(format!(
            "unknown volume format type {}",
            format.r#type
        ))),
    }
}

/// What an encryption must say, whatever is done with it.
fn encryption(encryption: &Encryption) -> Result<()> {
    if encryption.ivgen.is_some() && encryption.cipher.is_none() {
        return Err(wrong("ivgen element found, but cipher is missing"));
    }
    for secret in &encryption.secrets {
        match (&secret.uuid, &secret.usage) {
            (None, None) => return Err(wrong("missing secret uuid or usage attribute")),
            (Some(_), Some(_)) => return Err(wrong("either secret uuid or usage expected")),
            _ => {}
        }
    }
    Ok(())
}

fn qcow2_options(target: &mut VolumeTarget) -> Result<()> {
    if target.features.is_some() && target.compat.is_none() {
        target.compat = Some("1.1".to_owned());
    }
    let Some(compat) = &target.compat else {
        return Ok(());
    };
    let well_formed = compat.split_once('.').is_some_and(|(major, minor)| {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits(major) && digits(minor)
    });
    if well_formed {
        Ok(())
    } else {
        Err(wrong(format!("<compat>: '{compat}' is no version such as '1.1'")))
    }
}

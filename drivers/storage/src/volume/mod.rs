//! A volume, as everybody in the driver may read it.

use image::Qcow2;
use model::domain::devices::disk_source::Encryption;
use model::scaled::Bytes;
use model::storage::{
    Backing as BackingDocument, ClusterSize, FormatName, Mode, Permissions, Pool as PoolDocument,
    SourceDevice, Timestamps, Volume as Document, VolumeFeatures, VolumeKind, VolumeSource, VolumeTarget,
};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

pub(crate) mod change;
pub(crate) mod create;
mod empty;
pub(crate) mod fill;
pub(crate) mod new;
pub(crate) mod transfer;

/// What is known of a volume. It never changes: who looks again makes another one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Volume {
    /// Unique within its pool.
    pub name: Box<str>,
    /// What it is on the host.
    pub kind: VolumeKind,
    /// The word of its format.
    pub format: Option<&'static str>,
    /// Bytes that a guest sees.
    pub capacity: u64,
    /// Bytes that it takes.
    pub allocation: u64,
    /// Bytes until its end.
    pub physical: Option<u64>,
    /// Where it is, where it is no file of its pool's folder.
    pub device: Option<Box<Device>>,
    /// What the file system says of it.
    pub file: Option<FileFacts>,
    /// What it is based on.
    pub backing: Option<Box<Backing>>,
    /// How it is encrypted.
    pub encryption: Option<Box<Encryption>>,
    /// How it is laid out, where it is qcow2.
    pub qcow2: Option<Qcow2>,
    /// What its file is called as long as it is being made.
    pub unfinished: Option<Box<str>>,
}

/// Where a volume is that is no file of its pool's folder.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Device {
    /// Where programs find it.
    pub path: String,
    /// What it is called by who never calls another one so.
    pub key: String,
    /// What tells it from all others of its pool, where names and keys may change while it stays.
    pub lasting: Option<String>,
    /// The parts of other devices that it is made of.
    pub parts: Vec<SourceDevice>,
}

/// Where a pool has a volume of that name that is a file of its folder, or will have one that is yet to be made.
pub(crate) fn path_in(pool: &PoolDocument, name: &str) -> String {
    pieces_of_path(pool, name).concat()
}

fn pieces_of_path<'a>(pool: &'a PoolDocument, name: &'a str) -> [&'a str; 3] {
    match pool.path().unwrap_or_default() {
        "/" => ["", "/", name],
        folder => [folder, "/", name],
    }
}

/// What a volume is based on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Backing {
    /// As the volume names it.
    pub name: String,
    /// The word of its format, where it is told.
    pub format: Option<&'static str>,
    /// What the file system says of it; nobody asks before somebody wants to hear it.
    pub file: Option<FileFacts>,
}

/// What a file system says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileFacts {
    mode: u32,
    owner: u32,
    group: u32,
    /// Seconds and nanoseconds of access, change of content, change of anything.
    times: [(i64, i64); 3],
    /// The same of when it was made, where that is known.
    made: Option<(i64, i64)>,
}

impl From<&Metadata> for FileFacts {
    fn from(metadata: &Metadata) -> Self {
        let made = metadata.created().ok();
        let made = made.and_then(|made| made.duration_since(std::time::UNIX_EPOCH).ok());
        Self {
            mode: metadata.mode() & 0o7777,
            owner: metadata.uid(),
            group: metadata.gid(),
            times: [
                (metadata.atime(), metadata.atime_nsec()),
                (metadata.mtime(), metadata.mtime_nsec()),
                (metadata.ctime(), metadata.ctime_nsec()),
            ],
            made: made
                .and_then(|made| Some((i64::try_from(made.as_secs()).ok()?, made.subsec_nanos().into()))),
        }
    }
}

impl FileFacts {
    pub(crate) fn permissions(&self) -> Permissions {
        Permissions {
            mode: Some(Mode(self.mode)),
            owner: Some(self.owner),
            group: Some(self.group),
            label: None,
        }
    }

    fn timestamps(&self) -> Timestamps {
        let told = |(seconds, nanoseconds): (i64, i64)| {
            // A file system without that resolution says 0.
            let fraction = (nanoseconds != 0).then(|| format!(".{nanoseconds:09}"));
            Some(format!("{seconds}{}", fraction.unwrap_or_default()))
        };
        let [atime, mtime, ctime] = self.times;
        Timestamps {
            atime: told(atime),
            mtime: told(mtime),
            ctime: told(ctime),
            btime: self.made.and_then(told),
        }
    }
}

impl Volume {
    /// A volume of which no more is known.
    pub(crate) fn named(name: &str, kind: VolumeKind) -> Self {
        Self {
            name: name.into(),
            kind,
            format: None,
            capacity: 0,
            allocation: 0,
            physical: None,
            device: None,
            file: None,
            backing: None,
            encryption: None,
            qcow2: None,
            unfinished: None,
        }
    }

    /// Where it is; `pool` is the document of its pool.
    pub(crate) fn path(&self, pool: &PoolDocument) -> String {
        match &self.device {
            Some(device) => device.path.clone(),
            None => path_in(pool, &self.name),
        }
    }

    /// What it is called by who never calls another one so.
    pub(crate) fn key(&self, pool: &PoolDocument) -> String {
        self.with_key(pool, |pieces| pieces.concat())
    }

    /// The same in pieces, for whoever tells those of ten thousand.
    pub(crate) fn with_key<T>(&self, pool: &PoolDocument, tell: impl FnOnce(&[&str]) -> T) -> T {
        match &self.device {
            Some(device) => tell(&[&device.key]),
            None => tell(&pieces_of_path(pool, &self.name)),
        }
    }

    /// Whether its bytes are what a guest sees.
    pub(crate) fn is_plain(&self) -> bool {
        self.format == Some("raw") && self.encryption.is_none()
    }

    /// What tells it from all others of its pool, for as long as it is there.
    pub(crate) fn identity(&self) -> &str {
        match self.device.as_deref() {
            Some(Device {
                lasting: Some(lasting),
                ..
            }) => lasting,
            Some(device) => &device.key,
            None => &self.name,
        }
    }

    /// Its document; `pool` is that of its pool.
    pub(crate) fn document(&self, pool: &PoolDocument) -> Document {
        let backing = self.backing.as_ref().map(|backing| BackingDocument {
            path: Some(backing.name.clone()),
            format: backing.format.map(FormatName::from),
            permissions: backing.file.as_ref().map(FileFacts::permissions),
            timestamps: backing.file.as_ref().map(FileFacts::timestamps),
        });
        let compat = |qcow2: Qcow2| if qcow2.version == 2 { "0.10" } else { "1.1" };
        Document {
            kind: Some(self.kind),
            name: self.name.to_string(),
            key: Some(self.key(pool)),
            source: self
                .device
                .as_ref()
                .filter(|device| !device.parts.is_empty())
                .map(|device| VolumeSource {
                    devices: device.parts.clone(),
                }),
            capacity: Some(Bytes(self.capacity)),
            allocation: Some(Bytes(self.allocation)),
            physical: self.physical.map(Bytes),
            target: VolumeTarget {
                path: Some(self.path(pool)),
                format: self.format.map(FormatName::from),
                permissions: self.file.as_ref().map(FileFacts::permissions),
                timestamps: self.file.as_ref().map(FileFacts::timestamps),
                encryption: self.encryption.as_deref().cloned(),
                compat: self.qcow2.map(|qcow2| compat(qcow2).to_owned()),
                nocow: false,
                cluster_size: self.qcow2.map(|qcow2| ClusterSize(qcow2.cluster_size)),
                features: self
                    .qcow2
                    .filter(|qcow2| qcow2.version > 2)
                    .map(|qcow2| VolumeFeatures {
                        lazy_refcounts: qcow2.lazy_refcounts,
                        extended_l2: qcow2.extended_l2,
                    }),
            },
            backing,
        }
    }
}

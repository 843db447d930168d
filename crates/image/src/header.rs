//! What an image says of itself.

use crate::bytes::ReadAt;
use crate::{Backing, Format, other, qcow, qed, vhdx, vmdk};
use std::io;

/// A header that does not hold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(
    /// What is wrong with it.
    pub &'static str,
);

/// Why a header was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Disk(#[from] io::Error),
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// How an image is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// The old way of qcow and qcow2.
    Aes,
    /// LUKS, by itself or within qcow2.
    Luks,
    /// LUKS of its second version, by itself.
    Luks2,
}

/// What an image says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Its format.
    pub format: Format,
    /// Bytes that the guest sees; `None` where the format leaves that to the file's length.
    pub capacity: Option<u64>,
    /// The image it is based on.
    pub backing: Option<Backing>,
    /// The file that has its data, where that is another one.
    pub data_file: Option<String>,
    /// Whether it is encrypted.
    pub encryption: Option<Encryption>,
    /// How it is laid out, where it is qcow2.
    pub qcow2: Option<Qcow2>,
}

/// How a qcow2 image is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Qcow2 {
    /// The version of its header: 2, or 3.
    pub version: u32,
    /// Bytes in a cluster.
    pub cluster_size: u64,
    /// Whether counts of references may be written late.
    pub lazy_refcounts: bool,
    /// Whether parts of clusters are allocated.
    pub extended_l2: bool,
}

impl Header {
    pub(crate) fn new(format: Format) -> Self {
        Self {
            format,
            capacity: None,
            backing: None,
            data_file: None,
            encryption: None,
            qcow2: None,
        }
    }

    /// Reads the header of an image of that format; the format is the caller's word, and a file that is none of it is
    /// malformed. `length` is the file's in bytes.
    ///
    /// # Errors
    /// What the disk says, and [`Malformed`] as [`io::ErrorKind::InvalidData`].
    pub fn read(from: &(impl ReadAt + ?Sized), format: Format, length: u64) -> io::Result<Self> {
        let read = match format {
            Format::Qcow | Format::Qcow2 => qcow::read(from, format),
            Format::Qed => qed::read(from),
            Format::Vmdk => vmdk::read(from),
            Format::Vhdx => vhdx::read(from),
            _ => other::read(from, format, length),
        };
        read.map_err(|failure| match failure {
            Failure::Disk(err) => err,
            Failure::Malformed(what) => io::Error::new(io::ErrorKind::InvalidData, what),
        })
    }
}

//! qcow and qcow2 (QEMU's `docs/interop/qcow2.txt`): big-endian, versions 1, 2 and 3.

use crate::bytes::{Fields, ReadAt, name, text};
use crate::header::Failure;
use crate::{Backing, Encryption, Format, Header, Malformed, Qcow2};

pub(crate) const MAGIC: &[u8] = b"QFI\xfb";

/// The longest name of a backing or data file.
const MAX_NAME: usize = 1023;

/// Where version 2 has its extensions, and what version 3 has at least before them.
const END_OF_2: u32 = 72;
const END_OF_3: u32 = 104;

/// What is read at first: mostly all there is.
const START: usize = 4096;

/// How far extensions are read: those of known kinds take less than 3 KiB.
const MAX_EXTENSIONS: u64 = 64 << 10;

/// Kinds of extensions.
pub(crate) const BACKING_FORMAT: u32 = 0xe279_2aca;
const DATA_FILE: u32 = 0x4441_5441;

/// The incompatible feature that data is in another file.
const HAS_DATA_FILE: u64 = 1 << 2;
/// The incompatible feature that parts of clusters are allocated.
pub(crate) const EXTENDED_L2: u64 = 1 << 4;
/// The compatible feature that counts of references are written late.
pub(crate) const LAZY_REFCOUNTS: u64 = 1;

pub(crate) fn read(from: &(impl ReadAt + ?Sized), format: Format) -> Result<Header, Failure> {
    let start = crate::bytes::read(from, 0, START)?;
    if !start.starts_with(MAGIC) {
        return Err(Malformed("it has no mark of qcow").into());
    }
    let fields = Fields(&start);
    let version = fields.be32(4)?;
    match (format, version) {
        (Format::Qcow, 1) => first(from, fields),
        (Format::Qcow2, 2 | 3) => second(from, fields, version),
        _ => Err(Malformed("its version is of another format or unknown").into()),
    }
}

fn first(from: &(impl ReadAt + ?Sized), fields: Fields<'_>) -> Result<Header, Failure> {
    Ok(Header {
        capacity: Some(fields.be64(24)?),
        backing: backing(from, fields)?,
        encryption: encryption(fields.be32(36)?)?,
        ..Header::new(Format::Qcow)
    })
}

fn second(from: &(impl ReadAt + ?Sized), fields: Fields<'_>, version: u32) -> Result<Header, Failure> {
    let cluster_bits = fields.be32(20)?;
    if !(9..=21).contains(&cluster_bits) {
        return Err(Malformed("no cluster has such a size").into());
    }
    let mut header = Header {
        capacity: Some(fields.be64(24)?),
        backing: backing(from, fields)?,
        encryption: encryption(fields.be32(32)?)?,
        ..Header::new(Format::Qcow2)
    };
    let cluster = 1_u64 << cluster_bits;
    let (start, features, compatible) = if version == 2 {
        (END_OF_2, 0, 0)
    } else {
        (fields.be32(100)?, fields.be64(72)?, fields.be64(80)?)
    };
    header.qcow2 = Some(Qcow2 {
        version,
        cluster_size: cluster,
        lazy_refcounts: compatible & LAZY_REFCOUNTS != 0,
        extended_l2: features & EXTENDED_L2 != 0,
    });
    if version == 3 && start < END_OF_3 || u64::from(start) > cluster {
        return Err(Malformed("its header has an impossible length").into());
    }
    // Extensions end where the backing file's name begins, or with the first cluster.
    let name_at = fields.be64(8)?;
    let end = if name_at == 0 {
        cluster
    } else {
        name_at.min(cluster)
    };
    let room = end.saturating_sub(u64::from(start)).min(MAX_EXTENSIONS);
    let room = usize::try_from(room).unwrap_or(0);
    let at = usize::try_from(start).unwrap_or(usize::MAX);
    let near = fields.0.get(at..).unwrap_or_default();
    let near = near.get(..room).unwrap_or(near);
    let found = match Extensions::of(near) {
        Ok(found) if found.ended || near.len() == room => found,
        _ => Extensions::of(&crate::bytes::read(from, u64::from(start), room)?)?,
    };
    if let Some(backing) = header.backing.as_mut() {
        // An empty name is none, for QEMU too.
        backing.format = found.backing_format.filter(|name| !name.is_empty());
    }
    header.data_file = found.data_file;
    if features & HAS_DATA_FILE == 0 {
        // QEMU, too, goes by the feature.
        header.data_file = None;
    } else if header.data_file.as_ref().is_none_or(String::is_empty) {
        return Err(Malformed("its data is in another file that it does not name").into());
    }
    Ok(header)
}

/// The name of the backing file: its place and length stand at the same places in all versions.
fn backing(from: &(impl ReadAt + ?Sized), fields: Fields<'_>) -> Result<Option<Backing>, Failure> {
    let (offset, length) = (fields.be64(8)?, fields.be32(16)?);
    if offset == 0 || length == 0 {
        return Ok(None);
    }
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    name(from, offset, length, MAX_NAME).map(|name| Some(Backing { name, format: None }))
}

fn encryption(method: u32) -> Result<Option<Encryption>, Malformed> {
    match method {
        0 => Ok(None),
        1 => Ok(Some(Encryption::Aes)),
        2 => Ok(Some(Encryption::Luks)),
        _ => Err(Malformed("it is encrypted in an unknown way")),
    }
}

/// Header extensions: kind, length, data, filled up to eight bytes; kind 0 ends them.
#[derive(Default)]
struct Extensions {
    backing_format: Option<String>,
    data_file: Option<String>,
    /// Whether their end was found.
    ended: bool,
}

impl Extensions {
    fn of(mut area: &[u8]) -> Result<Self, Malformed> {
        let mut found = Self::default();
        while area.len() >= 8 {
            let fields = Fields(area);
            let (kind, length) = (fields.be32(0)?, fields.be32(4)?);
            if kind == 0 {
                found.ended = true;
                break;
            }
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let data = area.get(8..8_usize.saturating_add(length));
            let data = data.ok_or(Malformed("a part of its header is cut off"))?;
            match kind {
                BACKING_FORMAT | DATA_FILE if length > MAX_NAME => {
                    return Err(Malformed("the name of another file is too long"));
                }
                BACKING_FORMAT => found.backing_format = Some(text(data.to_vec())?),
                DATA_FILE => found.data_file = Some(text(data.to_vec())?),
                _ => {}
            }
            let used = 8_usize.saturating_add(length.next_multiple_of(8));
            area = area.get(used..).unwrap_or_default();
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image of version 3 that is based on another one, with these extensions.
    fn image(extensions: &[(u32, &[u8])]) -> Vec<u8> {
        let mut image = vec![0; 104];
        image[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
        image[20..24].copy_from_slice(&16_u32.to_be_bytes());
        image[100..104].copy_from_slice(&104_u32.to_be_bytes());
        for (kind, data) in extensions {
            image.extend(kind.to_be_bytes());
            image.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
            image.extend(*data);
            image.resize(image.len().next_multiple_of(8), 0);
        }
        let name_at = image.len() as u64;
        image[8..16].copy_from_slice(&name_at.to_be_bytes());
        image[16..20].copy_from_slice(&4_u32.to_be_bytes());
        image.extend(b"base");
        image
    }

    fn format(extensions: &[(u32, &[u8])]) -> Option<String> {
        let header = read(image(extensions).as_slice(), Format::Qcow2).unwrap();
        header.backing.unwrap().format
    }

    #[test]
    fn extensions_are_found_wherever_they_are_and_end_where_they_say() {
        let raw: (u32, &[u8]) = (BACKING_FORMAT, b"raw");
        assert_eq!(format(&[raw]).as_deref(), Some("raw"));
        assert_eq!(format(&[(1, &[7; 6000]), raw]).as_deref(), Some("raw"));
        assert_eq!(format(&[(0, b""), raw]), None);
        assert_eq!(format(&[(BACKING_FORMAT, b"")]), None);
        for beyond in [(1, &[7; 65_536][..]), (BACKING_FORMAT, &[b'a'; 1024])] {
            assert!(read(image(&[beyond]).as_slice(), Format::Qcow2).is_err());
        }
    }
}

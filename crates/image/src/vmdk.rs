//! VMDK (VMware's "Virtual Disk Format"): a sparse extent with its descriptor inside, a descriptor whose extents are files of
//! their own, or the older form of ESX. Little-endian, in sectors of 512 bytes.

use crate::bytes::{Fields, ReadAt, read as bytes};
use crate::header::Failure;
use crate::{Backing, Format, Header, Malformed};

const SECTOR: u64 = 512;

/// What a file begins with that is nothing but a descriptor.
const DESCRIPTOR: &[u8] = b"# Disk DescriptorFile";

/// How much of a descriptor is read: what QEMU reads of one.
const MAX_DESCRIPTOR: u64 = 20 * SECTOR;

pub(crate) fn read(from: &(impl ReadAt + ?Sized)) -> Result<Header, Failure> {
    let start = bytes(from, 0, 64)?;
    let fields = Fields(&start);
    if start.starts_with(DESCRIPTOR) {
        return described(from);
    }
    if start.starts_with(b"COWD") {
        return Ok(Header {
            capacity: Some(u64::from(fields.le32(12)?) * SECTOR),
            ..Header::new(Format::Vmdk)
        });
    }
    if !start.starts_with(b"KDMV") {
        return Err(Malformed("it has no mark of VMDK").into());
    }
    let capacity = fields.le64(12)?.checked_mul(SECTOR);
    let offset = fields.le64(28)?.checked_mul(SECTOR);
    let length = fields.le64(36)?.saturating_mul(SECTOR).min(MAX_DESCRIPTOR);
    let (Some(capacity), Some(offset)) = (capacity, offset) else {
        return Err(Malformed("its size is beyond all bounds").into());
    };
    let descriptor = text(from, offset, length)?;
    Ok(Header {
        capacity: Some(capacity),
        backing: parent(&descriptor)?,
        ..Header::new(Format::Vmdk)
    })
}

/// The text of a descriptor, which ends with a zero byte where it is shorter than its place.
fn text(from: &(impl ReadAt + ?Sized), offset: u64, length: u64) -> Result<String, Failure> {
    let descriptor = bytes(from, offset, usize::try_from(length).unwrap_or(0))?;
    let end = descriptor.iter().position(|byte| *byte == 0);
    let descriptor = descriptor.get(..end.unwrap_or(descriptor.len()));
    Ok(String::from_utf8_lossy(descriptor.unwrap_or_default()).into_owned())
}

/// An image of a descriptor: as large as its extents together, a line each of access, sectors, kind and file.
fn described(from: &(impl ReadAt + ?Sized)) -> Result<Header, Failure> {
    let descriptor = text(from, 0, MAX_DESCRIPTOR)?;
    let sectors = |line: &str| {
        let mut words = line.split_whitespace();
        let is_extent = matches!(words.next(), Some("RW" | "RDONLY" | "NOACCESS"));
        words.next().filter(|_| is_extent)?.parse::<u64>().ok()
    };
    let mut extents = descriptor.lines().filter_map(sectors);
    let capacity = extents.try_fold(0_u64, |sum, extent| sum.checked_add(extent.checked_mul(SECTOR)?));
    Ok(Header {
        capacity: Some(capacity.ok_or(Malformed("its size is beyond all bounds"))?),
        backing: parent(&descriptor)?,
        ..Header::new(Format::Vmdk)
    })
}

/// The image that it is based on, which is a VMDK again.
fn parent(descriptor: &str) -> Result<Option<Backing>, Malformed> {
    let value = |key: &str| {
        let mut lines = descriptor.lines().filter_map(|line| line.split_once('='));
        lines
            .find(|(name, _)| name.trim() == key)
            .map(|(_, value)| value.trim())
    };
    let has_parent = value("parentCID").is_some_and(|id| !id.eq_ignore_ascii_case("ffffffff"));
    let Some(name) = value("parentFileNameHint").filter(|_| has_parent) else {
        return Ok(None);
    };
    let name = name.trim_matches('"');
    if name.is_empty() || name.contains(char::REPLACEMENT_CHARACTER) {
        return Err(Malformed("the name of its parent cannot be read"));
    }
    Ok(Some(Backing {
        name: name.to_owned(),
        format: Some("vmdk".to_owned()),
    }))
}

//! VMDK, as far as one file has it all: a sparse extent with its descriptor inside (VMware's "Virtual Disk Format").
//! Little-endian, in sectors of 512 bytes.

use crate::bytes::{Fields, ReadAt, read as bytes};
use crate::header::Failure;
use crate::{Backing, Format, Header, Malformed};

const SECTOR: u64 = 512;

/// How much of a descriptor is read: what QEMU reads of one.
const MAX_DESCRIPTOR: u64 = 20 * SECTOR;

pub(crate) fn read(from: &(impl ReadAt + ?Sized)) -> Result<Header, Failure> {
    let start = bytes(from, 0, 64)?;
    if !start.starts_with(b"KDMV") {
        return Err(Malformed("it is no VMDK in one file").into());
    }
    let fields = Fields(&start);
    let capacity = fields.le64(12)?.checked_mul(SECTOR);
    let offset = fields.le64(28)?.checked_mul(SECTOR);
    let length = fields.le64(36)?.saturating_mul(SECTOR).min(MAX_DESCRIPTOR);
    let (Some(capacity), Some(offset)) = (capacity, offset) else {
        return Err(Malformed("its size is beyond all bounds").into());
    };
    let descriptor = bytes(from, offset, usize::try_from(length).unwrap_or(0))?;
    let end = descriptor.iter().position(|byte| *byte == 0);
    let descriptor = descriptor
        .get(..end.unwrap_or(descriptor.len()))
        .unwrap_or_default();
    let descriptor = String::from_utf8_lossy(descriptor);
    Ok(Header {
        capacity: Some(capacity),
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

//! VHDX (Microsoft's "Virtual Hard Disk v2 (VHDX) File Format"): little-endian; a table of regions leads to one of metadata,
//! which has the size.

use crate::bytes::{Fields, ReadAt, read as bytes};
use crate::header::Failure;
use crate::{Format, Header, Malformed};

/// Where both copies of the table of regions stand, and how long they are.
const REGIONS: [u64; 2] = [192 << 10, 256 << 10];
const TABLE: usize = 64 << 10;

/// Bytes of the heads of both tables, and of an entry of either.
const REGIONS_HEAD: usize = 16;
const METADATA_HEAD: usize = 32;
const ENTRY: usize = 32;

/// How many entries either table may have.
const MOST_ENTRIES: usize = 2047;

/// The region with metadata, and the item in it that is the size that a guest sees: GUIDs as they are stored.
const METADATA: [u8; 16] = *b"\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e";
const SIZE: [u8; 16] = *b"\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8";

pub(crate) fn read(from: &(impl ReadAt + ?Sized)) -> Result<Header, Failure> {
    if bytes(from, 0, 8)? != b"vhdxfile" {
        return Err(Malformed("it has no mark of VHDX").into());
    }
    let mut header = Header::new(Format::Vhdx);
    header.capacity = Some(capacity(from)?);
    Ok(header)
}

fn capacity(from: &(impl ReadAt + ?Sized)) -> Result<u64, Failure> {
    for at in REGIONS {
        let regions = bytes(from, at, TABLE)?;
        if !regions.starts_with(b"regi") {
            continue;
        }
        let count = Fields(&regions).le32(8)?;
        let Some(region) = entry(&regions, REGIONS_HEAD, count, &METADATA) else {
            continue;
        };
        let region = Fields(region).le64(16)?;
        let table = bytes(from, region, TABLE)?;
        if !table.starts_with(b"metadata") {
            return Err(Malformed("its metadata has no mark").into());
        }
        let count = Fields(&table).le16(10)?;
        let item = entry(&table, METADATA_HEAD, u32::from(count), &SIZE);
        let item = Fields(item.ok_or(Malformed("it does not say its size"))?);
        let place = region.checked_add(u64::from(item.le32(16)?));
        let place = place.ok_or(Malformed("its size is beyond all bounds"))?;
        return Ok(Fields(&bytes(from, place, 8)?).le64(0)?);
    }
    Err(Malformed("it has no table of regions").into())
}

/// The entry of a table that begins with that GUID.
fn entry<'a>(table: &'a [u8], head: usize, count: u32, guid: &[u8; 16]) -> Option<&'a [u8]> {
    let entries = table.get(head..)?.chunks_exact(ENTRY);
    let count = usize::try_from(count).unwrap_or(MOST_ENTRIES).min(MOST_ENTRIES);
    entries.take(count).find(|entry| entry.starts_with(guid))
}

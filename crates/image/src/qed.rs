//! QED (QEMU's `docs/interop/qed_spec.txt`): little-endian.

use crate::bytes::{Fields, ReadAt, name, read as bytes};
use crate::header::Failure;
use crate::{Backing, Format, Header, Malformed};

/// The longest name of a backing file.
const MAX_NAME: usize = 1023;

/// Features: it is based on another image; that one is raw.
const BACKED: u64 = 1;
const BACKED_BY_RAW: u64 = 1 << 2;

pub(crate) fn read(from: &(impl ReadAt + ?Sized)) -> Result<Header, Failure> {
    let start = bytes(from, 0, 64)?;
    if !start.starts_with(b"QED\0") {
        return Err(Malformed("it has no mark of QED").into());
    }
    let fields = Fields(&start);
    let features = fields.le64(16)?;
    let mut header = Header {
        capacity: Some(fields.le64(48)?),
        ..Header::new(Format::Qed)
    };
    if features & BACKED != 0 {
        let (offset, length) = (fields.le32(56)?, fields.le32(60)?);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        header.backing = Some(Backing {
            name: name(from, u64::from(offset), length, MAX_NAME)?,
            format: (features & BACKED_BY_RAW != 0).then(|| "raw".to_owned()),
        });
    }
    Ok(header)
}

//! Formats of which only the size is read, or nothing.

use crate::bytes::{Fields, ReadAt, read as bytes};
use crate::header::Failure;
use crate::{Encryption, Format, Header, Malformed};

/// The footer of a Virtual PC image, which those that grow have at their start too.
const VPC_FOOTER: u64 = 512;

/// Where a compressed loop image has the size of its blocks and their number.
const CLOOP_SIZES: u64 = 128;

/// How far before its end a disk image of Apple has its trailer.
const DMG_TRAILER: u64 = 512;

const SECTOR: u64 = 512;

pub(crate) fn read(from: &(impl ReadAt + ?Sized), format: Format, length: u64) -> Result<Header, Failure> {
    let mut header = Header::new(format);
    match format {
        Format::Vdi => {
            let start = bytes(from, 0, 376)?;
            let fields = Fields(&start);
            if fields.le32(64)? != 0xbeda_107f {
                return Err(Malformed("it has no mark of VDI").into());
            }
            header.capacity = Some(fields.le64(368)?);
        }
        Format::Vpc => {
            let mut footer = bytes(from, 0, 64)?;
            if !footer.starts_with(b"conectix") {
                // One of fixed size.
                footer = bytes(from, length.saturating_sub(VPC_FOOTER), 64)?;
            }
            if !footer.starts_with(b"conectix") {
                return Err(Malformed("it has no mark of Virtual PC").into());
            }
            header.capacity = Some(Fields(&footer).be64(48)?);
        }
        Format::Ploop => {
            let start = bytes(from, 0, 64)?;
            let fields = Fields(&start);
            let sectors = if start.starts_with(b"WithoutFreeSpace") {
                // The older form leaves the upper half to whatever is there.
                u64::from(fields.le32(36)?)
            } else if start.starts_with(b"WithouFreSpacExt") {
                fields.le64(36)?
            } else {
                return Err(Malformed("it has no mark of Parallels").into());
            };
            let capacity = sectors.checked_mul(SECTOR);
            header.capacity = Some(capacity.ok_or(Malformed("its size is beyond all bounds"))?);
        }
        Format::Luks => {
            let start = bytes(from, 0, 112)?;
            let fields = Fields(&start);
            if !start.starts_with(b"LUKS\xba\xbe") {
                return Err(Malformed("it has no mark of LUKS").into());
            }
            match fields.be16(6)? {
                1 => {
                    header.encryption = Some(Encryption::Luks);
                    let payload = u64::from(fields.be32(104)?).saturating_mul(SECTOR);
                    header.capacity = Some(length.saturating_sub(payload));
                }
                // Where its payload begins stands in JSON, which nobody here needs to believe.
                2 => header.encryption = Some(Encryption::Luks2),
                _ => return Err(Malformed("its version is unknown").into()),
            }
        }
        Format::Bochs => {
            let start = bytes(from, 0, 96)?;
            let fields = Fields(&start);
            if !start.starts_with(b"Bochs Virtual HD Image") {
                return Err(Malformed("it has no mark of Bochs").into());
            }
            header.capacity = Some(match fields.le32(64)? {
                0x1_0000 => fields.le64(84)?,
                0x2_0000 => fields.le64(88)?,
                _ => return Err(Malformed("its version is unknown").into()),
            });
        }
        Format::Cloop => {
            // Behind a shell script that would mount it.
            let start = bytes(from, CLOOP_SIZES, 8)?;
            let fields = Fields(&start);
            header.capacity = Some(u64::from(fields.be32(0)?) * u64::from(fields.be32(4)?));
        }
        Format::Dmg => {
            let trailer = bytes(from, length.saturating_sub(DMG_TRAILER), 512)?;
            if !trailer.starts_with(b"koly") {
                return Err(Malformed("it has no mark of a disk image of Apple").into());
            }
            let capacity = Fields(&trailer).be64(492)?.checked_mul(SECTOR);
            header.capacity = Some(capacity.ok_or(Malformed("its size is beyond all bounds"))?);
        }
        _ => {}
    }
    Ok(header)
}

//! The bytes of a disk image from a guest: refused with an error or read, within bounds, in whatever format they are said
//! to be.

use image::{Format, Header, Location};
use std::path::Path;

const FORMATS: [Format; 14] = [
    Format::Raw,
    Format::Qcow,
    Format::Qcow2,
    Format::Qed,
    Format::Vmdk,
    Format::Vdi,
    Format::Vpc,
    Format::Vhdx,
    Format::Ploop,
    Format::Luks,
    Format::Iso,
    Format::Bochs,
    Format::Cloop,
    Format::Dmg,
];

pub(crate) fn run(data: &[u8]) {
    let probed = Format::probe(data).ok();
    for format in FORMATS.into_iter().chain(probed) {
        let Ok(header) = Header::read(data, format, data.len() as u64) else {
            continue;
        };
        assert_eq!(header.format, format);
        let Some(backing) = header.backing else { continue };
        assert!(!backing.name.contains('\0'), "{backing:?}");
        if let Location::Path(path) = backing.locate(Path::new("/images/overlay")) {
            assert!(path.is_absolute(), "{path:?}");
        }
    }
}

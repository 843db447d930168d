//! Formats, and how they are told apart.

use crate::bytes::{ReadAt, read};
use std::io;

/// Formats of disk images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is called as its name says")]
#[non_exhaustive]
pub enum Format {
    /// The guest's bytes as they are.
    Raw,
    Qcow,
    Qcow2,
    Qed,
    Vmdk,
    Vdi,
    /// Virtual PC's, with the suffix `.vhd`.
    Vpc,
    /// Hyper-V's, with the suffix `.vhdx`.
    Vhdx,
    /// QEMU calls it `parallels`.
    Ploop,
    Luks,
    Iso,
    Bochs,
    Cloop,
    Dmg,
}

/// A mark and the place it stands at. Disk images of Apple, and Virtual PC's of fixed size, have theirs at the end, where
/// every guest writes: they are what somebody says that they are.
const MARKS: &[(Format, u64, &[u8])] = &[
    (Format::Qed, 0, b"QED\0"),
    (Format::Vmdk, 0, b"KDMV"),
    (Format::Vdi, 64, b"\x7f\x10\xda\xbe"),
    (Format::Vpc, 0, b"conectix"),
    (Format::Vhdx, 0, b"vhdxfile"),
    (Format::Ploop, 0, b"WithoutFreeSpace"),
    (Format::Ploop, 0, b"WithouFreSpacExt"),
    (Format::Luks, 0, b"LUKS\xba\xbe"),
    (Format::Bochs, 0, b"Bochs Virtual HD Image"),
    (Format::Cloop, 0, b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop"),
    (Format::Iso, 0x8001, b"CD001"),
];

impl Format {
    /// What the marks in a file say it is; raw where there is none, which whoever writes a raw image can change at will.
    ///
    /// # Errors
    /// What the disk says.
    pub fn probe(from: &(impl ReadAt + ?Sized)) -> io::Result<Self> {
        let start = read(from, 0, 96)?;
        if start.starts_with(crate::qcow::MAGIC) {
            let version = start.get(4..8);
            return Ok(match version {
                Some([0, 0, 0, 1]) => Self::Qcow,
                Some([0, 0, 0, 2 | 3]) => Self::Qcow2,
                _ => Self::Raw,
            });
        }
        for (format, at, mark) in MARKS {
            let is_there = match usize::try_from(*at).ok().and_then(|at| start.get(at..)) {
                Some(near) => near.starts_with(mark),
                None => read(from, *at, mark.len())? == *mark,
            };
            if is_there {
                return Ok(*format);
            }
        }
        Ok(Self::Raw)
    }

    /// The format that an image calls the one it is based on, by QEMU's name of it; `None` for what is no name of a
    /// format that an image can be based on.
    pub fn recorded(name: &str) -> Option<Self> {
        Some(match name {
            "raw" => Self::Raw,
            "qcow" => Self::Qcow,
            "qcow2" => Self::Qcow2,
            "qed" => Self::Qed,
            "vmdk" => Self::Vmdk,
            "vdi" => Self::Vdi,
            "vpc" => Self::Vpc,
            "vhdx" => Self::Vhdx,
            "parallels" => Self::Ploop,
            "luks" => Self::Luks,
            "bochs" => Self::Bochs,
            "cloop" => Self::Cloop,
            "dmg" => Self::Dmg,
            _ => return None,
        })
    }
}

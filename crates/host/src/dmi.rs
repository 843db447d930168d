//! The firmware's own tables (SMBIOS): who made the machine and what it is made of.
//!
//! The kernel shows the tables as one run of structures. A structure is a formatted part, whose second byte is its
//! length, and then its strings, each ended by a zero byte and all by one more; a field that is text holds the number
//! of its string. The bytes are the firmware's: a length that lies ends the walk.

use crate::Host;

/// The tables, split into structures.
#[derive(Debug, Clone, Default)]
pub struct Smbios {
    structures: Vec<Structure>,
}

#[derive(Debug, Clone)]
struct Structure {
    kind: u8,
    formatted: Vec<u8>,
    strings: Vec<String>,
}

/// A named text of one part of the machine.
pub type Entry = (&'static str, String);

/// The parts of the machine that libvirt's `sysinfo` document tells of, each as its named texts in document order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each name is the document's own")]
pub struct SysInfo {
    pub bios: Vec<Entry>,
    pub system: Vec<Entry>,
    pub base_boards: Vec<Vec<Entry>>,
    pub chassis: Vec<Entry>,
    pub processors: Vec<Vec<Entry>>,
    pub memory_devices: Vec<Vec<Entry>>,
    pub oem_strings: Vec<String>,
}

impl Host {
    /// The firmware's tables, if this process may read them.
    pub fn smbios(&self) -> Option<Smbios> {
        let bytes = std::fs::read(self.path("sys/firmware/dmi/tables/DMI")).ok()?;
        Some(Smbios::parse(&bytes)).filter(|tables| !tables.structures.is_empty())
    }

    /// What the firmware tells of the machine: from its tables, or as much as the kernel shows to anybody.
    pub fn sysinfo(&self) -> Option<SysInfo> {
        self.smbios()
            .map(|tables| tables.sysinfo())
            .or_else(|| self.dmi_class())
    }

    fn dmi_class(&self) -> Option<SysInfo> {
        let entries = |fields: &[(&'static str, &str)]| -> Vec<Entry> {
            let read = |&(name, file): &(&'static str, &str)| {
                let text = self.text(format!("sys/class/dmi/id/{file}"))?;
                (!text.is_empty()).then_some((name, text))
            };
            fields.iter().filter_map(read).collect()
        };
        let board = entries(&[
            ("manufacturer", "board_vendor"),
            ("product", "board_name"),
            ("version", "board_version"),
            ("serial", "board_serial"),
            ("asset", "board_asset_tag"),
        ]);
        let info = SysInfo {
            bios: entries(&[
                ("vendor", "bios_vendor"),
                ("version", "bios_version"),
                ("date", "bios_date"),
                ("release", "bios_release"),
            ]),
            system: entries(&[
                ("manufacturer", "sys_vendor"),
                ("product", "product_name"),
                ("version", "product_version"),
                ("serial", "product_serial"),
                ("uuid", "product_uuid"),
                ("sku", "product_sku"),
                ("family", "product_family"),
            ]),
            base_boards: Some(board)
                .filter(|board| !board.is_empty())
                .into_iter()
                .collect(),
            chassis: entries(&[
                ("manufacturer", "chassis_vendor"),
                ("version", "chassis_version"),
                ("serial", "chassis_serial"),
                ("asset", "chassis_asset_tag"),
            ]),
            ..SysInfo::default()
        };
        (info != SysInfo::default()).then_some(info)
    }
}

impl Smbios {
    /// Splits a run of structures; what follows a broken one is left out.
    pub fn parse(mut bytes: &[u8]) -> Self {
        let mut structures = Vec::new();
        while let Some((structure, rest)) = Structure::split(bytes) {
            let end = structure.kind == 127;
            structures.push(structure);
            if end {
                break;
            }
            bytes = rest;
        }
        Self { structures }
    }

    fn of_kind(&self, kind: u8) -> impl Iterator<Item = &Structure> {
        self.structures
            .iter()
            .filter(move |structure| structure.kind == kind)
    }

    /// The machine's UUID.
    pub fn system_uuid(&self) -> Option<[u8; 16]> {
        self.of_kind(1).next()?.uuid(8)
    }

    /// The parts in libvirt's words.
    pub fn sysinfo(&self) -> SysInfo {
        SysInfo {
            bios: self.of_kind(0).next().map(bios).unwrap_or_default(),
            system: self.of_kind(1).next().map(system).unwrap_or_default(),
            base_boards: self.of_kind(2).map(base_board).collect(),
            chassis: self.of_kind(3).next().map(chassis).unwrap_or_default(),
            processors: self.of_kind(4).map(processor).collect(),
            memory_devices: self.of_kind(17).filter_map(memory_device).collect(),
            oem_strings: self
                .of_kind(11)
                .flat_map(|structure| structure.strings.clone())
                .collect(),
        }
    }
}

impl Structure {
    fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (&kind, &length) = (bytes.first()?, bytes.get(1)?);
        let (formatted, mut rest) = bytes
            .split_at_checked(usize::from(length))
            .filter(|_| length >= 4)?;
        let mut strings = Vec::new();
        loop {
            let end = rest.iter().position(|&byte| byte == 0)?;
            let (text, after) = rest.split_at_checked(end)?;
            rest = after.get(1..)?;
            if text.is_empty() {
                // Without any string the end is two zero bytes, of which this was the first.
                if strings.is_empty() && rest.first() == Some(&0) {
                    rest = rest.get(1..)?;
                }
                break;
            }
            strings.push(String::from_utf8_lossy(text).trim().to_owned());
        }
        Some((
            Self {
                kind,
                formatted: formatted.to_vec(),
                strings,
            },
            rest,
        ))
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.formatted.get(at).copied()
    }

    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.formatted.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    fn word(&self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_le_bytes)
    }

    fn long(&self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    fn text(&self, at: usize) -> Option<String> {
        let index = usize::from(self.byte(at)?).checked_sub(1)?;
        self.strings.get(index).filter(|text| !text.is_empty()).cloned()
    }

    fn uuid(&self, at: usize) -> Option<[u8; 16]> {
        // The first three fields are little-endian since version 2.6 of the standard.
        let [a, b, c, d, e, f, g, h, rest @ ..]: [u8; 16] = self.array(at)?;
        let [i, j, k, l, m, n, o, p] = rest;
        let uuid = [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p];
        (uuid != [0; 16] && uuid != [0xff; 16]).then_some(uuid)
    }
}

/// Keeps the entries that say something.
fn told<const N: usize>(entries: [(&'static str, Option<String>); N]) -> Vec<Entry> {
    entries
        .into_iter()
        .filter_map(|(name, text)| Some((name, text?)))
        .collect()
}

fn bios(s: &Structure) -> Vec<Entry> {
    let release = match (s.byte(0x14), s.byte(0x15)) {
        (Some(major), Some(minor)) if major != 0xff && minor != 0xff => Some(format!("{major}.{minor}")),
        _ => None,
    };
    told([
        ("vendor", s.text(4)),
        ("version", s.text(5)),
        ("date", s.text(8)),
        ("release", release),
    ])
}

fn system(s: &Structure) -> Vec<Entry> {
    let uuid = s.uuid(8).map(|uuid| {
        let hex: String = uuid.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut parts = Vec::new();
        let mut rest = hex.as_str();
        for length in [8, 4, 4, 4, 12] {
            let Some((part, after)) = rest.split_at_checked(length) else {
                break;
            };
            parts.push(part);
            rest = after;
        }
        parts.join("-")
    });
    told([
        ("manufacturer", s.text(4)),
        ("product", s.text(5)),
        ("version", s.text(6)),
        ("serial", s.text(7)),
        ("uuid", uuid),
        ("sku", s.text(0x19)),
        ("family", s.text(0x1a)),
    ])
}

fn base_board(s: &Structure) -> Vec<Entry> {
    told([
        ("manufacturer", s.text(4)),
        ("product", s.text(5)),
        ("version", s.text(6)),
        ("serial", s.text(7)),
        ("asset", s.text(8)),
        ("location", s.text(0xa)),
    ])
}

fn chassis(s: &Structure) -> Vec<Entry> {
    // The SKU lies behind a list whose count and element length come first.
    let sku = s
        .byte(0x13)
        .zip(s.byte(0x14))
        .map(|(n, size)| 0x15 + usize::from(n) * usize::from(size));
    told([
        ("manufacturer", s.text(4)),
        ("version", s.text(6)),
        ("serial", s.text(7)),
        ("asset", s.text(8)),
        ("sku", sku.and_then(|at| s.text(at))),
    ])
}

fn processor(s: &Structure) -> Vec<Entry> {
    let kind = match s.byte(5) {
        Some(3) => Some("Central Processor"),
        Some(4) => Some("Math Processor"),
        Some(5) => Some("DSP Processor"),
        Some(6) => Some("Video Processor"),
        Some(1 | 2) => Some("Other"),
        _ => None,
    };
    let status = s.byte(0x18).map(|status| {
        let populated = if status & 0x40 == 0 {
            "Unpopulated"
        } else {
            "Populated"
        };
        let state = match status & 7 {
            1 => "Enabled",
            2 => "Disabled By User",
            3 => "Disabled By BIOS",
            4 => "Idle",
            _ => "Unknown",
        };
        if status & 0x40 == 0 {
            populated.to_owned()
        } else {
            format!("{populated}, {state}")
        }
    });
    let clock = |at| s.word(at).filter(|&mhz| mhz > 0).map(|mhz| format!("{mhz} MHz"));
    told([
        ("socket_destination", s.text(4)),
        ("type", kind.map(str::to_owned)),
        ("manufacturer", s.text(7)),
        ("version", s.text(0x10)),
        ("external_clock", clock(0x12)),
        ("max_speed", clock(0x14)),
        ("status", status),
        ("serial_number", s.text(0x20)),
        ("part_number", s.text(0x22)),
    ])
}

fn memory_device(s: &Structure) -> Option<Vec<Entry>> {
    let size = match s.word(0xc)? {
        0 => return None, // An empty slot is no device.
        0xffff => None,
        0x7fff => s.long(0x1c).map(|mib| format!("{} MB", mib & 0x7fff_ffff)),
        kib if kib & 0x8000 != 0 => Some(format!("{} kB", kib & 0x7fff)),
        mib => Some(format!("{mib} MB")),
    };
    let form = match s.byte(0xe) {
        Some(3) => Some("SIMM"),
        Some(9) => Some("DIMM"),
        Some(0xb) => Some("Row Of Chips"),
        Some(0xd) => Some("SODIMM"),
        Some(0xf) => Some("FB-DIMM"),
        Some(1) => Some("Other"),
        _ => None,
    };
    let kind = match s.byte(0x12) {
        Some(7) => Some("RAM"),
        Some(0x12) => Some("DDR"),
        Some(0x13) => Some("DDR2"),
        Some(0x18) => Some("DDR3"),
        Some(0x1a) => Some("DDR4"),
        Some(0x1e) => Some("LPDDR4"),
        Some(0x22) => Some("DDR5"),
        Some(0x23) => Some("LPDDR5"),
        Some(1) => Some("Other"),
        _ => None,
    };
    let speed = s
        .word(0x15)
        .filter(|&speed| speed > 0 && speed < 0xffff)
        .map(|speed| format!("{speed} MT/s"));
    Some(told([
        ("size", size),
        ("form_factor", form.map(str::to_owned)),
        ("locator", s.text(0x10)),
        ("bank_locator", s.text(0x11)),
        ("type", kind.map(str::to_owned)),
        ("speed", speed),
        ("manufacturer", s.text(0x17)),
        ("serial_number", s.text(0x18)),
        ("part_number", s.text(0x1a)),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    fn structure(kind: u8, formatted: &[u8], strings: &[&str]) -> Vec<u8> {
        let mut bytes = vec![kind, u8::try_from(formatted.len() + 4).unwrap(), 0, 0];
        bytes.extend(formatted);
        for text in strings {
            bytes.extend(text.as_bytes());
            bytes.push(0);
        }
        bytes.extend(if strings.is_empty() { &[0, 0][..] } else { &[0][..] });
        bytes
    }

    fn tables() -> Vec<u8> {
        let mut system = vec![1, 2, 0, 3];
        system.extend(0..16);
        let mut memory = vec![0; 0x18];
        memory[0xc - 4..0xe - 4].copy_from_slice(&4096_u16.to_le_bytes());
        memory[0xe - 4] = 9;
        memory[0x10 - 4] = 1;
        let mut empty_slot = memory.clone();
        empty_slot[0xc - 4..0xe - 4].copy_from_slice(&[0, 0]);
        [
            structure(0, &[1, 2, 0, 0, 3], &["Maker", "1.0", "01/02/2024"]),
            structure(1, &system, &["Maker", "Box", "S1"]),
            structure(17, &memory, &["DIMM 0"]),
            structure(17, &empty_slot, &["DIMM 1"]),
            structure(11, &[2], &["a", "b"]),
            structure(127, &[], &[]),
        ]
        .concat()
    }

    #[test]
    fn the_parts_are_told_in_the_documents_words() {
        let info = Smbios::parse(&tables()).sysinfo();
        let entries = |list: &[(&'static str, &str)]| -> Vec<Entry> {
            list.iter().map(|&(name, text)| (name, text.to_owned())).collect()
        };
        assert_eq!(
            info.bios,
            entries(&[("vendor", "Maker"), ("version", "1.0"), ("date", "01/02/2024")])
        );
        let uuid = ("uuid", "03020100-0504-0706-0809-0a0b0c0d0e0f");
        let expected = [
            ("manufacturer", "Maker"),
            ("product", "Box"),
            ("serial", "S1"),
            uuid,
        ];
        assert_eq!(info.system, entries(&expected));
        let dimm = entries(&[
            ("size", "4096 MB"),
            ("form_factor", "DIMM"),
            ("locator", "DIMM 0"),
        ]);
        assert_eq!(info.memory_devices, [dimm]);
        assert_eq!(info.oem_strings, ["a", "b"]);
    }

    #[test]
    fn tables_cut_anywhere_or_lying_are_read_as_far_as_they_hold() {
        let tables = tables();
        for end in 0..tables.len() {
            Smbios::parse(&tables[..end]).sysinfo();
        }
        for at in 0..tables.len() {
            let mut broken = tables.clone();
            broken[at] = 0xff;
            Smbios::parse(&broken).sysinfo();
        }
        assert!(Smbios::parse(&[1, 0, 0, 0, 0, 0]).structures.is_empty());
    }

    #[test]
    fn without_tables_the_kernels_summary_serves() {
        let tree = Tree::new(&[("sys/class/dmi/id/sys_vendor", "Maker\n")]);
        assert_eq!(
            tree.host().sysinfo().unwrap().system,
            [("manufacturer", "Maker".to_owned())]
        );
        assert_eq!(Tree::new(&[]).host().sysinfo(), None);
    }
}

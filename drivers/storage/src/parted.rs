//! `parted`'s arguments, and what its machine-readable lists say; pure.
//!
//! It is the program and no library that knows tables, because it knows all eight kinds that pools may have (crates know two),
//! tells the kernel of each change by itself (`BLKPG`, or device-mapper where the disk is one of its devices) and keeps to what
//! other programs on the disk hold.

use crate::failure::refused;
use error::{Code, Error, Result};
use std::ops::Range;
use tool::Tool;

/// A disk's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    /// What parted calls its kind.
    pub label: String,
    /// The size of the disk, in bytes.
    pub size: u64,
    /// The size of a sector, in bytes.
    pub sector: u64,
    /// In the order of places.
    pub partitions: Vec<Partition>,
    /// Where nothing is, in bytes, in the order of places.
    pub free: Vec<Free>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Partition {
    pub number: u32,
    /// Bytes of the disk.
    pub place: Range<u64>,
    pub role: Role,
    /// What it is marked as, in parted's words.
    pub flags: Vec<String>,
}

/// What a partition is to its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Primary,
    /// It holds the logical ones.
    Extended,
    Logical,
}

/// A part of a disk where nothing is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Free {
    /// Bytes of the disk.
    pub place: Range<u64>,
    /// Whether it is within the extended partition.
    pub logical: bool,
}

/// What parted calls the one kind of table that has extended partitions.
pub(crate) const DOS: &str = "msdos";

/// The least number of a logical partition.
const FIRST_LOGICAL: u32 = 5;

/// Has a disk's table told; fails where there is none.
pub(crate) fn print(device: &str) -> Tool {
    parted(device, false).with(["unit", "B", "print", "free"])
}

/// Makes a new, empty table.
pub(crate) fn label(device: &str, label: &str) -> Tool {
    parted(device, true).with(["mklabel", label])
}

/// Makes a partition at exactly that place; `kind` is its role, or its name where tables know no roles but names.
pub(crate) fn make(device: &str, kind: Option<&str>, content: Option<&str>, place: &Range<u64>) -> Tool {
    let (first, last) = (place.start, place.end.saturating_sub(1));
    parted(device, true)
        .with(["mkpart"])
        .with(kind)
        .with(content)
        .with([format!("{first}B"), format!("{last}B")])
}

/// Marks a partition as what it is for.
pub(crate) fn set(device: &str, number: u32, flag: &str) -> Tool {
    parted(device, true).with(["set", &number.to_string(), flag, "on"])
}

/// Removes a partition.
pub(crate) fn remove(device: &str, number: u32) -> Tool {
    parted(device, true).with(["rm", &number.to_string()])
}

/// Places are the caller's choice, to the byte; parted is to ask nobody. A table is never left half-written.
fn parted(device: &str, change: bool) -> Tool {
    let tool = Tool::new("parted").with(["--script", "--machine", "--align", "none", device]);
    let tool = tool.locking(device, change);
    if change { tool.unbroken() } else { tool }
}

impl Table {
    /// Reads what [`print()`] had told.
    ///
    /// # Errors
    /// [`Code::InternalError`] for what is no such list.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let mut lines = text.lines().map(|line| line.trim_end_matches(';'));
        if lines.next() != Some("BYT") {
            return Err(unread("its first line is not 'BYT;'"));
        }
        let head = lines.next().ok_or_else(|| unread("it tells no disk"))?;
        let mut table = head_of(head).ok_or_else(|| unread(head))?;
        for line in lines {
            // number:first:last:size:file system:name:flags, where a name may have colons in it
            let mut fields = line.splitn(6, ':');
            let mut next = || fields.next().unwrap_or_default();
            let (number, first, last, _size, what) = (next(), next(), next(), next(), next());
            let flags = next().rsplit_once(':').map_or("", |(_, flags)| flags);
            let flags = flags.split(", ").map(str::to_owned).collect();
            let place = bytes(first).zip(bytes(last).and_then(|last| last.checked_add(1)));
            let (Ok(number), Some((start, end))) = (number.parse(), place) else {
                return Err(unread(line));
            };
            let place = start..end;
            if what == "free" {
                let logical = false;
                table.free.push(Free { place, logical });
            } else {
                let role = Role::Primary;
                table.partitions.push(Partition {
                    number,
                    place,
                    role,
                    flags,
                });
            }
        }
        if table.label == DOS {
            table.find_roles();
        }
        Ok(table)
    }

    /// The lists do not say which partition is extended: it is the one that others, or free parts, lie in.
    fn find_roles(&mut self) {
        let parts = self.partitions.iter().map(|partition| &partition.place);
        let parts: Vec<_> = parts
            .chain(self.free.iter().map(|free| &free.place))
            .cloned()
            .collect();
        let mut extended = None;
        for partition in &mut self.partitions {
            let own = &partition.place;
            if partition.number >= FIRST_LOGICAL {
                partition.role = Role::Logical;
            } else if parts.iter().any(|part| part != own && within(part, own)) {
                partition.role = Role::Extended;
                extended = Some(own.clone());
            }
        }
        if let Some(extended) = extended {
            for free in &mut self.free {
                free.logical = within(&free.place, &extended);
            }
        }
    }

    /// The number that parted gives to the next partition of a role.
    pub(crate) fn next_number(&self, role: Role) -> u32 {
        let first = match role {
            Role::Logical => FIRST_LOGICAL,
            _ => 1,
        };
        let is_taken = |number: &u32| {
            self.partitions
                .iter()
                .any(|partition| partition.number == *number)
        };
        (first..).find(|number| !is_taken(number)).unwrap_or(u32::MAX)
    }

    /// The smallest free part that has room for so many bytes, where they begin as disks like best; only where they would
    /// not fit anywhere then, where any sector begins.
    pub(crate) fn room_for(&self, length: u64, role: Role) -> Option<Range<u64>> {
        let sector = self.sector.max(1);
        let length = length.max(1).checked_next_multiple_of(sector)?;
        [ALIGNMENT, sector].into_iter().find_map(|alignment| {
            let places = self
                .free
                .iter()
                .filter(|free| free.logical == (role == Role::Logical));
            places
                .filter_map(|free| {
                    // The description of a logical partition lies before it.
                    let before = if free.logical { sector } else { 0 };
                    let start = free
                        .place
                        .start
                        .checked_add(before)?
                        .checked_next_multiple_of(alignment)?;
                    let end = start.checked_add(length)?;
                    (end <= free.place.end).then(|| (free.place.end - free.place.start, start..end))
                })
                .min_by_key(|(size, _)| *size)
                .map(|(_, place)| place)
        })
    }

    /// The extended partition, where there is one.
    pub(crate) fn extended(&self) -> Option<&Partition> {
        self.partitions
            .iter()
            .find(|partition| partition.role == Role::Extended)
    }

    /// The partition that begins at that byte.
    pub(crate) fn at(&self, start: u64) -> Option<&Partition> {
        self.partitions
            .iter()
            .find(|partition| partition.place.start == start)
    }
}

/// Where partitions begin: at whole mebibytes.
const ALIGNMENT: u64 = 1 << 20;

fn within(part: &Range<u64>, whole: &Range<u64>) -> bool {
    whole.start <= part.start && part.end <= whole.end
}

/// `path:size:transport:sector:physical sector:label:model:flags`, where path and model may have colons in them.
fn head_of(line: &str) -> Option<Table> {
    let fields: Vec<&str> = line.split(':').collect();
    fields.windows(5).skip(1).find_map(|fields| {
        let [size, _transport, sector, physical, label] = fields else {
            return None;
        };
        let _: u64 = physical.parse().ok()?;
        Some(Table {
            label: (*label).to_owned(),
            size: bytes(size)?,
            sector: sector.parse().ok()?,
            partitions: Vec::new(),
            free: Vec::new(),
        })
    })
}

fn bytes(told: &str) -> Option<u64> {
    told.strip_suffix('B')?.parse().ok()
}

fn unread(what: &str) -> Error {
    refused(
        Code::InternalError,
        format!("what parted tells of a disk cannot be read: {what}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = "BYT;
/dev/loop0:104857600B:loopback:512:512:msdos:Loopback device:;
1:1024B:1048575B:1047552B:free;
1:1048576B:5242879B:4194304B:::lvm;
1:5242880B:14680063B:9437184B:free;
4:14680064B:60000255B:45320192B:::lba;
1:14681088B:15667199B:986112B:free;
5:15728640B:16777215B:1048576B:::;
1:16777216B:60000255B:43223040B:free;
1:60000256B:104857599B:44857344B:free;
";

    #[test]
    fn a_table_is_read() {
        let table = Table::read(TOLD).unwrap();
        assert_eq!(
            (table.label.as_str(), table.size, table.sector),
            ("msdos", 104_857_600, 512)
        );
        let partitions: Vec<_> = table
            .partitions
            .iter()
            .map(|one| (one.number, one.role))
            .collect();
        assert_eq!(
            partitions,
            [(1, Role::Primary), (4, Role::Extended), (5, Role::Logical)]
        );
        let logical: Vec<_> = table.free.iter().map(|free| free.logical).collect();
        assert_eq!(logical, [false, false, true, true, false]);
        assert_eq!(table.partitions[0].place, 1_048_576..5_242_880);
        assert_eq!(table.partitions[0].flags, ["lvm"]);
        for wrong in [
            "",
            "BYT;\n",
            "BYT;\n/dev/a:1:2\n",
            "BYT;\n/dev/a:b:9B:scsi:512:512:gpt:m:;\n1:x\n",
        ] {
            assert!(Table::read(wrong).is_err(), "{wrong}");
        }
        let odd = "BYT;\n/dev/disk/by-path/pci:0:9216B:scsi:4096:4096:gpt:A:B:pmbr_boot;\n";
        let odd = Table::read(odd).unwrap();
        assert_eq!((odd.size, odd.sector), (9216, 4096));
    }

    #[test]
    fn a_partition_goes_where_least_is_left() {
        let table = Table::read(TOLD).unwrap();
        assert_eq!(table.next_number(Role::Primary), 2);
        assert_eq!(table.next_number(Role::Logical), 6);
        let mebibyte = 1 << 20;
        assert_eq!(
            table.room_for(mebibyte, Role::Primary),
            Some(5 * mebibyte..6 * mebibyte)
        );
        // One sector before it is the description of it.
        assert_eq!(
            table.room_for(mebibyte, Role::Logical),
            Some(17 * mebibyte..18 * mebibyte)
        );
        assert_eq!(
            table.room_for(44_857_344, Role::Primary),
            Some(60_000_256..104_857_600)
        );
        assert_eq!(
            table.room_for(500, Role::Primary),
            Some(5 * mebibyte..5 * mebibyte + 512)
        );
        assert_eq!(table.room_for(50 * mebibyte, Role::Primary), None);
        assert_eq!(table.room_for(u64::MAX, Role::Primary), None);
    }
}

//! What an empty qcow2 image consists of, as bytes for somebody else to write (QEMU's `docs/interop/qcow2.txt`).
//!
//! ```text
//!  cluster 0: header   1: table of reference counts   2: one block of reference counts   3...: first table of places
//! ```
//! It is what qemu-img makes, but for the names of features that are not used, which only serve messages.

use crate::Qcow2;

/// The length of a header of version 2, and of version 3.
const HEADER_2: u32 = 72;
const HEADER_3: u32 = 112;

/// Clusters before the first table of places: header, table and block of reference counts.
const BEFORE: u64 = 3;

/// Bytes of a count of references, which are all 1 here; as a power of two of its bits.
const COUNT: u64 = 2;
const COUNT_ORDER: u32 = 4;

/// The longest first table that QEMU reads, in bytes.
const LONGEST_TABLE: u64 = 32 << 20;

/// An image that nothing was written to yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmptyQcow2 {
    /// The file's length.
    pub length: u64,
    /// What stands where in it; all else is zero.
    pub pieces: Vec<(u64, Vec<u8>)>,
}

impl EmptyQcow2 {
    /// An image of `capacity` bytes, of whole sectors of 512. `None` where it is not as simple as it is drawn above, or is none
    /// that QEMU would make.
    pub fn new(capacity: u64, layout: Qcow2) -> Option<Self> {
        let cluster = layout.cluster_size;
        let least = if layout.extended_l2 { 16 << 10 } else { 512 };
        let is_cluster = cluster.is_power_of_two() && (least..=2 << 20).contains(&cluster);
        let has_features = layout.lazy_refcounts || layout.extended_l2;
        let is_version = layout.version == 3 || layout.version == 2 && !has_features;
        if !is_cluster || !is_version || !capacity.is_multiple_of(512) {
            return None;
        }
        let entry = if layout.extended_l2 { 16 } else { 8 };
        // What one entry of the first table stands for: a cluster of entries, each for a cluster.
        let reach = (cluster / entry).checked_mul(cluster)?;
        let places = capacity.div_ceil(reach);
        let table = places.checked_mul(8).filter(|length| *length <= LONGEST_TABLE)?;
        let clusters = BEFORE + table.div_ceil(cluster);
        if clusters > cluster / COUNT {
            return None;
        }
        let header = header(capacity, layout, u32::try_from(places).ok()?);
        let counts = usize::try_from(clusters).ok()?;
        Some(Self {
            length: BEFORE * cluster + table,
            pieces: vec![
                (0, header),
                (cluster, (2 * cluster).to_be_bytes().to_vec()),
                (2 * cluster, [0, 1].repeat(counts)),
            ],
        })
    }

    /// The same image, of version 3, on top of the one of that name and format. `None` for names that QEMU does not read.
    pub fn based_on(mut self, name: &str, format: &str) -> Option<Self> {
        /// The longest name that QEMU reads, in bytes.
        const LONGEST_NAME: usize = 1023;
        let cluster = self.pieces.get(1)?.0;
        let (_, header) = self.pieces.first_mut()?;
        let is_version = header.get(4..8)? == 3_u32.to_be_bytes();
        if !is_version || name.is_empty() || name.len() > LONGEST_NAME {
            return None;
        }
        header.resize(usize::try_from(HEADER_3).ok()?, 0);
        header.extend(crate::qcow::BACKING_FORMAT.to_be_bytes());
        header.extend(u32::try_from(format.len()).ok()?.to_be_bytes());
        header.extend(format.as_bytes());
        header.resize(header.len().next_multiple_of(8), 0);
        // The end of what stands between the header and the name.
        header.extend([0; 8]);
        let at = u64::try_from(header.len()).ok()?;
        let length = u32::try_from(name.len()).ok()?;
        header.get_mut(8..16)?.copy_from_slice(&at.to_be_bytes());
        header.get_mut(16..20)?.copy_from_slice(&length.to_be_bytes());
        header.extend(name.as_bytes());
        let end = u64::try_from(header.len()).ok()?;
        (end <= cluster).then_some(self)
    }
}

fn header(capacity: u64, layout: Qcow2, places: u32) -> Vec<u8> {
    let cluster = layout.cluster_size;
    let mut header = Vec::new();
    header.extend(crate::qcow::MAGIC);
    header.extend(layout.version.to_be_bytes());
    // It is based on nothing: no name, and none of its bytes.
    header.extend([0; 12]);
    header.extend(cluster.trailing_zeros().to_be_bytes());
    header.extend(capacity.to_be_bytes());
    // It is not encrypted.
    header.extend([0; 4]);
    header.extend(places.to_be_bytes());
    // Without an entry that table is nowhere.
    let table = if places == 0 { 0 } else { BEFORE * cluster };
    header.extend(table.to_be_bytes());
    header.extend(cluster.to_be_bytes());
    // One cluster of that table; no snapshots, and nowhere.
    header.extend(1_u32.to_be_bytes());
    header.extend([0; 12]);
    debug_assert_eq!(header.len(), HEADER_2 as usize);
    if layout.version == 3 {
        let incompatible = if layout.extended_l2 {
            crate::qcow::EXTENDED_L2
        } else {
            0
        };
        let compatible = if layout.lazy_refcounts {
            crate::qcow::LAZY_REFCOUNTS
        } else {
            0
        };
        header.extend(incompatible.to_be_bytes());
        header.extend(compatible.to_be_bytes());
        header.extend([0; 8]);
        header.extend(COUNT_ORDER.to_be_bytes());
        header.extend(HEADER_3.to_be_bytes());
    }
    header
}

//! Sizes in the units in which the device elements write them.

use xml::{Fields, Node, Result, Value, Writer};

use crate::scaled;

pub use crate::scaled::Kibibytes;

/// A size in bytes, written with the unit `bytes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub u64);

impl Fields for Bytes {
    fn read(node: Node<'_>) -> Result<Self> {
        scaled::bytes(node.name(), node.own_text()?, node.attribute("unit"), 1).map(Self)
    }

    fn write_attributes(&self, writer: &mut Writer) {
        writer.attribute("unit", "bytes");
    }

    fn write_children(&self, writer: &mut Writer) {
        writer.text(&self.0.format());
    }
}

/// The size of shared memory in MiB, rounded down when read; the unit is bytes where none is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ShmemSize(pub u64);

impl ShmemSize {
    /// The size in bytes, as far as it can be told.
    pub const fn bytes(self) -> u64 {
        self.0.saturating_mul(1 << 20)
    }
}

impl Fields for ShmemSize {
    fn read(node: Node<'_>) -> Result<Self> {
        scaled::bytes(node.name(), node.own_text()?, node.attribute("unit"), 1).map(|bytes| Self(bytes >> 20))
    }

    fn write_attributes(&self, writer: &mut Writer) {
        writer.attribute("unit", "M");
    }

    fn write_children(&self, writer: &mut Writer) {
        writer.text(&self.0.format());
    }
}

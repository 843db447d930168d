//! Memory: how much, of what kind, and its limits in the host's cgroups.

use xml::{Element, OnOff, Value};

use crate::CpuSet;
use crate::scaled::Kibibytes;

/// `<memory>`: what the guest has when it boots, hot-pluggable modules included.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "memory")]
pub struct Memory {
    /// Whether guest memory is part of a core dump of the emulator.
    #[xml(attr = "dumpCore")]
    pub dump_core: Option<OnOff>,
    #[xml(flatten)]
    pub size: Kibibytes,
}

/// `<maxMemory>`: how far memory can grow by hot-plug.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "maxMemory")]
pub struct MaxMemory {
    #[xml(attr)]
    pub slots: Option<u32>,
    #[xml(flatten)]
    pub size: Kibibytes,
}

/// `<memoryBacking>`: how the host backs guest memory.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "memoryBacking")]
pub struct MemoryBacking {
    #[xml(child = "hugepages")]
    pub huge_pages: Option<HugePages>,
    /// Equal pages of guests are not merged.
    #[xml(flag = "nosharepages")]
    pub no_share_pages: bool,
    /// Memory stays in RAM.
    #[xml(flag = "locked")]
    pub locked: bool,
    #[xml(child)]
    pub source: Option<MemorySource>,
    #[xml(child)]
    pub access: Option<MemoryAccess>,
    #[xml(child)]
    pub allocation: Option<MemoryAllocation>,
    /// Memory is given back before the guest's process ends.
    #[xml(flag = "discard")]
    pub discard: bool,
}

/// Which nodes of the guest get huge pages of which size; empty: all of them, of the default size.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "hugepages")]
pub struct HugePages {
    #[xml(children = "page")]
    pub pages: Vec<HugePage>,
}

/// Huge pages of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HugePage {
    pub size: Kibibytes,
    /// Nodes of the guest; all where missing.
    pub nodeset: Option<CpuSet>,
}

impl xml::Fields for HugePage {
    fn read(node: xml::Node<'_>) -> xml::Result<Self> {
        let size = Kibibytes::from_attribute(node, "size")?;
        let size = size.ok_or_else(|| xml::Error::MissingAttribute {
            element: "page".into(),
            attribute: "size",
        })?;
        Ok(Self {
            size,
            nodeset: node.optional("nodeset")?,
        })
    }

    fn write_attributes(&self, writer: &mut xml::Writer) {
        writer.value_attribute("size", &self.size.0);
        writer.attribute("unit", "KiB");
        if let Some(nodeset) = &self.nodeset {
            writer.value_attribute("nodeset", nodeset);
        }
    }

    fn write_children(&self, _: &mut xml::Writer) {}
}

/// `<source type='memfd'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "source")]
pub struct MemorySource {
    #[xml(attr)]
    pub r#type: MemorySourceType,
}

/// What guest memory is mapped from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum MemorySourceType {
    #[xml("file")]
    File,
    #[xml("anonymous")]
    Anonymous,
    #[xml("memfd")]
    Memfd,
}

/// `<access mode='shared'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "access")]
pub struct MemoryAccess {
    #[xml(attr)]
    pub mode: MemoryAccessMode,
}

/// Whether other processes share the mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum MemoryAccessMode {
    #[xml("shared")]
    Shared,
    #[xml("private")]
    Private,
}

/// `<allocation mode='immediate' threads='8'/>`
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "allocation")]
pub struct MemoryAllocation {
    #[xml(attr)]
    pub mode: Option<AllocationMode>,
    /// Threads that touch memory at start.
    #[xml(attr)]
    pub threads: Option<u32>,
}

/// When memory is allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum AllocationMode {
    #[xml("immediate")]
    Immediate,
    #[xml("ondemand")]
    OnDemand,
}

/// `<memtune>`: limits of the domain's cgroup.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "memtune")]
pub struct MemTune {
    #[xml(child)]
    pub hard_limit: Option<Kibibytes>,
    #[xml(child)]
    pub soft_limit: Option<Kibibytes>,
    #[xml(child)]
    pub min_guarantee: Option<Kibibytes>,
    #[xml(child)]
    pub swap_hard_limit: Option<Kibibytes>,
}

//! `<cpu>`: the processor that the guest sees, its topology and its NUMA nodes.
//!
//! The same type is read from documents of their own, for comparing processors with a host.

use xml::{Element, Error, Fields, Node, OnOff, Value, Writer, YesNo};

use crate::CpuSet;
use crate::scaled::Kibibytes;

/// The guest's processor.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "cpu")]
pub struct Cpu {
    #[xml(attr)]
    pub mode: Option<CpuMode>,
    #[xml(attr)]
    pub r#match: Option<CpuMatch>,
    #[xml(attr)]
    pub check: Option<CpuCheck>,
    #[xml(attr)]
    pub migratable: Option<OnOff>,
    /// Whether features that the vendor gave up are there (s390).
    #[xml(attr)]
    pub deprecated_features: Option<OnOff>,
    /// Documents of a host's processor only.
    #[xml(value = "arch")]
    pub arch: Option<String>,
    #[xml(child)]
    pub model: Option<CpuModel>,
    #[xml(value = "vendor")]
    pub vendor: Option<String>,
    #[xml(child)]
    pub topology: Option<CpuTopology>,
    #[xml(child)]
    pub cache: Option<CpuCache>,
    #[xml(child = "maxphysaddr")]
    pub max_phys_addr: Option<MaxPhysAddr>,
    #[xml(children = "feature")]
    pub features: Vec<CpuFeature>,
    #[xml(child)]
    pub numa: Option<Numa>,
}

/// Where the model comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum CpuMode {
    #[xml("custom")]
    Custom,
    #[xml("host-model")]
    HostModel,
    #[xml("host-passthrough")]
    HostPassthrough,
    #[xml("maximum")]
    Maximum,
}

/// How close the guest's processor must be to the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum CpuMatch {
    #[xml("minimum")]
    Minimum,
    #[xml("exact")]
    Exact,
    #[xml("strict")]
    Strict,
}

/// How closely the outcome is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum CpuCheck {
    #[xml("none")]
    None,
    #[xml("partial")]
    Partial,
    #[xml("full")]
    Full,
}

/// `<model fallback='forbid' vendor_id='...'>Skylake-Server</model>`
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "model")]
pub struct CpuModel {
    #[xml(attr)]
    pub fallback: Option<Fallback>,
    /// Exactly 12 characters.
    #[xml(attr)]
    pub vendor_id: Option<String>,
    #[xml(text)]
    pub name: Option<String>,
}

/// Whether a similar model may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum Fallback {
    #[xml("allow")]
    Allow,
    #[xml("forbid")]
    Forbid,
}

/// `<topology sockets='1' dies='1' clusters='1' cores='2' threads='1'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "topology")]
pub struct CpuTopology {
    #[xml(attr)]
    pub sockets: u32,
    /// In each socket; 1 where missing.
    #[xml(attr)]
    pub dies: Option<u32>,
    /// In each die; 1 where missing.
    #[xml(attr)]
    pub clusters: Option<u32>,
    #[xml(attr)]
    pub cores: u32,
    #[xml(attr)]
    pub threads: u32,
}

impl CpuTopology {
    /// How many processors the topology has room for, as far as that can be told.
    pub fn processors(&self) -> Option<u32> {
        [
            self.dies.unwrap_or(1),
            self.clusters.unwrap_or(1),
            self.cores,
            self.threads,
        ]
        .into_iter()
        .try_fold(self.sockets, u32::checked_mul)
    }
}

/// Cache that the guest sees.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "cache")]
pub struct CpuCache {
    /// 1 to 3; all where missing.
    #[xml(attr)]
    pub level: Option<u8>,
    #[xml(attr)]
    pub mode: CpuCacheMode,
}

/// Where the guest's cache data come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum CpuCacheMode {
    #[xml("emulate")]
    Emulate,
    #[xml("passthrough")]
    Passthrough,
    #[xml("disable")]
    Disable,
}

/// Width of physical addresses.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "maxphysaddr")]
pub struct MaxPhysAddr {
    #[xml(attr)]
    pub mode: MaxPhysAddrMode,
    #[xml(attr)]
    pub bits: Option<u32>,
    /// With `passthrough`: never more than that.
    #[xml(attr)]
    pub limit: Option<u32>,
}

/// Where the width comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum MaxPhysAddrMode {
    #[xml("emulate")]
    Emulate,
    #[xml("passthrough")]
    Passthrough,
}

/// `<feature policy='require' name='vmx'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "feature")]
pub struct CpuFeature {
    /// `require` where missing in a guest's document; a host's has none.
    #[xml(attr)]
    pub policy: Option<CpuFeaturePolicy>,
    #[xml(attr)]
    pub name: String,
}

/// Whether the guest gets a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum CpuFeaturePolicy {
    /// Has it even where the host has not.
    #[xml("force")]
    Force,
    #[xml("require")]
    Require,
    /// Has it where the host has.
    #[xml("optional")]
    Optional,
    #[xml("disable")]
    Disable,
    /// Does not start where the host has it.
    #[xml("forbid")]
    Forbid,
}

/// NUMA nodes of the guest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "numa")]
pub struct Numa {
    #[xml(children = "cell")]
    pub cells: Vec<NumaCell>,
    #[xml(child)]
    pub interconnects: Option<Interconnects>,
}

impl Numa {
    /// The memory of all nodes, in KiB.
    pub fn total_memory(&self) -> u64 {
        self.cells
            .iter()
            .fold(0, |total, cell| total.saturating_add(cell.memory.0.0))
    }
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "cell")]
pub struct NumaCell {
    /// The position in the list where missing.
    #[xml(attr)]
    pub id: Option<u32>,
    #[xml(attr)]
    pub cpus: Option<CpuSet>,
    #[xml(flatten)]
    pub memory: CellMemory,
    #[xml(attr = "memAccess")]
    pub mem_access: Option<super::memory::MemoryAccessMode>,
    #[xml(attr)]
    pub discard: Option<YesNo>,
    #[xml(wrapped = "distances/sibling")]
    pub distances: Vec<Sibling>,
    #[xml(children = "cache")]
    pub caches: Vec<NumaCache>,
}

/// Memory of a node, `memory='512' unit='KiB'`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CellMemory(pub Kibibytes);

impl Fields for CellMemory {
    fn read(node: Node<'_>) -> xml::Result<Self> {
        let missing = || Error::MissingAttribute {
            element: node.name().to_owned(),
            attribute: "memory",
        };
        Kibibytes::from_attribute(node, "memory")?
            .ok_or_else(missing)
            .map(Self)
    }

    fn write_attributes(&self, writer: &mut Writer) {
        writer.value_attribute("memory", &self.0.0);
        writer.attribute("unit", "KiB");
    }

    fn write_children(&self, _: &mut Writer) {}
}

/// Distance to another node, or to itself.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "sibling")]
pub struct Sibling {
    #[xml(attr)]
    pub id: u32,
    /// 10 (local) to 254, 255 for out of reach.
    #[xml(attr)]
    pub value: u32,
}

/// Memory-side cache of a node.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "cache")]
pub struct NumaCache {
    #[xml(attr)]
    pub level: u32,
    #[xml(attr)]
    pub associativity: Associativity,
    #[xml(attr)]
    pub policy: CachePolicy,
    #[xml(child)]
    pub size: CacheSize,
    #[xml(child)]
    pub line: CacheSize,
}

/// Associativity of a memory-side cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum Associativity {
    #[xml("none")]
    None,
    #[xml("direct")]
    Direct,
    #[xml("full")]
    Full,
}

/// Write policy of a memory-side cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum CachePolicy {
    #[xml("none")]
    None,
    #[xml("writeback")]
    WriteBack,
    #[xml("writethrough")]
    WriteThrough,
}

/// `<size value='10' unit='KiB'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "size")]
pub struct CacheSize {
    #[xml(attr)]
    pub value: u64,
    #[xml(attr)]
    pub unit: String,
}

/// What it costs to reach memory.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "interconnects")]
pub struct Interconnects {
    #[xml(children = "latency")]
    pub latencies: Vec<Interconnect>,
    #[xml(children = "bandwidth")]
    pub bandwidths: Vec<Interconnect>,
}

/// From one node to another, perhaps to a cache of it.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "latency")]
pub struct Interconnect {
    #[xml(attr)]
    pub initiator: u32,
    #[xml(attr)]
    pub target: u32,
    #[xml(attr)]
    pub cache: Option<u32>,
    #[xml(attr)]
    pub r#type: InterconnectType,
    /// Nanoseconds, or a bandwidth in `unit`s.
    #[xml(attr)]
    pub value: u64,
    #[xml(attr)]
    pub unit: Option<String>,
}

/// Kind of access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum InterconnectType {
    #[xml("access")]
    Access,
    #[xml("read")]
    Read,
    #[xml("write")]
    Write,
}

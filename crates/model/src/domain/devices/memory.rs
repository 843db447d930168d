//! `<memory>`: a memory module of the guest.

use xml::{Element, Value, YesNo};

use super::hex::Hex64;
use super::info::DeviceInfo;
use super::size::Kibibytes;
use crate::Uuid;

/// A memory module.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "memory")]
pub struct Memory {
    #[xml(attr)]
    pub model: MemoryModel,
    #[xml(attr)]
    pub access: Option<MemoryAccess>,
    /// Whether the content may be thrown away when the domain ends.
    #[xml(attr)]
    pub discard: Option<YesNo>,
    #[xml(child)]
    pub source: Option<MemorySource>,
    #[xml(value = "uuid")]
    pub uuid: Option<Uuid>,
    #[xml(child)]
    pub target: MemoryTarget,
    #[xml(flatten)]
    pub info: DeviceInfo,
}

/// Kinds of memory modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum MemoryModel {
    #[xml("dimm")]
    Dimm,
    #[xml("nvdimm")]
    Nvdimm,
    #[xml("virtio-pmem")]
    VirtioPmem,
    #[xml("virtio-mem")]
    VirtioMem,
    #[xml("sgx-epc")]
    SgxEpc,
}

/// Whether other processes of the host see what the guest writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum MemoryAccess {
    #[xml("shared")]
    Shared,
    #[xml("private")]
    Private,
}

/// What the module is made of on the host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "source")]
pub struct MemorySource {
    /// A file, with the persistent models.
    #[xml(value = "path")]
    pub path: Option<String>,
    #[xml(child)]
    pub alignsize: Option<Kibibytes>,
    /// The file is on persistent memory.
    #[xml(flag = "pmem")]
    pub pmem: bool,
    /// Nodes of the host, as `1-3,^2`.
    #[xml(value = "nodemask")]
    pub nodemask: Option<String>,
    #[xml(child)]
    pub pagesize: Option<Kibibytes>,
}

/// What the guest sees.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "target")]
pub struct MemoryTarget {
    #[xml(attr = "dynamicMemslots")]
    pub dynamic_memslots: Option<YesNo>,
    #[xml(child)]
    pub size: Kibibytes,
    /// NUMA node of the guest.
    #[xml(value = "node")]
    pub node: Option<u32>,
    #[xml(child)]
    pub label: Option<MemoryLabel>,
    /// virtio-mem: unit of plugging.
    #[xml(child)]
    pub block: Option<Kibibytes>,
    /// virtio-mem: what the guest should have.
    #[xml(child)]
    pub requested: Option<Kibibytes>,
    /// virtio-mem, live documents: what the guest has.
    #[xml(child)]
    pub current: Option<Kibibytes>,
    #[xml(flag = "readonly")]
    pub readonly: bool,
    #[xml(child)]
    pub address: Option<MemoryBase>,
}

/// Label area of an NVDIMM.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "label")]
pub struct MemoryLabel {
    #[xml(child)]
    pub size: Kibibytes,
}

/// Place in the guest's physical memory.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "address")]
pub struct MemoryBase {
    #[xml(attr)]
    pub base: Hex64,
}

//! What a host and its hypervisor can do: the `<capabilities>` document.

use xml::{Element, Fields, YesNo};

/// The document.
#[derive(Debug, Clone, PartialEq, Default, Element)]
#[xml(element = "capabilities")]
pub struct Capabilities {
    /// The host.
    #[xml(child)]
    pub host: Host,
    /// Kinds of guests it can run.
    #[xml(children = "guest")]
    pub guests: Vec<Guest>,
}

/// What the host is.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
pub struct Host {
    /// Its identity.
    #[xml(value = "uuid")]
    pub uuid: Option<String>,
    /// Its processor.
    #[xml(child)]
    pub cpu: HostCpu,
    /// The ways it can sleep.
    #[xml(child)]
    pub power_management: Option<PowerManagement>,
    /// Whether its devices can be given to guests.
    #[xml(child)]
    pub iommu: Option<Iommu>,
    /// How guests can leave it.
    #[xml(child)]
    pub migration_features: Option<MigrationFeatures>,
    /// Its NUMA cells.
    #[xml(child)]
    pub topology: Option<Topology>,
    /// Its processors' caches.
    #[xml(wrapped = "cache/bank")]
    pub caches: Vec<CacheBank>,
    /// How guests are kept apart.
    #[xml(children = "secmodel")]
    pub secmodels: Vec<SecurityModel>,
}

/// The host's processor.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
pub struct HostCpu {
    /// Its architecture.
    #[xml(value = "arch")]
    pub arch: Option<String>,
    /// The nearest model.
    #[xml(value = "model")]
    pub model: Option<String>,
    /// Its vendor.
    #[xml(value = "vendor")]
    pub vendor: Option<String>,
    /// Its microcode.
    #[xml(child)]
    pub microcode: Option<Microcode>,
    /// Family, model and stepping.
    #[xml(child)]
    pub signature: Option<Signature>,
    /// Its clocks.
    #[xml(children = "counter")]
    pub counters: Vec<Counter>,
    /// How its processors are arranged.
    #[xml(child)]
    pub topology: Option<CpuTopology>,
    /// How much memory it can address.
    #[xml(child)]
    pub maxphysaddr: Option<MaxPhysAddr>,
    /// Features beyond the model's.
    #[xml(children = "feature")]
    pub features: Vec<Feature>,
    /// The sizes of pages it offers.
    #[xml(children = "pages")]
    pub pages: Vec<PageSize>,
}

/// A microcode's version.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
pub struct Microcode {
    /// Number.
    #[xml(attr)]
    pub version: u32,
}

/// A processor's signature as its vendor counts.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
#[allow(missing_docs, reason = "each name is the vendor's own")]
pub struct Signature {
    #[xml(attr)]
    pub family: u32,
    #[xml(attr)]
    pub model: u32,
    #[xml(attr)]
    pub stepping: u32,
}

/// A clock.
#[derive(Debug, Clone, PartialEq, Fields)]
pub struct Counter {
    /// Its name: `tsc`.
    #[xml(attr)]
    pub name: String,
    /// Hz.
    #[xml(attr)]
    pub frequency: u64,
    /// Whether guests can be given another clock.
    #[xml(attr)]
    pub scaling: Option<YesNo>,
}

/// How processors are arranged.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
#[allow(missing_docs, reason = "each name says it")]
pub struct CpuTopology {
    #[xml(attr)]
    pub sockets: u32,
    #[xml(attr)]
    pub dies: Option<u32>,
    #[xml(attr)]
    pub clusters: Option<u32>,
    #[xml(attr)]
    pub cores: u32,
    #[xml(attr)]
    pub threads: u32,
}

/// How much memory a processor can address.
#[derive(Debug, Clone, PartialEq, Fields)]
pub struct MaxPhysAddr {
    /// `emulate` with `bits`, or `passthrough` with `limit`.
    #[xml(attr)]
    pub mode: String,
    /// Bits of an address.
    #[xml(attr)]
    pub bits: Option<u32>,
    /// The most bits.
    #[xml(attr)]
    pub limit: Option<u32>,
}

/// A feature's name.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
pub struct Feature {
    /// Name.
    #[xml(attr)]
    pub name: String,
}

/// A size of pages.
#[derive(Debug, Clone, PartialEq, Fields)]
pub struct PageSize {
    /// Unit, `KiB`.
    #[xml(attr)]
    pub unit: String,
    /// Size.
    #[xml(attr)]
    pub size: u32,
}

/// The ways a host can sleep.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
#[allow(missing_docs, reason = "each name says it")]
pub struct PowerManagement {
    #[xml(flag = "suspend_mem")]
    pub suspend_mem: bool,
    #[xml(flag = "suspend_disk")]
    pub suspend_disk: bool,
    #[xml(flag = "suspend_hybrid")]
    pub suspend_hybrid: bool,
}

/// Whether devices can be given to guests.
#[derive(Debug, Clone, PartialEq, Fields)]
pub struct Iommu {
    /// Whether the kernel uses an IOMMU.
    #[xml(attr)]
    pub support: YesNo,
}

/// How guests can leave a host.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
pub struct MigrationFeatures {
    /// While they run.
    #[xml(flag = "live")]
    pub live: bool,
    /// By which transports.
    #[xml(child)]
    pub uri_transports: Option<UriTransports>,
}

/// Transports of migration.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
pub struct UriTransports {
    /// Their names.
    #[xml(value = "uri_transport")]
    pub transports: Vec<String>,
}

/// The host's NUMA cells.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
pub struct Topology {
    /// The cells.
    #[xml(child)]
    pub cells: Cells,
}

/// A list of cells with its length.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
pub struct Cells {
    /// How many follow.
    #[xml(attr)]
    pub num: u32,
    /// The cells.
    #[xml(children = "cell")]
    pub cells: Vec<Cell>,
}

/// One NUMA cell.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
pub struct Cell {
    /// Its number.
    #[xml(attr)]
    pub id: u32,
    /// Its memory.
    #[xml(child)]
    pub memory: Option<Amount>,
    /// Its pages.
    #[xml(children = "pages")]
    pub pages: Vec<CellPages>,
    /// How far it is to each cell.
    #[xml(wrapped = "distances/sibling")]
    pub distances: Vec<Distance>,
    /// Its processors.
    #[xml(child)]
    pub cpus: Option<CellCpus>,
}

/// A number with its unit.
#[derive(Debug, Clone, PartialEq, Fields)]
pub struct Amount {
    /// Unit, `KiB`.
    #[xml(attr)]
    pub unit: String,
    /// Number.
    #[xml(text)]
    pub amount: u64,
}

/// Pages of one size.
#[derive(Debug, Clone, PartialEq, Fields)]
pub struct CellPages {
    /// Unit of the size, `KiB`.
    #[xml(attr)]
    pub unit: String,
    /// Size of one.
    #[xml(attr)]
    pub size: u32,
    /// How many.
    #[xml(text)]
    pub count: u64,
}

/// How far another cell is.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
pub struct Distance {
    /// The other cell.
    #[xml(attr)]
    pub id: u32,
    /// How far; 10 is the cell itself.
    #[xml(attr)]
    pub value: u32,
}

/// A cell's processors with their number.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
pub struct CellCpus {
    /// How many follow.
    #[xml(attr)]
    pub num: u32,
    /// The processors.
    #[xml(children = "cpu")]
    pub cpus: Vec<CellCpu>,
}

/// A processor of a cell; one that is offline has only a number.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
#[allow(missing_docs, reason = "each name says it")]
pub struct CellCpu {
    #[xml(attr)]
    pub id: u32,
    #[xml(attr)]
    pub socket_id: Option<u32>,
    #[xml(attr)]
    pub die_id: Option<u32>,
    #[xml(attr)]
    pub cluster_id: Option<u32>,
    #[xml(attr)]
    pub core_id: Option<u32>,
    /// Processors of the same core.
    #[xml(attr)]
    pub siblings: Option<String>,
}

/// A cache.
#[derive(Debug, Clone, PartialEq, Fields)]
pub struct CacheBank {
    /// Number.
    #[xml(attr)]
    pub id: u32,
    /// Level.
    #[xml(attr)]
    pub level: u32,
    /// `both`, `code` or `data`.
    #[xml(attr = "type")]
    pub kind: String,
    /// Size in `unit`.
    #[xml(attr)]
    pub size: u64,
    /// Unit.
    #[xml(attr)]
    pub unit: String,
    /// The processors that use it.
    #[xml(attr)]
    pub cpus: String,
}

/// A way guests are kept apart.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
pub struct SecurityModel {
    /// Its name.
    #[xml(value = "model")]
    pub model: String,
    /// Its domain of interpretation.
    #[xml(value = "doi")]
    pub doi: String,
    /// The labels guests start with.
    #[xml(children = "baselabel")]
    pub baselabels: Vec<BaseLabel>,
}

/// The label guests of one type start with.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
pub struct BaseLabel {
    /// Domain type.
    #[xml(attr = "type")]
    pub kind: String,
    /// Label.
    #[xml(text)]
    pub label: String,
}

/// A kind of guests.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
pub struct Guest {
    /// `hvm`.
    #[xml(value = "os_type")]
    pub os_type: String,
    /// Architecture.
    #[xml(child)]
    pub arch: GuestArch,
    /// What such guests can have.
    #[xml(child)]
    pub features: Option<GuestFeatures>,
}

/// The architecture of a kind of guests, and what runs it.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
pub struct GuestArch {
    /// Name.
    #[xml(attr)]
    pub name: String,
    /// Bits of a word.
    #[xml(value = "wordsize")]
    pub wordsize: u32,
    /// The program that runs them.
    #[xml(value = "emulator")]
    pub emulator: Option<String>,
    /// Machine types.
    #[xml(children = "machine")]
    pub machines: Vec<GuestMachine>,
    /// Domain types.
    #[xml(children = "domain")]
    pub domains: Vec<GuestDomain>,
}

/// A machine type.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
pub struct GuestMachine {
    /// What an alias stands for.
    #[xml(attr)]
    pub canonical: Option<String>,
    /// The most processors.
    #[xml(attr = "maxCpus")]
    pub max_cpus: Option<u32>,
    /// Whether the hypervisor means to drop it.
    #[xml(attr)]
    pub deprecated: Option<YesNo>,
    /// Name.
    #[xml(text)]
    pub name: String,
}

/// A domain type.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
pub struct GuestDomain {
    /// `qemu` or `kvm`.
    #[xml(attr = "type")]
    pub kind: String,
}

/// What guests can have.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
#[allow(missing_docs, reason = "each name is the document's own")]
pub struct GuestFeatures {
    #[xml(flag = "pae")]
    pub pae: bool,
    #[xml(flag = "nonpae")]
    pub nonpae: bool,
    #[xml(child)]
    pub acpi: Option<Toggle>,
    #[xml(child)]
    pub apic: Option<Toggle>,
    #[xml(flag = "cpuselection")]
    pub cpuselection: bool,
    #[xml(flag = "deviceboot")]
    pub deviceboot: bool,
    #[xml(child)]
    pub disksnapshot: Option<Toggle>,
    #[xml(flag = "externalSnapshot")]
    pub external_snapshot: bool,
}

/// A feature with a default, which can be changed or not.
#[derive(Debug, Clone, PartialEq, Fields)]
pub struct Toggle {
    /// Whether it is on when a definition says nothing.
    #[xml(attr = "default")]
    pub initial: xml::OnOff,
    /// Whether a definition can change it.
    #[xml(attr)]
    pub toggle: YesNo,
}

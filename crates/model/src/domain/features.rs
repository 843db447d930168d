//! `<features>`: what the hypervisor offers beside devices.

use xml::{Element, Fields, Node, OnOff, RawElement, Value, Writer, YesNo};

use crate::scaled::{Kibibytes, WholeUnits};

/// Features of the virtual machine. What is not named is left to the hypervisor's default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "features")]
pub struct Features {
    #[xml(flag = "acpi")]
    pub acpi: bool,
    #[xml(child)]
    pub apic: Option<Apic>,
    #[xml(flag = "pae")]
    pub pae: bool,
    #[xml(child)]
    pub hap: Option<OptionalState>,
    #[xml(flag = "viridian")]
    pub viridian: bool,
    #[xml(flag = "privnet")]
    pub privnet: bool,
    #[xml(child)]
    pub hyperv: Option<Box<Hyperv>>,
    #[xml(child)]
    pub kvm: Option<Box<Kvm>>,
    #[xml(child)]
    pub xen: Option<Xen>,
    #[xml(child)]
    pub pvspinlock: Option<Switch>,
    /// Capabilities of a container's processes.
    #[xml(raw = "capabilities")]
    pub capabilities: Option<RawElement>,
    #[xml(child)]
    pub pmu: Option<Switch>,
    #[xml(child)]
    pub vmport: Option<Switch>,
    #[xml(child)]
    pub gic: Option<Gic>,
    #[xml(child)]
    pub smm: Option<Smm>,
    #[xml(child)]
    pub ioapic: Option<Ioapic>,
    #[xml(child)]
    pub hpt: Option<Hpt>,
    #[xml(child)]
    pub vmcoreinfo: Option<Switch>,
    #[xml(child)]
    pub htm: Option<Switch>,
    #[xml(child = "nested-hv")]
    pub nested_hv: Option<Switch>,
    #[xml(child)]
    pub msrs: Option<Msrs>,
    #[xml(child = "ccf-assist")]
    pub ccf_assist: Option<Switch>,
    #[xml(child)]
    pub cfpc: Option<Mitigation>,
    #[xml(child)]
    pub sbbc: Option<Mitigation>,
    #[xml(child)]
    pub ibs: Option<Mitigation>,
    #[xml(child)]
    pub tcg: Option<Tcg>,
    #[xml(child = "async-teardown")]
    pub async_teardown: Option<AsyncTeardown>,
    #[xml(child)]
    pub ras: Option<Switch>,
    #[xml(child)]
    pub ps2: Option<Switch>,
    #[xml(child)]
    pub aia: Option<Aia>,
}

/// `<pmu state='on'/>`; without the attribute, on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch {
    pub state: OnOff,
}

impl Switch {
    /// Whether it is on.
    pub const fn is_on(self) -> bool {
        self.state.is_on()
    }
}

impl Default for Switch {
    fn default() -> Self {
        Self { state: OnOff::On }
    }
}

impl From<bool> for Switch {
    fn from(on: bool) -> Self {
        Self { state: on.into() }
    }
}

impl Fields for Switch {
    fn read(node: Node<'_>) -> xml::Result<Self> {
        Ok(Self {
            state: node.optional("state")?.unwrap_or(OnOff::On),
        })
    }

    fn write_attributes(&self, writer: &mut Writer) {
        writer.value_attribute("state", &self.state);
    }

    fn write_children(&self, _: &mut Writer) {}
}

/// `<hap/>` or `<hap state='off'/>`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Element)]
#[xml(element = "hap")]
pub struct OptionalState {
    #[xml(attr)]
    pub state: Option<OnOff>,
}

/// `<apic eoi='on'/>`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Element)]
#[xml(element = "apic")]
pub struct Apic {
    /// Paravirtual end of interrupt.
    #[xml(attr)]
    pub eoi: Option<OnOff>,
}

/// Enlightenments for Windows guests.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "hyperv")]
pub struct Hyperv {
    #[xml(attr)]
    pub mode: Option<HypervMode>,
    #[xml(child)]
    pub relaxed: Option<Switch>,
    #[xml(child)]
    pub vapic: Option<Switch>,
    #[xml(child)]
    pub spinlocks: Option<Spinlocks>,
    #[xml(child)]
    pub vpindex: Option<Switch>,
    #[xml(child)]
    pub runtime: Option<Switch>,
    #[xml(child)]
    pub synic: Option<Switch>,
    #[xml(child)]
    pub stimer: Option<Stimer>,
    #[xml(child)]
    pub reset: Option<Switch>,
    #[xml(child)]
    pub vendor_id: Option<VendorId>,
    #[xml(child)]
    pub frequencies: Option<Switch>,
    #[xml(child)]
    pub reenlightenment: Option<Switch>,
    #[xml(child)]
    pub tlbflush: Option<TlbFlush>,
    #[xml(child)]
    pub ipi: Option<Switch>,
    #[xml(child)]
    pub evmcs: Option<Switch>,
    #[xml(child)]
    pub avic: Option<Switch>,
    #[xml(child)]
    pub emsr_bitmap: Option<Switch>,
    #[xml(child)]
    pub xmm_input: Option<Switch>,
}

/// Whether single enlightenments are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum HypervMode {
    #[xml("custom")]
    Custom,
    /// All that the host has.
    #[xml("passthrough")]
    Passthrough,
}

/// `<spinlocks state='on' retries='8191'/>`
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "spinlocks")]
pub struct Spinlocks {
    #[xml(flatten)]
    pub switch: Switch,
    /// At least 4095.
    #[xml(attr)]
    pub retries: Option<u32>,
}

/// Synthetic timers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "stimer")]
pub struct Stimer {
    #[xml(flatten)]
    pub switch: Switch,
    #[xml(child)]
    pub direct: Option<Switch>,
}

/// `<vendor_id state='on' value='KVM Hv'/>`
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "vendor_id")]
pub struct VendorId {
    #[xml(flatten)]
    pub switch: Switch,
    /// At most 12 characters, no comma.
    #[xml(attr)]
    pub value: Option<String>,
}

/// Paravirtual TLB flush.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "tlbflush")]
pub struct TlbFlush {
    #[xml(flatten)]
    pub switch: Switch,
    #[xml(child)]
    pub direct: Option<Switch>,
    #[xml(child)]
    pub extended: Option<Switch>,
}

/// Features of KVM.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "kvm")]
pub struct Kvm {
    #[xml(child)]
    pub hidden: Option<Switch>,
    #[xml(child = "hint-dedicated")]
    pub hint_dedicated: Option<Switch>,
    #[xml(child = "poll-control")]
    pub poll_control: Option<Switch>,
    #[xml(child = "pv-ipi")]
    pub pv_ipi: Option<Switch>,
    #[xml(child = "dirty-ring")]
    pub dirty_ring: Option<DirtyRing>,
}

/// `<dirty-ring state='on' size='4096'/>`
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "dirty-ring")]
pub struct DirtyRing {
    #[xml(flatten)]
    pub switch: Switch,
    /// A power of two from 1024 to 65536.
    #[xml(attr)]
    pub size: Option<u32>,
}

/// Features of Xen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "xen")]
pub struct Xen {
    #[xml(child)]
    pub e820_host: Option<Switch>,
    #[xml(child)]
    pub passthrough: Option<XenPassthrough>,
}

/// `<passthrough state='on' mode='share_pt'/>`
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "passthrough")]
pub struct XenPassthrough {
    #[xml(flatten)]
    pub switch: Switch,
    #[xml(attr)]
    pub mode: Option<XenPassthroughMode>,
}

/// Page tables of passed-through devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum XenPassthroughMode {
    #[xml("sync_pt")]
    SyncPt,
    #[xml("share_pt")]
    SharePt,
}

/// Interrupt controller of ARM guests.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "gic")]
pub struct Gic {
    #[xml(attr)]
    pub version: Option<GicVersion>,
}

/// Version of the interrupt controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum GicVersion {
    #[xml("2")]
    V2,
    #[xml("3")]
    V3,
    #[xml("host")]
    Host,
}

/// System management mode.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "smm")]
pub struct Smm {
    #[xml(flatten)]
    pub switch: Switch,
    /// Size of its memory; in MiB where no unit is given.
    #[xml(child)]
    pub tseg: Option<WholeUnits<{ 1 << 20 }>>,
}

/// `<ioapic driver='qemu'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "ioapic")]
pub struct Ioapic {
    #[xml(attr)]
    pub driver: IoapicDriver,
}

/// Who emulates the I/O APIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum IoapicDriver {
    #[xml("kvm")]
    Kvm,
    #[xml("qemu")]
    Qemu,
}

/// Hash page table of pSeries guests.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "hpt")]
pub struct Hpt {
    #[xml(attr)]
    pub resizing: Option<HptResizing>,
    #[xml(child = "maxpagesize")]
    pub max_page_size: Option<Kibibytes>,
}

/// Whether the table can change its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum HptResizing {
    #[xml("enabled")]
    Enabled,
    #[xml("disabled")]
    Disabled,
    #[xml("required")]
    Required,
}

/// What becomes of accesses to unknown model-specific registers.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "msrs")]
pub struct Msrs {
    #[xml(attr)]
    pub unknown: UnknownMsrs,
}

/// Ignored, or a fault in the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum UnknownMsrs {
    #[xml("ignore")]
    Ignore,
    #[xml("fault")]
    Fault,
}

/// State of a mitigation that pSeries guests are told.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "ibs")]
pub struct Mitigation {
    #[xml(attr)]
    pub value: MitigationState,
}

/// `fixed-ibs`, `fixed-ccd` and `fixed-na` stand in `<ibs>` only, `fixed` does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum MitigationState {
    #[xml("broken")]
    Broken,
    #[xml("workaround")]
    Workaround,
    #[xml("fixed")]
    Fixed,
    #[xml("fixed-ibs")]
    FixedIbs,
    #[xml("fixed-ccd")]
    FixedCcd,
    #[xml("fixed-na")]
    FixedNa,
}

/// QEMU's own translator.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "tcg")]
pub struct Tcg {
    #[xml(child = "tb-cache")]
    pub tb_cache: Option<Kibibytes>,
}

/// `<async-teardown enabled='yes'/>`
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "async-teardown")]
pub struct AsyncTeardown {
    #[xml(attr)]
    pub enabled: Option<YesNo>,
}

/// Interrupt architecture of RISC-V guests.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "aia")]
pub struct Aia {
    #[xml(attr)]
    pub value: AiaMode,
}

/// Kind of interrupt controller of RISC-V guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum AiaMode {
    #[xml("none")]
    None,
    #[xml("aplic")]
    Aplic,
    #[xml("aplic-imsic")]
    AplicImsic,
}

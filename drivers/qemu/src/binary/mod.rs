//! What a QEMU binary can do, asked through its monitor once and kept until the binary changes.
//!
//! [`probe`] runs the binary without a guest and puts a fixed list of questions to its monitor; `parse` turns the
//! answers, wherever they come from, into [`BinaryCaps`]; [`cache`] keeps those in a file and shares them between all
//! who ask at the same time. [`replay`] feeds recorded answers to the same code.
//!
//! The facts are what QEMU says, under QEMU's names. What they mean for a guest's definition is decided where
//! definitions are handled.

mod answers;
pub mod arch;
pub mod cache;
mod names;
pub(crate) mod orphans;
mod parse;
pub mod probe;
pub mod replay;
mod schema;

pub use cache::BinaryCache;
pub use names::Names;
pub use schema::Schema;

use model::domain::DomainType;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// What one QEMU binary can do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BinaryCaps {
    /// The file that was asked.
    pub path: PathBuf,
    /// Its version.
    pub version: Version,
    /// What the distributor calls it.
    pub package: String,
    /// The architecture of its guests, under libvirt's name (`i686`, `x86_64`, `aarch64`).
    pub arch: String,
    /// Under emulation.
    pub tcg: AccelCaps,
    /// Under KVM, where the binary found it usable.
    pub kvm: Option<AccelCaps>,
    /// Why KVM is not usable, if it was tried.
    pub kvm_refused: Option<String>,
    /// The formats and devices of `query-tpm-models`.
    pub tpm_models: Names,
    /// The kinds of `query-tpm-types`.
    pub tpm_types: Names,
    /// What the kernel and the processor offer for encrypted guests; absent when they offer nothing.
    pub sev: Option<SevCaps>,
    /// What they offer for enclaves in guests.
    pub sgx: Option<SgxCaps>,
    /// Versions of the interrupt controller of ARM's machines; none where there are no such machines.
    pub gic: Vec<GicCaps>,
    /// Features of the hypervisor interface of Hyper-V that KVM provides here, without their `hv-`.
    pub hyperv: Option<HypervCaps>,
    /// The names of `query-migrate-capabilities`.
    pub migration_capabilities: Names,
    types: Names,
    properties: BTreeMap<Box<str>, Names>,
    options: BTreeMap<Box<str>, Names>,
    schema: Schema,
}

/// A version of QEMU; ordered as one expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each name says it")]
pub struct Version {
    pub major: u32,
    pub minor: u32,
    pub micro: u32,
}

impl Version {
    /// A version by its numbers.
    pub const fn new(major: u32, minor: u32, micro: u32) -> Self {
        Self { major, minor, micro }
    }

    /// As libvirt's calls count: a million for each major, a thousand for each minor.
    pub fn number(self) -> u64 {
        u64::from(self.major) * 1_000_000 + u64::from(self.minor) * 1_000 + u64::from(self.micro)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.micro)
    }
}

/// How guests are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Accel {
    /// Emulated: libvirt's domain type `qemu`.
    Tcg,
    /// By the kernel: libvirt's domain type `kvm`.
    Kvm,
}

impl Accel {
    /// How guests of a domain type are run; nothing for the types of other drivers.
    pub fn of(kind: DomainType) -> Option<Self> {
        match kind {
            DomainType::Qemu => Some(Self::Tcg),
            DomainType::Kvm => Some(Self::Kvm),
            _ => None,
        }
    }
}

/// What depends on how guests are run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AccelCaps {
    /// The machine types in QEMU's order, aliases as their own entries left out.
    pub machines: Vec<Machine>,
    /// The processor models in QEMU's order.
    pub cpus: Vec<CpuModel>,
    /// What the best processor model is made of: `host` under KVM, `max` under emulation.
    pub best: Option<Expansion>,
    /// Names of the features that models lack here; [`CpuModel`] refers to them.
    features: Names,
}

/// A machine type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Full name, such as `pc-q35-10.0`.
    pub name: Box<str>,
    /// A short name that means this one now, such as `q35`.
    pub alias: Option<Box<str>>,
    /// Whether it is what QEMU takes when none is named.
    pub is_default: bool,
    /// The most processors it takes.
    pub max_cpus: u32,
    /// Whether processors can be plugged.
    pub hotpluggable_cpus: bool,
    /// Whether memory of NUMA cells may be given without a backend.
    pub numa_mem_supported: bool,
    /// QEMU's type of the processor it starts with, such as `qemu64-x86_64-cpu`.
    pub default_cpu: Option<Box<str>>,
    /// The name of its main memory's backend.
    pub default_ram_id: Option<Box<str>>,
    /// Whether QEMU means to drop it.
    pub deprecated: bool,
    /// Whether it has ACPI; QEMU before 8.1 does not tell.
    pub acpi: Option<bool>,
}

/// A processor model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuModel {
    /// Its name on the command line.
    pub name: Box<str>,
    /// QEMU's type of it.
    pub typename: Box<str>,
    /// The versioned model it stands for.
    pub alias_of: Option<Box<str>>,
    /// Whether QEMU means to drop it.
    pub deprecated: bool,
    /// Whether QEMU told which features are missing; if not, nobody knows whether it runs.
    pub checked: bool,
    missing: Box<[u16]>,
}

/// What a processor model is made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Expansion {
    /// The model QEMU based the answer on.
    pub name: String,
    /// Features that are on.
    pub on: Names,
    /// Features that are off.
    pub off: Names,
    /// Features that are on but that no other host could take over.
    pub unmigratable: Names,
    /// Numbers, such as `family`.
    pub numbers: BTreeMap<Box<str>, i64>,
    /// Texts, such as `vendor`.
    pub texts: BTreeMap<Box<str>, Box<str>>,
}

/// AMD's encrypted guests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each name is QEMU's own")]
pub struct SevCaps {
    pub pdh: String,
    pub cert_chain: String,
    #[serde(default)]
    pub cpu0_id: Option<String>,
    pub cbitpos: u32,
    pub reduced_phys_bits: u32,
}

/// Intel's enclaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each name is QEMU's own")]
pub struct SgxCaps {
    pub flc: bool,
    pub sgx1: bool,
    pub sgx2: bool,
    /// Bytes.
    #[serde(default)]
    pub section_size: u64,
    #[serde(default)]
    pub sections: Vec<SgxSection>,
}

/// One part of the enclaves' memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each name is QEMU's own")]
pub struct SgxSection {
    pub node: u32,
    pub size: u64,
}

/// Who can be one version of ARM's interrupt controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GicCaps {
    /// The version.
    pub version: u32,
    /// Whether QEMU can.
    pub emulated: bool,
    /// Whether the kernel can, for guests under KVM.
    pub kernel: bool,
}

/// What KVM provides of Hyper-V's interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HypervCaps {
    /// Features that are switches, without their `hv-`.
    pub features: Names,
    /// How often a guest tries a lock before it tells the hypervisor; all bits set: it never tells.
    pub spinlocks: Option<u32>,
    /// The vendor the guest is shown; empty if nothing else is asked for.
    pub vendor_id: Option<String>,
}

impl BinaryCaps {
    /// Whether QEMU has this type of device or object, such as `virtio-blk-pci` or `rng-random`.
    pub fn has_device(&self, name: &str) -> bool {
        self.types.contains(name)
    }

    /// Whether a type has a property. Known for the types that the probe asks about, listed in `answers.rs`; for any
    /// other the answer is no.
    pub fn has_property(&self, name: &str, property: &str) -> bool {
        self.properties
            .get(name)
            .is_some_and(|names| names.contains(property))
    }

    /// Whether machines of this architecture have a property, such as `hpet`.
    pub fn has_machine_property(&self, property: &str) -> bool {
        answers::MACHINE_OBJECTS
            .iter()
            .any(|object| self.has_property(object, property))
    }

    /// Whether an option of the command line has a parameter, such as `("sandbox", "obsolete")`.
    pub fn has_option(&self, option: &str, parameter: &str) -> bool {
        self.options
            .get(option)
            .is_some_and(|names| names.contains(parameter))
    }

    /// Whether the command line has an option at all.
    pub fn has_option_group(&self, option: &str) -> bool {
        self.options.contains_key(option)
    }

    /// Whether there is a SPICE server: the monitor's command is there even where the module that serves it is not installed.
    pub fn has_spice(&self) -> bool {
        self.has_option_group("spice")
    }

    /// Whether the monitor has a command.
    pub fn has_command(&self, name: &str) -> bool {
        self.schema.has_command(name)
    }

    /// Whether the monitor sends an event.
    pub fn has_event(&self, name: &str) -> bool {
        self.schema.has_event(name)
    }

    /// Answers a path through the monitor's schema; [`Schema`]'s module describes the steps.
    pub fn schema(&self, path: &str) -> bool {
        self.schema.has(path)
    }

    /// The versions of ARM's interrupt controller that guests can have, the newest first.
    pub fn gic_versions(&self, accel: Accel) -> impl Iterator<Item = u32> {
        let there = move |gic: &&GicCaps| match accel {
            Accel::Tcg => gic.emulated,
            Accel::Kvm => gic.kernel,
        };
        let mut versions: Vec<u32> = self.gic.iter().filter(there).map(|gic| gic.version).collect();
        versions.sort_unstable_by(|one, other| other.cmp(one));
        versions.into_iter()
    }

    /// Whether guests can be run under KVM.
    pub fn has_kvm(&self) -> bool {
        self.kvm.is_some()
    }

    /// What depends on how guests are run; nothing where they cannot be run so.
    pub fn accel(&self, accel: Accel) -> Option<&AccelCaps> {
        match accel {
            Accel::Tcg => Some(&self.tcg),
            Accel::Kvm => self.kvm.as_ref(),
        }
    }

    /// The machine type that a name or an alias means.
    pub fn machine(&self, name: &str) -> Option<&Machine> {
        self.tcg.machine(name)
    }

    /// The machine type that is meant when a definition names none.
    pub fn default_machine(&self) -> Option<&Machine> {
        self.tcg.default_machine(&self.arch)
    }
}

impl AccelCaps {
    /// The machine type that a name or an alias means.
    pub fn machine(&self, name: &str) -> Option<&Machine> {
        let called =
            |machine: &&Machine| machine.name.as_ref() == name || machine.alias.as_deref() == Some(name);
        self.machines.iter().find(called)
    }

    /// The machine type that is meant when a definition names none: QEMU's default, else libvirt's choice.
    pub fn default_machine(&self, arch: &str) -> Option<&Machine> {
        let preferred = match arch {
            "aarch64" | "armv7l" | "loongarch64" | "riscv32" | "riscv64" => Some("virt"),
            "i686" | "x86_64" => Some("pc"),
            "ppc64" => Some("pseries"),
            "s390x" => Some("s390-ccw-virtio"),
            _ => None,
        };
        let marked = || self.machines.iter().find(|machine| machine.is_default);
        preferred.and_then(|name| self.machine(name)).or_else(marked)
    }

    /// The processor model of that name.
    pub fn cpu(&self, name: &str) -> Option<&CpuModel> {
        self.cpus.iter().find(|model| model.name.as_ref() == name)
    }

    /// The features that keep a model from running here, in byte order; empty when it runs.
    pub fn missing<'a>(&'a self, model: &'a CpuModel) -> impl Iterator<Item = &'a str> {
        model
            .missing
            .iter()
            .filter_map(|&index| self.features.at(index.into()))
    }
}

impl CpuModel {
    /// Whether it runs here; nothing when QEMU did not tell.
    pub fn usable(&self) -> Option<bool> {
        self.checked.then_some(self.missing.is_empty())
    }
}

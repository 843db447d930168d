//! What the processor says of itself: CPUID leaves and feature MSRs.
//!
//! Matching leaves to names needs a list of names, which is data of another package; this module only gives the bits,
//! and the facts that have no name: vendor, family, model, stepping, clock.

use crate::Host;
use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// The four registers of one leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "each name is the register's own")]
pub struct Registers {
    pub eax: u32,
    pub ebx: u32,
    pub ecx: u32,
    pub edx: u32,
}

/// Who answers CPUID.
#[derive(Debug, Clone)]
pub struct Source(Kind);

#[derive(Debug, Clone)]
enum Kind {
    None,
    #[cfg(target_arch = "x86_64")]
    Native,
    Table(Arc<BTreeMap<(u32, u32), Registers>>),
}

/// Family, model and stepping as the vendor counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each name is the vendor's own")]
pub struct Signature {
    pub family: u32,
    pub model: u32,
    pub stepping: u32,
}

impl Source {
    /// The processor this process runs on; it answers nothing on other architectures than x86.
    pub fn native() -> Self {
        #[cfg(target_arch = "x86_64")]
        return Self(Kind::Native);
        #[cfg(not(target_arch = "x86_64"))]
        return Self::none();
    }

    /// A processor that answers nothing.
    pub fn none() -> Self {
        Self(Kind::None)
    }

    /// A processor that answers these leaves, by (leaf, sub-leaf).
    pub fn table(leaves: BTreeMap<(u32, u32), Registers>) -> Self {
        Self(Kind::Table(Arc::new(leaves)))
    }

    fn raw(&self, leaf: u32, sub_leaf: u32) -> Option<Registers> {
        match &self.0 {
            Kind::None => None,
            #[cfg(target_arch = "x86_64")]
            Kind::Native => {
                let raw_cpuid::CpuIdResult { eax, ebx, ecx, edx } =
                    raw_cpuid::native_cpuid::cpuid_count(leaf, sub_leaf);
                Some(Registers { eax, ebx, ecx, edx })
            }
            Kind::Table(leaves) => leaves.get(&(leaf, sub_leaf)).copied(),
        }
    }

    /// One leaf, or nothing where the processor does not go that far: beyond its last leaf it answers nonsense.
    pub fn leaf(&self, leaf: u32, sub_leaf: u32) -> Option<Registers> {
        let range = leaf & 0xffff_0000;
        let last = self.raw(range, 0)?.eax;
        (last & 0xffff_0000 == range && leaf <= last).then(|| self.raw(leaf, sub_leaf))?
    }

    /// The vendor's twelve letters, such as `GenuineIntel`.
    pub fn vendor(&self) -> Option<String> {
        let first = self.raw(0, 0)?;
        let letters = [first.ebx, first.edx, first.ecx].map(u32::to_le_bytes).concat();
        String::from_utf8(letters).ok()
    }

    /// Family, model and stepping.
    pub fn signature(&self) -> Option<Signature> {
        let eax = self.leaf(1, 0)?.eax;
        let (family, model) = (eax >> 8 & 0xf, eax >> 4 & 0xf);
        let extended_model = (eax >> 16 & 0xf) << 4;
        Some(Signature {
            family: if family == 0xf {
                family + (eax >> 20 & 0xff)
            } else {
                family
            },
            model: if family == 0xf || family == 6 {
                model + extended_model
            } else {
                model
            },
            stepping: eax & 0xf,
        })
    }

    /// Bits of a physical address.
    pub fn physical_address_bits(&self) -> Option<u32> {
        Some(self.leaf(0x8000_0008, 0)?.eax & 0xff).filter(|&bits| bits > 0)
    }

    /// The most encrypted guests at a time on AMD: without encrypted state, and with it.
    pub fn encrypted_guests(&self) -> Option<(u32, u32)> {
        let leaf = self.leaf(0x8000_001f, 0).filter(|leaf| leaf.eax & 2 != 0)?;
        // Of `ecx` identifiers those below `edx` are kept for guests with encrypted state; 0 is the host's.
        Some((
            leaf.ecx.checked_sub(leaf.edx)?.checked_add(1)?,
            leaf.edx.checked_sub(1)?,
        ))
    }

    /// The clock of the time stamp counter in Hz, if the processor or the hypervisor below it tells.
    pub fn tsc_frequency(&self) -> Option<u64> {
        if let Some(leaf) = self.leaf(0x4000_0010, 0).filter(|leaf| leaf.eax > 0) {
            return Some(u64::from(leaf.eax) * 1000);
        }
        let leaf = self.leaf(0x15, 0)?;
        let crystal = u64::from(leaf.ecx) * u64::from(leaf.ebx);
        crystal.checked_div(leaf.eax.into()).filter(|&hertz| hertz > 0)
    }
}

impl Host {
    /// A feature register of the first processor, if this process may read it.
    pub fn msr(&self, index: u32) -> Option<u64> {
        let file = std::fs::File::open(self.path("dev/cpu/0/msr")).ok()?;
        let mut value = [0; 8];
        file.read_exact_at(&mut value, index.into()).ok()?;
        Some(u64::from_le_bytes(value))
    }

    /// The clock of the time stamp counter in Hz.
    pub fn tsc_frequency(&self) -> Option<u64> {
        let sysfs = || self.value::<u64>("sys/devices/system/cpu/cpu0/tsc_freq_khz");
        if let Some(hertz) = self.cpuid.tsc_frequency() {
            return Some(hertz);
        }
        if let Some(kilohertz) = sysfs() {
            return kilohertz.checked_mul(1000);
        }
        // A counter whose clock the kernel was told, not measured, is the clock that cpuinfo shows.
        let told = self.cpuinfo_lists("flags", "tsc_known_freq") && self.cpuinfo_lists("flags", "hypervisor");
        let text = told.then(|| self.cpuinfo("cpu MHz"))??;
        let (whole, fraction) = text.split_once('.')?;
        let kilohertz = whole
            .parse::<u64>()
            .ok()?
            .checked_mul(1000)?
            .checked_add(fraction.parse().ok()?)?;
        (fraction.len() == 3).then(|| kilohertz.checked_mul(1000))?
    }

    /// Whether the processor can run guests with another counter clock than its own.
    pub fn scales_tsc(&self) -> bool {
        self.cpuinfo_lists("flags", "tsc_scale") || self.cpuinfo_lists("vmx flags", "tsc_scaling")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    fn milan() -> Source {
        let letters = |text: &[u8]| u32::from_le_bytes(text.try_into().unwrap());
        let first = Registers {
            eax: 0x10,
            ebx: letters(b"Auth"),
            edx: letters(b"enti"),
            ecx: letters(b"cAMD"),
        };
        let model = Registers {
            eax: 0x00a0_0f11,
            ..Registers::default()
        };
        Source::table([((0, 0), first), ((1, 0), model)].into())
    }

    #[test]
    fn the_signature_joins_base_and_extension() {
        let source = milan();
        assert_eq!(source.vendor().as_deref(), Some("AuthenticAMD"));
        assert_eq!(
            source.signature(),
            Some(Signature {
                family: 25,
                model: 1,
                stepping: 1
            })
        );
    }

    #[test]
    fn a_leaf_beyond_the_last_is_not_believed() {
        let source = milan();
        assert_eq!(source.leaf(0x11, 0), None);
        assert_eq!(source.leaf(0x8000_0001, 0), None);
    }

    #[test]
    fn a_counter_whose_clock_was_told_is_read_to_the_kilohertz() {
        let tree = Tree::new(&[(
            "proc/cpuinfo",
            "cpu MHz : 2445.402\nflags : fpu tsc_known_freq hypervisor\n",
        )]);
        assert_eq!(tree.host().tsc_frequency(), Some(2_445_402_000));
        let measured = Tree::new(&[("proc/cpuinfo", "cpu MHz : 2445.402\nflags : fpu\n")]);
        assert_eq!(measured.host().tsc_frequency(), None);
    }
}

//! The guests' part of the capabilities document: what one binary runs, for one architecture.

use super::host::yes;
use crate::binary::{AccelCaps, BinaryCaps, Machine, arch::Arch};
use model::capabilities as doc;
use xml::{OnOff, YesNo};

/// Guests of `arch` that the binary of `caps` runs.
pub(super) fn document(arch: Arch, caps: &BinaryCaps) -> doc::Guest {
    let mut domains = vec!["qemu"];
    if caps.has_kvm() {
        domains.push("kvm");
    }
    doc::Guest {
        os_type: "hvm".to_owned(),
        arch: doc::GuestArch {
            name: arch.name.to_owned(),
            wordsize: arch.wordsize,
            emulator: Some(caps.path.display().to_string()),
            machines: machines(&caps.tcg, arch.name),
            domains: domains
                .into_iter()
                .map(|kind| doc::GuestDomain {
                    kind: kind.to_owned(),
                })
                .collect(),
        },
        features: Some(features(arch.name)),
    }
}

/// The default machine first, as clients take the first one; an alias after what it stands for.
fn machines(caps: &AccelCaps, arch: &str) -> Vec<doc::GuestMachine> {
    let default = caps.default_machine(arch).map(|machine| machine.name.clone());
    let is_default = |machine: &&Machine| Some(&machine.name) == default.as_ref();
    let first = caps.machines.iter().filter(is_default);
    let others = caps.machines.iter().filter(|machine| !is_default(machine));
    let mut listed = Vec::with_capacity(caps.machines.len() + 4);
    for machine in first.chain(others) {
        let entry = doc::GuestMachine {
            canonical: None,
            max_cpus: Some(machine.max_cpus).filter(|&most| most > 0),
            deprecated: yes(machine.deprecated),
            name: machine.name.to_string(),
        };
        let alias = machine.alias.as_ref().map(|alias| doc::GuestMachine {
            canonical: Some(entry.name.clone()),
            name: alias.to_string(),
            ..entry.clone()
        });
        listed.push(entry);
        listed.extend(alias);
    }
    listed
}

fn features(arch: &str) -> doc::GuestFeatures {
    let toggle = |initial, toggle| Some(doc::Toggle { initial, toggle });
    let x86 = matches!(arch, "i686" | "x86_64");
    doc::GuestFeatures {
        pae: arch == "i686",
        nonpae: arch == "i686",
        acpi: if x86 || arch == "aarch64" {
            toggle(OnOff::On, YesNo::Yes)
        } else {
            None
        },
        apic: if x86 { toggle(OnOff::On, YesNo::No) } else { None },
        cpuselection: true,
        deviceboot: true,
        disksnapshot: toggle(OnOff::On, YesNo::No),
        external_snapshot: true,
    }
}

//! The guest's processor on its way from a definition to a run.
//!
//! ```text
//!  <cpu mode='host-model'/> ─ settle ─► model and features that QEMU can be told ─ QEMU ─► note: what it really gave
//! ```
//! A definition may ask for "what this host has", "at least that", or for a feature "if there is one". A running guest
//! has one processor, and its document names it feature by feature, so that another host can give it the same.

use crate::binary::{Accel, BinaryCaps};
use crate::board::is_x86;
use crate::capabilities::{self, HostModel, Wanted};
use error::{Code, Domain as ErrorDomain, Error, Result};
use host::catalogue::{Catalogue, FeatureSet};
use host::cpuid::Registers;
use model::domain::Domain;
use model::domain::cpu::{
    Cpu, CpuCheck, CpuFeature, CpuFeaturePolicy, CpuMatch, CpuMode, CpuModel, Fallback,
};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What a guest's processor is made of.
#[derive(Clone, Copy)]
struct Offer<'a> {
    /// The binary that runs the guest.
    caps: &'a BinaryCaps,
    /// How it runs it.
    accel: Accel,
    /// The guest's architecture.
    arch: &'a str,
    /// The names of models and features.
    catalogue: &'a Catalogue,
}

fn unsupported(text: impl Into<String>) -> Error {
    Error::new(Code::ConfigUnsupported, ErrorDomain::Cpu, text)
}

/// Whether a definition's processor depends on what the host and QEMU have.
fn depends_on_host(cpu: &Cpu) -> bool {
    cpu.mode == Some(CpuMode::HostModel)
        || cpu.r#match == Some(CpuMatch::Minimum)
        || cpu
            .features
            .iter()
            .any(|feature| feature.policy == Some(CpuFeaturePolicy::Optional))
}

/// The processor of a start: checked as far as the definition wants it, and settled.
///
/// # Errors
/// [`Code::CpuIncompatible`] when `check='partial'` finds something that guests cannot have here, and those of
/// [`settle`].
pub fn choose(domain: &mut Domain, caps: &BinaryCaps, catalogue: Option<&Catalogue>) -> Result<()> {
    with_offer(domain, caps, catalogue, |cpu, offer| {
        let checked = cpu.check == Some(CpuCheck::Partial);
        // "At least that" is about the model the definition names, not about the one it becomes.
        if checked && cpu.r#match == Some(CpuMatch::Minimum) {
            check(cpu, offer)?;
        }
        replace(cpu, offer)?;
        if checked {
            check(cpu, offer)?;
        }
        Ok(())
    })
}

/// Puts model and features in the place of everything that depends on the host, and names what newer versions of the
/// model have lost.
///
/// # Errors
/// [`Code::ConfigUnsupported`] for unknown features, when the binary does not tell what it has, and for processors that
/// depend on a host nothing is known of; [`Code::InternalError`], as clients know it, for an unknown model.
pub fn settle(domain: &mut Domain, caps: &BinaryCaps, catalogue: Option<&Catalogue>) -> Result<()> {
    with_offer(domain, caps, catalogue, replace)
}

fn with_offer(
    domain: &mut Domain,
    caps: &BinaryCaps,
    catalogue: Option<&Catalogue>,
    work: impl FnOnce(&mut Cpu, Offer<'_>) -> Result<()>,
) -> Result<()> {
    let (Some(accel), Some(cpu)) = (Accel::of(domain.r#type), domain.cpu.as_deref_mut()) else {
        return Ok(());
    };
    let arch = domain.os.r#type.arch.as_deref().unwrap_or(&caps.arch);
    // Other architectures' models and features only QEMU knows.
    match catalogue.filter(|_| is_x86(arch)) {
        Some(catalogue) => work(
            cpu,
            Offer {
                caps,
                accel,
                arch,
                catalogue,
            },
        ),
        None if depends_on_host(cpu) => Err(unsupported(
            "<cpu>: a processor that depends on the host needs the processor models of package libvirt-common, which \
             are not installed or not of this architecture",
        )),
        None => Ok(()),
    }
}

fn replace(cpu: &mut Cpu, offer: Offer<'_>) -> Result<()> {
    known_features(cpu, offer.catalogue)?;
    if depends_on_host(cpu) {
        spell_out(cpu, offer)?;
    }
    if cpu.mode == Some(CpuMode::Custom) {
        without_removed(cpu, offer.catalogue)?;
    }
    Ok(())
}

fn known_features(cpu: &Cpu, catalogue: &Catalogue) -> Result<()> {
    let unknown = cpu
        .features
        .iter()
        .find(|feature| catalogue.feature(&feature.name).is_none());
    match unknown {
        None => Ok(()),
        Some(feature) => Err(unsupported(format!(
            "<cpu>: <feature name='{}'> is unknown",
            feature.name
        ))),
    }
}

/// Whether guests can have the processor.
fn check(cpu: &Cpu, offer: Offer<'_>) -> Result<()> {
    if cpu.mode != Some(CpuMode::Custom) {
        return Ok(());
    }
    let available = capabilities::of_guests(offer.caps, offer.accel, offer.arch, offer.catalogue)?;
    // How near the match must be is about features the definition names; QEMU's models always add some.
    let cpu = Cpu {
        r#match: Some(CpuMatch::Exact),
        ..cpu.clone()
    };
    capabilities::compare(&cpu, &available, offer.catalogue, true).map(drop)
}

fn spell_out(cpu: &mut Cpu, offer: Offer<'_>) -> Result<()> {
    let best = capabilities::best(offer.caps, offer.accel, offer.catalogue).ok_or_else(|| {
        unsupported(format!(
            "<cpu>: emulator '{}' does not tell what its processors have",
            offer.caps.path.display()
        ))
    })?;
    let from_host = cpu.mode == Some(CpuMode::HostModel);
    if from_host || cpu.r#match == Some(CpuMatch::Minimum) {
        let own = std::mem::take(&mut cpu.features);
        cpu.features = differences(&best, offer.catalogue);
        own.into_iter().for_each(|feature| put(cpu, feature));
        let model = cpu.model.get_or_insert_default();
        model.name = Some(best.model);
        model.fallback.get_or_insert(Fallback::Allow);
        cpu.mode = Some(CpuMode::Custom);
        cpu.r#match = Some(CpuMatch::Exact);
        if from_host {
            cpu.vendor = best.vendor;
        }
    }
    let available = capabilities::of_guests(offer.caps, offer.accel, offer.arch, offer.catalogue)?.features;
    for feature in &mut cpu.features {
        if feature.policy == Some(CpuFeaturePolicy::Optional) {
            let there = offer.catalogue.set([feature.name.as_str()]).meets(&available);
            feature.policy = Some(policy(there));
        }
    }
    Ok(())
}

/// A guest keeps to what it can take along to another host.
fn differences(best: &HostModel, catalogue: &Catalogue) -> Vec<CpuFeature> {
    let stays = |name: &String| !catalogue.migratable(&catalogue.set([name.as_str()])).is_empty();
    let require: Vec<String> = best.require.iter().filter(|name| stays(name)).cloned().collect();
    let with = |names: &[String], on| -> Vec<CpuFeature> {
        let feature = |name: &String| CpuFeature {
            policy: Some(policy(on)),
            name: name.clone(),
        };
        names.iter().map(feature).collect()
    };
    [with(&require, true), with(&best.disable, false)].concat()
}

fn policy(there: bool) -> CpuFeaturePolicy {
    if there {
        CpuFeaturePolicy::Require
    } else {
        CpuFeaturePolicy::Disable
    }
}

/// Sets a feature, in its place if it has one.
fn put(cpu: &mut Cpu, feature: CpuFeature) {
    match cpu.features.iter_mut().find(|other| other.name == feature.name) {
        Some(other) => *other = feature,
        None => cpu.features.push(feature),
    }
}

/// What QEMU's versions of a model do not agree on is told to be off, unless the definition says otherwise.
fn without_removed(cpu: &mut Cpu, catalogue: &Catalogue) -> Result<()> {
    let Some(name) = model_name(cpu) else {
        return Ok(());
    };
    let model = catalogue.model(name).ok_or_else(|| {
        let text = format!("<cpu>: <model>{name}</model> is unknown");
        Error::new(Code::InternalError, ErrorDomain::Cpu, text)
    })?;
    for name in catalogue.names(model.removed()) {
        if !cpu.features.iter().any(|feature| feature.name == name) {
            cpu.features.push(CpuFeature {
                policy: Some(CpuFeaturePolicy::Disable),
                name: name.to_owned(),
            });
        }
    }
    Ok(())
}

fn model_name(cpu: &Cpu) -> Option<&str> {
    cpu.model.as_ref().and_then(|model| model.name.as_deref())
}

/// One of QEMU's `feature-words`: a register of a leaf with the features a guest has in it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FeatureWord {
    cpuid_register: Register,
    cpuid_input_eax: u32,
    #[serde(default)]
    cpuid_input_ecx: u32,
    features: u32,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Register {
    Eax,
    Ebx,
    Ecx,
    Edx,
    /// Those that hold no features.
    #[serde(other)]
    Other,
}

impl Register {
    fn of(self, registers: &mut Registers) -> Option<&mut u32> {
        match self {
            Self::Eax => Some(&mut registers.eax),
            Self::Ebx => Some(&mut registers.ebx),
            Self::Ecx => Some(&mut registers.ecx),
            Self::Edx => Some(&mut registers.edx),
            Self::Other => None,
        }
    }
}

/// The features of a processor that runs.
#[derive(Debug, Clone)]
struct Actual {
    /// Those it has.
    has: FeatureSet,
    /// Those of which QEMU tells whether it has them.
    told: FeatureSet,
}

impl Actual {
    fn of(words: &[FeatureWord], catalogue: &Catalogue) -> Self {
        let leaves = |value: &dyn Fn(&FeatureWord) -> u32| {
            let mut leaves = BTreeMap::<(u32, u32), Registers>::new();
            for word in words {
                let leaf = leaves
                    .entry((word.cpuid_input_eax, word.cpuid_input_ecx))
                    .or_default();
                if let Some(register) = word.cpuid_register.of(leaf) {
                    *register = value(word);
                }
            }
            catalogue.of_leaves(&leaves)
        };
        Self {
            has: leaves(&|word| word.features),
            told: leaves(&|_| u32::MAX),
        }
    }
}

/// Writes down what QEMU gave the guest, so that the live document names its processor exactly.
///
/// # Errors
/// [`Code::OperationFailed`] with the differences where the definition asks for `check='full'`.
pub fn note(cpu: &mut Cpu, words: &[FeatureWord], catalogue: &Catalogue) -> Result<()> {
    if cpu.mode != Some(CpuMode::Custom) {
        return Ok(());
    }
    let Some(model) = model_name(cpu).and_then(|name| catalogue.model(name)) else {
        return Ok(());
    };
    let actual = Actual::of(words, catalogue);
    let listed = catalogue.set(cpu.features.iter().map(|feature| feature.name.as_str()));
    if cpu.check == Some(CpuCheck::Full) {
        same(&actual, &capabilities::wanted(cpu, catalogue)?, catalogue)?;
    }
    for feature in &mut cpu.features {
        let set = catalogue.set([feature.name.as_str()]);
        if !set.meets(&actual.told) {
            continue;
        }
        let there = set.meets(&actual.has);
        if there || feature.policy != Some(CpuFeaturePolicy::Forbid) {
            feature.policy = Some(policy(there));
        }
    }
    // Everything else that makes it another than its model, in the catalogue's order.
    let own = model.features();
    let mut different = own.clone();
    different.remove(&actual.has);
    let mut more = actual.has.clone();
    more.remove(&own);
    different.add(&more);
    different.keep(&actual.told);
    different.remove(&listed);
    let unlisted = catalogue.names(&different).into_iter().map(|name| CpuFeature {
        policy: Some(policy(catalogue.set([name]).meets(&actual.has))),
        name: name.to_owned(),
    });
    cpu.features.extend(unlisted);
    cpu.check = Some(CpuCheck::Full);
    let model: &mut CpuModel = cpu.model.get_or_insert_default();
    model.fallback = Some(Fallback::Forbid);
    Ok(())
}

/// Refuses a processor that is not the one asked for.
fn same(actual: &Actual, wanted: &Wanted, catalogue: &Catalogue) -> Result<()> {
    let mut extra = actual.has.clone();
    extra.remove(&wanted.needed);
    extra.remove(&wanted.allowed);
    let mut missing = wanted.needed.clone();
    missing.keep(&actual.told);
    missing.remove(&actual.has);
    let reasons: Vec<String> = [("extra", &extra), ("missing", &missing)]
        .into_iter()
        .filter(|(_, set)| !set.is_empty())
        .map(|(kind, set)| format!("{kind} features: {}", catalogue.names(set).join(", ")))
        .collect();
    if reasons.is_empty() {
        return Ok(());
    }
    let text = format!(
        "<cpu check='full'>: the guest's processor is not the one asked for: {}",
        reasons.join("; ")
    );
    Err(Error::new(Code::OperationFailed, ErrorDomain::Qemu, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("usr/share/libvirt/cpu_map");
        std::fs::create_dir_all(&folder).unwrap();
        let index = "<cpus><arch name='x86'><include filename='a.xml'/></arch></cpus>";
        std::fs::write(folder.join("index.xml"), index).unwrap();
        let models = "<cpus>
            <feature name='a'><cpuid eax_in='1' edx='0x1'/></feature>
            <feature name='b'><cpuid eax_in='1' edx='0x2'/></feature>
            <feature name='c'><cpuid eax_in='7' ecx_in='1' ebx='0x1'/></feature>
            <feature name='d'><cpuid eax_in='7' ecx_in='1' ebx='0x2'/></feature>
            <feature name='m'><msr index='0x10a' edx='0' eax='1'/></feature>
            <feature name='old'><cpuid eax_in='1' edx='0x8'/></feature>
            <model name='small'><feature name='a'/><feature name='b'/><feature name='m'/>
              <feature name='old' removed='yes'/></model></cpus>";
        std::fs::write(folder.join("a.xml"), models).unwrap();
        host::Host::at(root.path()).catalogue().unwrap()
    }

    fn words(leaf_1_edx: u32, leaf_7_ebx: u32) -> Vec<FeatureWord> {
        serde_json::from_value(serde_json::json!([
            { "cpuid-register": "EDX", "cpuid-input-eax": 1, "features": leaf_1_edx },
            { "cpuid-register": "EBX", "cpuid-input-eax": 7, "cpuid-input-ecx": 1, "features": leaf_7_ebx },
        ]))
        .unwrap()
    }

    fn cpu(check: &str, features: &str) -> Cpu {
        let text =
            format!("<cpu mode='custom' match='exact' check='{check}'><model>small</model>{features}</cpu>");
        xml::from_str(&text).unwrap()
    }

    #[test]
    fn a_running_processor_is_named_feature_by_feature() {
        let catalogue = catalogue();
        let mut cpu = cpu("none", "<feature policy='force' name='d'/>");
        note(&mut cpu, &words(0b01, 0b01), &catalogue).unwrap();
        let expected = "<cpu mode='custom' match='exact' check='full'>\n  <model fallback='forbid'>small</model>\n  \
                        <feature policy='disable' name='d'/>\n  <feature policy='disable' name='b'/>\n  \
                        <feature policy='require' name='c'/>\n</cpu>\n";
        // That it has `m` QEMU does not tell, so the model's word stands.
        assert_eq!(xml::to_string(&cpu), expected);
    }

    #[test]
    fn a_full_check_tells_every_difference() {
        let catalogue = catalogue();
        let found = note(&mut cpu("full", ""), &words(0b01, 0b01), &catalogue).unwrap_err();
        assert_eq!(found.code(), Code::OperationFailed);
        assert!(
            found.detail().ends_with("extra features: c; missing features: b"),
            "{found}"
        );
        assert!(note(&mut cpu("full", ""), &words(0b11, 0), &catalogue).is_ok());
    }

    #[test]
    fn what_newer_versions_lack_is_off() {
        let mut cpu = cpu("none", "");
        without_removed(&mut cpu, &catalogue()).unwrap();
        let named: Vec<_> = cpu
            .features
            .iter()
            .map(|feature| (feature.name.as_str(), feature.policy))
            .collect();
        assert_eq!(named, [("old", Some(CpuFeaturePolicy::Disable))]);
    }
}

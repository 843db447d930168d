//! The processor that several have in common.

use super::compare::{cpu_error, is_of_host, read, wanted};
use error::{Code, Domain, Error, Result};
use host::catalogue::{Catalogue, FeatureSet, Named};
use model::domain::cpu::{Cpu, CpuFeature, CpuFeaturePolicy, CpuMatch, CpuMode, CpuModel, Fallback};
use std::collections::BTreeMap;

/// How a common processor is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BaselineOptions {
    /// With all features of its model.
    pub expand: bool,
    /// Without those that a guest could not take along. Where a hypervisor is asked it changes nothing, as ever.
    pub migratable: bool,
}

/// For a model that a hypervisor has: the features of it that its guests cannot have.
pub(super) type Offers<'a> = &'a dyn Fn(&str) -> Option<FeatureSet>;

/// The richest processor that all of `texts` can provide, as a definition asks for it. With `offers` it is of a model
/// that the hypervisor has, without the features that it cannot give of the model.
///
/// # Errors
/// As for a comparison; [`Code::InvalidArg`] without any description, [`Code::OperationFailed`] when the vendors differ
/// or nothing is in common.
pub(super) fn baseline(
    texts: &[String],
    offers: Option<Offers<'_>>,
    catalogue: &Catalogue,
    options: BaselineOptions,
) -> Result<Cpu> {
    let hypervisor = offers.is_some();
    let read = |(at, text): (usize, &String)| described(at, text, hypervisor);
    let cpus: Vec<Cpu> = texts.iter().enumerate().map(read).collect::<Result<_>>()?;
    let Some((first, rest)) = cpus.split_first() else {
        return Err(Error::new(Code::InvalidArg, Domain::Cpu, "No CPUs given"));
    };
    let mut features = wanted(first, catalogue)?.needed;
    for other in rest {
        features.keep(&wanted(other, catalogue)?.needed);
    }
    if options.migratable && !hypervisor {
        features = catalogue.migratable(&features);
    }
    let mut vendors = cpus.iter().filter_map(|cpu| cpu.vendor.as_deref());
    let vendor = vendors.next();
    if vendors.any(|other| Some(other) != vendor) {
        return Err(cpu_error(Code::OperationFailed, "CPU vendors do not match"));
    }
    let anything = |_: &str| Some(FeatureSet::default());
    let offers = offers.unwrap_or(&anything);
    // Where all are of one model, so is what they have in common.
    let shared = model(first).filter(|name| rest.iter().all(|cpu| model(cpu) == Some(*name)));
    let of_shared = shared.and_then(|shared| {
        let only = |name: &str| offers(name).filter(|_| name == shared);
        catalogue.name_common(&features, vendor, only)
    });
    let fallback = if hypervisor || of_shared.is_some() {
        Fallback::Forbid
    } else {
        Fallback::Allow
    };
    let named = of_shared
        .or_else(|| catalogue.name_common(&features, vendor, offers))
        .ok_or_else(|| cpu_error(Code::OperationFailed, "CPUs are incompatible"))?;
    let features = if options.expand {
        expanded(&named, catalogue)
    } else {
        differences(&named).map(feature).collect()
    };
    Ok(Cpu {
        mode: Some(CpuMode::Custom),
        r#match: Some(CpuMatch::Exact),
        model: Some(CpuModel {
            fallback: Some(fallback),
            vendor_id: None,
            name: Some(named.model.to_owned()),
        }),
        vendor: vendor
            .filter(|_| cpus.iter().all(|cpu| cpu.vendor.is_some()))
            .map(str::to_owned),
        features,
        ..Cpu::default()
    })
}

/// Reads the description of that number. A host's processor is described by all it has, and by nothing else where no
/// hypervisor is asked.
fn described(at: usize, text: &str, hypervisor: bool) -> Result<Cpu> {
    let cpu = read(text)?;
    if hypervisor {
        if model(&cpu).is_none() && !is_of_host(&cpu) {
            let detail = format!("no CPU model specified at index {at}");
            return Err(Error::new(Code::InvalidArg, Domain::Qemu, detail));
        }
    } else if cpu.mode.is_some() {
        let detail = "Attribute mode is only allowed for guest CPU";
        return Err(cpu_error(Code::ConfigUnsupported, detail));
    } else if cpu.arch.is_none() {
        return Err(cpu_error(Code::XmlError, "Missing CPU architecture"));
    }
    Ok(cpu)
}

fn model(cpu: &Cpu) -> Option<&str> {
    cpu.model.as_ref()?.name.as_deref()
}

/// What is different from the model.
fn differences<'a>(named: &'a Named<'a>) -> impl Iterator<Item = (&'a str, CpuFeaturePolicy)> {
    let require = named
        .require
        .iter()
        .map(|name| (*name, CpuFeaturePolicy::Require));
    require.chain(
        named
            .disable
            .iter()
            .map(|name| (*name, CpuFeaturePolicy::Disable)),
    )
}

/// All of the model, and what is different from it, by name.
fn expanded(named: &Named<'_>, catalogue: &Catalogue) -> Vec<CpuFeature> {
    let own = catalogue
        .model(named.model)
        .map(|model| catalogue.names(&model.features()));
    let own = own.into_iter().flatten();
    let mut all: BTreeMap<&str, CpuFeaturePolicy> =
        own.map(|name| (name, CpuFeaturePolicy::Require)).collect();
    all.extend(differences(named));
    all.into_iter().map(feature).collect()
}

fn feature((name, policy): (&str, CpuFeaturePolicy)) -> CpuFeature {
    CpuFeature {
        name: name.to_owned(),
        policy: Some(policy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The catalogue, if it is installed.
    fn catalogue() -> Option<Catalogue> {
        let found = host::Host::local().catalogue();
        if found.is_none() {
            println!("skipped: no catalogue of processors is installed");
        }
        found
    }

    fn cpu(model: &str, more: &str) -> String {
        format!("<cpu><arch>x86_64</arch><model>{model}</model>{more}</cpu>")
    }

    /// Model, fallback, vendor, and features with their sign.
    fn short(cpu: &Cpu) -> String {
        let mut text = format!(
            "{} {:?} {}",
            model(cpu).unwrap(),
            cpu.model.as_ref().unwrap().fallback.unwrap(),
            cpu.vendor.as_deref().unwrap_or("-")
        );
        for feature in &cpu.features {
            let sign = if feature.policy == Some(CpuFeaturePolicy::Disable) {
                '-'
            } else {
                '+'
            };
            text.push_str(&format!(" {sign}{}", feature.name));
        }
        text
    }

    /// What stock daemons answer.
    #[test]
    fn several_processors_are_named_as_stock_daemons_name_them() {
        let Some(catalogue) = catalogue() else { return };
        let (amd, intel) = ("<vendor>AMD</vendor>", "<vendor>Intel</vendor>");
        for (texts, expected) in [
            (vec![cpu("Haswell", intel)], "Haswell Forbid Intel"),
            (
                vec![cpu("Haswell", intel), cpu("Haswell", "")],
                "Haswell Forbid -",
            ),
            (vec![cpu("Haswell-v1", ""); 2], "Haswell Allow -"),
            (vec![cpu("EPYC-v1", "")], "EPYC Allow - -monitor"),
            (
                vec![cpu("qemu64", ""), cpu("pentium", "")],
                "pentium Allow - -vme",
            ),
            (vec![cpu("486", ""), cpu("EPYC", "")], "486 Allow -"),
            // What a host's processor is said to have it has, whatever the policy.
            (
                vec![cpu("Haswell", "<feature name='aes' policy='disable'/>")],
                "Haswell Forbid -",
            ),
        ] {
            let found = baseline(&texts, None, &catalogue, BaselineOptions::default()).unwrap();
            assert_eq!(short(&found), expected, "{texts:?}");
        }
        let refused = |texts: &[String]| {
            let outcome = baseline(texts, None, &catalogue, BaselineOptions::default());
            outcome.unwrap_err().code()
        };
        assert_eq!(
            refused(&[cpu("EPYC", amd), cpu("Haswell", intel)]),
            Code::OperationFailed
        );
        assert_eq!(refused(&[]), Code::InvalidArg);
        assert_eq!(
            refused(&["<cpu mode='host-model'/>".to_owned()]),
            Code::ConfigUnsupported
        );
        assert_eq!(refused(&["<cpu/>".to_owned()]), Code::XmlError);
    }

    #[test]
    fn a_hypervisor_gives_its_own_models_without_what_it_lacks() {
        let Some(catalogue) = catalogue() else { return };
        let offers = |name: &str| match name {
            "Haswell" => Some(catalogue.set(["hle", "rtm", "pcid", "invpcid", "tsc-deadline"])),
            "Haswell-noTSX" => Some(catalogue.set(["pcid", "invpcid", "tsc-deadline"])),
            _ => None,
        };
        let named = |texts: &[String]| {
            short(&baseline(texts, Some(&offers), &catalogue, BaselineOptions::default()).unwrap())
        };
        assert_eq!(
            named(&[cpu("Haswell", "")]),
            "Haswell Forbid - -pcid -tsc-deadline -hle -invpcid -rtm"
        );
        assert_eq!(
            named(&[cpu("Haswell-v1", "")]),
            "Haswell-noTSX Forbid - +hle +rtm -pcid -tsc-deadline -invpcid"
        );
    }

    #[test]
    fn all_features_are_told_by_name() {
        let Some(catalogue) = catalogue() else { return };
        let options = BaselineOptions {
            expand: true,
            migratable: true,
        };
        let texts = [cpu("Nehalem", "<feature name='invtsc'/><feature name='3dnow'/>")];
        let found = short(&baseline(&texts, None, &catalogue, options).unwrap());
        assert!(
            found.starts_with("Nehalem Forbid - +3dnow +apic +clflush"),
            "{found}"
        );
        assert!(!found.contains("invtsc"), "{found}");
    }
}

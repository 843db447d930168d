//! Comparing processors.
//!
//! A processor is described by a model and features, either as hosts are described (every feature named is there) or
//! as definitions are (each feature has a policy). Both become sets of the catalogue's features.

use error::{Code, Domain, Error, Result};
use host::catalogue::{Catalogue, FeatureSet};
use model::domain::cpu::{Cpu, CpuFeaturePolicy, CpuMatch};

/// A host's processor beside another: the number is the wire's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Comparison {
    /// The host lacks something.
    Incompatible = 0,
    /// Both are the same.
    Identical = 1,
    /// The host has more.
    Superset = 2,
}

/// What a comparison is against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Available {
    pub(crate) arch: String,
    pub(crate) vendor: Option<String>,
    pub(crate) features: FeatureSet,
}

/// A description as sets.
pub(crate) struct Wanted {
    arch: Option<String>,
    /// The vendor that is asked for.
    vendor: Option<String>,
    strict: bool,
    /// Must be there.
    pub(crate) needed: FeatureSet,
    /// May be there.
    pub(crate) allowed: FeatureSet,
    /// Must not be there.
    forbidden: FeatureSet,
}

pub(super) fn cpu_error(code: Code, detail: impl Into<String>) -> Error {
    Error::new(code, Domain::Cpu, detail)
}

/// Reads a description.
///
/// # Errors
/// [`Code::XmlError`] for a text that is none.
pub(super) fn read(text: &str) -> Result<Cpu> {
    xml::from_str(text).map_err(|error| cpu_error(Code::XmlError, error.to_string()))
}

/// Whether a description is of a host's processor, not of what a definition asks for.
pub(super) fn is_of_host(cpu: &Cpu) -> bool {
    cpu.arch.is_some() && cpu.mode.is_none() && cpu.r#match.is_none()
}

/// What a description asks for.
///
/// # Errors
/// As [`compare`].
pub(crate) fn wanted(cpu: &Cpu, catalogue: &Catalogue) -> Result<Wanted> {
    let model = cpu.model.as_ref().and_then(|model| model.name.as_deref());
    let Some(model) = model.filter(|model| !model.is_empty()) else {
        return Err(cpu_error(Code::XmlError, "Missing CPU model name"));
    };
    let found = catalogue
        .model(model)
        .ok_or_else(|| cpu_error(Code::InternalError, format!("Unknown CPU model {model}")))?;
    let mut needed = found.features();
    let (mut allowed, mut forbidden) = (FeatureSet::default(), FeatureSet::default());
    for feature in &cpu.features {
        let known = catalogue.feature(&feature.name).ok_or_else(|| {
            cpu_error(
                Code::InternalError,
                format!("Unknown CPU feature {}", feature.name),
            )
        })?;
        let feature_set = catalogue.set([known]);
        let policy = feature.policy.filter(|_| !is_of_host(cpu));
        match policy.unwrap_or(CpuFeaturePolicy::Require) {
            CpuFeaturePolicy::Require => needed.add(&feature_set),
            CpuFeaturePolicy::Force | CpuFeaturePolicy::Optional => {
                needed.remove(&feature_set);
                allowed.add(&feature_set);
            }
            CpuFeaturePolicy::Disable => needed.remove(&feature_set),
            CpuFeaturePolicy::Forbid => {
                needed.remove(&feature_set);
                forbidden.add(&feature_set);
            }
        }
    }
    let strict = cpu.r#match == Some(CpuMatch::Strict);
    Ok(Wanted {
        arch: cpu.arch.clone(),
        vendor: cpu.vendor.clone(),
        strict,
        needed,
        allowed,
        forbidden,
    })
}

/// Compares the processor that `cpu` describes with what there is.
///
/// # Errors
/// [`Code::XmlError`] for one without model, [`Code::InternalError`], as clients know it, for an unknown model or
/// feature, and, where `fail` asks for it, [`Code::CpuIncompatible`] with what is missing.
pub(crate) fn compare(
    cpu: &Cpu,
    available: &Available,
    catalogue: &Catalogue,
    fail: bool,
) -> Result<Comparison> {
    if cpu.model.is_none() && !is_of_host(cpu) {
        // It asks for what there is, whatever that is.
        return Ok(Comparison::Superset);
    }
    let wanted = wanted(cpu, catalogue)?;
    let reason = lacking(&wanted, available, catalogue);
    match reason {
        Some(reason) if fail => Err(cpu_error(Code::CpuIncompatible, reason)),
        Some(_) => Ok(Comparison::Incompatible),
        None => {
            let mut most = wanted.needed;
            most.add(&wanted.allowed);
            let same = available.features.is_subset(&most);
            Ok(if same {
                Comparison::Identical
            } else {
                Comparison::Superset
            })
        }
    }
}

fn lacking(wanted: &Wanted, available: &Available, catalogue: &Catalogue) -> Option<String> {
    if let Some(arch) = wanted.arch.as_ref().filter(|arch| **arch != available.arch) {
        return Some(format!(
            "CPU arch {arch} does not match host arch {}",
            available.arch
        ));
    }
    if let Some(vendor) = wanted
        .vendor
        .as_ref()
        .filter(|vendor| Some(*vendor) != available.vendor.as_ref())
    {
        return Some(format!(
            "host CPU vendor does not match required CPU vendor {vendor}"
        ));
    }
    if wanted.forbidden.meets(&available.features) {
        let mut present = wanted.forbidden.clone();
        present.keep(&available.features);
        return Some(format!(
            "Host CPU provides forbidden features: {}",
            catalogue.names(&present).join(", ")
        ));
    }
    let mut missing = wanted.needed.clone();
    missing.remove(&available.features);
    let missing = catalogue.names(&missing);
    if !missing.is_empty() {
        return Some(format!(
            "Host CPU does not provide required features: {}",
            missing.join(", ")
        ));
    }
    let mut extra = available.features.clone();
    extra.remove(&wanted.needed);
    extra.remove(&wanted.allowed);
    let extra = catalogue.names(&extra);
    (wanted.strict && !extra.is_empty()).then(|| {
        format!(
            "Host CPU does not strictly match guest CPU: Extra features: {}",
            extra.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> (tempfile::TempDir, Catalogue) {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("usr/share/libvirt/cpu_map");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(
            folder.join("index.xml"),
            "<cpus><arch name='x86'><include filename='a.xml'/></arch></cpus>",
        )
        .unwrap();
        std::fs::write(
            folder.join("a.xml"),
            "<cpus><feature name='a'/><feature name='b'/><feature name='c' migratable='no'/>
             <model name='small'><feature name='a'/></model>
             <model name='big'><vendor name='AMD'/><feature name='a'/><feature name='b'/><feature name='c'/></model>
             </cpus>",
        )
        .unwrap();
        let catalogue = host::Host::at(root.path()).catalogue().unwrap();
        (root, catalogue)
    }

    fn available(catalogue: &Catalogue, names: &[&str]) -> Available {
        let features = catalogue.set(names.iter().copied());
        Available {
            arch: "x86_64".to_owned(),
            vendor: Some("AMD".to_owned()),
            features,
        }
    }

    #[test]
    fn policies_decide_what_a_host_must_have() {
        let (_root, catalogue) = catalogue();
        let host = available(&catalogue, &["a", "b"]);
        let answer = |text: &str| compare(&read(text).unwrap(), &host, &catalogue, false).unwrap();
        let small = "<cpu><model>small</model></cpu>";
        assert_eq!(answer(small), Comparison::Superset);
        assert_eq!(answer("<cpu><model>big</model></cpu>"), Comparison::Incompatible);
        let big = "<cpu match='exact'><model>big</model><feature policy='disable' name='c'/></cpu>";
        assert_eq!(answer(big), Comparison::Identical);
        assert_eq!(
            answer("<cpu match='strict'><model>small</model></cpu>"),
            Comparison::Incompatible
        );
        let forbid = "<cpu><model>small</model><feature policy='forbid' name='b'/></cpu>";
        assert_eq!(answer(forbid), Comparison::Incompatible);
        assert_eq!(
            answer("<cpu><arch>aarch64</arch><model>small</model></cpu>"),
            Comparison::Incompatible
        );
        assert_eq!(
            answer("<cpu><model>small</model><vendor>Intel</vendor></cpu>"),
            Comparison::Incompatible
        );
    }

    #[test]
    fn what_cannot_be_compared_is_told() {
        let (_root, catalogue) = catalogue();
        let host = available(&catalogue, &["a"]);
        let refused = |text: &str| {
            let compared = read(text).and_then(|cpu| compare(&cpu, &host, &catalogue, true));
            compared.unwrap_err()
        };
        assert_eq!(
            refused("<cpu><model>x</model></cpu>").to_string(),
            "internal error: Unknown CPU model x"
        );
        assert_eq!(refused("<cpu><arch>x86_64</arch></cpu>").code(), Code::XmlError);
        assert_eq!(refused("<other/>").code(), Code::XmlError);
        let error = refused("<cpu><model>big</model></cpu>");
        assert_eq!(error.code(), Code::CpuIncompatible);
        assert_eq!(
            error.detail(),
            "Host CPU does not provide required features: b, c"
        );
    }
}

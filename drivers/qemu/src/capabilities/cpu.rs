//! The processors that guests on one binary can have, by the mode a definition asks for them.

use crate::binary::{Accel, AccelCaps, BinaryCaps, Expansion};
use host::catalogue::{Catalogue, FeatureSet};
use host::cpuid::Signature;
use model::capabilities::{Feature, MaxPhysAddr};
use model::domain_capabilities::{
    Blockers, CpuEntry, CpuMode, CpuModel, CpuOffer, PolicyFeature, Text, Usable, Words,
};
use xml::YesNo;

/// Models that stand for whatever the host or QEMU has; they are asked for by mode, not by name.
const NOT_NAMED: &[&str] = &["base", "host", "max"];

/// The processor that a definition with `<cpu mode='host-model'/>` gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostModel {
    /// The model's name.
    pub model: String,
    /// Its vendor's name.
    pub vendor: Option<String>,
    /// Features beyond the model's.
    pub require: Vec<String>,
    /// Features of the model that the guest cannot have.
    pub disable: Vec<String>,
}

/// The four modes.
pub(super) fn offer(
    physical_bits: Option<u32>,
    caps: &BinaryCaps,
    accel: Accel,
    catalogue: Option<&Catalogue>,
) -> CpuOffer {
    let Some(accelerated) = caps.accel(accel) else {
        return CpuOffer::default();
    };
    CpuOffer {
        modes: vec![
            passthrough(caps, accel),
            maximum(accelerated),
            host_model(physical_bits, caps, accel, catalogue),
            custom(accelerated, catalogue),
        ],
    }
}

fn mode(name: &str, entries: Option<Vec<CpuEntry>>) -> CpuMode {
    CpuMode {
        name: name.to_owned(),
        supported: entries.is_some().into(),
        entries: entries.unwrap_or_default(),
    }
}

fn passthrough(caps: &BinaryCaps, accel: Accel) -> CpuMode {
    let migratable = caps.has_property("max-x86_64-cpu", "migratable");
    let values: &[&str] = if migratable { &["on", "off"] } else { &["off"] };
    let words = Words::new("hostPassthroughMigratable", values.iter().copied());
    mode(
        "host-passthrough",
        (accel == Accel::Kvm).then(|| vec![CpuEntry::Words(words)]),
    )
}

fn maximum(caps: &AccelCaps) -> CpuMode {
    let words = Words::new("maximumMigratable", ["on", "off"]);
    mode("maximum", caps.cpu("max").map(|_| vec![CpuEntry::Words(words)]))
}

fn host_model(
    physical_bits: Option<u32>,
    caps: &BinaryCaps,
    accel: Accel,
    catalogue: Option<&Catalogue>,
) -> CpuMode {
    let Some(found) = catalogue.and_then(|catalogue| best(caps, accel, catalogue)) else {
        return mode("host-model", None);
    };
    let model = CpuModel {
        fallback: Some("forbid".to_owned()),
        name: found.model,
        ..CpuModel::default()
    };
    let mut entries = vec![CpuEntry::Model(model)];
    entries.extend(found.vendor.map(|text| CpuEntry::Vendor(Text { text })));
    let limit = physical_bits.filter(|_| accel == Accel::Kvm);
    let addresses = |limit| MaxPhysAddr {
        mode: "passthrough".to_owned(),
        bits: None,
        limit: Some(limit),
    };
    entries.extend(limit.map(|limit| CpuEntry::MaxPhysAddr(addresses(limit))));
    let feature = |policy: &str, name: String| {
        CpuEntry::Feature(PolicyFeature {
            policy: policy.to_owned(),
            name,
        })
    };
    entries.extend(found.require.into_iter().map(|name| feature("require", name)));
    entries.extend(found.disable.into_iter().map(|name| feature("disable", name)));
    mode("host-model", Some(entries))
}

/// The best processor of a binary in the catalogue's words: what the mode `host-model` means.
pub fn best(caps: &BinaryCaps, accel: Accel, catalogue: &Catalogue) -> Option<HostModel> {
    let accelerated = caps.accel(accel)?;
    let best = accelerated.best.as_ref()?;
    let vendor = best
        .texts
        .get("vendor")
        .and_then(|letters| catalogue.vendor(letters));
    let features = features(best, catalogue);
    let offers = |name: &str| lacking(accelerated, name, catalogue);
    let named = catalogue.name_guest(&features, vendor, signature(best), offers)?;
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    Some(HostModel {
        model: named.model.to_owned(),
        vendor: vendor.map(str::to_owned),
        require: owned(named.require),
        disable: owned(named.disable),
    })
}

/// What guests cannot have of a model, where the binary has the model.
pub(super) fn lacking(caps: &AccelCaps, model: &str, catalogue: &Catalogue) -> Option<FeatureSet> {
    let model = caps.cpu(model)?;
    Some(catalogue.set(caps.missing(model)))
}

/// Everything that is on, whether or not another host could take it over.
pub(super) fn features(best: &Expansion, catalogue: &Catalogue) -> FeatureSet {
    catalogue.set(best.on.iter().chain(best.unmigratable.iter()))
}

fn signature(best: &Expansion) -> Option<Signature> {
    let number = |name: &str| {
        best.numbers
            .get(name)
            .and_then(|&number| u32::try_from(number).ok())
    };
    Some(Signature {
        family: number("family")?,
        model: number("model")?,
        stepping: number("stepping")?,
    })
}

fn custom(caps: &AccelCaps, catalogue: Option<&Catalogue>) -> CpuMode {
    let known = |name: &str| match catalogue {
        Some(catalogue) => catalogue.model(name).is_some(),
        None => !NOT_NAMED.contains(&name),
    };
    let mut models: Vec<_> = caps.cpus.iter().filter(|model| known(&model.name)).collect();
    models.sort_by(|a, b| a.name.cmp(&b.name));
    let mut entries = Vec::new();
    for model in models {
        let vendor = catalogue.and_then(|catalogue| catalogue.model(&model.name)?.vendor());
        entries.push(CpuEntry::Model(CpuModel {
            fallback: None,
            usable: Some(match model.usable() {
                Some(true) => Usable::Yes,
                Some(false) => Usable::No,
                None => Usable::Unknown,
            }),
            deprecated: model.deprecated.then_some(YesNo::Yes),
            vendor: Some(vendor.unwrap_or("unknown").to_owned()),
            canonical: model.alias_of.as_ref().map(ToString::to_string),
            name: model.name.to_string(),
        }));
        if model.usable() == Some(false) {
            let name = |name: &str| {
                let own = catalogue.and_then(|catalogue| catalogue.feature(name));
                own.unwrap_or(name).to_owned()
            };
            let mut features: Vec<String> = caps.missing(model).map(name).collect();
            features.sort_unstable();
            features.dedup();
            let features = features.into_iter().map(|name| Feature { name }).collect();
            entries.push(CpuEntry::Blockers(Blockers {
                model: model.name.to_string(),
                features,
            }));
        }
    }
    mode("custom", (!entries.is_empty()).then_some(entries))
}

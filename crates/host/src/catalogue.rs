//! Processor models and features by name, as the package `libvirt-common` describes them where it is installed.
//!
//! The catalogue is data: features are bits of CPUID leaves and MSRs, models are sets of features with the vendor and
//! the signatures of the processors they are named after. From it a host's bits get libvirt's names, and a set of
//! features gets the nearest model. Without it a host still works; its processor is then told by vendor and signature
//! only.

mod reading;
#[cfg(test)]
mod tests;

use crate::Host;
use crate::cpuid::{Registers, Signature};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::SystemTime;

/// Where the package puts it.
const FOLDER: &str = "usr/share/libvirt/cpu_map";

/// The models and features of one family of processors.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    vendors: Vec<(String, String)>,
    features: Vec<Feature>,
    by_name: HashMap<String, usize>,
    models: Vec<Model>,
}

#[derive(Debug, Clone)]
struct Feature {
    name: String,
    migratable: bool,
    bits: Vec<Bit>,
}

#[derive(Debug, Clone, Copy)]
enum Bit {
    Cpuid {
        leaf: u32,
        sub_leaf: u32,
        mask: Registers,
    },
    Msr {
        index: u32,
        mask: u64,
    },
}

/// A processor model.
#[derive(Debug, Clone, Default)]
pub struct Model {
    name: String,
    vendor: Option<String>,
    signatures: Vec<Pattern>,
    features: FeatureSet,
    /// Features that older or newer versions of the model do not agree on; they are always told.
    explicit: FeatureSet,
    /// Those of them that only older versions have.
    removed: FeatureSet,
    for_host: bool,
    for_guest: bool,
}

#[derive(Debug, Clone, Copy)]
struct Pattern {
    family: u32,
    model: u32,
    stepping: (u32, u32),
}

/// Features of one catalogue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeatureSet(BTreeSet<usize>);

impl FeatureSet {
    /// Whether all of them are in `other` too.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// Whether any of them is in `other` too.
    pub fn meets(&self, other: &Self) -> bool {
        !self.0.is_disjoint(&other.0)
    }

    /// Adds those of `other`.
    pub fn add(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }

    /// Takes those of `other` away.
    pub fn remove(&mut self, other: &Self) {
        self.0.retain(|at| !other.0.contains(at));
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps only those that are in `other` too.
    pub fn keep(&mut self, other: &Self) {
        self.0.retain(|at| other.0.contains(at));
    }
}

/// A processor in words: the nearest model and what is different from it, in the catalogue's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<'a> {
    /// The model.
    pub model: &'a str,
    /// Features it has beyond the model's.
    pub require: Vec<&'a str>,
    /// Features of the model that it lacks.
    pub disable: Vec<&'a str>,
}

/// How a processor differs from a model.
struct Difference<'a> {
    model: &'a Model,
    require: BTreeSet<usize>,
    disable: BTreeSet<usize>,
}

impl Model {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its vendor's name, such as `Intel`.
    pub fn vendor(&self) -> Option<&str> {
        self.vendor.as_deref()
    }

    /// The features that all versions of the model have.
    pub fn features(&self) -> FeatureSet {
        FeatureSet(self.agreed())
    }

    /// The features that only older versions of the model have: whoever means today's says that it lacks them.
    pub fn removed(&self) -> &FeatureSet {
        &self.removed
    }

    /// Whether a processor of a vendor, or of one that is not known, can be of this model.
    fn fits(&self, vendor: Option<&str>) -> bool {
        vendor.is_none() || self.vendor.is_none() || self.vendor.as_deref() == vendor
    }

    fn agreed(&self) -> BTreeSet<usize> {
        self.features.0.difference(&self.explicit.0).copied().collect()
    }

    fn is_named_after(&self, signature: Option<Signature>) -> bool {
        let Some(signature) = signature else { return false };
        self.signatures.iter().any(|pattern| {
            pattern.family == signature.family
                && pattern.model == signature.model
                && (pattern.stepping.0..=pattern.stepping.1).contains(&signature.stepping)
        })
    }
}

impl Catalogue {
    /// The vendor's name for CPUID's twelve letters.
    pub fn vendor(&self, letters: &str) -> Option<&str> {
        self.vendors
            .iter()
            .find(|(_, string)| string == letters)
            .map(|(name, _)| name.as_str())
    }

    /// The models in the catalogue's order.
    pub fn models(&self) -> impl Iterator<Item = &Model> {
        self.models.iter()
    }

    /// The model of that name.
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.name == name)
    }

    /// libvirt's name of a feature that QEMU or libvirt calls `name`.
    pub fn feature(&self, name: &str) -> Option<&str> {
        self.position(name)
            .and_then(|at| self.features.get(at))
            .map(|feature| feature.name.as_str())
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.by_name
            .get(name)
            .or_else(|| self.by_name.get(&name.replace('-', "_")))
            .copied()
    }

    /// The set of those names that the catalogue knows.
    pub fn set<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> FeatureSet {
        FeatureSet(names.into_iter().filter_map(|name| self.position(name)).collect())
    }

    /// The names of a set in the catalogue's order.
    pub fn names(&self, set: &FeatureSet) -> Vec<&str> {
        let name = |&at: &usize| self.features.get(at).map(|feature| feature.name.as_str());
        set.0.iter().filter_map(name).collect()
    }

    /// Those of a set that a guest can take along to another host.
    pub fn migratable(&self, set: &FeatureSet) -> FeatureSet {
        let stays = |at: &&usize| self.features.get(**at).is_some_and(|feature| feature.migratable);
        FeatureSet(set.0.iter().filter(stays).copied().collect())
    }

    /// The features of the host's own processor.
    pub fn of_host(&self, host: &Host) -> FeatureSet {
        let mut leaves = HashMap::new();
        let mut msrs = HashMap::new();
        self.present(
            |leaf, sub_leaf| {
                *leaves
                    .entry((leaf, sub_leaf))
                    .or_insert_with(|| host.cpuid().leaf(leaf, sub_leaf))
            },
            |index| *msrs.entry(index).or_insert_with(|| host.msr(index)),
        )
    }

    /// The features whose bits are all set in these leaves, by (leaf, sub-leaf). Those that an MSR tells are left out.
    pub fn of_leaves(&self, leaves: &BTreeMap<(u32, u32), Registers>) -> FeatureSet {
        self.present(|leaf, sub_leaf| leaves.get(&(leaf, sub_leaf)).copied(), |_| None)
    }

    fn present(
        &self,
        mut cpuid: impl FnMut(u32, u32) -> Option<Registers>,
        mut msr: impl FnMut(u32) -> Option<u64>,
    ) -> FeatureSet {
        let mut has = |bit: &Bit| match *bit {
            Bit::Cpuid { leaf, sub_leaf, mask } => cpuid(leaf, sub_leaf).is_some_and(|have| {
                have.eax & mask.eax == mask.eax
                    && have.ebx & mask.ebx == mask.ebx
                    && have.ecx & mask.ecx == mask.ecx
                    && have.edx & mask.edx == mask.edx
            }),
            Bit::Msr { index, mask } => msr(index).is_some_and(|have| have & mask == mask),
        };
        let present = |(at, feature): (usize, &Feature)| {
            (!feature.bits.is_empty() && feature.bits.iter().all(&mut has)).then_some(at)
        };
        FeatureSet(self.features.iter().enumerate().filter_map(present).collect())
    }

    /// Names a host's processor: the richest of the models that have nothing the host lacks. What a model has or not
    /// depending on its version is nothing that a host lacks.
    pub fn name_host(
        &self,
        features: &FeatureSet,
        vendor: Option<&str>,
        signature: Option<Signature>,
    ) -> Option<Named<'_>> {
        let possible = self
            .models
            .iter()
            .filter(|model| model.for_host && model.fits(vendor));
        let differences = possible.filter_map(|model| {
            let agreed = model.agreed();
            let require = features.0.difference(&agreed).copied().collect();
            agreed.is_subset(&features.0).then(|| Difference {
                model,
                require,
                disable: BTreeSet::new(),
            })
        });
        self.nearest(differences, signature)
    }

    /// Names the processor a guest could have: the nearest of the models that `offers` gives an answer for. The answer
    /// is what the hypervisor's own idea of the model needs and cannot have, for it may be another than the catalogue's.
    pub fn name_guest(
        &self,
        features: &FeatureSet,
        vendor: Option<&str>,
        signature: Option<Signature>,
        offers: impl Fn(&str) -> Option<FeatureSet>,
    ) -> Option<Named<'_>> {
        let own = |model: &Model| model.features.0.union(&model.explicit.0).copied().collect();
        self.closest(features, vendor, signature, offers, own)
    }

    /// The same for a processor that is only described: features that only newer versions of a model have, which nobody
    /// spoke of, are not told.
    pub fn name_common(
        &self,
        features: &FeatureSet,
        vendor: Option<&str>,
        offers: impl Fn(&str) -> Option<FeatureSet>,
    ) -> Option<Named<'_>> {
        let own = |model: &Model| model.agreed().union(&model.removed.0).copied().collect();
        self.closest(features, vendor, None, offers, own)
    }

    fn closest(
        &self,
        features: &FeatureSet,
        vendor: Option<&str>,
        signature: Option<Signature>,
        offers: impl Fn(&str) -> Option<FeatureSet>,
        own: impl Fn(&Model) -> BTreeSet<usize>,
    ) -> Option<Named<'_>> {
        let possible = self
            .models
            .iter()
            .filter(|model| model.for_guest && model.fits(vendor));
        let differences = possible.filter_map(|model| {
            let lacking = offers(&model.name)?;
            let mut disable = own(model);
            disable.retain(|at| !features.0.contains(at));
            let mut require = &features.0 - &model.agreed();
            require.retain(|at| !lacking.0.contains(at));
            disable.extend(lacking.0);
            Some(Difference {
                model,
                require,
                disable,
            })
        });
        self.nearest(differences, signature)
    }

    fn nearest<'a>(
        &'a self,
        differences: impl Iterator<Item = Difference<'a>>,
        signature: Option<Signature>,
    ) -> Option<Named<'a>> {
        // What a guest lacks weighs double: it is a promise of the model's name that is not kept. The last of equally
        // good models wins: later ones are the newer spellings.
        let rank = |difference: &Difference<'_>| {
            let weight = difference.require.len() + 2 * difference.disable.len();
            (!difference.model.is_named_after(signature), weight)
        };
        let best = differences.min_by(|a, b| rank(a).cmp(&rank(b)).then(std::cmp::Ordering::Greater))?;
        // Those that versions of the model do not agree on are told last.
        let (last, first) = best
            .disable
            .iter()
            .partition(|at| best.model.explicit.0.contains(at));
        let mut disable = self.names(&FeatureSet(first));
        disable.extend(self.names(&FeatureSet(last)));
        Some(Named {
            model: &best.model.name,
            require: self.names(&FeatureSet(best.require)),
            disable,
        })
    }
}

impl Host {
    /// The catalogue of x86 processors, if the package with it is installed.
    pub fn catalogue(&self) -> Option<Catalogue> {
        self.catalogue_of("x86")
    }

    /// When a file of the catalogue was last put or taken away; the package manager replaces files so.
    pub fn catalogue_changed(&self) -> Option<SystemTime> {
        self.path(FOLDER).metadata().ok()?.modified().ok()
    }

    /// The catalogue of a family of processors: `x86`, `ppc64` or `arm`. Only that of x86 knows bits.
    pub fn catalogue_of(&self, family: &str) -> Option<Catalogue> {
        Catalogue::read(&self.path(FOLDER), family)
    }
}

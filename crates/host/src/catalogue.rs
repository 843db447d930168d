//! Processor models and features by name, as the package `libvirt-common` describes them where it is installed.
//!
//! The catalogue is data: features are bits of CPUID leaves and MSRs, models are sets of features with the vendor and
//! the signatures of the processors they are named after. From it a host's bits get libvirt's names, and a set of
//! features gets the nearest model. Without it a host still works; its processor is then told by vendor and signature
//! only.

use crate::Host;
use crate::cpuid::{Registers, Signature};
use roxmltree::{Document, Node};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::time::SystemTime;

/// Where the package puts it.
const FOLDER: &str = "usr/share/libvirt/cpu_map";

/// No file of it is nearly as large.
const MAX_FILE: u64 = 4 << 20;

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

    /// Reads the part of one family of architectures from the catalogue whose index lies in `folder`.
    fn read(folder: &Path, family: &str) -> Option<Self> {
        let mut catalogue = Self::default();
        let index = text(&folder.join("index.xml"))?;
        let index = Document::parse(&index).ok()?;
        let arch = index
            .root_element()
            .children()
            .find(|node| node.attribute("name") == Some(family))?;
        for include in arch.descendants().filter(|node| node.has_tag_name("include")) {
            let Some(name) = include.attribute("filename").filter(|name| !name.contains('/')) else {
                continue;
            };
            let Some(content) = text(&folder.join(name)) else {
                continue;
            };
            let Ok(document) = Document::parse(&content) else {
                continue;
            };
            for node in document.root_element().children().filter(Node::is_element) {
                catalogue.add(node);
            }
        }
        (!catalogue.models.is_empty()).then_some(catalogue)
    }

    fn add(&mut self, node: Node<'_, '_>) {
        let Some(name) = node.attribute("name") else {
            return;
        };
        match node.tag_name().name() {
            "vendor" => {
                if let Some(string) = node.attribute("string") {
                    self.vendors.push((name.to_owned(), string.to_owned()));
                }
            }
            "feature" => {
                let at = self.features.len();
                self.by_name.insert(name.to_owned(), at);
                for alias in node.children().filter(|child| child.has_tag_name("alias")) {
                    if let Some(alias) = alias.attribute("name") {
                        self.by_name.entry(alias.to_owned()).or_insert(at);
                    }
                }
                let bits = node.children().filter_map(bit).collect();
                let migratable = node.attribute("migratable") != Some("no");
                self.features.push(Feature {
                    name: name.to_owned(),
                    migratable,
                    bits,
                });
            }
            "model" => {
                let model = self.read_model(name, node);
                self.models.push(model);
            }
            _ => (),
        }
    }

    fn read_model(&self, name: &str, node: Node<'_, '_>) -> Model {
        let mut model = Model {
            for_host: true,
            for_guest: true,
            ..Model::default()
        };
        for child in node.children().filter(Node::is_element) {
            let named = child.attribute("name");
            match child.tag_name().name() {
                // Another model that this one starts as.
                "model" => {
                    if let Some(base) = named.and_then(|base| self.model(base)) {
                        let (for_host, for_guest) = (model.for_host, model.for_guest);
                        model = Model {
                            for_host,
                            for_guest,
                            ..base.clone()
                        };
                    }
                }
                "decode" => {
                    model.for_host = child.attribute("host") != Some("off");
                    model.for_guest = child.attribute("guest") != Some("off");
                }
                "vendor" => model.vendor = named.map(str::to_owned),
                "signature" => model.signatures.extend(pattern(child)),
                "feature" => {
                    let Some(at) = named.and_then(|feature| self.position(feature)) else {
                        continue;
                    };
                    let is = |attribute| child.attribute(attribute) == Some("yes");
                    if is("removed") {
                        model.features.0.remove(&at);
                        model.explicit.0.insert(at);
                        model.removed.0.insert(at);
                        continue;
                    }
                    model.features.0.insert(at);
                    if is("added") {
                        model.explicit.0.insert(at);
                    }
                }
                _ => (),
            }
        }
        model.name = name.to_owned();
        model
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

fn text(path: &Path) -> Option<String> {
    let about = path.metadata().ok()?;
    (about.is_file() && about.len() <= MAX_FILE).then(|| std::fs::read_to_string(path).ok())?
}

fn number(node: Node<'_, '_>, attribute: &str) -> Option<u32> {
    let text = node.attribute(attribute)?;
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

fn bit(node: Node<'_, '_>) -> Option<Bit> {
    let register = |name| number(node, name).unwrap_or(0);
    match node.tag_name().name() {
        "cpuid" => Some(Bit::Cpuid {
            leaf: number(node, "eax_in")?,
            sub_leaf: register("ecx_in"),
            mask: Registers {
                eax: register("eax"),
                ebx: register("ebx"),
                ecx: register("ecx"),
                edx: register("edx"),
            },
        }),
        "msr" => {
            let mask = u64::from(register("edx")) << 32 | u64::from(register("eax"));
            Some(Bit::Msr {
                index: number(node, "index")?,
                mask,
            })
        }
        _ => None,
    }
}

fn pattern(node: Node<'_, '_>) -> Option<Pattern> {
    let stepping = match node.attribute("stepping") {
        None => (0, u32::MAX),
        Some(text) => {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            (first.parse().ok()?, last.parse().ok()?)
        }
    };
    Some(Pattern {
        family: number(node, "family")?,
        model: number(node, "model")?,
        stepping,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpuid::Source;
    use crate::tree::Tree;

    fn tree() -> Tree {
        let tree = Tree::new(&[]);
        let put = |name: &str, text: &str| tree.put(&format!("{FOLDER}/{name}"), text.as_bytes());
        put(
            "index.xml",
            "<cpus><arch name='x86'><include filename='v.xml'/><include filename='../../../../etc/x'/>
             <group name='g'><include filename='f.xml'/><include filename='a.xml'/></group></arch>
             <arch name='arm'/></cpus>",
        );
        put("v.xml", "<cpus><vendor name='AMD' string='AuthenticAMD'/></cpus>");
        put(
            "f.xml",
            "<cpus>
             <feature name='sse4.1'><alias name='sse4-1' source='qemu'/><cpuid eax_in='1' ecx='0x1'/></feature>
             <feature name='cmp_legacy'><cpuid eax_in='1' ecx='0x2'/></feature>
             <feature name='vme'><cpuid eax_in='1' edx='0x4'/></feature>
             <feature name='rdctl-no'><msr index='0x10a' edx='0' eax='0x1'/></feature></cpus>",
        );
        put(
            "a.xml",
            "<cpus><model name='plain'><feature name='vme'/></model>
             <model name='rich'><signature family='25' model='1' stepping='0-2'/><vendor name='AMD'/>
               <feature name='vme'/><feature name='sse4.1'/><feature name='cmp_legacy' added='yes'/></model>
             <model name='rich-v1'><decode host='on' guest='off'/><model name='rich'/></model></cpus>",
        );
        tree
    }

    #[test]
    fn bits_get_names_and_names_get_a_model() {
        let leaf = Registers {
            ecx: 3,
            edx: 4,
            ..Registers::default()
        };
        let first = Registers {
            eax: 1,
            ..Registers::default()
        };
        let tree = tree();
        let host = tree
            .host()
            .with_cpuid(Source::table([((0, 0), first), ((1, 0), leaf)].into()));
        let catalogue = host.catalogue().unwrap();
        let features = catalogue.of_host(&host);
        assert_eq!(
            features,
            catalogue.set(["sse4-1", "cmp-legacy", "vme", "unheard-of"])
        );
        let named = catalogue.name_host(&features, Some("AMD"), None).unwrap();
        assert_eq!((named.model, named.require), ("rich-v1", vec!["cmp_legacy"]));
        let other = catalogue.name_host(&features, Some("Intel"), None).unwrap();
        assert_eq!(
            (other.model, other.require),
            ("plain", vec!["sse4.1", "cmp_legacy"])
        );
    }

    #[test]
    fn a_guest_may_lack_what_the_model_of_its_signature_has() {
        let tree = tree();
        let catalogue = tree.host().catalogue().unwrap();
        let signature = Some(Signature {
            family: 25,
            model: 1,
            stepping: 1,
        });
        let named = catalogue
            .name_guest(&catalogue.set(["vme"]), Some("AMD"), signature, |_| {
                Some(FeatureSet::default())
            })
            .unwrap();
        assert_eq!(
            (named.model, named.disable),
            ("rich", vec!["sse4.1", "cmp_legacy"])
        );
        let newer = Some(Signature {
            family: 25,
            model: 1,
            stepping: 3,
        });
        let named = catalogue
            .name_guest(&catalogue.set(["vme"]), Some("AMD"), newer, |_| {
                Some(FeatureSet::default())
            })
            .unwrap();
        assert_eq!(named.model, "plain");
        assert_eq!(
            catalogue.name_guest(&catalogue.set([]), Some("AMD"), None, |_| None),
            None
        );
    }

    #[test]
    fn without_the_package_there_is_no_catalogue() {
        assert!(Tree::new(&[]).host().catalogue().is_none());
        let broken = Tree::new(&[("usr/share/libvirt/cpu_map/index.xml", "<cpus>")]);
        assert!(broken.host().catalogue().is_none());
    }
}

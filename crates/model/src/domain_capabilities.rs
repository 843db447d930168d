//! What guests on one emulator can have: the `<domainCapabilities>` document.
//!
//! Most of it is lists of words under names that belong to the domain document's attributes, so one type, [`Offer`],
//! serves nearly every part.

use crate::capabilities::{Feature, MaxPhysAddr};
use xml::{Choice, Element, Fields, Value, YesNo};

/// The document.
#[derive(Debug, Clone, PartialEq, Default, Element)]
#[xml(element = "domainCapabilities")]
pub struct DomainCapabilities {
    /// The emulator.
    #[xml(value = "path")]
    pub path: Option<String>,
    /// Domain type.
    #[xml(value = "domain")]
    pub domain: String,
    /// Machine type.
    #[xml(value = "machine")]
    pub machine: Option<String>,
    /// Architecture.
    #[xml(value = "arch")]
    pub arch: String,
    /// Processors.
    #[xml(child)]
    pub vcpu: Option<VcpuLimit>,
    /// Threads for disks.
    #[xml(child)]
    pub iothreads: Option<Offer>,
    /// Firmware.
    #[xml(child)]
    pub os: Option<OsOffer>,
    /// Processor models.
    #[xml(child)]
    pub cpu: Option<CpuOffer>,
    /// Where memory may lie.
    #[xml(child = "memoryBacking")]
    pub memory_backing: Option<Offer>,
    /// Devices.
    #[xml(child)]
    pub devices: Option<DeviceOffers>,
    /// Features.
    #[xml(child)]
    pub features: Option<FeatureOffers>,
}

/// The most processors.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
pub struct VcpuLimit {
    /// How many.
    #[xml(attr)]
    pub max: u32,
}

/// Whether something can be had, and in which forms.
#[derive(Debug, Clone, PartialEq, Fields)]
pub struct Offer {
    /// Whether at all.
    #[xml(attr)]
    pub supported: YesNo,
    /// Words that fit, by the name of what they fit.
    #[xml(children = "enum")]
    pub words: Vec<Words>,
}

/// Words for one attribute or element of the domain document.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
pub struct Words {
    /// What they are for.
    #[xml(attr)]
    pub name: String,
    /// The words.
    #[xml(value = "value")]
    pub values: Vec<String>,
}

impl Offer {
    /// Not to be had.
    pub fn no() -> Self {
        Self {
            supported: YesNo::No,
            words: Vec::new(),
        }
    }

    /// To be had if `supported`, in one form only.
    pub fn plain(supported: bool) -> Self {
        Self {
            supported: supported.into(),
            words: Vec::new(),
        }
    }

    /// To be had, with more words to come.
    pub fn yes() -> Self {
        Self::plain(true)
    }

    /// Adds words for `name`.
    #[must_use]
    pub fn with<S: Into<String>>(mut self, name: &str, values: impl IntoIterator<Item = S>) -> Self {
        self.words.push(Words::new(name, values));
        self
    }
}

impl Words {
    /// Words for `name`.
    pub fn new<S: Into<String>>(name: &str, values: impl IntoIterator<Item = S>) -> Self {
        Self {
            name: name.to_owned(),
            values: values.into_iter().map(Into::into).collect(),
        }
    }
}

/// What a guest can boot with.
#[derive(Debug, Clone, PartialEq, Fields)]
pub struct OsOffer {
    /// Whether at all.
    #[xml(attr)]
    pub supported: YesNo,
    /// Words that fit.
    #[xml(children = "enum")]
    pub words: Vec<Words>,
    /// Firmware files.
    #[xml(child)]
    pub loader: Option<LoaderOffer>,
}

/// Firmware files and how they can be used.
#[derive(Debug, Clone, PartialEq, Fields)]
pub struct LoaderOffer {
    /// Whether at all.
    #[xml(attr)]
    pub supported: YesNo,
    /// Files.
    #[xml(value = "value")]
    pub values: Vec<String>,
    /// Words that fit.
    #[xml(children = "enum")]
    pub words: Vec<Words>,
}

/// Processor models, by the mode they are asked for.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
pub struct CpuOffer {
    /// The modes.
    #[xml(children = "mode")]
    pub modes: Vec<CpuMode>,
}

/// One mode of asking for a processor.
#[derive(Debug, Clone, PartialEq, Fields)]
pub struct CpuMode {
    /// Its name.
    #[xml(attr)]
    pub name: String,
    /// Whether at all.
    #[xml(attr)]
    pub supported: YesNo,
    /// What it gives, in order.
    #[xml(choice)]
    pub entries: Vec<CpuEntry>,
}

/// A part of a mode.
#[derive(Debug, Clone, PartialEq, Choice)]
pub enum CpuEntry {
    /// Words that fit.
    #[xml(name = "enum")]
    Words(Words),
    /// A model; in the mode `host-model` the one that the guest gets.
    #[xml(name = "model")]
    Model(CpuModel),
    /// Why a model is not usable.
    #[xml(name = "blockers")]
    Blockers(Blockers),
    /// The vendor the guest sees.
    #[xml(name = "vendor")]
    Vendor(Text),
    /// How much memory it can address.
    #[xml(name = "maxphysaddr")]
    MaxPhysAddr(MaxPhysAddr),
    /// A difference from the model.
    #[xml(name = "feature")]
    Feature(PolicyFeature),
}

/// A text.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
pub struct Text {
    /// The text.
    #[xml(text)]
    pub text: String,
}

/// A processor model.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
pub struct CpuModel {
    /// Whether another model may be taken in its place: `forbid`.
    #[xml(attr)]
    pub fallback: Option<String>,
    /// Whether it runs here.
    #[xml(attr)]
    pub usable: Option<Usable>,
    /// Whether the hypervisor means to drop it.
    #[xml(attr)]
    pub deprecated: Option<YesNo>,
    /// Its vendor, or `unknown`.
    #[xml(attr)]
    pub vendor: Option<String>,
    /// The versioned model it stands for.
    #[xml(attr)]
    pub canonical: Option<String>,
    /// Name.
    #[xml(text)]
    pub name: String,
}

/// Whether a model runs here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum Usable {
    /// It does.
    #[xml("yes")]
    Yes,
    /// It does not.
    #[xml("no")]
    No,
    /// The hypervisor did not tell.
    #[xml("unknown")]
    Unknown,
}

/// Features that a model needs and a guest cannot have here.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
pub struct Blockers {
    /// The model.
    #[xml(attr)]
    pub model: String,
    /// The features.
    #[xml(children = "feature")]
    pub features: Vec<Feature>,
}

/// A feature that is there or not, unlike the model says.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
pub struct PolicyFeature {
    /// `require` or `disable`.
    #[xml(attr)]
    pub policy: String,
    /// Name.
    #[xml(attr)]
    pub name: String,
}

/// Devices that guests can have.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
#[allow(missing_docs, reason = "each name is the domain document's own")]
pub struct DeviceOffers {
    #[xml(child)]
    pub disk: Option<Offer>,
    #[xml(child)]
    pub graphics: Option<Offer>,
    #[xml(child)]
    pub video: Option<Offer>,
    #[xml(child)]
    pub hostdev: Option<Offer>,
    #[xml(child)]
    pub rng: Option<Offer>,
    #[xml(child)]
    pub filesystem: Option<Offer>,
    #[xml(child)]
    pub tpm: Option<Offer>,
    #[xml(child)]
    pub redirdev: Option<Offer>,
    #[xml(child)]
    pub channel: Option<Offer>,
    #[xml(child)]
    pub crypto: Option<Offer>,
    #[xml(child)]
    pub interface: Option<Offer>,
    #[xml(child)]
    pub panic: Option<Offer>,
}

/// Features that guests can have.
#[derive(Debug, Clone, PartialEq, Default, Fields)]
#[allow(missing_docs, reason = "each name is the domain document's own")]
pub struct FeatureOffers {
    #[xml(child)]
    pub gic: Option<Offer>,
    #[xml(child)]
    pub vmcoreinfo: Option<Offer>,
    #[xml(child)]
    pub genid: Option<Offer>,
    #[xml(child = "backingStoreInput")]
    pub backing_store_input: Option<Offer>,
    #[xml(child)]
    pub backup: Option<Offer>,
    #[xml(child = "async-teardown")]
    pub async_teardown: Option<Offer>,
    #[xml(child = "s390-pv")]
    pub s390_pv: Option<Offer>,
    #[xml(child)]
    pub ps2: Option<Offer>,
    #[xml(child)]
    pub sev: Option<SevOffer>,
    #[xml(child)]
    pub sgx: Option<SgxOffer>,
    #[xml(child)]
    pub hyperv: Option<Offer>,
    #[xml(child = "launchSecurity")]
    pub launch_security: Option<Offer>,
}

/// AMD's encrypted guests.
#[derive(Debug, Clone, PartialEq, Fields)]
#[allow(missing_docs, reason = "each name is the document's own")]
pub struct SevOffer {
    #[xml(attr)]
    pub supported: YesNo,
    #[xml(value = "cbitpos")]
    pub cbitpos: Option<u32>,
    #[xml(value = "reducedPhysBits")]
    pub reduced_phys_bits: Option<u32>,
    #[xml(value = "maxGuests")]
    pub max_guests: Option<u32>,
    #[xml(value = "maxESGuests")]
    pub max_es_guests: Option<u32>,
    #[xml(value = "cpu0Id")]
    pub cpu0_id: Option<String>,
}

/// Intel's enclaves.
#[derive(Debug, Clone, PartialEq, Fields)]
#[allow(missing_docs, reason = "each name is the document's own")]
pub struct SgxOffer {
    #[xml(attr)]
    pub supported: YesNo,
    #[xml(value = "flc")]
    pub flc: Option<YesNo>,
    #[xml(value = "sgx1")]
    pub sgx1: Option<YesNo>,
    #[xml(value = "sgx2")]
    pub sgx2: Option<YesNo>,
    #[xml(child)]
    pub section_size: Option<crate::capabilities::Amount>,
    #[xml(wrapped = "sections/section")]
    pub sections: Vec<SgxSection>,
}

/// A part of the enclaves' memory.
#[derive(Debug, Clone, PartialEq, Fields)]
#[allow(missing_docs, reason = "each name is the document's own")]
pub struct SgxSection {
    #[xml(attr)]
    pub node: u32,
    #[xml(attr)]
    pub size: u64,
    #[xml(attr)]
    pub unit: String,
}

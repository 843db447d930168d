//! `<rng>`: a source of entropy for the guest.

use xml::{Element, Fields, Value};

use super::chardev::CharSource;
use super::info::{DeviceInfo, VirtioDriver, VirtioModel};

/// A random number generator.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "rng")]
pub struct Rng {
    #[xml(attr)]
    pub model: VirtioModel,
    #[xml(child)]
    pub rate: Option<RngRate>,
    #[xml(child)]
    pub backend: RngBackend,
    #[xml(child)]
    pub driver: Option<VirtioDriver>,
    #[xml(flatten)]
    pub info: DeviceInfo,
}

/// Limit of what the guest may take.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "rate")]
pub struct RngRate {
    #[xml(attr)]
    pub bytes: u32,
    /// In milliseconds; a second where missing.
    #[xml(attr)]
    pub period: Option<u32>,
}

/// Where the entropy comes from.
#[derive(Debug, Clone, PartialEq, Fields)]
#[xml(tag = "model")]
pub enum RngBackend {
    /// A device of the host; /dev/urandom where missing.
    #[xml(name = "random")]
    Random {
        #[xml(text)]
        path: Option<String>,
    },
    /// A process that speaks the EGD protocol.
    #[xml(name = "egd")]
    Egd {
        #[xml(flatten)]
        source: CharSource,
    },
    /// QEMU itself.
    #[xml(name = "builtin")]
    Builtin,
}

super::element_of_fields!(RngBackend, "backend");

/// Kinds of entropy sources, as capabilities list them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum RngBackendType {
    #[xml("random")]
    Random,
    #[xml("egd")]
    Egd,
    #[xml("builtin")]
    Builtin,
}

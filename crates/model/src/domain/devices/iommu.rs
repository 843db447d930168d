//! `<iommu>`: an IOMMU of the guest.

use xml::{Element, OnOff, Value};

use super::info::DeviceInfo;

/// An IOMMU.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "iommu")]
pub struct Iommu {
    #[xml(attr)]
    pub model: IommuModel,
    #[xml(child)]
    pub driver: Option<IommuDriver>,
    #[xml(flatten)]
    pub info: DeviceInfo,
}

/// Models of IOMMUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum IommuModel {
    #[xml("intel")]
    Intel,
    #[xml("smmuv3")]
    SmmuV3,
    #[xml("virtio")]
    Virtio,
}

/// Options of an IOMMU.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "driver")]
pub struct IommuDriver {
    /// Interrupt remapping.
    #[xml(attr)]
    pub intremap: Option<OnOff>,
    /// Needed by passed-through devices.
    #[xml(attr)]
    pub caching_mode: Option<OnOff>,
    /// Extended interrupt mode: more than 255 processors.
    #[xml(attr)]
    pub eim: Option<OnOff>,
    /// Lets devices cache translations.
    #[xml(attr)]
    pub iotlb: Option<OnOff>,
    /// Bits of an address.
    #[xml(attr)]
    pub aw_bits: Option<u32>,
    #[xml(attr)]
    pub dma_translation: Option<OnOff>,
}

//! `<memballoon>`: the device by which a guest gives memory back.

use xml::{Element, OnOff, Value};

use super::info::{DeviceInfo, VirtioDriver};

/// A memory balloon.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "memballoon")]
pub struct MemBalloon {
    #[xml(attr)]
    pub model: BalloonModel,
    /// Let go before the guest kills processes for want of memory.
    #[xml(attr)]
    pub autodeflate: Option<OnOff>,
    #[xml(attr = "freePageReporting")]
    pub free_page_reporting: Option<OnOff>,
    #[xml(child)]
    pub stats: Option<BalloonStats>,
    #[xml(flatten)]
    pub info: DeviceInfo,
    #[xml(child)]
    pub driver: Option<VirtioDriver>,
}

impl MemBalloon {
    /// A balloon of the given model without options.
    pub fn new(model: BalloonModel) -> Self {
        Self {
            model,
            autodeflate: None,
            free_page_reporting: None,
            stats: None,
            info: DeviceInfo::default(),
            driver: None,
        }
    }
}

/// Models of balloons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum BalloonModel {
    #[xml("virtio")]
    Virtio,
    #[xml("xen")]
    Xen,
    /// The domain has no balloon.
    #[xml("none")]
    None,
    #[xml("virtio-transitional")]
    VirtioTransitional,
    #[xml("virtio-non-transitional")]
    VirtioNonTransitional,
}

/// `<stats period='10'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "stats")]
pub struct BalloonStats {
    /// Seconds between reports of the guest.
    #[xml(attr)]
    pub period: u32,
}

//! `<nvram>` among the devices: the non-volatile memory of a pSeries guest.

use xml::Element;

use super::info::DeviceInfo;

/// A pSeries NVRAM device.
#[derive(Debug, Clone, PartialEq, Default, Element)]
#[xml(element = "nvram")]
pub struct Nvram {
    #[xml(flatten)]
    pub info: DeviceInfo,
}

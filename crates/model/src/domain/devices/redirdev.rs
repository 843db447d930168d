//! `<redirdev>` and `<redirfilter>`: USB devices that come in over a character device.

use xml::{Element, Value, YesNo};

use super::chardev::CharSource;
use super::info::DeviceInfo;
use super::usb_filter::{UsbFilterClass, UsbFilterId, UsbFilterVersion};

/// A place for one redirected device.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "redirdev")]
pub struct Redirdev {
    #[xml(attr, default)]
    pub bus: RedirdevBus,
    #[xml(flatten)]
    pub source: CharSource,
    #[xml(flatten)]
    pub info: DeviceInfo,
}

/// Bus of a redirected device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Value)]
pub enum RedirdevBus {
    #[default]
    #[xml("usb")]
    Usb,
}

/// Which devices may be redirected; the first rule that fits decides.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "redirfilter")]
pub struct RedirFilter {
    #[xml(children = "usbdev")]
    pub rules: Vec<UsbDevRule>,
}

/// One rule; what is missing fits everything.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "usbdev")]
pub struct UsbDevRule {
    #[xml(attr)]
    pub class: Option<UsbFilterClass>,
    #[xml(attr)]
    pub vendor: Option<UsbFilterId>,
    #[xml(attr)]
    pub product: Option<UsbFilterId>,
    #[xml(attr)]
    pub version: Option<UsbFilterVersion>,
    #[xml(attr)]
    pub allow: YesNo,
}

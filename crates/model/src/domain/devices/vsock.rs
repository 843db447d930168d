//! `<vsock>`: sockets between host and guest.

use xml::{Element, YesNo};

use super::info::{DeviceInfo, VirtioDriver, VirtioModel};

/// A vsock device.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "vsock")]
pub struct Vsock {
    #[xml(attr)]
    pub model: Option<VirtioModel>,
    #[xml(child)]
    pub cid: Option<VsockCid>,
    #[xml(flatten)]
    pub info: DeviceInfo,
    #[xml(child)]
    pub driver: Option<VirtioDriver>,
}

/// Address of the guest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "cid")]
pub struct VsockCid {
    /// Whether a free address is chosen when the domain starts.
    #[xml(attr)]
    pub auto: Option<YesNo>,
    /// At least 3.
    #[xml(attr)]
    pub address: Option<u32>,
}

//! `<input>` and `<hub>`: mice, tablets, keyboards, and what USB devices are plugged into.

use xml::{Element, OnOff, Value};

use super::info::{DeviceInfo, VirtioDriver, VirtioModel};

/// A pointing device or keyboard.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "input")]
pub struct Input {
    #[xml(attr = "type")]
    pub kind: InputType,
    #[xml(attr)]
    pub bus: Option<InputBus>,
    #[xml(attr)]
    pub model: Option<VirtioModel>,
    #[xml(child)]
    pub driver: Option<VirtioDriver>,
    #[xml(child)]
    pub source: Option<InputSource>,
    #[xml(flatten)]
    pub info: DeviceInfo,
}

/// Kinds of input devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum InputType {
    #[xml("mouse")]
    Mouse,
    #[xml("tablet")]
    Tablet,
    #[xml("keyboard")]
    Keyboard,
    /// A device of the host, for the guest alone (virtio).
    #[xml("passthrough")]
    Passthrough,
    /// A device of the host that host and guest share.
    #[xml("evdev")]
    Evdev,
}

/// Bus of an input device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum InputBus {
    #[xml("ps2")]
    Ps2,
    #[xml("usb")]
    Usb,
    #[xml("xen")]
    Xen,
    #[xml("parallels")]
    Parallels,
    #[xml("virtio")]
    Virtio,
    #[xml("none")]
    None,
}

/// The host's device.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "source")]
pub struct InputSource {
    /// Path, with the type `passthrough`.
    #[xml(attr)]
    pub evdev: Option<String>,
    /// Path, with the type `evdev`.
    #[xml(attr)]
    pub dev: Option<String>,
    #[xml(attr)]
    pub grab: Option<InputGrab>,
    #[xml(attr = "grabToggle")]
    pub grab_toggle: Option<GrabToggle>,
    /// Auto-repeat.
    #[xml(attr)]
    pub repeat: Option<OnOff>,
}

/// Which devices are grabbed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum InputGrab {
    #[xml("all")]
    All,
}

/// Keys that switch between host and guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum GrabToggle {
    #[xml("ctrl-ctrl")]
    CtrlCtrl,
    #[xml("alt-alt")]
    AltAlt,
    #[xml("shift-shift")]
    ShiftShift,
    #[xml("meta-meta")]
    MetaMeta,
    #[xml("scrolllock")]
    ScrollLock,
    #[xml("ctrl-scrolllock")]
    CtrlScrollLock,
}

/// A hub.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "hub")]
pub struct Hub {
    #[xml(attr = "type")]
    pub kind: HubType,
    #[xml(flatten)]
    pub info: DeviceInfo,
}

impl Hub {
    /// A USB hub without a place.
    pub fn usb() -> Self {
        Self {
            kind: HubType::Usb,
            info: DeviceInfo::default(),
        }
    }
}

/// Kinds of hubs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum HubType {
    #[xml("usb")]
    Usb,
}

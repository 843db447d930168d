//! `<video>`: a graphics card of the guest.

use xml::{Element, OnOff, Value, YesNo};

use super::info::{DeviceInfo, VirtioOptions};

/// A graphics card.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "video")]
pub struct Video {
    #[xml(child)]
    pub driver: Option<VideoDriver>,
    /// As the machine suggests where missing.
    #[xml(child)]
    pub model: Option<VideoModel>,
    #[xml(flatten)]
    pub info: DeviceInfo,
}

/// Options of the card's own device.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "driver", leading = "iommu ats packed page_per_vq")]
pub struct VideoDriver {
    #[xml(attr)]
    pub name: Option<VideoDriverName>,
    #[xml(attr)]
    pub vgaconf: Option<VgaConf>,
    #[xml(flatten)]
    pub virtio: VirtioOptions,
}

/// Who draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum VideoDriverName {
    #[xml("default")]
    Default,
    #[xml("qemu")]
    Qemu,
    /// A process beside QEMU.
    #[xml("vhostuser")]
    VhostUser,
}

/// How bhyve decodes VGA accesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum VgaConf {
    #[xml("io")]
    Io,
    #[xml("on")]
    On,
    #[xml("off")]
    Off,
}

/// What the guest sees.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "model")]
pub struct VideoModel {
    #[xml(attr = "type")]
    pub kind: VideoType,
    /// QXL's primary memory, in KiB.
    #[xml(attr)]
    pub ram: Option<u32>,
    /// In KiB.
    #[xml(attr)]
    pub vram: Option<u32>,
    /// QXL's secondary memory above 4 GiB, in KiB.
    #[xml(attr)]
    pub vram64: Option<u32>,
    /// Part of QXL's memory for VGA modes, in KiB.
    #[xml(attr)]
    pub vgamem: Option<u32>,
    /// Number of screens.
    #[xml(attr)]
    pub heads: Option<u32>,
    /// Whether the guest's firmware uses it.
    #[xml(attr)]
    pub primary: Option<YesNo>,
    /// Blob resources of virtio.
    #[xml(attr)]
    pub blob: Option<OnOff>,
    #[xml(child)]
    pub acceleration: Option<VideoAcceleration>,
    #[xml(child)]
    pub resolution: Option<VideoResolution>,
}

/// Models of graphics cards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum VideoType {
    #[xml("default")]
    Default,
    #[xml("vga")]
    Vga,
    #[xml("cirrus")]
    Cirrus,
    #[xml("vmvga")]
    Vmvga,
    #[xml("xen")]
    Xen,
    #[xml("vbox")]
    Vbox,
    #[xml("qxl")]
    Qxl,
    #[xml("parallels")]
    Parallels,
    #[xml("virtio")]
    Virtio,
    #[xml("gop")]
    Gop,
    /// The domain has no graphics card.
    #[xml("none")]
    None,
    #[xml("bochs")]
    Bochs,
    #[xml("ramfb")]
    Ramfb,
}

/// Hardware acceleration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "acceleration")]
pub struct VideoAcceleration {
    #[xml(attr)]
    pub accel3d: Option<YesNo>,
    #[xml(attr)]
    pub accel2d: Option<YesNo>,
    #[xml(attr)]
    pub rendernode: Option<String>,
}

/// Size that the guest starts with, in pixels.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "resolution")]
pub struct VideoResolution {
    #[xml(attr)]
    pub x: u32,
    #[xml(attr)]
    pub y: u32,
}

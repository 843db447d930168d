//! `<crypto>`: an accelerator for ciphers.

use xml::{Element, Value};

use super::info::{DeviceInfo, VirtioDriver};

/// A crypto device.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "crypto")]
pub struct Crypto {
    #[xml(attr)]
    pub model: CryptoModel,
    #[xml(attr = "type")]
    pub kind: CryptoType,
    #[xml(child)]
    pub backend: CryptoBackend,
    #[xml(child)]
    pub driver: Option<VirtioDriver>,
    #[xml(flatten)]
    pub info: DeviceInfo,
}

/// Models of crypto devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum CryptoModel {
    #[xml("virtio")]
    Virtio,
}

/// Hypervisors that have crypto devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum CryptoType {
    #[xml("qemu")]
    Qemu,
}

/// What does the work.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "backend")]
pub struct CryptoBackend {
    #[xml(attr)]
    pub model: CryptoBackendModel,
    #[xml(attr)]
    pub queues: Option<u32>,
}

/// Kinds of crypto backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum CryptoBackendModel {
    /// QEMU.
    #[xml("builtin")]
    Builtin,
    /// The host's kernel.
    #[xml("lkcf")]
    Lkcf,
}

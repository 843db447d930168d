//! `<shmem>`: memory that several guests share.

use xml::{Element, OnOff, Value};

use super::info::DeviceInfo;
use super::size::ShmemSize;

/// A shared memory device.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "shmem")]
pub struct Shmem {
    /// Name of the memory on the host; no slash.
    #[xml(attr)]
    pub name: String,
    #[xml(attr)]
    pub role: Option<ShmemRole>,
    #[xml(child)]
    pub model: Option<ShmemModel>,
    #[xml(child)]
    pub size: Option<ShmemSize>,
    #[xml(child)]
    pub server: Option<ShmemServer>,
    #[xml(child)]
    pub msi: Option<ShmemMsi>,
    #[xml(flatten)]
    pub info: DeviceInfo,
}

/// Part that a guest takes in migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum ShmemRole {
    /// Takes the memory along.
    #[xml("master")]
    Master,
    /// Finds it at the destination.
    #[xml("peer")]
    Peer,
}

/// `<model type='ivshmem-plain'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "model")]
pub struct ShmemModel {
    #[xml(attr = "type")]
    pub kind: ShmemType,
}

/// Models of shared memory devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum ShmemType {
    #[xml("ivshmem")]
    Ivshmem,
    #[xml("ivshmem-plain")]
    IvshmemPlain,
    #[xml("ivshmem-doorbell")]
    IvshmemDoorbell,
}

/// Server that hands the memory out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "server")]
pub struct ShmemServer {
    #[xml(attr)]
    pub path: Option<String>,
}

/// Interrupts between the guests.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "msi")]
pub struct ShmemMsi {
    #[xml(attr)]
    pub vectors: Option<u32>,
    #[xml(attr)]
    pub ioeventfd: Option<OnOff>,
}

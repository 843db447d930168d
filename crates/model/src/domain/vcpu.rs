//! Virtual processors and I/O threads: how many there are, and which host processors run them.

use xml::{Element, Value, YesNo};

use crate::CpuSet;

/// `<vcpu placement='static' cpuset='0-3' current='2'>4</vcpu>`
///
/// The default, with no processor at all, stands for a document that says nothing; reading a domain turns it into one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "vcpu")]
pub struct Vcpu {
    #[xml(attr)]
    pub placement: Option<Placement>,
    /// Host processors for all threads of the domain.
    #[xml(attr)]
    pub cpuset: Option<CpuSet>,
    /// How many are there at boot; all where missing.
    #[xml(attr)]
    pub current: Option<u32>,
    /// How many there can be.
    #[xml(text)]
    pub maximum: u32,
}

impl Vcpu {
    /// How many there are at boot.
    pub fn current(&self) -> u32 {
        self.current.unwrap_or(self.maximum)
    }
}

/// Who decides where on the host a domain runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum Placement {
    /// The document.
    #[xml("static")]
    Static,
    /// An advisor on the host.
    #[xml("auto")]
    Auto,
}

/// `<vcpus>`: each processor's state, where they are not all alike.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "vcpus")]
pub struct Vcpus {
    #[xml(children = "vcpu")]
    pub vcpus: Vec<VcpuState>,
}

/// One processor.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "vcpu")]
pub struct VcpuState {
    #[xml(attr)]
    pub id: u32,
    #[xml(attr)]
    pub enabled: YesNo,
    #[xml(attr)]
    pub hotpluggable: Option<YesNo>,
    /// Position in the order in which processors were plugged in.
    #[xml(attr)]
    pub order: Option<u32>,
}

/// `<iothreadids>`
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "iothreadids")]
pub struct IoThreadIds {
    #[xml(children = "iothread")]
    pub threads: Vec<IoThread>,
}

/// One I/O thread.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "iothread")]
pub struct IoThread {
    /// Counted from 1.
    #[xml(attr)]
    pub id: u32,
    #[xml(attr)]
    pub thread_pool_min: Option<u32>,
    #[xml(attr)]
    pub thread_pool_max: Option<u32>,
    #[xml(child)]
    pub poll: Option<IoThreadPoll>,
}

/// Busy polling of an I/O thread.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "poll")]
pub struct IoThreadPoll {
    /// In nanoseconds.
    #[xml(attr)]
    pub max: Option<u64>,
    #[xml(attr)]
    pub grow: Option<u64>,
    #[xml(attr)]
    pub shrink: Option<u64>,
}

/// `<defaultiothread>`: the emulator's main loop.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "defaultiothread")]
pub struct DefaultIoThread {
    #[xml(attr)]
    pub thread_pool_min: Option<u32>,
    #[xml(attr)]
    pub thread_pool_max: Option<u32>,
}

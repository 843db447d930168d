//! `<iothreads>` in a driver: which I/O threads serve which virtqueues of a device.

use xml::Element;

/// The threads of one device.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "iothreads")]
pub struct IoThreadMapping {
    #[xml(children = "iothread")]
    pub threads: Vec<IoThreadUse>,
}

/// One thread and its queues.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "iothread")]
pub struct IoThreadUse {
    /// Number of a thread in the domain's `<iothreadids>`.
    #[xml(attr)]
    pub id: u32,
    /// Empty: the queues are spread over the threads evenly.
    #[xml(children = "queue")]
    pub queues: Vec<VirtQueue>,
}

/// One virtqueue.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "queue")]
pub struct VirtQueue {
    /// Counted from 0.
    #[xml(attr)]
    pub id: u32,
}

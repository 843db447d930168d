//! `<lease>`: a lock that the domain holds while it runs.

use xml::Element;

/// A lease of a lock manager.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "lease")]
pub struct Lease {
    #[xml(value = "lockspace")]
    pub lockspace: Option<String>,
    #[xml(value = "key")]
    pub key: Option<String>,
    #[xml(child)]
    pub target: LeaseTarget,
}

/// Where the lease is kept.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "target")]
pub struct LeaseTarget {
    #[xml(attr)]
    pub path: String,
    /// In bytes.
    #[xml(attr)]
    pub offset: Option<u64>,
}

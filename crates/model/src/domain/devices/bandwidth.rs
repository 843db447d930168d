//! `<bandwidth>`: shaping of what a card sends and receives.

use xml::Element;

/// Limits for both directions, as seen from the guest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "bandwidth")]
pub struct Bandwidth {
    #[xml(child)]
    pub inbound: Option<Rate>,
    #[xml(child)]
    pub outbound: Option<Rate>,
}

/// Limits for one direction, in KiB and KiB/s.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "inbound")]
pub struct Rate {
    #[xml(attr)]
    pub average: Option<u64>,
    /// The most for the length of a burst.
    #[xml(attr)]
    pub peak: Option<u64>,
    /// The least that other guests leave (inbound only).
    #[xml(attr)]
    pub floor: Option<u64>,
    /// What may be sent at peak rate.
    #[xml(attr)]
    pub burst: Option<u64>,
}

//! `<portgroup>`: a class of guests of a network.

use super::{Bandwidth, VirtualPort, Vlan};
use xml::{Element, YesNo};

/// A class of guests: what their interfaces get that do not say it themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "portgroup")]
pub struct PortGroup {
    /// What interfaces call it.
    #[xml(attr, default)]
    pub name: String,
    /// Interfaces that name no class are of this one.
    #[xml(attr)]
    pub default: Option<YesNo>,
    /// As the network's.
    #[xml(attr = "trustGuestRxFilters")]
    pub trust_guest_rx_filters: Option<YesNo>,
    /// As the network's.
    #[xml(child)]
    pub vlan: Option<Vlan>,
    /// As the network's.
    #[xml(child = "virtualport")]
    pub virtual_port: Option<VirtualPort>,
    /// Limits of each guest.
    #[xml(child)]
    pub bandwidth: Option<Bandwidth>,
}

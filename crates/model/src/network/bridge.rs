//! `<bridge>` and what is set on it: `<mac>`, `<domain>`.

use super::MacTableManager;
use crate::Mac;
use xml::{Element, OnOff, YesNo};

/// The bridge of a network: the daemon's own, or one that is there (mode `bridge`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "bridge")]
pub struct Bridge {
    /// The interface; `None` leaves the choice to the daemon.
    #[xml(attr)]
    pub name: Option<String>,
    /// firewalld's zone.
    #[xml(attr)]
    pub zone: Option<String>,
    /// Spanning tree protocol. Set on all bridges of the daemon's own.
    #[xml(attr)]
    pub stp: Option<OnOff>,
    /// Seconds before a port forwards. Set on all bridges of the daemon's own.
    #[xml(attr)]
    pub delay: Option<u64>,
    /// Who fills the table of addresses; the kernel where missing.
    #[xml(attr = "macTableManager")]
    pub mac_table_manager: Option<MacTableManager>,
}

/// The bridge's own address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
#[xml(element = "mac")]
pub struct BridgeMac {
    /// The address, of one interface and no group.
    #[xml(attr)]
    pub address: Mac,
}

/// The DNS domain of a network's guests.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "domain")]
pub struct DnsDomain {
    /// The domain.
    #[xml(attr)]
    pub name: String,
    /// Names in it are asked of nobody else.
    #[xml(attr = "localOnly")]
    pub local_only: Option<YesNo>,
    /// The host's own resolver asks the network's server for names in it.
    #[xml(attr)]
    pub register: Option<YesNo>,
}

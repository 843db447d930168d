//! The network driver: networks for guests, on bridges that the host routes for and on cards that it has.
//!
//! ```text
//!  clients ── reads ───► Registry of Networks: State, Ports
//!          ── changes ─► Driver::define / start / create_port / ...    a network's turn, one at a time
//!                              │
//!                              ▼ host: links and addresses over netlink, settings, nft, dnsmasq, hook scripts
//!  document ─► dnsmasq: texts, firewall: rules      pure
//! ```
//! Whatever there is of a network on the host follows from its document; what is half done is undone, by this daemon or by the
//! next: see `lifecycle/run.rs`.

mod access;
pub mod config;
pub mod dnsmasq;
mod driver;
mod events;
mod failure;
pub mod firewall;
mod former;
mod handlers;
mod host;
pub mod leases;
mod lifecycle;
mod network;
mod registry;
mod session_guests;
mod store;

pub use driver::Driver;

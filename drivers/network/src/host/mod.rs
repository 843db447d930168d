//! What a network is on the host: links, addresses, the kernel's settings, rules, and programs.

use error::Domain;
use tool::Tool;

pub(crate) mod dnsmasq;
pub(crate) mod firewall;
pub(crate) mod firewalld;
pub(crate) mod hook;
pub(crate) mod links;
pub(crate) mod process;
pub(crate) mod resolver;
pub(crate) mod settings;
pub(crate) mod traffic;

/// A program of the host that sets something of networks.
pub(crate) fn tool(name: &'static str) -> Tool {
    Tool::new(name).of(Domain::Network).within(tool::PATIENCE)
}

//! Addresses of guests that nobody has told: learned of what passes their ports.
//!
//! ```text
//!  port ─► program in the kernel ─► Listener, a task a port ─► Seen ─► Driver::learned ─► leases on disk, rules of the port
//!          few kinds of frames       few frames a second       bounded
//! ```
//! A filter that says `$IP` where its binding does not is about addresses that the guest turns out to have. Until then it has DHCP and
//! nothing else, so no frame with a false address leaves before its address is known. By [`Method::Any`] the first address that the guest
//! uses is its address for good; by [`Method::Dhcp`] those that a server leases it are, each as long as it is leased. Frames are seen
//! before rules judge them where they come from the guest, and behind rules where they go to it: nobody is believed who was not let
//! through. The guest cannot answer itself, as replies of servers count on their way to it alone.

mod frame;
mod leases;
mod listener;
mod program;

pub use frame::{Seen, read};
pub use leases::Leases;
pub(crate) use listener::{Listeners, Told};

use crate::failure::internal;
use error::Result;
use model::Mac;
use model::nwfilter::Binding;
use std::net::Ipv4Addr;

/// The variable that says how addresses are learned.
const METHOD: &str = "CTRL_IP_LEARNING";

/// The variable with the servers that are believed.
pub(crate) const SERVERS: &str = "DHCPSERVER";

/// The variable whose values are learned.
pub(crate) const ADDRESS: &str = "IP";

/// How addresses are learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Of the first frame that tells one.
    Any,
    /// Of what servers lease.
    Dhcp,
}

impl Method {
    /// The one that a binding asks for; `None` where nothing is to be learned.
    ///
    /// # Errors
    /// That there is no such method.
    pub(crate) fn of(binding: &Binding) -> Result<Option<Self>> {
        let asked = binding.reference.parameters.get(METHOD);
        match asked.and_then(|values| values.first()).map(String::as_str) {
            None => Ok(Some(Self::Any)),
            Some(word) if word.eq_ignore_ascii_case("any") => Ok(Some(Self::Any)),
            Some(word) if word.eq_ignore_ascii_case("dhcp") => Ok(Some(Self::Dhcp)),
            Some(word) if word.eq_ignore_ascii_case("none") => Ok(None),
            Some(other) => Err(internal(format!(
                "interface '{}': {METHOD} is any, dhcp or none, not '{other}'",
                binding.port_device
            ))),
        }
    }
}

/// What is listened for at a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lesson {
    /// How.
    pub method: Method,
    /// Whose addresses.
    pub mac: Mac,
    /// The servers that are believed; all where there are none.
    pub servers: Vec<Ipv4Addr>,
}

impl Lesson {
    /// What a binding needs to learn.
    pub(crate) fn of(binding: &Binding, method: Method) -> Self {
        let servers = binding.reference.parameters.get(SERVERS).into_iter().flatten();
        Self {
            method,
            mac: binding.mac,
            servers: servers.filter_map(|text| text.parse().ok()).collect(),
        }
    }
}

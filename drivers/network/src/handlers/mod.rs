//! Who serves which procedure: one file for each subject, each with its own list.

mod event;
mod leases;
mod metadata;
mod network_change;
mod network_info;
mod network_list;
mod port;
mod port_figures;
mod session_guest;

use crate::Driver;
use crate::failure::invalid;
use crate::network::State;
use daemon::Routes;
use error::{Domain, Result};

/// One call of a client.
pub(crate) type Call = rpc::Context<Driver>;

/// Registers all of them.
pub(crate) fn routes(routes: &mut Routes<Driver>) {
    daemon::connection::routes(routes);
    event::routes(routes);
    leases::routes(routes);
    metadata::routes(routes);
    network_change::routes(routes);
    network_info::routes(routes);
    network_list::routes(routes);
    port::routes(routes);
    port_figures::routes(routes);
    session_guest::routes(routes);
}

/// Refuses flags outside `known`.
fn check_flags(call: &str, flags: u32, known: u32) -> Result<()> {
    daemon::call_flags::check(Domain::Network, call, flags, known)
}

/// Which of a network's two documents a call means (`virNetworkUpdateFlags`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Impact {
    /// That of the active network.
    pub live: bool,
    /// The definition that the next start uses.
    pub config: bool,
}

impl Impact {
    /// `VIR_NETWORK_UPDATE_AFFECT_LIVE`.
    const LIVE: u32 = 1;
    /// `VIR_NETWORK_UPDATE_AFFECT_CONFIG`.
    const CONFIG: u32 = 2;
    /// Both bits; none of them means the present state, whatever it is.
    pub(crate) const FLAGS: u32 = Self::LIVE | Self::CONFIG;

    /// Reads the bits for a network in that state.
    ///
    /// # Errors
    /// [`error::Code::OperationInvalid`] when the document meant is not there.
    pub(crate) fn of(flags: u32, state: &State) -> Result<Self> {
        let impact = match flags & Self::FLAGS {
            0 => Self {
                live: state.active,
                config: !state.active,
            },
            bits => Self {
                live: bits & Self::LIVE != 0,
                config: bits & Self::CONFIG != 0,
            },
        };
        if impact.live && !state.active {
            return Err(invalid("network is not running"));
        }
        if impact.config && !state.persistent {
            return Err(invalid("transient networks do not have any persistent config"));
        }
        Ok(impact)
    }
}

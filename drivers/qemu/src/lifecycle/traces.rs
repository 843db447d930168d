//! What interfaces leave on the host that does not go with their taps.

use super::{bandwidth, switch};
use model::domain::Domain as Model;
use model::domain::devices::Interface;
use xml::YesNo;

/// What is to be removed when the guest has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trace {
    /// What Open vSwitch knows of a tap.
    Port(String),
    /// Limits of a tap that was there before.
    Limits(String),
}

impl Trace {
    /// What an interface with a tap of that name leaves.
    pub(super) fn of_interface(interface: &Interface, tap: &str) -> Option<Self> {
        if !traffic::is_word(tap) {
            // Nobody was told of it.
            return None;
        }
        let managed = interface.target.as_ref().and_then(|target| target.managed);
        if switch::is_open_vswitch(interface) {
            Some(Self::Port(tap.to_owned()))
        } else if managed == Some(YesNo::No) && interface.bandwidth.is_some() {
            Some(Self::Limits(tap.to_owned()))
        } else {
            None
        }
    }
}

/// What the interfaces of a live document leave.
pub(super) fn of(model: &Model) -> Vec<Trace> {
    let interfaces = model.devices.interfaces.iter();
    interfaces
        .filter_map(|interface| Trace::of_interface(interface, interface.target_dev()?))
        .collect()
}

/// Removes them. Blocks; from a task too, whose worker's other tasks go on elsewhere.
pub(super) fn remove_all(all: &[Trace]) {
    for trace in all {
        let removed = tokio::task::block_in_place(|| match trace {
            Trace::Port(tap) => switch::leave(tap),
            Trace::Limits(tap) => {
                bandwidth::free(tap);
                Ok(())
            }
        });
        if let Err(err) = removed {
            tracing::warn!(%err, "Open vSwitch still knows a port of a guest that has ended");
        }
    }
}

//! What the driver tells clients of its own accord.

use crate::network::Network;
use daemon::events::ObjectEvents;
use error::Result;
use protocol::remote::procedure as p;
use protocol::remote::{NetworkEventCallbackMetadataChangeMsg, NetworkEventLifecycleMsg};
use rpc::Session;
use std::sync::Arc;
use uuid::Uuid;

/// `VIR_NETWORK_EVENT_ID_LIFECYCLE`.
const LIFECYCLE: i32 = 0;
/// `VIR_NETWORK_EVENT_ID_METADATA_CHANGE`.
const METADATA_CHANGE: i32 = 1;
/// How many events the header numbers (`virNetworkEventID`).
const EVENTS: i32 = 2;

/// What happens to a network (`virNetworkEventLifecycleType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Happening {
    Defined = 0,
    Undefined = 1,
    Started = 2,
    Stopped = 3,
}

/// Who listens to networks.
#[derive(Debug)]
pub(crate) struct Hub(Arc<ObjectEvents<Uuid>>);

impl Default for Hub {
    fn default() -> Self {
        Self(ObjectEvents::new("network", EVENTS))
    }
}

impl Hub {
    /// Registers a callback for one network or all.
    ///
    /// # Errors
    /// As [`ObjectEvents::register`].
    pub(crate) fn register(&self, session: &Arc<Session>, event: i32, network: Option<Uuid>) -> Result<i32> {
        self.0.register(session, event, network)
    }

    /// Removes the callback of that number.
    ///
    /// # Errors
    /// As [`ObjectEvents::deregister`].
    pub(crate) fn deregister(&self, session: &Session, id: i32) -> Result<()> {
        self.0.deregister(session, id).map(|_| ())
    }

    /// Something happened to a network.
    pub(crate) fn lifecycle(&self, network: &Network, event: Happening) {
        self.0.tell_of(LIFECYCLE, &network.uuid, |session, callback_id| {
            session.send_event::<p::NetworkEventLifecycle>(&NetworkEventLifecycleMsg {
                callback_id,
                net: network.reference(),
                event: event as i32,
                detail: 0,
            });
        });
    }

    /// A network has another title, description or element of an application; `kind` is a `virNetworkMetadataType`.
    pub(crate) fn metadata_changed(&self, network: &Network, kind: i32, uri: Option<&str>) {
        self.0
            .tell_of(METADATA_CHANGE, &network.uuid, |session, callback_id| {
                session.send_event::<p::NetworkEventCallbackMetadataChange>(
                    &NetworkEventCallbackMetadataChangeMsg {
                        callback_id,
                        net: network.reference(),
                        r#type: kind,
                        nsuri: uri.map(str::to_owned),
                    },
                );
            });
    }
}

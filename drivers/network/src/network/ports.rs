//! What is connected to a network: ports, and which of the host's cards they have.

use crate::lifecycle::limits::floor;
use model::network::{ForwardPci, Network as Document, NetworkPort as PortDocument, Plug};
use parking_lot::RwLock;
use protocol::remote;
use std::collections::BTreeMap;
use std::sync::Arc;
use traffic::Floor;
use uuid::Uuid;

/// A port: a guest's connection.
#[derive(Debug, Clone)]
pub(crate) struct Port {
    /// Who it is.
    pub uuid: Uuid,
    /// What it is.
    pub document: Arc<PortDocument>,
}

impl Port {
    /// The reference that clients know it by.
    pub(crate) fn reference(&self, net: remote::Network) -> remote::NetworkPort {
        remote::NetworkPort {
            net,
            uuid: self.uuid.into_bytes(),
        }
    }
}

/// The ports of a network. Whoever adds one has the network's turn, so that no card is handed out twice.
#[derive(Debug, Default)]
pub(crate) struct Ports(RwLock<BTreeMap<Uuid, Port>>);

impl Ports {
    /// The port of that UUID, where there is one.
    pub(crate) fn get(&self, uuid: Uuid) -> Option<Port> {
        self.0.read().get(&uuid).cloned()
    }

    /// Every port.
    pub(crate) fn all(&self) -> Vec<Port> {
        self.0.read().values().cloned().collect()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.0.read().len()).unwrap_or(u32::MAX)
    }

    /// Adds a port, or puts it in the place of the one that it was.
    pub(crate) fn put(&self, port: Port) {
        self.0.write().insert(port.uuid, port);
    }

    /// Removes a port.
    pub(crate) fn remove(&self, uuid: Uuid) {
        self.0.write().remove(&uuid);
    }

    /// Removes all.
    pub(crate) fn clear(&self) {
        self.0.write().clear();
    }

    /// How many have a macvtap on that interface.
    pub(crate) fn on_interface(&self, name: &str) -> u32 {
        self.counted(|plug| matches!(plug, Plug::Direct { dev, .. } if dev == name))
    }

    /// How many have that device.
    pub(crate) fn with_device(&self, device: &ForwardPci) -> u32 {
        self.counted(|plug| matches!(plug, Plug::HostdevPci { address, .. } if address.0 == device.address))
    }

    /// What is kept for guests.
    pub(crate) fn floors(&self) -> Vec<Floor> {
        let ports = self.0.read();
        ports.values().filter_map(|port| floor(&port.document)).collect()
    }

    /// What is kept for others than the guest of a port.
    pub(crate) fn floors_without(&self, uuid: Uuid) -> Vec<Floor> {
        let ports = self.0.read();
        let others = ports.values().filter(|port| port.uuid != uuid);
        others.filter_map(|port| floor(&port.document)).collect()
    }

    fn counted(&self, which: impl Fn(&Plug) -> bool) -> u32 {
        let ports = self.0.read();
        let plugs = ports.values().filter_map(|port| port.document.plug.as_ref());
        u32::try_from(plugs.filter(|plug| which(plug)).count()).unwrap_or(u32::MAX)
    }

    /// Tells in an active network's document how many are connected, and by what.
    pub(crate) fn count_in(&self, document: &mut Document) {
        let counted = |number: u32| (number > 0).then_some(number);
        document.connections = counted(self.count());
        if let Some(forward) = &mut document.forward {
            for interface in &mut forward.interfaces {
                interface.connections = counted(self.on_interface(&interface.dev));
            }
            for device in &mut forward.addresses {
                device.connections = counted(self.with_device(device));
            }
        }
    }
}

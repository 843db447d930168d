//! Which networks there are.

use crate::failure::refused;
use crate::network::Network;
use error::{Code, Result};
use parking_lot::RwLock;
use protocol::remote;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use uuid::Uuid;

/// The networks of a driver, found by UUID and by name.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    index: RwLock<Index>,
}

#[derive(Debug, Default)]
struct Index {
    by_name: BTreeMap<String, Arc<Network>>,
    by_uuid: HashMap<Uuid, Arc<Network>>,
}

impl Registry {
    /// The network of that UUID, where there is one.
    pub(crate) fn get(&self, uuid: Uuid) -> Option<Arc<Network>> {
        self.index.read().by_uuid.get(&uuid).cloned()
    }

    /// The network of that name, where there is one.
    pub(crate) fn named(&self, name: &str) -> Option<Arc<Network>> {
        self.index.read().by_name.get(name).cloned()
    }

    /// The network of that UUID.
    ///
    /// # Errors
    /// [`Code::NoNetwork`].
    pub(crate) fn by_uuid(&self, uuid: Uuid) -> Result<Arc<Network>> {
        self.get(uuid).ok_or_else(|| {
            let text = format!("no network with matching uuid '{uuid}'");
            refused(Code::NoNetwork, text)
        })
    }

    /// The network of that name.
    ///
    /// # Errors
    /// [`Code::NoNetwork`].
    pub(crate) fn by_name(&self, name: &str) -> Result<Arc<Network>> {
        self.named(name).ok_or_else(|| {
            let text = format!("no network with matching name '{name}'");
            refused(Code::NoNetwork, text)
        })
    }

    /// The network that a client's reference means: that of its UUID, whatever else it says.
    ///
    /// # Errors
    /// [`Code::NoNetwork`].
    pub(crate) fn find(&self, reference: &remote::Network) -> Result<Arc<Network>> {
        let uuid = Uuid::from_bytes(reference.uuid);
        self.get(uuid).ok_or_else(|| {
            let text = format!("no network with matching uuid '{uuid}' ({})", reference.name);
            refused(Code::NoNetwork, text)
        })
    }

    /// Every network, in the order of names.
    pub(crate) fn all(&self) -> Vec<Arc<Network>> {
        self.index.read().by_name.values().cloned().collect()
    }

    /// Adds a network.
    pub(crate) fn put(&self, network: Arc<Network>) {
        let mut index = self.index.write();
        index.by_name.insert(network.name.clone(), Arc::clone(&network));
        index.by_uuid.insert(network.uuid, network);
    }

    /// Removes a network.
    pub(crate) fn remove(&self, network: &Network) {
        let mut index = self.index.write();
        index.by_name.remove(&network.name);
        index.by_uuid.remove(&network.uuid);
    }
}

//! Which pools there are.

use crate::failure::refused;
use crate::pool::Pool;
use error::{Code, Result};
use model::storage::tidy_path;
use parking_lot::RwLock;
use protocol::remote;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use uuid::Uuid;

/// The pools of a driver, found by UUID and by name.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    index: RwLock<Index>,
}

#[derive(Debug, Default)]
struct Index {
    by_name: BTreeMap<String, Arc<Pool>>,
    by_uuid: HashMap<Uuid, Arc<Pool>>,
}

impl Registry {
    /// The pool of that UUID, where there is one.
    pub(crate) fn get(&self, uuid: Uuid) -> Option<Arc<Pool>> {
        self.index.read().by_uuid.get(&uuid).cloned()
    }

    /// The pool of that name, where there is one.
    pub(crate) fn named(&self, name: &str) -> Option<Arc<Pool>> {
        self.index.read().by_name.get(name).cloned()
    }

    /// The pool of that UUID.
    ///
    /// # Errors
    /// [`Code::NoStoragePool`].
    pub(crate) fn by_uuid(&self, uuid: Uuid) -> Result<Arc<Pool>> {
        self.get(uuid).ok_or_else(|| {
            let text = format!("no storage pool with matching uuid '{uuid}'");
            refused(Code::NoStoragePool, text)
        })
    }

    /// The pool of that name.
    ///
    /// # Errors
    /// [`Code::NoStoragePool`].
    pub(crate) fn by_name(&self, name: &str) -> Result<Arc<Pool>> {
        self.named(name).ok_or_else(|| {
            let text = format!("no storage pool with matching name '{name}'");
            refused(Code::NoStoragePool, text)
        })
    }

    /// The pool that a client's reference means: that of its UUID, whatever else it says.
    ///
    /// # Errors
    /// [`Code::NoStoragePool`].
    pub(crate) fn find(&self, reference: &remote::StoragePool) -> Result<Arc<Pool>> {
        let uuid = Uuid::from_bytes(reference.uuid);
        self.get(uuid).ok_or_else(|| {
            let text = format!("no storage pool with matching uuid '{uuid}' ({})", reference.name);
            refused(Code::NoStoragePool, text)
        })
    }

    /// The active pool whose volumes lie in that folder.
    ///
    /// # Errors
    /// [`Code::NoStoragePool`].
    pub(crate) fn by_target(&self, path: &str) -> Result<Arc<Pool>> {
        let tidy = tidy_path(path);
        let found = self.all().into_iter().find(|pool| {
            let state = pool.state();
            state.active && state.document.path() == Some(&tidy)
        });
        found.ok_or_else(|| {
            let text = format!("no storage pool with matching target path '{path}'");
            refused(Code::NoStoragePool, text)
        })
    }

    /// Every pool, in the order of names.
    pub(crate) fn all(&self) -> Vec<Arc<Pool>> {
        self.index.read().by_name.values().cloned().collect()
    }

    /// Adds a pool.
    pub(crate) fn put(&self, pool: Arc<Pool>) {
        let mut index = self.index.write();
        index.by_name.insert(pool.name.clone(), Arc::clone(&pool));
        index.by_uuid.insert(pool.uuid, pool);
    }

    /// Removes a pool.
    pub(crate) fn remove(&self, pool: &Pool) {
        let mut index = self.index.write();
        index.by_name.remove(&pool.name);
        index.by_uuid.remove(&pool.uuid);
    }
}

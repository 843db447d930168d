//! Which domains there are.
//!
//! Every domain is found by UUID and by name; a name is taken from the moment somebody begins to define or start a
//! domain of that name, before anyone can see it.

use crate::domain::Domain;
use error::{Code, Domain as ErrorDomain, Error, Result};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use uuid::Uuid;

/// The domains of a driver.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    index: RwLock<Index>,
    last_id: AtomicI32,
}

#[derive(Debug, Default)]
struct Index {
    by_uuid: HashMap<Uuid, Arc<Domain>>,
    by_name: HashMap<Arc<str>, Arc<Domain>>,
}

fn no_domain(what: impl std::fmt::Display) -> Error {
    Error::new(
        Code::NoDomain,
        ErrorDomain::Qemu,
        format!("no domain with matching {what}"),
    )
}

impl Registry {
    /// The visible domain that a client's reference means.
    ///
    /// # Errors
    /// [`Code::NoDomain`].
    pub(crate) fn find(&self, reference: &protocol::remote::Domain) -> Result<Arc<Domain>> {
        let uuid = Uuid::from_bytes(reference.uuid);
        self.visible(uuid)
            .ok_or_else(|| no_domain(format_args!("uuid '{uuid}' ({})", reference.name)))
    }

    /// The visible domain of that UUID.
    ///
    /// # Errors
    /// [`Code::NoDomain`].
    pub(crate) fn by_uuid(&self, uuid: Uuid) -> Result<Arc<Domain>> {
        self.visible(uuid)
            .ok_or_else(|| no_domain(format_args!("uuid '{uuid}'")))
    }

    fn visible(&self, uuid: Uuid) -> Option<Arc<Domain>> {
        self.index
            .read()
            .by_uuid
            .get(&uuid)
            .filter(|domain| domain.state().is_visible())
            .cloned()
    }

    /// The visible domain of that name.
    ///
    /// # Errors
    /// [`Code::NoDomain`].
    pub(crate) fn by_name(&self, name: &str) -> Result<Arc<Domain>> {
        let found = self
            .index
            .read()
            .by_name
            .get(name)
            .filter(|domain| domain.state().is_visible())
            .cloned();
        found.ok_or_else(|| no_domain(format_args!("name '{name}'")))
    }

    /// The running domain of that id.
    ///
    /// # Errors
    /// [`Code::NoDomain`].
    pub(crate) fn by_id(&self, id: i32) -> Result<Arc<Domain>> {
        let running = |domain: &&Arc<Domain>| domain.state().live.as_ref().is_some_and(|live| live.id == id);
        let found = self.index.read().by_uuid.values().find(running).cloned();
        found.ok_or_else(|| no_domain(format_args!("id '{id}'")))
    }

    /// Every visible domain.
    pub(crate) fn all(&self) -> Vec<Arc<Domain>> {
        self.index
            .read()
            .by_uuid
            .values()
            .filter(|domain| domain.state().is_visible())
            .cloned()
            .collect()
    }

    /// Whether any domain runs.
    pub(crate) fn any_active(&self) -> bool {
        self.index
            .read()
            .by_uuid
            .values()
            .any(|domain| domain.state().is_active())
    }

    /// The domain of that UUID and name, reserved where it is new.
    ///
    /// # Errors
    /// [`Code::OperationFailed`] when the UUID belongs to another name or the name to another UUID.
    pub(crate) fn reserve(&self, uuid: Uuid, name: &str) -> Result<Arc<Domain>> {
        let taken = |owner: &str, other: Uuid| {
            let text = format!("domain '{owner}' is already defined with uuid {other}");
            Error::new(Code::OperationFailed, ErrorDomain::Domain, text)
        };
        let mut index = self.index.write();
        if let Some(domain) = index.by_uuid.get(&uuid) {
            let own = domain.state();
            return if *own.name == *name {
                Ok(Arc::clone(domain))
            } else {
                Err(taken(&own.name, uuid))
            };
        }
        if let Some(other) = index.by_name.get(name) {
            return Err(taken(name, other.uuid));
        }
        let domain = Arc::new(Domain::new(uuid, name));
        index.insert(&domain);
        Ok(domain)
    }

    /// Adds a domain found at start.
    ///
    /// # Errors
    /// As [`Registry::reserve`], when another file holds the same name or UUID.
    pub(crate) fn insert(&self, domain: Arc<Domain>) -> Result<()> {
        let mut index = self.index.write();
        let state = domain.state();
        if index.by_uuid.contains_key(&domain.uuid) || index.by_name.contains_key(&state.name) {
            return Err(Error::new(
                Code::OperationFailed,
                ErrorDomain::Domain,
                format!(
                    "domain '{}' with uuid {} is defined twice",
                    state.name, domain.uuid
                ),
            ));
        }
        index.insert(&domain);
        Ok(())
    }

    /// Takes the new name for a domain beside its present one.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`] when another domain has it.
    pub(crate) fn reserve_name(&self, domain: &Arc<Domain>, name: &str) -> Result<()> {
        let mut index = self.index.write();
        if index.by_name.contains_key(name) {
            return Err(Error::new(
                Code::OperationInvalid,
                ErrorDomain::Qemu,
                format!("domain with name '{name}' already exists"),
            ));
        }
        index.by_name.insert(name.into(), Arc::clone(domain));
        Ok(())
    }

    /// Gives a name up that the domain no longer has, or never got.
    pub(crate) fn release_name(&self, name: &str) {
        self.index.write().by_name.remove(name);
    }

    /// Forgets a domain that is neither defined nor running.
    pub(crate) fn forget_if_gone(&self, domain: &Arc<Domain>) {
        let mut index = self.index.write();
        let state = domain.state();
        if !state.is_visible()
            && index
                .by_uuid
                .get(&domain.uuid)
                .is_some_and(|known| Arc::ptr_eq(known, domain))
        {
            index.by_uuid.remove(&domain.uuid);
            index.by_name.remove(&state.name);
        }
    }

    /// Makes sure that a domain which has just become visible is found: the end of an earlier job may have forgotten it.
    ///
    /// # Errors
    /// [`Code::OperationFailed`] when its name or UUID went to another domain meanwhile.
    pub(crate) fn keep(&self, domain: &Arc<Domain>) -> Result<()> {
        let known = self
            .index
            .read()
            .by_uuid
            .get(&domain.uuid)
            .is_some_and(|known| Arc::ptr_eq(known, domain));
        if known {
            Ok(())
        } else {
            self.insert(Arc::clone(domain))
        }
    }

    /// An id no running domain has had.
    pub(crate) fn next_id(&self) -> i32 {
        self.last_id.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    /// Makes sure that ids go on above `id`, which an adopted domain has.
    pub(crate) fn id_in_use(&self, id: i32) {
        self.last_id.fetch_max(id, Ordering::Relaxed);
    }
}

impl Index {
    fn insert(&mut self, domain: &Arc<Domain>) {
        self.by_uuid.insert(domain.uuid, Arc::clone(domain));
        self.by_name
            .insert(Arc::clone(&domain.state().name), Arc::clone(domain));
    }
}

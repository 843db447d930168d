//! Which filters and bindings there are.

use crate::failure::refused;
use crate::learning::Leases;
use crate::rules::Filters;
use error::{Code, Error, Result};
use model::nwfilter::{Binding, Entry as RuleOrReference, Filter};
use parking_lot::RwLock;
use protocol::remote;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;
use uuid::Uuid;

/// A filter.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Who it is.
    pub uuid: Uuid,
    /// Its document, with the UUID.
    pub document: Arc<Filter>,
    /// Whether any rule of it is about a set of the administrator's.
    pub names_sets: bool,
}

impl Entry {
    /// The filter with that document.
    pub(crate) fn new(uuid: Uuid, document: Filter) -> Self {
        let names_one = |entry: &RuleOrReference| match entry {
            RuleOrReference::Rule(rule) => rule.get("ipset").is_some(),
            RuleOrReference::Reference(_) => false,
        };
        Self {
            uuid,
            names_sets: document.entries.iter().any(names_one),
            document: Arc::new(document),
        }
    }

    /// The reference that clients know it by.
    pub(crate) fn reference(&self) -> remote::Nwfilter {
        remote::Nwfilter {
            name: self.document.name.clone(),
            uuid: self.uuid.into_bytes(),
        }
    }
}

/// The reference that clients know a binding by.
pub(crate) fn binding_reference(binding: &Binding) -> remote::NwfilterBinding {
    remote::NwfilterBinding {
        portdev: binding.port_device.clone(),
        filtername: binding.reference.filter.clone(),
    }
}

/// Filters by name.
pub(crate) type Named = BTreeMap<String, Arc<Entry>>;

/// The filters and bindings of a driver.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    filters: RwLock<Arc<Named>>,
    bindings: RwLock<BTreeMap<String, Arc<Binding>>>,
    /// What was learned at ports.
    leases: RwLock<BTreeMap<String, Leases>>,
}

fn no_filter(what: std::fmt::Arguments<'_>) -> Error {
    refused(Code::NoNwfilter, format!("no nwfilter with matching {what}"))
}

impl Filters for Named {
    fn find(&self, name: &str) -> Option<&Arc<Filter>> {
        self.get(name).map(|entry| &entry.document)
    }
}

impl Registry {
    /// All filters at this moment, in the order of names.
    pub(crate) fn filters(&self) -> Arc<Named> {
        Arc::clone(&self.filters.read())
    }

    /// Puts others in their place.
    pub(crate) fn set_filters(&self, filters: Named) {
        *self.filters.write() = Arc::new(filters);
    }

    /// The filter of that name.
    ///
    /// # Errors
    /// [`Code::NoNwfilter`].
    pub(crate) fn filter(&self, name: &str) -> Result<Arc<Entry>> {
        let found = self.filters.read().get(name).cloned();
        found.ok_or_else(|| no_filter(format_args!("name '{name}'")))
    }

    /// The filter of that UUID.
    ///
    /// # Errors
    /// [`Code::NoNwfilter`].
    pub(crate) fn filter_by_uuid(&self, uuid: Uuid) -> Result<Arc<Entry>> {
        let filters = self.filters();
        let found = filters.values().find(|entry| entry.uuid == uuid);
        found
            .cloned()
            .ok_or_else(|| no_filter(format_args!("uuid '{uuid}'")))
    }

    /// The binding of that port.
    ///
    /// # Errors
    /// [`Code::NoNwfilterBinding`].
    pub(crate) fn binding(&self, port: &str) -> Result<Arc<Binding>> {
        let found = self.bindings.read().get(port).cloned();
        found.ok_or_else(|| {
            let text = format!("no nwfilter binding for port dev '{port}'");
            refused(Code::NoNwfilterBinding, text)
        })
    }

    /// All bindings, in the order of ports.
    pub(crate) fn bindings(&self) -> Vec<Arc<Binding>> {
        self.bindings.read().values().cloned().collect()
    }

    /// Adds a binding.
    pub(crate) fn put_binding(&self, binding: Arc<Binding>) {
        self.bindings.write().insert(binding.port_device.clone(), binding);
    }

    /// Removes a binding.
    pub(crate) fn remove_binding(&self, port: &str) {
        self.bindings.write().remove(port);
        self.leases.write().remove(port);
    }

    /// The addresses that were learned at a port.
    pub(crate) fn leases(&self, port: &str) -> Leases {
        self.leases.read().get(port).cloned().unwrap_or_default()
    }

    /// Puts others in their place.
    pub(crate) fn set_leases(&self, port: &str, leases: Leases) {
        self.leases.write().insert(port.to_owned(), leases);
    }

    /// When the next learned address expires.
    pub(crate) fn next_lease_end(&self) -> Option<SystemTime> {
        self.leases.read().values().filter_map(Leases::next_end).min()
    }
}

//! Which secrets there are.

use crate::secret::Secret;
use error::{Code, Domain, Error, Result};
use model::secret::Usage;
use parking_lot::RwLock;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use uuid::Uuid;

/// The secrets of a driver, found by UUID and by what they are for.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    index: RwLock<Index>,
}

#[derive(Debug, Default)]
struct Index {
    by_uuid: BTreeMap<Uuid, Arc<Secret>>,
    by_usage: HashMap<Usage, Uuid>,
}

fn no_secret(what: std::fmt::Arguments<'_>) -> Error {
    Error::new(
        Code::NoSecret,
        Domain::Secret,
        format!("no secret with matching {what}"),
    )
}

impl Registry {
    /// The secret of that UUID, where there is one.
    pub(crate) fn get(&self, uuid: Uuid) -> Option<Arc<Secret>> {
        self.index.read().by_uuid.get(&uuid).cloned()
    }

    /// The secret of that UUID.
    ///
    /// # Errors
    /// [`Code::NoSecret`].
    pub(crate) fn by_uuid(&self, uuid: Uuid) -> Result<Arc<Secret>> {
        self.get(uuid)
            .ok_or_else(|| no_secret(format_args!("uuid '{uuid}'")))
    }

    /// The secret that a client's reference means: that of its UUID, whatever else it says.
    ///
    /// # Errors
    /// [`Code::NoSecret`].
    pub(crate) fn find(&self, reference: &protocol::remote::Secret) -> Result<Arc<Secret>> {
        self.by_uuid(Uuid::from_bytes(reference.uuid))
    }

    /// The secret that is for this, where there is one.
    pub(crate) fn of_usage(&self, usage: &Usage) -> Option<Arc<Secret>> {
        let index = self.index.read();
        index
            .by_usage
            .get(usage)
            .and_then(|uuid| index.by_uuid.get(uuid))
            .cloned()
    }

    /// The secret that is for what a client names.
    ///
    /// # Errors
    /// [`Code::NoSecret`].
    pub(crate) fn by_usage(&self, kind: i32, id: &str) -> Result<Arc<Secret>> {
        Usage::of(kind, id)
            .and_then(|usage| self.of_usage(&usage))
            .ok_or_else(|| no_secret(format_args!("usage '{id}'")))
    }

    /// Every secret, in the order of UUIDs.
    pub(crate) fn all(&self) -> Vec<Arc<Secret>> {
        self.index.read().by_uuid.values().cloned().collect()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.index.read().by_uuid.len()
    }

    /// Whether any is kept in memory only.
    pub(crate) fn any_ephemeral(&self) -> bool {
        self.index
            .read()
            .by_uuid
            .values()
            .any(|secret| secret.is_ephemeral())
    }

    /// Adds a secret, in place of the one that had its UUID. Of two that are for the same, as other daemons may leave
    /// them on disk, the first is found by that.
    pub(crate) fn put(&self, secret: Arc<Secret>) {
        let mut index = self.index.write();
        index.forget_usage(secret.uuid);
        if let Some(usage) = secret.usage() {
            index.by_usage.entry(usage.clone()).or_insert(secret.uuid);
        }
        index.by_uuid.insert(secret.uuid, secret);
    }

    /// Removes a secret.
    pub(crate) fn remove(&self, uuid: Uuid) {
        let mut index = self.index.write();
        index.forget_usage(uuid);
        index.by_uuid.remove(&uuid);
    }
}

impl Index {
    fn forget_usage(&mut self, uuid: Uuid) {
        let Some(usage) = self.by_uuid.get(&uuid).and_then(|secret| secret.usage()) else {
            return;
        };
        if self.by_usage.get(usage) == Some(&uuid) {
            self.by_usage.remove(usage);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Value;
    use model::secret::Secret as Document;

    fn secret(uuid: u128, name: &str) -> Arc<Secret> {
        let uuid = Uuid::from_u128(uuid);
        let document = Document {
            uuid: Some(uuid),
            usage: Usage::of(2, name),
            ..Document::default()
        };
        Arc::new(Secret {
            uuid,
            document,
            value: Value::Unset,
        })
    }

    #[test]
    fn a_secret_is_found_by_what_it_is_for_as_long_as_it_is() {
        let registry = Registry::default();
        registry.put(secret(1, "a"));
        assert_eq!(registry.by_usage(2, "a").unwrap().uuid, Uuid::from_u128(1));
        for (kind, id) in [(1, "a"), (2, "b"), (0, ""), (-1, "a"), (9, "a")] {
            assert_eq!(registry.by_usage(kind, id).unwrap_err().code(), Code::NoSecret);
        }
        registry.put(secret(1, "b"));
        assert!(registry.by_usage(2, "a").is_err());
        registry.remove(Uuid::from_u128(1));
        assert!(registry.by_usage(2, "b").is_err());
        assert_eq!(registry.count(), 0);
    }

    #[test]
    fn two_that_are_for_the_same_do_not_harm_each_other() {
        let registry = Registry::default();
        registry.put(secret(1, "a"));
        registry.put(secret(2, "a"));
        registry.remove(Uuid::from_u128(2));
        assert_eq!(registry.by_usage(2, "a").unwrap().uuid, Uuid::from_u128(1));
    }
}

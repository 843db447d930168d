//! Who decides.

use super::{Kind, Object};
use crate::Instance;
use error::Result;
use futures_util::future::BoxFuture;
use rpc::Caller;
use std::sync::Arc;

/// What is asked of a policy.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// On whose behalf.
    pub(crate) caller: Arc<Caller>,
    /// What libvirt's documentation calls the driver of the connection: `QEMU`.
    pub(crate) driver: &'static str,
    /// The kind of the object.
    pub(crate) kind: Kind,
    /// The permission, as the table names it.
    pub(crate) permission: &'static str,
    /// The object.
    pub(crate) object: Object,
}

impl Question {
    /// The name that the permission has in polkit: `org.libvirt.api.domain.read-secure`.
    pub(crate) fn action(&self) -> String {
        protocol::action(self.kind.name(), self.permission)
    }
}

/// What grants access, or does not.
pub(crate) trait Policy: std::fmt::Debug + Send + Sync + 'static {
    /// Whether the caller may.
    ///
    /// # Errors
    /// Why that cannot be told; the caller then may not.
    fn allows(&self, question: Question) -> BoxFuture<'_, Result<bool>>;
}

/// Who decides for a daemon.
#[derive(Debug, Clone)]
pub struct Judge(pub(crate) Arc<dyn Policy>);

impl Judge {
    /// Who decides for the daemon of an instance; nobody does unless its configuration says so.
    pub(crate) fn of(instance: &Instance) -> Option<Self> {
        let polkit = || Self(Arc::new(instance.polkit.clone()));
        instance.config.access_drivers.polkit.then(polkit)
    }
}

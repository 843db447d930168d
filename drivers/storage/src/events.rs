//! What the driver tells clients of its own accord.

use crate::pool::Pool;
use daemon::events::ObjectEvents;
use error::Result;
use protocol::remote::procedure as p;
use protocol::remote::{StoragePoolEventLifecycleMsg, StoragePoolEventRefreshMsg};
use rpc::Session;
use std::sync::Arc;
use uuid::Uuid;

/// `VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE`.
const LIFECYCLE: i32 = 0;
/// `VIR_STORAGE_POOL_EVENT_ID_REFRESH`.
const REFRESH: i32 = 1;
/// How many events the header numbers (`virStoragePoolEventID`).
const EVENTS: i32 = 2;

/// What happens to a pool (`virStoragePoolEventLifecycleType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Happening {
    Defined = 0,
    Undefined = 1,
    Started = 2,
    Stopped = 3,
    Created = 4,
    Deleted = 5,
}

/// Who listens to pools.
#[derive(Debug)]
pub(crate) struct Hub(Arc<ObjectEvents<Uuid>>);

impl Default for Hub {
    fn default() -> Self {
        Self(ObjectEvents::new("storage pool", EVENTS))
    }
}

impl Hub {
    /// Registers a callback for one pool or all.
    ///
    /// # Errors
    /// As [`ObjectEvents::register`].
    pub(crate) fn register(&self, session: &Arc<Session>, event: i32, pool: Option<Uuid>) -> Result<i32> {
        self.0.register(session, event, pool)
    }

    /// Removes the callback of that number.
    ///
    /// # Errors
    /// As [`ObjectEvents::deregister`].
    pub(crate) fn deregister(&self, session: &Session, id: i32) -> Result<()> {
        self.0.deregister(session, id).map(|_| ())
    }

    /// Something happened to a pool.
    pub(crate) fn lifecycle(&self, pool: &Pool, event: Happening) {
        self.0.tell_of(LIFECYCLE, &pool.uuid, |session, callback_id| {
            session.send_event::<p::StoragePoolEventLifecycle>(&StoragePoolEventLifecycleMsg {
                callback_id,
                pool: pool.reference(),
                event: event as i32,
                detail: 0,
            });
        });
    }

    /// A pool was looked at anew.
    pub(crate) fn refreshed(&self, pool: &Pool) {
        self.0.tell_of(REFRESH, &pool.uuid, |session, callback_id| {
            session.send_event::<p::StoragePoolEventRefresh>(&StoragePoolEventRefreshMsg {
                callback_id,
                pool: pool.reference(),
            });
        });
    }
}

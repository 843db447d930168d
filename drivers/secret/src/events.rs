//! What the driver tells clients of its own accord.

use crate::secret::Secret;
use daemon::events::ObjectEvents;
use error::Result;
use protocol::remote::procedure as p;
use protocol::remote::{SecretEventLifecycleMsg, SecretEventValueChangedMsg};
use rpc::Session;
use std::sync::Arc;
use uuid::Uuid;

/// `VIR_SECRET_EVENT_ID_LIFECYCLE`.
const LIFECYCLE: i32 = 0;
/// `VIR_SECRET_EVENT_ID_VALUE_CHANGED`.
const VALUE_CHANGED: i32 = 1;
/// How many events the header numbers (`virSecretEventID`).
const EVENTS: i32 = 2;

/// `VIR_SECRET_EVENT_DEFINED`.
const DEFINED: i32 = 0;
/// `VIR_SECRET_EVENT_UNDEFINED`.
const UNDEFINED: i32 = 1;

/// Who listens to secrets.
#[derive(Debug)]
pub(crate) struct Hub(Arc<ObjectEvents<Uuid>>);

impl Default for Hub {
    fn default() -> Self {
        Self(ObjectEvents::new("secret", EVENTS))
    }
}

impl Hub {
    /// Registers a callback for one secret or all.
    ///
    /// # Errors
    /// As [`ObjectEvents::register`].
    pub(crate) fn register(&self, session: &Arc<Session>, event: i32, secret: Option<Uuid>) -> Result<i32> {
        self.0.register(session, event, secret)
    }

    /// Removes the callback of that number.
    ///
    /// # Errors
    /// As [`ObjectEvents::deregister`].
    pub(crate) fn deregister(&self, session: &Session, id: i32) -> Result<()> {
        self.0.deregister(session, id).map(|_| ())
    }

    /// A secret was defined, or has another document.
    pub(crate) fn defined(&self, secret: &Secret) {
        self.lifecycle(secret, DEFINED);
    }

    /// A secret is gone.
    pub(crate) fn undefined(&self, secret: &Secret) {
        self.lifecycle(secret, UNDEFINED);
    }

    fn lifecycle(&self, secret: &Secret, event: i32) {
        self.0.tell_of(LIFECYCLE, &secret.uuid, |session, callback_id| {
            session.send_event::<p::SecretEventLifecycle>(&SecretEventLifecycleMsg {
                callback_id,
                secret: secret.reference(),
                event,
                detail: 0,
            });
        });
    }

    /// A secret has another value.
    pub(crate) fn value_changed(&self, secret: &Secret) {
        self.0
            .tell_of(VALUE_CHANGED, &secret.uuid, |session, callback_id| {
                session.send_event::<p::SecretEventValueChanged>(&SecretEventValueChangedMsg {
                    callback_id,
                    secret: secret.reference(),
                });
            });
    }
}

//! Who wants to hear of what: the event callbacks of all sessions.
//!
//! A driver keeps one registry for each kind of object. A session's callbacks are gone with it. Sending never waits: a
//! session that does not read its events is disconnected by the layer below.

use error::{Code, Domain, Error, Result};
use parking_lot::{Mutex, RwLock};
use rpc::Session;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One callback that a client registered.
#[derive(Debug, Clone)]
pub struct Callback<F> {
    /// The number that the client knows it by; unique within the session.
    pub id: i32,
    /// The event it is for.
    pub event: i32,
    /// Which of those events it wants; what it is, the driver decides: an object, a name, the form it is sent in.
    pub filter: F,
}

struct Listener<F> {
    session: Arc<Session>,
    callbacks: Mutex<Callbacks<F>>,
}

struct Callbacks<F> {
    next_id: i32,
    list: Vec<Callback<F>>,
}

/// The callbacks of all sessions.
pub struct Events<F> {
    listeners: RwLock<BTreeMap<u64, Arc<Listener<F>>>>,
}

/// How many callbacks one session may have.
const CALLBACKS_MAX: usize = 4096;

impl<F> Default for Events<F> {
    fn default() -> Self {
        Self {
            listeners: RwLock::default(),
        }
    }
}

impl<F> std::fmt::Debug for Events<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events")
            .field("sessions", &self.listeners.read().len())
            .finish()
    }
}

impl<F: Send + 'static> Events<F> {
    /// Registers a callback and gives its number.
    ///
    /// # Errors
    /// The session has too many.
    pub fn register(self: &Arc<Self>, session: &Arc<Session>, event: i32, filter: F) -> Result<i32> {
        let listener = self.listener(session);
        let mut callbacks = listener.callbacks.lock();
        if callbacks.list.len() >= CALLBACKS_MAX {
            let text = format!("a client may have at most {CALLBACKS_MAX} event callbacks");
            return Err(Error::new(Code::OperationInvalid, Domain::Event, text));
        }
        let id = callbacks.next_id;
        callbacks.next_id = id.wrapping_add(1).max(0);
        callbacks.list.push(Callback { id, event, filter });
        Ok(id)
    }

    fn listener(self: &Arc<Self>, session: &Arc<Session>) -> Arc<Listener<F>> {
        if let Some(known) = self.listeners.read().get(&session.id()) {
            return Arc::clone(known);
        }
        let fresh = || {
            Arc::new(Listener {
                session: Arc::clone(session),
                callbacks: Mutex::new(Callbacks {
                    next_id: 0,
                    list: Vec::new(),
                }),
            })
        };
        let mut added = false;
        let listener = Arc::clone(self.listeners.write().entry(session.id()).or_insert_with(|| {
            added = true;
            fresh()
        }));
        if added {
            // After the lock is released: the session may be gone already, and then this runs at once.
            let (registry, id) = (Arc::downgrade(self), session.id());
            session.at_end(move || {
                if let Some(registry) = registry.upgrade() {
                    registry.listeners.write().remove(&id);
                }
            });
        }
        listener
    }

    /// Removes the callback of that number.
    ///
    /// # Errors
    /// [`Code::InvalidArg`] if the session has none of that number.
    pub fn deregister(&self, session: &Session, id: i32) -> Result<Callback<F>> {
        self.take(session, |callback| callback.id == id).ok_or_else(|| {
            Error::new(
                Code::InvalidArg,
                Domain::Event,
                format!("domain event callback {id} not registered"),
            )
        })
    }

    /// Removes and gives the first callback of a session that `which` chooses.
    pub fn take(&self, session: &Session, which: impl Fn(&Callback<F>) -> bool) -> Option<Callback<F>> {
        let listener = self.listeners.read().get(&session.id()).cloned()?;
        let mut callbacks = listener.callbacks.lock();
        let at = callbacks.list.iter().position(which)?;
        Some(callbacks.list.remove(at))
    }

    /// Whether a session has a callback that `which` chooses.
    pub fn any(&self, session: &Session, which: impl Fn(&Callback<F>) -> bool) -> bool {
        let listener = self.listeners.read().get(&session.id()).cloned();
        listener.is_some_and(|listener| listener.callbacks.lock().list.iter().any(which))
    }

    /// Calls `send` for each callback for `event`, session by session, in the order of their registration.
    ///
    /// `send` sends with [`Session::send_event`], which does not wait, and must not register anything. Two events told
    /// by one task arrive in that order; who tells events of one object from several tasks orders them himself.
    pub fn tell(&self, event: i32, mut send: impl FnMut(&Session, &Callback<F>)) {
        let listeners: Vec<_> = self.listeners.read().values().cloned().collect();
        for listener in listeners {
            for callback in listener
                .callbacks
                .lock()
                .list
                .iter()
                .filter(|callback| callback.event == event)
            {
                send(&listener.session, callback);
            }
        }
    }

    /// Whether nobody listens for `event`, so that it need not be made.
    pub fn unheard(&self, event: i32) -> bool {
        let listeners = self.listeners.read();
        !listeners.values().any(|listener| {
            listener
                .callbacks
                .lock()
                .list
                .iter()
                .any(|one| one.event == event)
        })
    }
}

//! Who wants to hear of what: the event callbacks of all sessions.
//!
//! A driver keeps one registry for each kind of object. A session's callbacks are gone with it. Sending never waits: a
//! session that does not read its events is disconnected by the layer below.
//!
//! Most kinds of object filter by one object or none: [`ObjectEvents`].

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
    /// What the events are about: "secret".
    object: &'static str,
    /// How many events there are, numbered from 0.
    count: i32,
    listeners: RwLock<BTreeMap<u64, Arc<Listener<F>>>>,
}

/// Callbacks each of which is for one object, known by a `K` that never changes, or for all of them.
pub type ObjectEvents<K> = Events<Option<K>>;

/// How many callbacks one session may have.
const CALLBACKS_MAX: usize = 4096;

impl<F> std::fmt::Debug for Events<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events")
            .field("object", &self.object)
            .field("sessions", &self.listeners.read().len())
            .finish()
    }
}

fn internal(text: String) -> Error {
    Error::new(Code::InternalError, Domain::Rpc, text)
}

impl<F: PartialEq + Send + 'static> Events<F> {
    /// A registry without callbacks, for the `count` events (numbered from 0, as the public headers do) about a kind of
    /// object: "secret".
    pub fn new(object: &'static str, count: i32) -> Arc<Self> {
        Arc::new(Self {
            object,
            count,
            listeners: RwLock::default(),
        })
    }

    /// Whether there is an event of that number.
    ///
    /// # Errors
    /// [`Code::InternalError`], which is what stock daemons say.
    pub fn known(&self, event: i32) -> Result<()> {
        if (0..self.count).contains(&event) {
            Ok(())
        } else {
            Err(internal(format!("unsupported {} event ID {event}", self.object)))
        }
    }

    /// Registers a callback and gives its number.
    ///
    /// # Errors
    /// [`Code::InternalError`] for an event that does not exist, [`Code::InvalidArg`] for a second callback of the
    /// session that would hear the same, which is what stock daemons say; [`Code::OperationInvalid`] when the session
    /// has too many.
    pub fn register(self: &Arc<Self>, session: &Arc<Session>, event: i32, filter: F) -> Result<i32> {
        self.known(event)?;
        let listener = self.listener(session);
        let mut callbacks = listener.callbacks.lock();
        let known = &callbacks.list;
        if known.iter().any(|one| one.event == event && one.filter == filter) {
            let text = "event callback already tracked";
            return Err(Error::new(Code::InvalidArg, Domain::None, text));
        }
        if known.len() >= CALLBACKS_MAX {
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
    /// [`Code::InternalError`] if the session has none of that number, which is what stock daemons say.
    pub fn deregister(&self, session: &Session, id: i32) -> Result<Callback<F>> {
        self.take(session, |callback| callback.id == id)
            .ok_or_else(|| internal(format!("{} event callback {id} not registered", self.object)))
    }

    /// Removes and gives the first callback of a session that `which` chooses.
    pub fn take(&self, session: &Session, which: impl Fn(&Callback<F>) -> bool) -> Option<Callback<F>> {
        let listener = self.listeners.read().get(&session.id()).cloned()?;
        let mut callbacks = listener.callbacks.lock();
        let at = callbacks.list.iter().position(which)?;
        Some(callbacks.list.remove(at))
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

impl<K: PartialEq + Send + 'static> ObjectEvents<K> {
    /// As [`Events::tell`], for each callback that wants to hear of `object`; `send` is given the callback's number.
    pub fn tell_of(&self, event: i32, object: &K, mut send: impl FnMut(&Session, i32)) {
        self.tell(event, |session, callback| {
            if callback.filter.as_ref().is_none_or(|wanted| wanted == object) {
                send(session, callback.id);
            }
        });
    }
}

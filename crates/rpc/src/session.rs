//! One client of a server: who it is, what it may, and how to reach it.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use protocol::net::{Header, MessageType, Status};
use protocol::{Event, ProcedureInfo};

use crate::connection::{CloseReason, Link};
use crate::dispatcher::Dispatcher;
use crate::forward::Forwards;
use crate::guard::JudgedEvents;
use crate::identity::{Caller, Identity};
use crate::keepalive::Keepalive;
use crate::packet::{Packet, rpc_error};
use crate::relay::{Keeps, Relay};
use crate::transport::{Peer, Transport, TransportKind};

/// What one client may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Calls that may be in progress at once (`max_client_requests`); high-priority calls have as many of their own.
    pub max_requests: u32,
    /// Bytes of events that may wait to be read before the client is disconnected.
    pub event_bytes: usize,
    /// What [`Session::enable_keepalive`] starts.
    pub keepalive: Keepalive,
}

impl Default for Limits {
    /// What libvirt's configuration files give by default.
    fn default() -> Self {
        Self {
            max_requests: 5,
            event_bytes: 1 << 20,
            keepalive: Keepalive::from_config(5, 5),
        }
    }
}

/// How a session starts.
#[derive(Debug, Clone, Copy)]
pub struct SessionOptions {
    /// Its number, unique within the server.
    pub id: u64,
    /// It came through a read-only socket.
    pub read_only: bool,
    /// It needs no authentication (any more).
    pub authenticated: bool,
    /// What it may use.
    pub limits: Limits,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            id: 1,
            read_only: false,
            authenticated: true,
            limits: Limits::default(),
        }
    }
}

type Hook = Box<dyn FnOnce() + Send>;

/// One client of a server.
pub struct Session {
    id: u64,
    identity: Option<Identity>,
    caller: Mutex<Arc<Caller>>,
    connected_at: SystemTime,
    read_only: AtomicBool,
    authenticated: AtomicBool,
    limits: Limits,
    link: Arc<Link>,
    slots: Slots,
    /// Who serves its calls, if not the table that it came to.
    served_by: OnceLock<Dispatcher>,
    /// Who decides which events it may hear, if not all.
    judged_events: OnceLock<JudgedEvents>,
    /// Where its calls are served, if not here.
    relay: OnceLock<Relay>,
    /// Where some of its calls are served.
    forwards: Forwards,
    state: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
    /// What to do at the end; `None` once it was.
    at_end: Mutex<Option<Vec<Hook>>>,
}

impl Session {
    pub(crate) fn new(transport: Transport, options: SessionOptions) -> Arc<Self> {
        let identity = transport.credentials().map(Identity::of);
        let caller = Caller::at(identity, transport.peer());
        Arc::new(Self {
            id: options.id,
            identity,
            caller: Mutex::new(Arc::new(caller)),
            connected_at: SystemTime::now(),
            read_only: AtomicBool::new(options.read_only),
            authenticated: AtomicBool::new(options.authenticated),
            limits: options.limits,
            link: Link::new(transport, options.limits.event_bytes),
            slots: Slots::default(),
            served_by: OnceLock::new(),
            judged_events: OnceLock::new(),
            relay: OnceLock::new(),
            forwards: Forwards::default(),
            state: Mutex::default(),
            at_end: Mutex::new(Some(Vec::new())),
        })
    }

    /// Its number, unique within the server.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Who is connected; `None` where the transport cannot tell.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// On whose behalf its calls are made: who is connected, unless that one speaks for another.
    pub fn caller(&self) -> Arc<Caller> {
        Arc::clone(&self.caller.lock())
    }

    /// From now on its calls are made on behalf of `caller`. Whoever asks for this has to be trusted with it. Connections to
    /// other servers that were opened for its calls end.
    pub fn set_caller(&self, caller: Caller) {
        *self.caller.lock() = Arc::new(caller);
        self.forwards.renounce(self);
    }

    /// Who is connected over a network.
    pub fn peer(&self) -> &Peer {
        self.link.transport().peer()
    }

    /// When it connected.
    pub fn connected_at(&self) -> SystemTime {
        self.connected_at
    }

    /// What it is connected through.
    pub fn transport(&self) -> TransportKind {
        self.link.transport().kind()
    }

    /// Whether descriptors can pass.
    pub fn passes_fds(&self) -> bool {
        self.link.transport().passes_fds()
    }

    /// Whether it may only look.
    pub fn read_only(&self) -> bool {
        self.read_only.load(Ordering::Relaxed)
    }

    /// From now on it may only look: the client opened its connection so.
    pub fn set_read_only(&self) {
        self.read_only.store(true, Ordering::Relaxed);
    }

    /// Whether it proved who it is, or needs not.
    pub fn authenticated(&self) -> bool {
        self.authenticated.load(Ordering::Acquire)
    }

    /// It proved who it is.
    pub fn set_authenticated(&self) {
        self.authenticated.store(true, Ordering::Release);
    }

    /// What it may use.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How many of its calls are in progress and were not answered at once.
    pub fn calls_in_progress(&self) -> u32 {
        self.slots.ordinary.load(Ordering::Relaxed) + self.slots.urgent.load(Ordering::Relaxed)
    }

    /// What somebody keeps with this session: one value of each type, made at first use.
    pub fn state<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        let mut state = self.state.lock();
        let slot = state
            .entry(TypeId::of::<T>())
            .or_insert_with(|| Arc::new(T::default()));
        // The entry's type is its key; the other branch is never taken.
        Arc::clone(slot).downcast().unwrap_or_default()
    }

    /// Sends an event. Never waits: a client that left too many unread is disconnected instead.
    pub fn send_event<E: Event>(&self, message: &E::Message) {
        let header = Header {
            prog: E::PROGRAM.number,
            vers: E::PROGRAM.version,
            proc: E::INFO.number,
            r#type: MessageType::Message,
            serial: 0,
            status: Status::Ok,
        };
        match Packet::new(header, message) {
            Ok(packet) => {
                tracing::trace!(target: "rpc", client = self.id, event = E::INFO.name, "event");
                match self.judged_events.get() {
                    None => self.link.send_event(packet),
                    Some(judged) => {
                        if let Err(reason) = judged.offer(E::INFO, packet) {
                            self.link.close(reason);
                        }
                    }
                }
            }
            Err(error) => {
                tracing::error!(target: "rpc", client = self.id, event = E::INFO.name, %error, "event not sent");
            }
        }
    }

    /// Stops taking calls, and waits for those in progress and for their replies to be written, up to `patience`: whether
    /// the client lacks nothing now that it was promised. [`Session::read_on`] undoes it.
    pub async fn hold_still(&self, patience: Duration) -> bool {
        /// How often it is looked: nothing that is rare enough should be counted at each call.
        const LOOK: Duration = Duration::from_millis(5);
        let between_packets = self.link.hold_still();
        let settled = async {
            // Whoever is gone by now tells nothing any more.
            let between_packets = tokio::select! {
                told = between_packets => told.unwrap_or_default(),
                () = self.closed() => false,
            };
            while self.owes_a_reply() && !self.is_closed() {
                tokio::time::sleep(LOOK).await;
            }
            between_packets
        };
        let settled = tokio::time::timeout(patience, settled).await;
        settled.unwrap_or_default() && !self.is_closed()
    }

    fn owes_a_reply(&self) -> bool {
        self.calls_in_progress() > 0
            || self.link.unwritten()
            || self.relayed().is_some_and(|relay| relay.unanswered() > 0)
    }

    /// The socket of a client that [holds still](Self::hold_still) once more, so that another program may go on with it; of
    /// UNIX sockets whose calls are served here.
    pub fn duplicate(&self) -> Option<OwnedFd> {
        (!self.is_relayed()).then(|| self.link.transport().duplicate())?
    }

    /// From now on it hears only those events that `judge` lets through, which keep their order and wait for each other. Asked
    /// for once more, the first judge stays.
    pub fn judge_events(
        &self,
        judge: impl Fn(&'static ProcedureInfo, &[u8]) -> BoxFuture<'static, bool> + Send + Sync + 'static,
    ) {
        self.judged_events.get_or_init(|| {
            let link = Arc::clone(&self.link);
            JudgedEvents::new(link, self.limits.event_bytes, Box::new(judge))
        });
    }

    /// Takes calls again.
    pub fn read_on(&self) {
        self.link.read_on();
    }

    /// The client announced that it answers keepalive: starts asking, as the limits say.
    pub fn enable_keepalive(&self) {
        self.link.start_keepalive(self.limits.keepalive);
    }

    /// Disconnects the client. Its calls in progress run on, unheard.
    pub fn close(&self) {
        self.link.close(CloseReason::Local);
    }

    /// Whether the client is gone.
    pub fn is_closed(&self) -> bool {
        self.link.is_closed()
    }

    /// Waits until the client is gone.
    pub async fn closed(&self) {
        self.link.closed().await;
    }

    /// Does `hook` when the client is gone; at once if it is already. It must not block.
    pub fn at_end(&self, hook: impl FnOnce() + Send + 'static) {
        let mut hooks = self.at_end.lock();
        if let Some(hooks) = hooks.as_mut() {
            hooks.push(Box::new(hook));
            return;
        }
        drop(hooks);
        hook();
    }

    pub(crate) fn ended(&self) {
        let hooks = self.at_end.lock().take();
        for hook in hooks.into_iter().flatten() {
            hook();
        }
        // What is kept with the session may hold the session.
        let state = std::mem::take(&mut *self.state.lock());
        drop(state);
    }

    /// From now on passes packets to `far` and from there to the client: all but calls that `keeps` says are served here
    /// still. When one of the two connections ends, so does the other, with nothing lost that was on its way.
    ///
    /// # Errors
    /// `VIR_ERR_RPC` when that is so already.
    pub fn relay(&self, far: Transport, keepalive: Keepalive, keeps: Keeps) -> error::Result<()> {
        let (relay, serving) = Relay::new(&self.link, far, keepalive, keeps);
        if self.relay.set(relay).is_err() {
            return Err(rpc_error("this connection is passed on already"));
        }
        tokio::spawn(serving);
        if let Some(relay) = self.relay.get().filter(|_| self.link.is_closed()) {
            relay.finish(&CloseReason::Local);
        }
        Ok(())
    }

    /// Whether packets are passed on.
    pub fn is_relayed(&self) -> bool {
        self.relay.get().is_some()
    }

    /// From now on its calls are served by another table; only the first such wish counts.
    pub(crate) fn hand_over(&self, to: Dispatcher) {
        let _ = self.served_by.set(to);
    }

    pub(crate) fn served_by(&self) -> Option<&Dispatcher> {
        self.served_by.get()
    }

    pub(crate) fn relayed(&self) -> Option<&Relay> {
        self.relay.get()
    }

    pub(crate) fn forwards(&self) -> &Forwards {
        &self.forwards
    }

    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    pub(crate) fn slots(&self) -> &Slots {
        &self.slots
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// The calls in progress of one client.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    ordinary: AtomicU32,
    urgent: AtomicU32,
    /// The connection's task waits for a free slot.
    awaited: AtomicBool,
}

impl Slots {
    fn of(&self, urgent: bool) -> &AtomicU32 {
        if urgent { &self.urgent } else { &self.ordinary }
    }

    /// Whether there is a free slot. If not, the next that becomes free wakes the connection's task.
    pub(crate) fn free(&self, urgent: bool, max: u32) -> bool {
        let slots = self.of(urgent);
        if slots.load(Ordering::SeqCst) < max {
            return true;
        }
        self.awaited.store(true, Ordering::SeqCst);
        slots.load(Ordering::SeqCst) < max
    }

    fn take(&self, urgent: bool) {
        self.of(urgent).fetch_add(1, Ordering::SeqCst);
    }

    /// Whether somebody waited for it.
    fn give(&self, urgent: bool) -> bool {
        self.of(urgent).fetch_sub(1, Ordering::SeqCst);
        self.awaited.swap(false, Ordering::SeqCst)
    }
}

/// A call in progress; free again when dropped.
pub(crate) struct Slot {
    session: Arc<Session>,
    urgent: bool,
}

impl Slot {
    pub(crate) fn taken(session: &Arc<Session>, urgent: bool) -> Self {
        session.slots.take(urgent);
        Self {
            session: Arc::clone(session),
            urgent,
        }
    }

    /// Whose it is.
    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.session
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.session.slots.give(self.urgent) {
            self.session.link.wake();
        }
    }
}

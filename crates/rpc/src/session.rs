//! One client of a server: who it is, what it may, and how to reach it.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use protocol::Event;
use protocol::net::{Header, MessageType, Status};
use tokio::net::unix::UCred;

use crate::connection::{CloseReason, Link};
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

/// The process at the other end of a UNIX socket, as it was when it connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its process, where the kernel tells it.
    pub pid: Option<i32>,
    /// When the process started, in clock ticks since boot: tells it from a later one with the same number.
    pub start_time: Option<u64>,
}

impl Identity {
    /// What the kernel told, and when the process started.
    fn of(credentials: UCred) -> Self {
        let pid = credentials.pid();
        Self {
            uid: credentials.uid(),
            gid: credentials.gid(),
            pid,
            start_time: pid.and_then(start_time),
        }
    }

    /// The name of the user, if it has one. Directory services may be slow, so this runs beside the async workers.
    pub async fn user_name(&self) -> Option<String> {
        let uid = self.uid;
        let found = tokio::task::spawn_blocking(move || uzers::get_user_by_uid(uid))
            .await
            .ok()??;
        Some(found.name().to_string_lossy().into_owned())
    }

    /// The name of the group, if it has one; as [`user_name`](Self::user_name).
    pub async fn group_name(&self) -> Option<String> {
        let gid = self.gid;
        let found = tokio::task::spawn_blocking(move || uzers::get_group_by_gid(gid))
            .await
            .ok()??;
        Some(found.name().to_string_lossy().into_owned())
    }
}

/// Field 22 of the process's `stat` file. The command in field 2 may hold anything, so counting starts behind it.
fn start_time(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(19)?.parse().ok()
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
    connected_at: SystemTime,
    read_only: AtomicBool,
    authenticated: AtomicBool,
    limits: Limits,
    link: Arc<Link>,
    slots: Slots,
    /// Where its calls are served, if not here.
    relay: OnceLock<Relay>,
    state: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
    /// What to do at the end; `None` once it was.
    at_end: Mutex<Option<Vec<Hook>>>,
}

impl Session {
    pub(crate) fn new(transport: Transport, options: SessionOptions) -> Arc<Self> {
        let identity = transport.credentials().map(Identity::of);
        Arc::new(Self {
            id: options.id,
            identity,
            connected_at: SystemTime::now(),
            read_only: AtomicBool::new(options.read_only),
            authenticated: AtomicBool::new(options.authenticated),
            limits: options.limits,
            link: Link::new(transport, options.limits.event_bytes),
            slots: Slots::default(),
            relay: OnceLock::new(),
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
                self.link.send_event(packet);
            }
            Err(error) => {
                tracing::error!(target: "rpc", client = self.id, event = E::INFO.name, %error, "event not sent");
            }
        }
    }

    /// Stops taking calls, so that another program may go on with the client: its socket once more, if it is a UNIX
    /// socket, is between two packets soon, and has no call in progress and no reply to read. [`Session::read_on`] undoes
    /// it.
    pub async fn hold_still(&self) -> Option<OwnedFd> {
        /// What was received is dealt with at once, unless a limit of the client is reached.
        const SOON: Duration = Duration::from_secs(1);
        let between_packets = tokio::time::timeout(SOON, self.link.hold_still()).await;
        let at_rest = matches!(between_packets, Ok(Ok(true)))
            && self.calls_in_progress() == 0
            && !self.link.unwritten()
            && !self.is_closed();
        at_rest.then(|| self.link.transport().duplicate())?
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

    pub(crate) fn relayed(&self) -> Option<&Relay> {
        self.relay.get()
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

    pub(crate) fn take(&self, urgent: bool) {
        self.of(urgent).fetch_add(1, Ordering::SeqCst);
    }

    /// Whether somebody waited for it.
    pub(crate) fn give(&self, urgent: bool) -> bool {
        self.of(urgent).fetch_sub(1, Ordering::SeqCst);
        self.awaited.swap(false, Ordering::SeqCst)
    }
}

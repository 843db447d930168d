//! A server: the clients of some sockets, with their limits. Every daemon has two, its own and `admin`.
//!
//! When a limit is reached, accepting stops, and further clients wait in the socket's queue; so does a daemon that has
//! no descriptors left.

use crate::succession::ClientNote;
use crate::{Daemon, Workers};
use error::{Code, Domain, Error, Result};
use parking_lot::{Mutex, MutexGuard};
use rpc::{Router, Session, SessionOptions, Transport};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// How long accepting rests after the system had no room, unless a client leaves before.
const REST: Duration = Duration::from_millis(500);

/// How long nothing is said of further failures to accept.
const SILENCE: Duration = Duration::from_secs(60);

/// How many clients a server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientLimits {
    /// At most so many at a time.
    pub(crate) max: u32,
    /// At most so many that have not proved who they are; 0 for no such limit.
    pub(crate) max_anonymous: u32,
}

/// How many clients a server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientNumbers {
    pub(crate) limits: ClientLimits,
    pub(crate) connected: u32,
    pub(crate) anonymous: u32,
}

/// The clients of some sockets.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) workers: Workers,
    /// The same in all servers of the daemon: how many clients there are.
    clients: watch::Sender<usize>,
    state: Mutex<State>,
    /// A client left, or a limit was raised.
    room: Notify,
}

#[derive(Debug)]
struct State {
    sessions: BTreeMap<u64, Arc<Session>>,
    last_id: u64,
    limits: ClientLimits,
    session_limits: rpc::Limits,
    ending: bool,
}

impl State {
    fn numbers(&self) -> ClientNumbers {
        let anonymous = self
            .sessions
            .values()
            .filter(|session| !session.authenticated())
            .count();
        let count = |number| u32::try_from(number).unwrap_or(u32::MAX);
        ClientNumbers {
            limits: self.limits,
            connected: count(self.sessions.len()),
            anonymous: count(anonymous),
        }
    }

    fn has_room(&self) -> bool {
        let numbers = self.numbers();
        let ClientLimits { max, max_anonymous } = self.limits;
        numbers.connected < max && (max_anonymous == 0 || numbers.anonymous < max_anonymous)
    }
}

impl Server {
    pub(crate) fn new(
        name: &'static str,
        workers: Workers,
        limits: ClientLimits,
        session_limits: rpc::Limits,
        clients: watch::Sender<usize>,
    ) -> Arc<Self> {
        let state = State {
            sessions: BTreeMap::new(),
            last_id: 0,
            limits,
            session_limits,
            ending: false,
        };
        Arc::new(Self {
            name,
            workers,
            clients,
            state: Mutex::new(state),
            room: Notify::new(),
        })
    }

    pub(crate) fn numbers(&self) -> ClientNumbers {
        self.state.lock().numbers()
    }

    /// Changes how many clients are taken; those that are there stay.
    ///
    /// # Errors
    /// The limits contradict each other.
    pub(crate) fn set_limits(&self, limits: ClientLimits) -> Result<()> {
        if limits.max == 0 {
            let text = "nclients_max must be at least 1: nobody could connect any more";
            return Err(Error::new(Code::InvalidArg, Domain::Rpc, text));
        }
        if limits.max_anonymous > limits.max {
            let text = "The overall maximum number of clients must not be less than the maximum number of clients \
                        waiting for authentication";
            return Err(Error::new(Code::InvalidArg, Domain::Rpc, text));
        }
        self.state.lock().limits = limits;
        self.room.notify_waiters();
        Ok(())
    }

    /// Changes what clients that connect from now on may use.
    pub(crate) fn set_session_limits(&self, limits: rpc::Limits) {
        self.state.lock().session_limits = limits;
    }

    pub(crate) fn sessions(&self) -> Vec<Arc<Session>> {
        self.state.lock().sessions.values().cloned().collect()
    }

    pub(crate) fn session(&self, id: u64) -> Option<Arc<Session>> {
        self.state.lock().sessions.get(&id).cloned()
    }

    /// Disconnects every client, now and from now on.
    pub(crate) fn end(&self) {
        self.state.lock().ending = true;
        for session in self.sessions() {
            session.close();
        }
    }

    /// Waits until there is room for another client.
    async fn room(&self) {
        loop {
            let changed = self.room.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.state.lock().has_room() {
                return;
            }
            tracing::debug!(server = self.name, "the limit of clients is reached");
            changed.await;
        }
    }

    /// Serves a client, if there is room for it.
    fn admit<D: Send + Sync + 'static>(
        self: &Arc<Self>,
        stream: UnixStream,
        service: &Service<D>,
        read_only: bool,
    ) -> Option<UnixStream> {
        let state = self.state.lock();
        if state.ending {
            return None;
        }
        if !state.has_room() {
            return Some(stream);
        }
        let id = state.last_id + 1;
        self.enter(state, stream, service, ClientNote { id, read_only }, |_| {});
        None
    }

    /// Serves a client, once `first` is done with it.
    fn enter<D: Send + Sync + 'static>(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State>,
        stream: UnixStream,
        service: &Service<D>,
        client: ClientNote,
        first: impl FnOnce(&Arc<Session>),
    ) {
        let ClientNote { id, read_only } = client;
        state.last_id = state.last_id.max(id);
        let options = SessionOptions {
            id,
            read_only,
            authenticated: true,
            limits: state.session_limits,
        };
        let router = Arc::clone(&service.router);
        let (session, serving) = rpc::serve(
            Transport::unix(stream),
            router,
            Arc::clone(&service.driver),
            options,
        );
        state.sessions.insert(id, Arc::clone(&session));
        drop(state);
        self.clients.send_modify(|count| *count += 1);
        let server = Arc::clone(self);
        session.at_end(move || server.left(id));
        tracing::debug!(server = self.name, client = id, read_only, identity = ?session.identity(), "client connected");
        first(&session);
        tokio::spawn(serving);
    }

    fn left(&self, id: u64) {
        let session = self.state.lock().sessions.remove(&id);
        if session.is_some() {
            self.clients.send_modify(|count| *count = count.saturating_sub(1));
        }
        self.room.notify_waiters();
    }
}

/// What the clients of a server talk to.
#[derive(Debug)]
pub(crate) struct Service<D> {
    pub(crate) server: Arc<Server>,
    pub(crate) router: Arc<Router<D>>,
    pub(crate) driver: Arc<D>,
}

impl<D: Daemon> Service<D> {
    /// Goes on with a client of the program before in this process.
    pub(crate) fn resume(&self, client: ClientNote, stream: UnixStream) {
        let state = self.server.state.lock();
        self.server.enter(state, stream, self, client, |session| {
            self.driver.resumed(session);
        });
    }
}

impl<D: Send + Sync + 'static> Service<D> {
    /// Takes clients from a socket, for ever.
    pub(crate) async fn accept(self: Arc<Self>, listener: UnixListener, read_only: bool) {
        let mut told: Option<Instant> = None;
        loop {
            self.server.room().await;
            match listener.accept().await {
                Ok((stream, _)) => {
                    let mut waiting = Some(stream);
                    while let Some(stream) = waiting {
                        // Another socket's client may have taken the room.
                        waiting = self.server.admit(stream, &self, read_only);
                        if waiting.is_some() {
                            self.server.room().await;
                        }
                    }
                }
                Err(failure) if is_passing(&failure) => {}
                Err(failure) => {
                    if told.is_none_or(|told| told.elapsed() > SILENCE) {
                        told = Some(Instant::now());
                        tracing::warn!(server = self.server.name, %failure, "cannot accept clients; they wait");
                    }
                    tokio::select! {
                        () = self.server.room.notified() => {}
                        () = tokio::time::sleep(REST) => {}
                    }
                }
            }
        }
    }
}

/// A failure of that one client: it went before it was taken.
fn is_passing(failure: &io::Error) -> bool {
    matches!(
        failure.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted
    )
}

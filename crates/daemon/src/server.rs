//! A server: the clients of some sockets, with their limits. Every daemon has two, its own and `admin`.
//!
//! When a limit is reached, accepting stops, and further clients wait in the socket's queue; so does a daemon that has
//! no descriptors left. A client from a network counts as unknown until it has shown its certificate, where it needs
//! one, and has opened its connection. How many of those there are holds up the network's sockets alone, and none is
//! waited for longer than keepalive would wait; nor is one of this host that has to prove who it is.

use crate::access::{Authentication, Mechanism, Opened};
use crate::succession::ClientNote;
use crate::{Daemon, Entrance, Workers};
use error::{Code, Domain, Error, Result};
use parking_lot::{Mutex, MutexGuard};
use rpc::{Router, Session, SessionOptions, Transport};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// How long accepting rests after the system had no room, unless a client leaves before.
const REST: Duration = Duration::from_millis(500);

/// How long nothing is said of further failures to accept.
const SILENCE: Duration = Duration::from_secs(60);

/// How long an unknown client is waited for where keepalive is switched off.
const PATIENCE: Duration = Duration::from_secs(30);

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
    /// A client left or is known now, or a limit was raised.
    room: Notify,
    /// How clients of its sockets for TLS come in.
    entrance: OnceLock<Arc<dyn Entrance>>,
}

#[derive(Debug)]
struct Client {
    session: Arc<Session>,
    from_network: bool,
}

impl Client {
    /// Whether it has not shown who it is, or what it wants.
    fn anonymous(&self) -> bool {
        !self.session.authenticated() || (self.from_network && !self.session.state::<Opened>().get())
    }
}

#[derive(Debug)]
struct State {
    clients: BTreeMap<u64, Client>,
    /// How many are on their way in.
    entering: usize,
    last_id: u64,
    limits: ClientLimits,
    session_limits: rpc::Limits,
    ending: bool,
}

impl State {
    fn numbers(&self) -> ClientNumbers {
        let anonymous = self.clients.values().filter(|client| client.anonymous()).count();
        let count = |number| u32::try_from(number).unwrap_or(u32::MAX);
        ClientNumbers {
            limits: self.limits,
            connected: count(self.clients.len() + self.entering),
            anonymous: count(anonymous + self.entering),
        }
    }

    fn has_room(&self, from_network: bool) -> bool {
        let ClientLimits { max, max_anonymous } = self.limits;
        let connected = u32::try_from(self.clients.len() + self.entering).unwrap_or(u32::MAX);
        // They are counted only where it matters: each client costs a look at the lists that it keeps.
        let anonymous_fit = || connected < max_anonymous || self.numbers().anonymous < max_anonymous;
        connected < max && (!from_network || max_anonymous == 0 || anonymous_fit())
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
            clients: BTreeMap::new(),
            entering: 0,
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
            entrance: OnceLock::new(),
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
        let state = self.state.lock();
        state
            .clients
            .values()
            .map(|client| Arc::clone(&client.session))
            .collect()
    }

    pub(crate) fn session(&self, id: u64) -> Option<Arc<Session>> {
        let state = self.state.lock();
        state.clients.get(&id).map(|client| Arc::clone(&client.session))
    }

    /// Disconnects every client, now and from now on.
    pub(crate) fn end(&self) {
        self.state.lock().ending = true;
        for session in self.sessions() {
            session.close();
        }
    }

    /// How clients of its sockets for TLS come in, once it has any.
    pub(crate) fn entrance(&self) -> Option<&Arc<dyn Entrance>> {
        self.entrance.get()
    }

    /// From now on clients of sockets for TLS come in this way.
    pub(crate) fn set_entrance(&self, entrance: Arc<dyn Entrance>) {
        // There is one for all such sockets, so a second would be the first.
        let _ = self.entrance.set(entrance);
    }

    /// How long an unknown client is waited for: as long as a known one that is silent.
    fn patience(&self) -> Duration {
        let keepalive = self.state.lock().session_limits.keepalive;
        keepalive.interval.map_or(PATIENCE, |interval| {
            interval.saturating_mul(keepalive.count.saturating_add(1))
        })
    }

    /// Waits until there is room for another client.
    async fn room(&self, from_network: bool) {
        loop {
            let changed = self.room.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.state.lock().has_room(from_network) {
                return;
            }
            tracing::debug!(
                server = self.name,
                from_network,
                "the limit of clients is reached"
            );
            changed.await;
        }
    }

    /// A seat for a client that is on its way in.
    async fn seat(self: &Arc<Self>, from_network: bool) -> Seat {
        loop {
            self.room(from_network).await;
            let mut state = self.state.lock();
            // Another socket's client may have taken the room.
            if state.has_room(from_network) {
                state.entering += 1;
                return Seat {
                    server: Arc::clone(self),
                    from_network,
                };
            }
        }
    }

    fn left(&self, id: u64) {
        let client = self.state.lock().clients.remove(&id);
        if client.is_some() {
            self.clients.send_modify(|count| *count = count.saturating_sub(1));
        }
        self.room.notify_waiters();
    }
}

/// The place of a client that is on its way in.
struct Seat {
    server: Arc<Server>,
    from_network: bool,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.server.state.lock();
        state.entering = state.entering.saturating_sub(1);
        drop(state);
        self.server.room.notify_waiters();
    }
}

/// What the clients of a server talk to.
#[derive(Debug)]
pub(crate) struct Service<D> {
    pub(crate) server: Arc<Server>,
    pub(crate) router: Arc<Router<D>>,
    pub(crate) driver: Arc<D>,
}

/// A socket that clients come through.
#[derive(Debug)]
pub(crate) enum Door {
    /// From this host.
    Unix {
        /// Their socket.
        listener: UnixListener,
        /// They may only look.
        read_only: bool,
    },
    /// From a network.
    Tcp(TcpListener),
    /// From a network, with TLS.
    Tls(TcpListener, Arc<dyn Entrance>),
}

/// A client that was accepted, on its way in.
enum Arrival {
    Here { transport: Transport, read_only: bool },
    AtEntrance(TcpStream, Arc<dyn Entrance>),
}

impl Door {
    fn to_network(&self) -> bool {
        !matches!(self, Self::Unix { .. })
    }

    async fn accept(&self) -> io::Result<Arrival> {
        let arrived = |transport, read_only| Arrival::Here { transport, read_only };
        Ok(match self {
            Self::Unix { listener, read_only } => {
                arrived(Transport::unix(listener.accept().await?.0), *read_only)
            }
            Self::Tcp(listener) => arrived(Transport::tcp(accept_tcp(listener).await?), false),
            Self::Tls(listener, entrance) => {
                Arrival::AtEntrance(accept_tcp(listener).await?, Arc::clone(entrance))
            }
        })
    }
}

/// A client's stream, whose small packets do not wait for more.
async fn accept_tcp(listener: &TcpListener) -> io::Result<TcpStream> {
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl<D: Send + Sync + 'static> Service<D> {
    /// Takes clients from a socket, for ever; they have to prove who they are by `mechanism`, where there is one.
    pub(crate) async fn accept(self: Arc<Self>, door: Door, mechanism: Option<Mechanism>) {
        let mut told: Option<Instant> = None;
        loop {
            self.server.room(door.to_network()).await;
            match door.accept().await {
                Ok(arrival) => {
                    let seat = self.server.seat(door.to_network()).await;
                    let mechanism = mechanism.clone();
                    match arrival {
                        Arrival::Here { transport, read_only } => {
                            self.admit(seat, transport, read_only, mechanism);
                        }
                        Arrival::AtEntrance(stream, entrance) => {
                            tokio::spawn(Arc::clone(&self).let_in(seat, stream, entrance, mechanism));
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

    /// Lets a client in through an entrance, if it gets through in time.
    async fn let_in(
        self: Arc<Self>,
        seat: Seat,
        stream: TcpStream,
        entrance: Arc<dyn Entrance>,
        mechanism: Option<Mechanism>,
    ) {
        let peer = stream.peer_addr().ok();
        let patience = self.server.patience();
        match tokio::time::timeout(patience, entrance.enter(stream)).await {
            Ok(Ok(transport)) => self.admit(seat, transport, false, mechanism),
            Ok(Err(reason)) => {
                tracing::warn!(server = self.server.name, ?peer, reason, "client refused");
            }
            Err(_) => {
                let seconds = patience.as_secs();
                tracing::warn!(
                    server = self.server.name,
                    ?peer,
                    seconds,
                    "client refused: it did not come in in time"
                );
            }
        }
    }

    /// Serves a client.
    fn admit(&self, seat: Seat, transport: Transport, read_only: bool, mechanism: Option<Mechanism>) {
        let state = self.server.state.lock();
        if state.ending {
            return drop((state, seat));
        }
        let note = ClientNote {
            id: state.last_id + 1,
            read_only,
            caller: None,
        };
        let session = self.enter(
            state,
            transport,
            note,
            seat.from_network,
            |session| match mechanism {
                Some(mechanism) => session.state::<Authentication>().ask(session, mechanism),
                None => session.set_authenticated(),
            },
        );
        if seat.from_network || !session.authenticated() {
            tokio::spawn(expect_open(Arc::clone(&self.server), session, seat.from_network));
        }
    }

    /// Serves a client, once `first` is done with it.
    fn enter(
        &self,
        mut state: MutexGuard<'_, State>,
        transport: Transport,
        ClientNote {
            id,
            read_only,
            caller,
        }: ClientNote,
        from_network: bool,
        first: impl FnOnce(&Arc<Session>),
    ) -> Arc<Session> {
        let server = &self.server;
        state.last_id = state.last_id.max(id);
        let options = SessionOptions {
            id,
            read_only,
            authenticated: false,
            limits: state.session_limits,
        };
        let router = Arc::clone(&self.router);
        let (session, serving) = rpc::serve(transport, router, Arc::clone(&self.driver), options);
        if let Some(caller) = caller {
            session.set_caller(caller);
        }
        let client = Client {
            session: Arc::clone(&session),
            from_network,
        };
        state.clients.insert(id, client);
        drop(state);
        server.clients.send_modify(|count| *count += 1);
        let from = Arc::clone(server);
        session.at_end(move || from.left(id));
        tracing::debug!(server = server.name, client = id, read_only, identity = ?session.identity(),
            peer = ?session.peer(), "client connected");
        first(&session);
        tokio::spawn(serving);
        session
    }
}

impl<D: Daemon> Service<D> {
    /// Goes on with a client of the program before in this process.
    pub(crate) fn resume(&self, client: ClientNote, stream: UnixStream) {
        let state = self.server.state.lock();
        self.enter(state, Transport::unix(stream), client, false, |session| {
            session.set_authenticated();
            self.driver.resumed(session);
        });
    }
}

/// Disconnects a client that does not open its connection in time. One of this host that waits for us is waited for: polkit may be
/// asking a user.
async fn expect_open(server: Arc<Server>, session: Arc<Session>, from_network: bool) {
    let patience = server.patience();
    let opened = session.state::<Opened>();
    loop {
        tokio::select! {
            () = session.closed() => return,
            () = opened.wait() => return server.room.notify_waiters(),
            () = tokio::time::sleep(patience) => {}
        }
        if from_network || session.calls_in_progress() == 0 {
            break;
        }
    }
    let (client, peer, seconds) = (session.id(), session.peer().address, patience.as_secs());
    tracing::warn!(server = server.name, client, ?peer, identity = ?session.identity(), seconds,
        "client disconnected: it did not open its connection in time");
    session.close();
}

/// A failure of that one client: it went before it was taken.
fn is_passing(failure: &io::Error) -> bool {
    matches!(
        failure.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted
    )
}

//! Calls that other servers serve: families of procedures of a session, each passed on to the server of its family.
//!
//! ```text
//!             client's link                                   far link, one for each server
//!   client -> Server::packet -> a handler
//!                            -> Forwards::call, ::stream --->  socket, or its outbox
//!   client <- socket, or its outbox <------------------------ Back::packet <- server
//! ```
//! Packets pass as they came, in both directions, so replies and events keep their order and nothing is parsed: a serial is the
//! client's own, and so are the numbers of event callbacks, which the far server gives. What is kept here is what has no
//! answer yet. When a server goes away, that is answered with an error and its streams break off; all else of the session goes
//! on, and the next call of the family connects anew. Callbacks that it had are gone with it.
//!
//! A call takes one of the client's slots as any other. Data of streams waits for room in the far socket: then the client is
//! not read, which it notices alone.

use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use error::{Code, Domain, Error, Result};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use protocol::ProcedureInfo;
use protocol::net::{Header, MessageType, Status};
use zeroize::Zeroizing;

use crate::connection::{Arrived, CloseReason, Inbound, Link, run};
use crate::keepalive::Keepalive;
use crate::packet::Packet;
use crate::relay::{Lane, deliver};
use crate::session::{Session, Slot};
use crate::stream::{Key, key};
use crate::transport::Transport;

/// A connection to another server, opened for the calls of one session.
#[derive(Debug)]
pub struct Far {
    /// The connection, where a driver is open already.
    pub transport: Transport,
    /// How to find out that it is gone.
    pub keepalive: Keepalive,
}

/// How a server of that name is reached for a session.
pub type Reach<D> =
    dyn Fn(Arc<D>, Arc<Session>, &'static str) -> BoxFuture<'static, Result<Far>> + Send + Sync;

/// A call on its way to another server.
pub(crate) struct Outgoing {
    header: Header,
    procedure: &'static ProcedureInfo,
    /// Free when this goes.
    _slot: Slot,
}

impl Outgoing {
    pub(crate) fn new(header: Header, procedure: &'static ProcedureInfo, slot: Slot) -> Self {
        Self {
            header,
            procedure,
            _slot: slot,
        }
    }
}

/// What waits for a connection.
struct Waiting {
    call: Outgoing,
    bytes: Zeroizing<Vec<u8>>,
    fds: Vec<OwnedFd>,
}

/// The way to one server.
enum Way {
    /// The attempt of that number is made to connect.
    Opening(u64, Vec<Waiting>),
    Open(Arc<Forward>),
}

/// The ways of one session, by servers' names.
#[derive(Default)]
pub(crate) struct Forwards {
    ways: Mutex<HashMap<&'static str, Way>>,
    attempts: AtomicU64,
}

impl std::fmt::Debug for Forwards {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.ways.lock().keys()).finish()
    }
}

impl Forwards {
    /// Passes a call on to the server `to`, which `reach` connects to where that was not done before.
    pub(crate) fn call(
        &self,
        session: &Arc<Session>,
        to: &'static str,
        call: Outgoing,
        packet: (&[u8], Vec<OwnedFd>),
        reach: impl FnOnce() -> BoxFuture<'static, Result<Far>>,
    ) {
        let (bytes, fds) = packet;
        let mut ways = self.ways.lock();
        if let Some(Way::Open(forward)) = ways.get(to)
            && !forward.far.is_closed()
        {
            let forward = Arc::clone(forward);
            drop(ways);
            return forward.pass(call, bytes, fds);
        }
        let waiting = Waiting {
            call,
            bytes: Zeroizing::new(bytes.to_vec()),
            fds,
        };
        if let Some(Way::Opening(_, others)) = ways.get_mut(to) {
            return others.push(waiting);
        }
        let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
        ways.insert(to, Way::Opening(attempt, vec![waiting]));
        drop(ways);
        let (session, opening) = (Arc::clone(session), reach());
        tokio::spawn(async move {
            let opened = tokio::select! {
                opened = opening => opened,
                () = session.closed() => return,
            };
            session.forwards().opened(&session, (to, attempt), opened);
        });
    }

    /// The attempt to connect ended.
    fn opened(&self, session: &Arc<Session>, (to, attempt): (&'static str, u64), opened: Result<Far>) {
        let mut ways = self.ways.lock();
        let waiting = match ways.get_mut(to) {
            Some(Way::Opening(latest, waiting)) if *latest == attempt => std::mem::take(waiting),
            _ => return,
        };
        match opened {
            Ok(far) => {
                let (forward, serving) = Forward::new(session.link(), to, far);
                // Before any other call is passed on.
                for Waiting { call, bytes, fds } in waiting {
                    forward.pass(call, &bytes, fds);
                }
                ways.insert(to, Way::Open(Arc::clone(&forward)));
                drop(ways);
                tokio::spawn(serving);
                if session.is_closed() {
                    forward.finish(&CloseReason::Local);
                }
            }
            Err(why) => {
                ways.remove(to);
                drop(ways);
                tracing::debug!(target: "rpc", client = session.id(), to, %why, "calls cannot be passed on");
                for Waiting { call, .. } in waiting {
                    session.link().send(Packet::failure(reply(&call.header), &why));
                }
            }
        }
    }

    /// The server that a stream's packet belongs to.
    fn of_stream(&self, header: &Header) -> Option<Arc<Forward>> {
        let key = key(header);
        self.ways.lock().values().find_map(|way| match way {
            Way::Open(forward) if forward.has_stream(key) => Some(Arc::clone(forward)),
            _ => None,
        })
    }

    /// Whether a stream's packet can be passed on now; if not, the client's connection is woken when it can.
    pub(crate) fn has_room(&self, header: &Header) -> bool {
        self.of_stream(header)
            .is_none_or(|forward| forward.lane.has_room() || forward.far.is_closed())
    }

    /// Passes a packet of a stream on, if the stream is one that another server serves.
    pub(crate) fn stream(&self, packet: Arrived<'_>) {
        if let Some(forward) = self.of_stream(&packet.header) {
            forward.far.relay(packet.bytes, packet.fds, &forward.lane);
        }
    }

    /// Whoever calls is somebody else from now on: what was opened for the former ends.
    pub(crate) fn renounce(&self, session: &Session) {
        let ways = std::mem::take(&mut *self.ways.lock());
        for way in ways.into_values() {
            match way {
                Way::Open(forward) => forward.far.close(CloseReason::Local),
                Way::Opening(_, waiting) => {
                    let text = "the client calls on behalf of somebody else now";
                    let why = Error::new(Code::OperationAborted, Domain::Rpc, text);
                    for Waiting { call, .. } in waiting {
                        session.link().send(Packet::failure(reply(&call.header), &why));
                    }
                }
            }
        }
    }

    /// The client is gone.
    pub(crate) fn finish(&self, reason: &CloseReason) {
        let ways = std::mem::take(&mut *self.ways.lock());
        for way in ways.into_values() {
            if let Way::Open(forward) = way {
                forward.finish(reason);
            }
        }
    }
}

/// A connection to another server.
struct Forward {
    to: &'static str,
    near: Arc<Link>,
    far: Arc<Link>,
    /// What the client sends that waits for the server.
    lane: Arc<Lane>,
    open: Mutex<Open>,
}

/// What has no end yet.
#[derive(Default)]
struct Open {
    calls: HashMap<u32, Outgoing>,
    streams: HashSet<Key>,
    /// The connection is over, because of this.
    over: Option<String>,
}

impl Forward {
    fn new(
        near: &Arc<Link>,
        to: &'static str,
        far: Far,
    ) -> (Arc<Self>, impl Future<Output = ()> + Send + 'static) {
        let link = Link::new(far.transport, usize::MAX);
        link.start_keepalive(far.keepalive);
        let forward = Arc::new(Self {
            to,
            near: Arc::clone(near),
            far: Arc::clone(&link),
            lane: Lane::new(near),
            open: Mutex::default(),
        });
        let back = Back {
            lane: Lane::new(&link),
            forward: Arc::clone(&forward),
        };
        (forward, async move {
            run(link, back).await;
        })
    }

    fn pass(&self, call: Outgoing, bytes: &[u8], fds: Vec<OwnedFd>) {
        let mut open = self.open.lock();
        let refusal = match &open.over {
            Some(why) => Some(self.lost(why)),
            None if open.calls.contains_key(&call.header.serial) => {
                let text = format!("call {} has no answer yet", call.header.serial);
                Some(Error::new(Code::Rpc, Domain::Rpc, text))
            }
            None => None,
        };
        if let Some(refusal) = refusal {
            drop(open);
            return self.near.send(Packet::failure(reply(&call.header), &refusal));
        }
        open.calls.insert(call.header.serial, call);
        drop(open);
        self.far.relay(bytes, fds, &self.lane);
    }

    fn has_stream(&self, key: Key) -> bool {
        self.open.lock().streams.contains(&key)
    }

    /// What is said to calls whose server went away.
    fn lost(&self, why: &str) -> Error {
        let text = format!("the connection to {} ended before it answered: {why}", self.to);
        Error::new(Code::Rpc, Domain::Rpc, text)
    }

    fn finish(&self, reason: &CloseReason) {
        match reason {
            CloseReason::Peer => self.far.finish(CloseReason::Local),
            _ => self.far.close(CloseReason::Local),
        }
    }
}

/// The header of a call's reply.
fn reply(call: &Header) -> Header {
    Header {
        r#type: MessageType::Reply,
        status: Status::Ok,
        ..*call
    }
}

/// The far connection's side: everything goes to the client.
struct Back {
    forward: Arc<Forward>,
    /// What the server sends that waits for the client.
    lane: Arc<Lane>,
}

impl Inbound for Back {
    fn resume(&mut self) {}

    fn admits(&mut self, header: &Header) -> bool {
        header.prog == protocol::keepalive::PROGRAM.number
            || self.lane.has_room()
            || self.forward.near.is_closed()
    }

    fn packet(&mut self, packet: Arrived<'_>) -> Result<(), CloseReason> {
        let header = packet.header;
        let answered = match header.r#type {
            MessageType::Reply | MessageType::ReplyWithFds => {
                let mut open = self.forward.open.lock();
                let made = open.calls.get(&header.serial);
                if made.is_none_or(|call| key(&call.header) != key(&header)) {
                    let text = format!("a reply to call {}, which nobody made", header.serial);
                    return Err(CloseReason::Protocol(text));
                }
                let call = open.calls.remove(&header.serial);
                let opens = call.as_ref().is_some_and(|call| call.procedure.stream.is_some());
                if opens && header.status == Status::Ok {
                    open.streams.insert(key(&header));
                }
                call
            }
            MessageType::Message => None,
            other => {
                return Err(CloseReason::Protocol(format!(
                    "a server sent a packet of type {other:?}"
                )));
            }
        };
        deliver(&self.forward.near, packet, &self.lane);
        // Its slot is free now that it is answered.
        drop(answered);
        Ok(())
    }

    fn stray(&mut self, packet: Arrived<'_>) -> Result<(), CloseReason> {
        let mut open = self.forward.open.lock();
        let key = key(&packet.header);
        // A server ends a stream by confirming its end, or by breaking it off.
        let known = match packet.header.status {
            Status::Continue => open.streams.contains(&key),
            Status::Ok | Status::Error => open.streams.remove(&key),
        };
        drop(open);
        if known {
            deliver(&self.forward.near, packet, &self.lane);
        }
        Ok(())
    }

    fn closed(&mut self, reason: &CloseReason) {
        let forward = &self.forward;
        let why = reason.to_string();
        let (calls, streams) = {
            let mut open = forward.open.lock();
            open.over = Some(why.clone());
            (std::mem::take(&mut open.calls), std::mem::take(&mut open.streams))
        };
        if !forward.near.is_closed() {
            let (to, calls, streams) = (forward.to, calls.len(), streams.len());
            tracing::info!(target: "rpc", to, %reason, calls, streams, "the connection to another server ended");
        }
        let lost = forward.lost(&why);
        for call in calls.into_values() {
            forward.near.send(Packet::failure(reply(&call.header), &lost));
        }
        for (prog, proc, serial) in streams {
            let header = Header {
                prog,
                vers: protocol::remote::PROGRAM.version,
                proc,
                r#type: MessageType::Stream,
                serial,
                status: Status::Error,
            };
            forward.near.send(Packet::failure(header, &lost));
        }
    }
}

//! A session whose calls another server serves: packets are passed on as they are, in both directions.
//!
//! ```text
//!             client's link                               far link
//!   client -> Server::packet -> keeps? served here
//!                            -> no:  Relay::pass ------->  socket, or its outbox
//!   client <- socket, or its outbox <-------------------- Back::packet <- server
//! ```
//! Each connection's task writes into the other's socket itself, so a packet costs one wake-up of this process. What the
//! other socket does not take is copied and waits there; a [`Lane`] measures it, and above [`MARK`] the connection it
//! comes from is not read. So a peer that does not read stops its own other side, as it would without a relay.
//!
//! Keepalive belongs to each connection alone. When one ends, the other ends once everything that was passed on is
//! written; what it brings until then has nobody to go to. A client that leaves with answers unread is not waited for.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use error::{Code, Domain, Error};
use protocol::net::{Header, MessageType};

use crate::connection::{Arrived, CloseReason, Inbound, Link, run};
use crate::keepalive::Keepalive;
use crate::packet::Packet;
use crate::transport::Transport;

/// Bytes that may wait in one direction before its source is not read: about one packet of a stream.
const MARK: usize = 256 << 10;

/// Tells of a call, by header and arguments, whether it is served here although the session is relayed.
pub type Keeps = fn(&Header, &[u8]) -> bool;

/// How much of what came from one connection waits to be written into another.
#[derive(Debug)]
pub(crate) struct Lane {
    source: Weak<Link>,
    waiting: AtomicUsize,
    /// The source is not read until there is room.
    awaited: AtomicBool,
}

impl Lane {
    pub(crate) fn new(source: &Arc<Link>) -> Arc<Self> {
        Arc::new(Self {
            source: Arc::downgrade(source),
            waiting: AtomicUsize::new(0),
            awaited: AtomicBool::new(false),
        })
    }

    fn is_open(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) <= MARK
    }

    /// Whether there is room; if not, the source is woken when there is.
    pub(crate) fn has_room(&self) -> bool {
        if self.is_open() {
            return true;
        }
        self.awaited.store(true, Ordering::SeqCst);
        self.is_open()
    }

    /// So many bytes wait now.
    pub(crate) fn took(&self, bytes: usize) {
        self.waiting.fetch_add(bytes, Ordering::SeqCst);
    }

    /// So many bytes are written.
    pub(crate) fn gave(&self, bytes: usize) {
        self.waiting.fetch_sub(bytes, Ordering::SeqCst);
        if self.is_open()
            && self.awaited.swap(false, Ordering::SeqCst)
            && let Some(source) = self.source.upgrade()
        {
            source.wake();
        }
    }
}

/// The way from a session to the server that serves it.
#[derive(Debug)]
pub(crate) struct Relay {
    far: Arc<Link>,
    lane: Arc<Lane>,
    keeps: Keeps,
    unanswered: Arc<AtomicUsize>,
}

impl Relay {
    /// The relay, and the future that serves the far connection until it ends.
    pub(crate) fn new(
        near: &Arc<Link>,
        far: Transport,
        keepalive: Keepalive,
        keeps: Keeps,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let far = Link::new(far, usize::MAX);
        far.start_keepalive(keepalive);
        let unanswered = Arc::<AtomicUsize>::default();
        let back = Back {
            near: Arc::clone(near),
            lane: Lane::new(&far),
            unanswered: Arc::clone(&unanswered),
        };
        let relay = Self {
            far: Arc::clone(&far),
            lane: Lane::new(near),
            keeps,
            unanswered,
        };
        (relay, async move {
            run(far, back).await;
        })
    }

    /// Whether more can be passed on now; if not, the client's connection is woken when it can.
    pub(crate) fn has_room(&self) -> bool {
        self.lane.has_room() || self.far.is_closed()
    }

    /// Whether the call is served here.
    pub(crate) fn keeps(&self, packet: &Arrived<'_>) -> bool {
        (self.keeps)(&packet.header, packet.body)
    }

    /// Passes a packet of the client on.
    pub(crate) fn pass(&self, packet: Arrived<'_>) {
        if matches!(packet.header.r#type, MessageType::Call | MessageType::CallWithFds) {
            self.unanswered.fetch_add(1, Ordering::SeqCst);
        }
        self.far.relay(packet.bytes, packet.fds, &self.lane);
    }

    /// How many calls were passed on whose replies were not.
    pub(crate) fn unanswered(&self) -> usize {
        self.unanswered.load(Ordering::SeqCst)
    }

    /// The client is gone. One that had said all it wanted is done what it asked for; one that broke off in the middle
    /// would not have been heard to its end by the server either.
    pub(crate) fn finish(&self, reason: &CloseReason) {
        match reason {
            CloseReason::Peer => self.far.finish(CloseReason::Local),
            _ => self.far.close(CloseReason::Local),
        }
    }

    /// Waits for the end of the far connection.
    pub(crate) async fn ended(&self) {
        self.far.closed().await;
    }
}

/// Passes a server's packet on to the client.
pub(crate) fn deliver(near: &Arc<Link>, packet: Arrived<'_>, lane: &Arc<Lane>) {
    if packet.fds.is_empty() || near.transport().passes_fds() {
        return near.relay(packet.bytes, packet.fds, lane);
    }
    let reply = Header {
        r#type: MessageType::Reply,
        ..packet.header
    };
    let failure = Error::new(
        Code::NoSupport,
        Domain::Rpc,
        "descriptors cannot be passed over this connection",
    );
    near.send(Packet::failure(reply, &failure));
}

/// The far connection's side: everything goes to the client.
struct Back {
    near: Arc<Link>,
    lane: Arc<Lane>,
    unanswered: Arc<AtomicUsize>,
}

impl Inbound for Back {
    fn resume(&mut self) {}

    fn admits(&mut self, header: &Header) -> bool {
        header.prog == protocol::keepalive::PROGRAM.number || self.lane.has_room() || self.near.is_closed()
    }

    fn packet(&mut self, packet: Arrived<'_>) -> Result<(), CloseReason> {
        let answers = matches!(
            packet.header.r#type,
            MessageType::Reply | MessageType::ReplyWithFds
        );
        deliver(&self.near, packet, &self.lane);
        if answers {
            // A server may say what nobody asked for.
            let fewer = |calls: usize| calls.checked_sub(1);
            let _ = self
                .unanswered
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer);
        }
        Ok(())
    }

    fn stray(&mut self, packet: Arrived<'_>) -> Result<(), CloseReason> {
        self.packet(packet)
    }

    fn closed(&mut self, reason: &CloseReason) {
        match reason {
            CloseReason::Peer | CloseReason::Gone | CloseReason::Local => {
                tracing::debug!(target: "rpc", %reason, "the server of a relayed client is gone");
            }
            _ => tracing::warn!(target: "rpc", %reason, "the connection to a relayed client's server ended"),
        }
        self.near.finish(CloseReason::Local);
    }
}

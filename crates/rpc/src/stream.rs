//! The data channel that a call opens: both directions, holes, the end and the break-off.
//!
//! ```text
//! opener (client)                                server
//!   CALL  ------------------------------------->   handler: ctx.open_stream()
//!   <-------------------------------------- REPLY  from here on packets may flow
//!   STREAM CONTINUE data  <------------------->    STREAM CONTINUE data, STREAM_HOLE
//!   <----------------- STREAM CONTINUE, no body    "no more from me" (the server's `finish`)
//!   STREAM OK ---------------------------------->  "done" (the client's `finish`)
//!   <--------------------------------- STREAM OK   confirmed; the stream is gone
//!   STREAM ERROR <----------------------------->   either side, at any time: broken off; a server answers OK
//! ```
//!
//! Neither side grows memory: what is to be sent waits in the sender once [`SEND_WINDOW`] bytes are queued, and once
//! [`RECEIVE_WINDOW`] bytes were received and not taken, the connection is not read any more until the handler takes some. That
//! delays other calls of the same client, and of nobody else.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use error::{Code, Domain, Error, Result};
use parking_lot::Mutex;
use protocol::net::{self, Header, MessageType, Status, StreamHole, limits};
use tokio::sync::Notify;

use crate::connection::Link;
use crate::packet::{Packet, Piece, rpc_error};

/// How many bytes a stream may have queued before its sender waits: some packets, so that there is always one to write.
pub const SEND_WINDOW: usize = 4 * (limits::LENGTH + limits::HEADER + limits::STREAM_DATA);
/// How many received bytes a stream may hold before its connection is not read any more.
pub const RECEIVE_WINDOW: usize = 1 << 20;
/// What a received packet counts at least, so that empty ones are bounded, too.
const LEAST: usize = 64;

/// Program, procedure and serial of the call that opened it.
pub(crate) type Key = (u32, i32, u32);

/// Which key a packet's stream has.
pub(crate) fn key(header: &Header) -> Key {
    (header.prog, header.proc, header.serial)
}

/// What comes out of a stream.
#[derive(Debug)]
pub enum StreamEvent {
    /// Bytes; never empty.
    Data(Bytes),
    /// That many zero bytes that were not sent.
    Hole(i64),
    /// The peer has no more. Answer with [`Stream::finish`], or [`Stream::abort`] if what came is no good.
    Finish,
    /// The peer broke the stream off, or the connection ended.
    Abort(Error),
}

/// Which side of the connection this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ours {
    Open,
    /// We said that we are done; the peer's confirmation is awaited.
    Ending,
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Theirs {
    Open,
    /// It said OK.
    Finished,
    /// It broke off, or the connection ended.
    Gone,
}

#[derive(Debug)]
struct Inner {
    inbox: VecDeque<StreamEvent>,
    inbox_bytes: usize,
    /// Counted among the streams that stop the reading.
    full: bool,
    /// Bytes in the connection's outbox.
    queued: usize,
    /// The call that opens it was answered.
    opened: bool,
    /// What was said before that.
    held: Vec<Packet>,
    ours: Ours,
    theirs: Theirs,
}

impl Inner {
    /// Forgets what came and was not taken; whether the stream was among the full ones.
    fn empty(&mut self) -> bool {
        self.inbox.clear();
        self.inbox_bytes = 0;
        std::mem::take(&mut self.full)
    }
}

/// What both the stream's owner and its connection know.
#[derive(Debug)]
pub(crate) struct StreamState {
    /// The header of its packets.
    header: Header,
    side: Side,
    /// The client's end of it needs no judgement of the handler, which only sends.
    confirms: bool,
    inner: Mutex<Inner>,
    changed: Notify,
}

/// What the connection does after it delivered a packet.
#[derive(Debug, Default)]
pub(crate) struct Delivered {
    pub(crate) answer: Option<Packet>,
    pub(crate) forget: bool,
    pub(crate) now_full: bool,
}

impl StreamState {
    pub(crate) fn new(call: &Header, side: Side, confirms: bool) -> Arc<Self> {
        let header = Header {
            r#type: MessageType::Stream,
            status: Status::Continue,
            ..*call
        };
        Arc::new(Self {
            header,
            side,
            confirms,
            inner: Mutex::new(Inner {
                inbox: VecDeque::new(),
                inbox_bytes: 0,
                full: false,
                queued: 0,
                opened: false,
                held: Vec::new(),
                ours: Ours::Open,
                theirs: Theirs::Open,
            }),
            changed: Notify::new(),
        })
    }

    pub(crate) fn key(&self) -> Key {
        key(&self.header)
    }

    fn control(&self, status: Status) -> Option<Packet> {
        Packet::raw(
            Header {
                status,
                ..self.header
            },
            &[],
        )
        .ok()
    }

    /// `length` bytes left the outbox.
    pub(crate) fn sent(&self, length: usize) {
        let mut inner = self.inner.lock();
        inner.queued = inner.queued.saturating_sub(length);
        drop(inner);
        self.changed.notify_waiters();
    }

    /// The call was answered: what was held back may go.
    pub(crate) fn opened(&self) -> Vec<Packet> {
        let mut inner = self.inner.lock();
        inner.opened = true;
        let held = std::mem::take(&mut inner.held);
        inner.queued += held.iter().map(|packet| packet.bytes().len()).sum::<usize>();
        drop(inner);
        self.changed.notify_waiters();
        held
    }

    /// The call failed, so that there is no stream; or the connection ended. Whether it was among the full ones.
    pub(crate) fn gone(&self, why: &str) -> bool {
        let mut inner = self.inner.lock();
        if inner.theirs != Theirs::Gone {
            inner.theirs = Theirs::Gone;
            let event = StreamEvent::Abort(Error::new(Code::OperationAborted, Domain::Streams, why));
            inner.inbox.push_back(event);
        }
        inner.ours = Ours::Done;
        inner.held.clear();
        let was_full = std::mem::take(&mut inner.full);
        drop(inner);
        self.changed.notify_waiters();
        was_full
    }

    /// A packet of this stream came.
    ///
    /// # Errors
    /// The packet is malformed; the connection ends.
    pub(crate) fn deliver(&self, header: &Header, body: Bytes) -> Result<Delivered> {
        let mut inner = self.inner.lock();
        let mut then = Delivered::default();
        // Once we said that we are done, only the end is of interest.
        let listening = inner.ours == Ours::Open;
        let event = match (header.r#type, header.status) {
            (MessageType::StreamHole, Status::Continue) => {
                let hole: StreamHole = xdr::from_bytes(&body)
                    .map_err(|cause| rpc_error(format!("a stream's hole is malformed: {cause}")))?;
                if hole.length < 0 || hole.flags != 0 {
                    return Err(rpc_error(format!(
                        "a stream's hole has length {} and flags {}",
                        hole.length, hole.flags
                    )));
                }
                StreamEvent::Hole(hole.length)
            }
            (MessageType::StreamHole, _) => return Err(rpc_error("a stream's hole has a wrong status")),
            (_, Status::Continue) if body.is_empty() => StreamEvent::Finish,
            (_, Status::Continue) => StreamEvent::Data(body),
            (_, Status::Ok) => {
                inner.theirs = Theirs::Finished;
                if inner.ours == Ours::Ending || self.confirms {
                    then.forget = true;
                    inner.ours = Ours::Done;
                    // A client asked and this is the answer; a server is asked and answers.
                    if self.side == Side::Server {
                        then.answer = self.control(Status::Ok);
                    }
                }
                StreamEvent::Finish
            }
            (_, Status::Error) => {
                inner.theirs = Theirs::Gone;
                then.forget = true;
                // A client that breaks off waits to hear that it was heard.
                if self.side == Side::Server {
                    then.answer = self.control(Status::Ok);
                }
                let why = xdr::from_bytes::<net::Error>(&body).map_or_else(
                    |_| {
                        Error::new(
                            Code::OperationAborted,
                            Domain::Streams,
                            "the peer broke the stream off",
                        )
                    },
                    Error::from,
                );
                StreamEvent::Abort(why)
            }
        };
        let of_interest = listening || (self.side == Side::Client && matches!(event, StreamEvent::Abort(_)));
        if of_interest {
            inner.inbox_bytes += cost(&event);
            inner.inbox.push_back(event);
            if inner.inbox_bytes >= RECEIVE_WINDOW && !inner.full && !then.forget {
                inner.full = true;
                then.now_full = true;
            }
        }
        if let Some(answer) = &then.answer {
            inner.queued += answer.bytes().len();
        }
        drop(inner);
        self.changed.notify_waiters();
        Ok(then)
    }
}

fn cost(event: &StreamEvent) -> usize {
    match event {
        StreamEvent::Data(bytes) => bytes.len().max(LEAST),
        _ => LEAST,
    }
}

/// One side of a stream. Sending and receiving may go on in two tasks at once, through a shared reference.
///
/// Dropped before its end, it is broken off.
#[derive(Debug)]
pub struct Stream {
    state: Arc<StreamState>,
    link: Arc<Link>,
}

impl Stream {
    pub(crate) fn new(state: Arc<StreamState>, link: Arc<Link>) -> Self {
        Self { state, link }
    }

    /// The next of what the peer sends. After `Finish` a peer sends nothing more; after `Abort` there is only `Abort`.
    pub async fn recv(&self) -> StreamEvent {
        loop {
            let changed = self.state.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(event) = self.take() {
                return event;
            }
            changed.await;
        }
    }

    fn take(&self) -> Option<StreamEvent> {
        let mut inner = self.state.inner.lock();
        let Some(event) = inner.inbox.pop_front() else {
            let broken_off = self.state.side == Side::Server && inner.ours == Ours::Done;
            let over = inner.theirs == Theirs::Gone || broken_off;
            return over.then(|| StreamEvent::Abort(closed()));
        };
        inner.inbox_bytes = inner.inbox_bytes.saturating_sub(cost(&event));
        let reopens = inner.full && inner.inbox_bytes <= RECEIVE_WINDOW / 2;
        if reopens {
            inner.full = false;
        }
        drop(inner);
        if reopens {
            self.link.stream_has_room();
        }
        Some(event)
    }

    /// Sends data, in as many packets as it takes; waits while the window is full and until the opening call is
    /// answered.
    ///
    /// # Errors
    /// `VIR_ERR_INVALID_STREAM` when the peer finished or broke off, or the connection ended; what it said is with
    /// [`recv`](Self::recv).
    pub async fn send(&self, data: Bytes) -> Result<()> {
        for chunk in data.chunks(limits::STREAM_DATA) {
            self.put(Packet::raw(self.state.header, chunk)?).await?;
        }
        Ok(())
    }

    /// Sends one packet of data without copying it; as [`send`](Self::send) otherwise.
    ///
    /// # Errors
    /// As [`send`](Self::send), and `VIR_ERR_RPC` for a piece that is longer than a packet.
    pub async fn send_piece(&self, piece: Piece) -> Result<()> {
        // Without a body it would say that there is no more.
        if piece.is_empty() {
            return Ok(());
        }
        self.put(Packet::of_piece(self.state.header, piece)?).await
    }

    /// Sends a hole of `length` zero bytes; only to a peer that asked for a sparse stream.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_hole(&self, length: i64) -> Result<()> {
        let header = Header {
            r#type: MessageType::StreamHole,
            ..self.state.header
        };
        self.put(Packet::new(header, &StreamHole { length, flags: 0 })?)
            .await
    }

    async fn put(&self, packet: Packet) -> Result<()> {
        let length = packet.bytes().len();
        loop {
            let changed = self.state.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let mut inner = self.state.inner.lock();
                if inner.theirs != Theirs::Open || inner.ours != Ours::Open {
                    return Err(closed());
                }
                if inner.opened && (inner.queued == 0 || inner.queued + length <= SEND_WINDOW) {
                    inner.queued += length;
                    break;
                }
            }
            changed.await;
        }
        self.link.send_stream(packet, &self.state);
        Ok(())
    }

    /// Ends the stream well.
    ///
    /// A server says that there is no more, or, after the client's [`StreamEvent::Finish`], confirms; it never waits here. A client
    /// waits for the server's confirmation.
    ///
    /// # Errors
    /// On a client: what the server refuses the stream with. On a server: none.
    pub async fn finish(self) -> Result<()> {
        let state = &self.state;
        let packet = {
            let mut inner = state.inner.lock();
            if inner.ours != Ours::Open || inner.theirs == Theirs::Gone {
                None
            } else if state.side == Side::Client {
                inner.ours = Ours::Ending;
                state.control(Status::Ok)
            } else if inner.theirs == Theirs::Finished {
                inner.ours = Ours::Done;
                state.control(Status::Ok)
            } else {
                inner.ours = Ours::Ending;
                state.control(Status::Continue)
            }
        };
        if let Some(packet) = packet {
            self.say(packet);
        }
        if state.side == Side::Server {
            return Ok(());
        }
        loop {
            let changed = state.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            while let Some(event) = self.take() {
                if let StreamEvent::Abort(why) = event {
                    return Err(why);
                }
            }
            if state.inner.lock().ours == Ours::Done {
                return Ok(());
            }
            changed.await;
        }
    }

    /// Breaks the stream off and tells the peer why. Whoever still sends or receives hears that it is closed.
    pub fn abort(&self, why: &Error) {
        self.break_off(why);
    }

    fn break_off(&self, why: &Error) {
        let reopens = {
            let mut inner = self.state.inner.lock();
            if inner.ours == Ours::Done || inner.theirs == Theirs::Gone {
                return;
            }
            inner.ours = Ours::Done;
            inner.empty()
        };
        // Who receives may be held up elsewhere for long, and the connection reads nothing as long as a stream is full.
        if reopens {
            self.link.stream_has_room();
        }
        self.state.changed.notify_waiters();
        let packet = match self.state.side {
            Side::Server => Some(Packet::failure(self.state.header, why)),
            Side::Client => self.state.control(Status::Error),
        };
        if let Some(packet) = packet {
            self.say(packet);
        }
    }

    /// Sends what no window holds back, once the stream is open.
    fn say(&self, packet: Packet) {
        {
            let mut inner = self.state.inner.lock();
            if !inner.opened {
                inner.held.push(packet);
                return;
            }
            inner.queued += packet.bytes().len();
        }
        self.link.send_stream(packet, &self.state);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let ours = self.state.inner.lock().ours;
        if ours == Ours::Open {
            self.break_off(&Error::new(
                Code::OperationAborted,
                Domain::Streams,
                "the stream was closed before its end",
            ));
        }
        // A server's stream that is ending stays known until the client confirms.
        if self.state.side == Side::Client || self.state.inner.lock().ours == Ours::Done {
            self.link.forget_stream(&self.state);
        }
        // Nobody will take what still comes.
        let reopens = self.state.inner.lock().empty();
        if reopens {
            self.link.stream_has_room();
        }
    }
}

/// The other half of a stream whose opening call is on its way: for whoever hears the answer.
#[derive(Debug)]
pub struct Offered {
    state: Arc<StreamState>,
    link: Arc<Link>,
}

impl Offered {
    /// The call was answered well: data may flow.
    pub fn accepted(self) {
        self.link.stream_opened(&self.state);
    }

    /// The call failed; there is no stream.
    pub fn refused(self) {
        self.link.stream_refused(&self.state);
    }
}

impl Link {
    /// A client's stream for the call with that header, which is not sent yet.
    ///
    /// # Errors
    /// `VIR_ERR_RPC` when the connection ended or has too many streams.
    pub fn offer_stream(self: &Arc<Self>, call: &Header) -> Result<(Stream, Offered)> {
        let state = StreamState::new(call, Side::Client, false);
        if !self.add_stream(&state) {
            return Err(rpc_error("no more streams can be opened on this connection"));
        }
        let offered = Offered {
            state: Arc::clone(&state),
            link: Arc::clone(self),
        };
        Ok((Stream::new(state, Arc::clone(self)), offered))
    }
}

fn closed() -> Error {
    Error::new(Code::InvalidStream, Domain::Streams, "the stream is closed")
}

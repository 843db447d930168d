//! One connection, the same for both sides: a task that reads, and a handle through which anybody writes.
//!
//! [`Link`] is the handle: it owns the socket, the outbox and the open streams. [`run`] is the task: it finds packets, answers
//! keepalive, hands stream packets to their streams and everything else to the side's [`Inbound`]; and it writes what a
//! sender could not write at once. It reads no further while
//! - the side admits no more calls (its requests' limit),
//! - more than [`REPLY_MARK`] bytes of replies wait for the peer to read them,
//! - a stream holds more than its window of data that nobody took,
//! - a call is being answered that decides how the next packet is read.
//!
//! Each of these is bounded by what one packet may be, and each is of the peer's own making: nobody else waits.

mod streams;

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use error::Error;
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use protocol::keepalive;
use protocol::net::{Header, MessageType};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, Sleep};

use crate::frame::{FrameError, FrameReader};
use crate::keepalive::{Due, Keepalive, Pulse, answer, ping};
use crate::layer::{Layer, Unseal, Unsealer};
use crate::outbox::{Class, Outbox};
use crate::packet::Packet;
use crate::relay::Lane;
use crate::stream::{Key, StreamState};
use crate::transport::Transport;

/// Bytes of waiting replies above which no more calls are read.
pub const REPLY_MARK: usize = 1 << 20;
/// Above how many bytes a packet does not fit into what the kernel takes at once unless it is asked to take more.
const LARGE: usize = 128 * 1024;
/// How many packets are dealt with before other tasks have their turn.
const TURN: usize = 64;
/// How many streams one connection may have open.
pub const MAX_STREAMS: usize = 256;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum CloseReason {
    /// The peer closed it between two packets.
    #[error("the peer closed the connection")]
    Peer,
    /// The peer is gone with packets unread.
    #[error("the peer left without reading what was sent to it")]
    Gone,
    /// This side closed it.
    #[error("closed by this side")]
    Local,
    /// What arrived is no packet.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The system reported a failure.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The peer does not answer.
    #[error("the peer answered no keepalive")]
    Keepalive,
    /// The peer does not read its events.
    #[error("the peer left {0} bytes of events unread")]
    EventsUnread(usize),
    /// A packet that this side has no use for, or a malformed one.
    #[error("protocol violation: {0}")]
    Protocol(String),
}

/// A packet that arrived.
#[derive(Debug)]
pub struct Arrived<'a> {
    /// Its header.
    pub header: Header,
    /// The body, without the number of its descriptors.
    pub body: &'a [u8],
    /// The whole of it as it came, without its descriptors' bytes.
    pub bytes: &'a [u8],
    /// Its descriptors.
    pub fds: Vec<OwnedFd>,
}

/// What a side does with packets that are neither keepalive nor part of a stream.
pub trait Inbound: Send {
    /// Called in each turn, before packets: the time to go on with what was put off.
    fn resume(&mut self);

    /// Whether a packet with this header, be it of a stream or keepalive, is taken now. If not, reading stops;
    /// [`Link::wake`] starts it again.
    fn admits(&mut self, header: &Header) -> bool;

    /// The longest packet that is taken now, in bytes with its length word; at most the protocol's own limit.
    fn longest(&self) -> usize {
        usize::MAX
    }

    /// Takes a packet.
    ///
    /// # Errors
    /// The connection ends.
    fn packet(&mut self, packet: Arrived<'_>) -> Result<(), CloseReason>;

    /// Takes a packet of a stream that is not known here; usual after a break-off that the peer had not heard of yet.
    ///
    /// # Errors
    /// The connection ends.
    fn stray(&mut self, packet: Arrived<'_>) -> Result<(), CloseReason> {
        tracing::trace!(target: "rpc", header = ?packet.header, "packet of a stream that is gone");
        Ok(())
    }

    /// The connection ended; nothing comes any more.
    fn closed(&mut self, reason: &CloseReason);
}

/// The handle of a connection.
pub struct Link {
    transport: Transport,
    outbox: Mutex<Outbox>,
    streams: Mutex<HashMap<Key, Arc<StreamState>>>,
    /// How many streams stop the reading.
    full_streams: AtomicUsize,
    task: AtomicWaker,
    closed: AtomicBool,
    /// Ends as soon as everything is written.
    finishing: AtomicBool,
    reason: Mutex<Option<CloseReason>>,
    gone: Notify,
    keepalive: Mutex<Option<Keepalive>>,
    event_limit: usize,
    stillness: Mutex<Stillness>,
    /// A call is being answered that the peer has to wait for.
    answering: AtomicBool,
    /// What decrypts all that is read from now on, until the task has taken it.
    unseal: Mutex<Option<Box<dyn Unseal>>>,
    encrypted: AtomicBool,
}

/// Whether a connection reads on.
#[derive(Debug, Default)]
enum Stillness {
    /// It does.
    #[default]
    Reading,
    /// It is to stop, and to tell whether it did so between two packets.
    Asked(oneshot::Sender<bool>),
    /// It does not.
    Still,
}

impl Link {
    /// A connection over `transport` that may leave `event_limit` bytes of events unread.
    pub fn new(transport: Transport, event_limit: usize) -> Arc<Self> {
        Arc::new(Self {
            transport,
            outbox: Mutex::default(),
            streams: Mutex::default(),
            full_streams: AtomicUsize::new(0),
            task: AtomicWaker::new(),
            closed: AtomicBool::new(false),
            finishing: AtomicBool::new(false),
            reason: Mutex::new(None),
            gone: Notify::new(),
            keepalive: Mutex::new(None),
            event_limit,
            stillness: Mutex::default(),
            answering: AtomicBool::new(false),
            unseal: Mutex::new(None),
            encrypted: AtomicBool::new(false),
        })
    }

    /// The byte stream below.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Starts asking whether the peer is there; replaces former settings.
    pub fn start_keepalive(&self, settings: Keepalive) {
        *self.keepalive.lock() = Some(settings);
        self.wake();
    }

    /// Stops reading as soon as what was received is dealt with; the answer tells whether that is between two packets.
    pub(crate) fn hold_still(&self) -> oneshot::Receiver<bool> {
        let (told, answer) = oneshot::channel();
        *self.stillness.lock() = Stillness::Asked(told);
        self.wake();
        answer
    }

    /// From the connection's task, while it deals with a packet: nothing more is read before [`Link::answered`].
    pub(crate) fn answer_first(&self) {
        self.answering.store(true, Ordering::SeqCst);
    }

    /// Reads on after that.
    pub(crate) fn answered(&self) {
        self.answering.store(false, Ordering::SeqCst);
        self.wake();
    }

    /// Sends a packet, the last in the clear: all that follows it is encrypted, and so has to be all that is read after the
    /// packet that it answers.
    pub(crate) fn send_and_secure(&self, packet: Packet, layer: Layer) {
        let mut outbox = self.outbox.lock();
        outbox.push(packet, Class::Reply);
        outbox.secure(layer.seal);
        *self.unseal.lock() = Some(layer.unseal);
        self.encrypted.store(true, Ordering::SeqCst);
        let written = outbox.write_now(&self.transport);
        drop(outbox);
        self.written(written);
    }

    /// Reads on.
    pub(crate) fn read_on(&self) {
        *self.stillness.lock() = Stillness::Reading;
        self.wake();
    }

    /// Whether something waits to be written.
    pub(crate) fn unwritten(&self) -> bool {
        self.outbox.lock().blocked()
    }

    /// Whether reading stops here.
    fn still(&self, between_packets: bool) -> bool {
        let mut stillness = self.stillness.lock();
        match std::mem::take(&mut *stillness) {
            Stillness::Reading => return false,
            // Whoever asked may have given up.
            Stillness::Asked(told) => drop(told.send(between_packets)),
            Stillness::Still => {}
        }
        *stillness = Stillness::Still;
        true
    }

    /// Sends a call or a reply.
    pub fn send(&self, packet: Packet) {
        if packet.bytes().len() > LARGE {
            self.transport.expect_much();
        }
        self.push(packet, Class::Reply);
    }

    /// Sends an event, or ends the connection of a peer that left too many unread.
    pub fn send_event(&self, packet: Packet) {
        let waiting = self.outbox.lock().event_bytes();
        if waiting > 0 && waiting + packet.bytes().len() > self.event_limit {
            self.close(CloseReason::EventsUnread(waiting));
        } else {
            self.push(packet, Class::Event);
        }
    }

    pub(crate) fn send_stream(&self, packet: Packet, stream: &Arc<StreamState>) {
        self.push(packet, Class::Stream(Arc::clone(stream)));
    }

    fn push(&self, packet: Packet, class: Class) {
        let mut outbox = self.outbox.lock();
        outbox.push(packet, class);
        let written = outbox.write_now(&self.transport);
        drop(outbox);
        self.written(written);
    }

    /// Sends what another connection brought.
    pub(crate) fn relay(&self, bytes: &[u8], fds: Vec<OwnedFd>, lane: &Arc<Lane>) {
        let written = self.outbox.lock().relay(&self.transport, bytes, fds, lane);
        self.written(written);
    }

    /// What follows from an attempt to write, which left something for the task or not.
    fn written(&self, written: io::Result<bool>) {
        match written {
            Ok(false) => {}
            Ok(true) => self.wake(),
            Err(error) => self.close(broken(error)),
        }
    }

    /// Bytes of replies the peer has not read.
    pub(crate) fn reply_bytes(&self) -> usize {
        self.outbox.lock().reply_bytes()
    }

    /// Makes the connection's task look again.
    pub fn wake(&self) {
        self.task.wake();
    }

    /// Ends the connection; the first reason counts. The task notices soon, the peer at once.
    pub fn close(&self, reason: CloseReason) {
        self.reason.lock().get_or_insert(reason);
        if self.closed.swap(true, Ordering::SeqCst) {
            return;
        }
        self.outbox.lock().close();
        let streams = std::mem::take(&mut *self.streams.lock());
        for stream in streams.into_values() {
            stream.gone("the connection ended");
        }
        self.transport.shut();
        self.gone.notify_waiters();
        self.wake();
    }

    /// Ends the connection when everything that waits to be written is; what comes meanwhile is dealt with still.
    pub fn finish(&self, reason: CloseReason) {
        let outbox = self.outbox.lock();
        if outbox.is_empty() {
            drop(outbox);
            self.close(reason);
        } else {
            self.reason.lock().get_or_insert(reason);
            self.finishing.store(true, Ordering::SeqCst);
        }
        self.wake();
    }

    /// Whether it ended.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Waits for the end.
    pub async fn closed(&self) {
        loop {
            let gone = self.gone.notified();
            tokio::pin!(gone);
            gone.as_mut().enable();
            if self.is_closed() {
                return;
            }
            gone.await;
        }
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("transport", &self.transport)
            .field("outbox", &self.outbox)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}

fn protocol_violation(error: Error) -> CloseReason {
    CloseReason::Protocol(error.detail().to_owned())
}

/// A peer that went away while we wrote is no failure of the system.
fn broken(error: io::Error) -> CloseReason {
    match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => CloseReason::Gone,
        _ => CloseReason::Io(error),
    }
}

/// Serves the connection until it ends.
pub async fn run(link: Arc<Link>, inbound: impl Inbound) -> CloseReason {
    let mut task = Task {
        link,
        inbound,
        reader: FrameReader::new(),
        unsealer: None,
        pulse: None,
        timer: None,
        paused: false,
    };
    poll_fn(|cx| task.poll(cx)).await;
    let reason = task.link.reason.lock().take().unwrap_or(CloseReason::Local);
    task.inbound.closed(&reason);
    reason
}

struct Task<I> {
    link: Arc<Link>,
    inbound: I,
    reader: FrameReader,
    unsealer: Option<Unsealer>,
    pulse: Option<Pulse>,
    timer: Option<Pin<Box<Sleep>>>,
    /// This side did not read in the last turn, so the peer's silence says nothing.
    paused: bool,
}

impl<I> Drop for Task<I> {
    fn drop(&mut self) {
        self.link.close(CloseReason::Local);
    }
}

impl<I: Inbound> Task<I> {
    /// Ready when the connection is closed.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.link.task.register(cx.waker());
        match self.turn(cx) {
            Ok(poll) => poll,
            Err(reason) => {
                self.link.close(reason);
                Poll::Ready(())
            }
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, CloseReason> {
        self.inbound.resume();
        self.beat(cx)?;
        let mut budget = TURN;
        loop {
            self.write(cx)?;
            if self.link.is_closed() {
                return Ok(Poll::Ready(()));
            }
            self.paused = !self.packets(&mut budget)?;
            if self.paused {
                // Whoever makes room wakes this task; what only waits to be written makes room itself.
                if self.write(cx)? {
                    continue;
                }
                return Ok(Poll::Pending);
            }
            if budget == 0 {
                cx.waker().wake_by_ref();
                return Ok(Poll::Pending);
            }
            if self.link.is_closed() {
                return Ok(Poll::Ready(()));
            }
            let between_messages = self.unsealer.as_ref().is_none_or(Unsealer::is_empty);
            if self.link.still(self.reader.is_empty() && between_messages) {
                return Ok(Poll::Pending);
            }
            match self.read(cx) {
                Poll::Ready(Ok((0, _))) => {
                    self.reader.end()?;
                    return Err(CloseReason::Peer);
                }
                Poll::Ready(Ok((count, fd))) => {
                    self.reader.received(count, fd)?;
                    if let Some(pulse) = &mut self.pulse {
                        pulse.heard(Instant::now());
                    }
                }
                // TLS without its goodbye, which many peers leave out: packets have borders of their own.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.reader.end()?;
                    return Err(CloseReason::Peer);
                }
                Poll::Ready(Err(error)) => return Err(broken(error)),
                Poll::Pending => {
                    if self.link.streams.lock().is_empty() {
                        self.reader.rest();
                        self.unsealer.iter_mut().for_each(Unsealer::rest);
                    }
                    return Ok(Poll::Pending);
                }
            }
        }
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(usize, Option<OwnedFd>)>> {
        let (transport, room) = (&self.link.transport, self.reader.room());
        match &mut self.unsealer {
            None => transport.poll_read(cx, room),
            Some(unsealer) => unsealer
                .poll_read(transport, cx, room)
                .map_ok(|count| (count, None)),
        }
    }

    /// Whether packets may be dealt with: not while one is answered that the peer has to wait for. After that what is read may be
    /// encrypted.
    fn may_go_on(&mut self) -> Result<bool, CloseReason> {
        if self.link.answering.load(Ordering::SeqCst) {
            return Ok(false);
        }
        if self.unsealer.is_none() && self.link.encrypted.load(Ordering::SeqCst) {
            if !self.reader.is_empty() {
                let text = "it went on in the clear where everything has to be encrypted";
                return Err(CloseReason::Protocol(text.to_owned()));
            }
            self.unsealer = self.link.unseal.lock().take().map(Unsealer::new);
        }
        Ok(true)
    }

    /// Writes what nobody could write at once; whether all of it is written by this.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        let mut outbox = self.link.outbox.lock();
        if !outbox.blocked() || outbox.closed() {
            return Ok(false);
        }
        match outbox.poll_write(&self.link.transport, cx) {
            Poll::Ready(Ok(())) if self.link.finishing.load(Ordering::SeqCst) => Err(CloseReason::Local),
            Poll::Ready(Ok(())) => Ok(true),
            Poll::Ready(Err(error)) => Err(broken(error)),
            Poll::Pending => Ok(false),
        }
    }

    /// Deals with the packets that are there; `false` if reading has to pause.
    fn packets(&mut self, budget: &mut usize) -> Result<bool, CloseReason> {
        while *budget > 0 && !self.link.is_closed() {
            if !self.may_go_on()? {
                return Ok(false);
            }
            if self.link.full_streams.load(Ordering::SeqCst) > 0 {
                return Ok(false);
            }
            self.reader.limit(self.inbound.longest());
            let Some(frame) = self.reader.peek()? else {
                return Ok(true);
            };
            let header = frame.header;
            let stream = matches!(header.r#type, MessageType::Stream | MessageType::StreamHole);
            let probe = header.prog == keepalive::PROGRAM.number;
            if !self.inbound.admits(&header) {
                return Ok(false);
            }
            *budget -= 1;
            let fds = self.reader.take_fds(&frame)?;
            if stream && let Some(known) = self.link.stream(&header) {
                let body = self.reader.take_body(&frame);
                self.link.stream_packet(&known, &header, body)?;
                self.reader.consume(&frame);
                continue;
            }
            let packet = Arrived {
                header,
                body: self.reader.body(&frame),
                bytes: self.reader.bytes(&frame),
                fds,
            };
            if probe {
                if let Some(pong) = answer(&header) {
                    self.link.send(pong);
                }
            } else if !stream {
                self.inbound.packet(packet)?;
            } else {
                self.inbound.stray(packet)?;
            }
            self.reader.consume(&frame);
        }
        Ok(true)
    }

    /// Keepalive.
    fn beat(&mut self, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        if let Some(settings) = self.link.keepalive.lock().take() {
            self.pulse = Pulse::start(settings, Instant::now());
            self.timer = settings
                .interval
                .filter(|_| self.pulse.is_some())
                .map(|interval| Box::pin(tokio::time::sleep(interval)));
        }
        let (Some(pulse), Some(timer)) = (&mut self.pulse, &mut self.timer) else {
            return Ok(());
        };
        while timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if self.paused {
                pulse.heard(now);
            }
            let next = match pulse.due(now) {
                Due::Dead => return Err(CloseReason::Keepalive),
                Due::Wait(next) => next,
                Due::Ping(next) => {
                    if let Some(ping) = ping() {
                        self.link.send(ping);
                    }
                    next
                }
            };
            timer.as_mut().reset(next);
        }
        Ok(())
    }
}

//! What a connection still has to write: a bounded queue, or rather two.
//!
//! Replies, events and keepalive go first and keep their order; stream data goes behind them, so that a console which
//! floods does not delay a reply. Each sort has a bound of its own, kept by whoever fills it: replies by not reading more
//! calls, events by ending a connection that does not read them, stream data by making its sender wait.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::layer::{self, Seal};
use crate::packet::Packet;
use crate::relay::Lane;
use crate::stream::StreamState;
use crate::transport::Transport;

/// What a packet is accounted as.
#[derive(Debug)]
pub(crate) enum Class {
    /// A call, a reply or keepalive.
    Reply,
    /// An event.
    Event,
    /// A packet of a stream.
    Stream(Arc<StreamState>),
    /// Anything that another connection brought.
    Relayed(Arc<Lane>),
    /// The beginning of a packet that is encrypted in parts; the last part has the packet's class.
    Part,
}

#[derive(Debug)]
struct Queued {
    packet: Packet,
    class: Class,
    /// How many bytes it is accounted for; those of an encrypted packet are others.
    counts: usize,
}

/// What encrypts packets when their turn comes.
struct Sealer {
    seal: Box<dyn Seal>,
    /// A packet that is longer than a message may be, and how much of it is on its way.
    begun: Option<(Queued, usize)>,
}

/// How many packets one system call may take.
const BATCH: usize = 16;

/// How many bytes are encrypted before they are written.
const SEALED_AT_ONCE: usize = 64 << 10;

/// The packets not yet written.
#[derive(Default)]
pub(crate) struct Outbox {
    urgent: VecDeque<Queued>,
    bulk: VecDeque<Queued>,
    /// Being written: nothing overtakes these. Only the last may have descriptors.
    line: VecDeque<Queued>,
    /// Encrypts whatever gets in line, once there is a layer.
    sealer: Option<Sealer>,
    /// How much of the line's first packet is written.
    written: usize,
    /// How many of its descriptors are sent.
    fds_sent: usize,
    reply_bytes: usize,
    event_bytes: usize,
    /// The transport has no room; the connection's task waits for some and writes on.
    blocked: bool,
    closed: bool,
}

impl Outbox {
    /// Bytes of replies that wait.
    pub(crate) fn reply_bytes(&self) -> usize {
        self.reply_bytes
    }

    /// Bytes of events that wait.
    pub(crate) fn event_bytes(&self) -> usize {
        self.event_bytes
    }

    /// Whether the connection's task has to write.
    pub(crate) fn blocked(&self) -> bool {
        self.blocked
    }

    pub(crate) fn closed(&self) -> bool {
        self.closed
    }

    /// Whether everything is written.
    pub(crate) fn is_empty(&self) -> bool {
        let begun = self.sealer.as_ref().is_some_and(|sealer| sealer.begun.is_some());
        self.line.is_empty() && self.urgent.is_empty() && self.bulk.is_empty() && !begun
    }

    /// From now on whatever is pushed is encrypted, and what waits already goes as it is.
    pub(crate) fn secure(&mut self, seal: Box<dyn Seal>) {
        self.line.append(&mut self.urgent);
        self.line.append(&mut self.bulk);
        self.sealer = Some(Sealer { seal, begun: None });
    }

    /// Drops what waits, and everything that is pushed later.
    pub(crate) fn close(&mut self) {
        *self = Self {
            closed: true,
            ..Self::default()
        };
    }

    pub(crate) fn push(&mut self, packet: Packet, class: Class) {
        if self.closed {
            return;
        }
        let length = packet.bytes().len();
        let queue = match &class {
            Class::Reply => {
                self.reply_bytes += length;
                &mut self.urgent
            }
            Class::Event => {
                self.event_bytes += length;
                &mut self.urgent
            }
            Class::Relayed(lane) => {
                lane.took(length);
                &mut self.urgent
            }
            Class::Stream(_) => &mut self.bulk,
            Class::Part => &mut self.urgent,
        };
        queue.push_back(Queued {
            packet,
            class,
            counts: length,
        });
    }

    /// Takes a packet that another connection brought. It is written from where it stands, and what the transport does not
    /// take now is copied and waits; then the answer is as that of [`Outbox::write_now`].
    ///
    /// # Errors
    /// The transport's; the connection is over.
    pub(crate) fn relay(
        &mut self,
        transport: &Transport,
        bytes: &[u8],
        fds: Vec<OwnedFd>,
        lane: &Arc<Lane>,
    ) -> io::Result<bool> {
        if self.closed {
            return Ok(false);
        }
        let mut written = 0;
        let as_it_is = self.sealer.is_none() && transport.writes_from_anywhere();
        if fds.is_empty() && self.is_empty() && as_it_is {
            written = match transport.try_write(&[IoSlice::new(bytes)]) {
                Ok(count) => count,
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                    ) =>
                {
                    0
                }
                Err(error) => return Err(error),
            };
            if written >= bytes.len() {
                return Ok(false);
            }
        }
        self.push(Packet::passed_on(bytes, fds), Class::Relayed(Arc::clone(lane)));
        if written > 0 {
            // Begun, so nothing may overtake it.
            self.refill()?;
            self.written = written;
        }
        self.write_now(transport)
    }

    /// Writes what the transport takes now. What is left is for the connection's task; the answer is whether that is so
    /// since this call, so that the task must be woken.
    ///
    /// # Errors
    /// The transport's; the connection is over.
    pub(crate) fn write_now(&mut self, transport: &Transport) -> io::Result<bool> {
        if self.blocked {
            return Ok(false);
        }
        if transport.writes_from_anywhere() {
            self.write_socket(transport)?;
        } else {
            self.blocked = !self.is_empty();
        }
        Ok(self.blocked)
    }

    /// Writes from the connection's task, which is woken when there is room.
    pub(crate) fn poll_write(&mut self, transport: &Transport, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if transport.writes_from_anywhere() {
            return transport.poll_attempts(cx, || {
                self.blocked = false;
                self.write_socket(transport)?;
                Ok(!self.blocked)
            });
        }
        loop {
            match self.refill() {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return Poll::Ready(Err(error)),
            }
            let Some(first) = self.line.front() else { break };
            let rest = first.packet.bytes().get(self.written..).unwrap_or_default();
            match transport.poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => self.advance(count),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        match transport.poll_flush(cx) {
            Poll::Ready(result) => {
                self.blocked = false;
                Poll::Ready(result)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn write_socket(&mut self, transport: &Transport) -> io::Result<()> {
        while self.refill()? {
            let tried = match self.line.front() {
                Some(first) if self.written >= first.packet.bytes().len() => {
                    match first.packet.fds().get(self.fds_sent) {
                        Some(fd) => transport.try_send_fd(fd.as_fd()).map(|()| {
                            self.fds_sent += 1;
                            0
                        }),
                        None => Ok(0),
                    }
                }
                Some(first) if self.line.len() == 1 => {
                    let rest = first.packet.bytes().get(self.written..).unwrap_or_default();
                    transport.try_write(&[IoSlice::new(rest)])
                }
                _ => self.write_batch(transport),
            };
            match tried {
                Ok(count) => self.advance(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.blocked = true;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn write_batch(&self, transport: &Transport) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); BATCH];
        let mut used = 0;
        for (slice, queued) in slices.iter_mut().zip(&self.line) {
            let from = if used == 0 { self.written } else { 0 };
            *slice = IoSlice::new(queued.packet.bytes().get(from..).unwrap_or_default());
            used += 1;
        }
        transport.try_write(slices.get(..used).unwrap_or_default())
    }

    /// Puts packets in line; whether there are any.
    fn refill(&mut self) -> io::Result<bool> {
        if self.line.is_empty() {
            if let Some(mut sealer) = self.sealer.take() {
                let sealed = self.refill_sealed(&mut sealer);
                self.sealer = Some(sealer);
                sealed?;
            } else {
                self.refill_clear();
            }
        }
        Ok(!self.line.is_empty())
    }

    fn refill_clear(&mut self) {
        while self.line.len() < BATCH {
            let Some(next) = self.next() else { break };
            // Its descriptors must follow it at once.
            let last = !next.packet.fds().is_empty() || matches!(next.class, Class::Stream(_));
            self.line.push_back(next);
            if last {
                break;
            }
        }
    }

    /// The same, encrypted: no more at a time than the system takes at a time, however long a packet is.
    fn refill_sealed(&mut self, sealer: &mut Sealer) -> io::Result<()> {
        let mut sealed = 0;
        while self.line.len() < BATCH && sealed < SEALED_AT_ONCE {
            let next = sealer.begun.take();
            let Some((next, at)) = next.or_else(|| Some((self.next()?, 0))) else {
                break;
            };
            let rest = next.packet.bytes().get(at..).unwrap_or_default();
            let part = rest.get(..sealer.seal.room().max(1)).unwrap_or(rest);
            let mut message = Vec::new();
            layer::framed(&mut *sealer.seal, part, &mut message)?;
            let end = at + part.len();
            sealed += part.len();
            let last = end >= next.packet.bytes().len();
            let stream = matches!(next.class, Class::Stream(_));
            let (class, counts) = if last {
                (next.class, next.counts)
            } else {
                sealer.begun = Some((next, end));
                (Class::Part, 0)
            };
            self.line.push_back(Queued {
                packet: Packet::sealed(message),
                class,
                counts,
            });
            if last && stream {
                break;
            }
        }
        Ok(())
    }

    /// The packet that is written next. Stream data comes only one at a time: a reply that comes meanwhile waits for no more
    /// than that.
    fn next(&mut self) -> Option<Queued> {
        match self.urgent.pop_front() {
            Some(urgent) => Some(urgent),
            None if self.line.is_empty() => self.bulk.pop_front(),
            None => None,
        }
    }

    /// `count` more bytes of the line are written.
    fn advance(&mut self, count: usize) {
        self.written += count;
        while let Some(first) = self.line.front() {
            let length = first.packet.bytes().len();
            if self.written < length || self.fds_sent < first.packet.fds().len() {
                break;
            }
            self.written -= length;
            self.fds_sent = 0;
            let Some(done) = self.line.pop_front() else { break };
            let counts = done.counts;
            match done.class {
                Class::Reply => self.reply_bytes = self.reply_bytes.saturating_sub(counts),
                Class::Event => self.event_bytes = self.event_bytes.saturating_sub(counts),
                Class::Stream(stream) => stream.sent(counts),
                Class::Relayed(lane) => lane.gave(counts),
                Class::Part => {}
            }
        }
        if self.is_empty() {
            self.give_back();
        }
    }

    /// An idle connection keeps no queue.
    fn give_back(&mut self) {
        for queue in [&mut self.urgent, &mut self.bulk, &mut self.line] {
            if queue.capacity() > 4 * BATCH {
                *queue = VecDeque::new();
            }
        }
    }
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox")
            .field("reply_bytes", &self.reply_bytes)
            .field("event_bytes", &self.event_bytes)
            .field("blocked", &self.blocked)
            .finish_non_exhaustive()
    }
}

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
}

#[derive(Debug)]
struct Queued {
    packet: Packet,
    class: Class,
}

/// How many packets one system call may take.
const BATCH: usize = 16;

/// The packets not yet written.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    urgent: VecDeque<Queued>,
    bulk: VecDeque<Queued>,
    /// Being written: nothing overtakes these. Only the last may have descriptors.
    line: VecDeque<Queued>,
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
        self.line.is_empty() && self.urgent.is_empty() && self.bulk.is_empty()
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
        };
        queue.push_back(Queued { packet, class });
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
        if fds.is_empty() && self.is_empty() && transport.writes_from_anywhere() {
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
            self.refill();
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
        while self.refill() {
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
        while self.refill() {
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
    fn refill(&mut self) -> bool {
        if self.line.is_empty() {
            while self.line.len() < BATCH {
                // Stream data only one at a time: a reply that comes meanwhile waits for no more than that.
                let next = match self.urgent.pop_front() {
                    Some(urgent) => Some(urgent),
                    None if self.line.is_empty() => self.bulk.pop_front(),
                    None => None,
                };
                let Some(next) = next else { break };
                // Its descriptors must follow it at once.
                let last = !next.packet.fds().is_empty() || matches!(next.class, Class::Stream(_));
                self.line.push_back(next);
                if last {
                    break;
                }
            }
        }
        !self.line.is_empty()
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
            match done.class {
                Class::Reply => self.reply_bytes = self.reply_bytes.saturating_sub(length),
                Class::Event => self.event_bytes = self.event_bytes.saturating_sub(length),
                Class::Stream(stream) => stream.sent(length),
                Class::Relayed(lane) => lane.gave(length),
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

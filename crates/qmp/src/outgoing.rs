//! Commands on their way: those that wait to be sent and those that wait for an answer.
//!
//! ```text
//!   waiting --flush--> in flight --reply by id--> answered
//!      |                  |
//!      '-- deadline:      '-- deadline: stays as "expired" until its late reply is thrown away
//!          never sent
//! ```
//! A peer that lets a command lie gets nothing more, so a command whose deadline passes meanwhile was never carried
//! out, and nothing piles up in the socket. Whether it is stuck or only swallowed that one command is found out by
//! knocking: a harmless query of ours. QEMU works in order, so any answer says that what was sent before and not
//! answered will not be.

use crate::reply::{ID_PREFIX, Reply};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::oneshot;

/// Commands in flight at most.
const WINDOW: usize = 16;
/// How long a peer with commands in flight may say nothing before it gets no more.
const PATIENCE: Duration = Duration::from_millis(200);
/// Time between two knocks.
const KNOCK_EVERY: Duration = Duration::from_secs(5);
/// Knocks beyond the window.
const MAX_KNOCKS: usize = 8;
/// The id of knocks; commands count from 1.
const KNOCK_ID: u64 = 0;

/// A command that waits to be sent.
#[derive(Debug)]
struct Waiting {
    id: u64,
    line: Vec<u8>,
    fd: Option<OwnedFd>,
    answer: oneshot::Sender<Reply>,
}

/// A command of which at least the beginning was sent.
#[derive(Debug)]
struct Sent {
    id: u64,
    since: Instant,
    /// Nobody waits any more if it is gone.
    answer: Option<oneshot::Sender<Reply>>,
    expired: bool,
}

/// What is left of a line whose beginning was sent.
#[derive(Debug, Default)]
struct Rest {
    line: Vec<u8>,
    offset: usize,
}

/// All commands without an answer.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    waiting: VecDeque<Waiting>,
    sent: VecDeque<Sent>,
    rest: Rest,
    answered: Option<Instant>,
    knocked: Option<Instant>,
    /// The socket has no room; whoever can wait for room should flush then.
    pub(crate) blocked: bool,
}

impl Outgoing {
    pub(crate) fn push(
        &mut self,
        id: u64,
        line: Vec<u8>,
        fd: Option<OwnedFd>,
        answer: oneshot::Sender<Reply>,
    ) {
        self.waiting.push_back(Waiting { id, line, fd, answer });
    }

    /// Sends what may be sent and has room.
    ///
    /// # Errors
    /// The socket's, never `WouldBlock`.
    pub(crate) fn flush(&mut self, stream: &UnixStream) -> io::Result<()> {
        loop {
            if self.rest.offset == self.rest.line.len() {
                if self.waiting.is_empty() {
                    break;
                }
                let lies = self.lies();
                if lies && self.may_knock() {
                    self.knock(stream)?;
                    continue;
                }
                if lies || self.sent.len() >= WINDOW {
                    break;
                }
                let Some(next) = self.waiting.pop_front() else {
                    break;
                };
                let count = send(stream, &next.line, next.fd.as_ref())?;
                if count == 0 {
                    self.waiting.push_front(next);
                    self.blocked = true;
                    return Ok(());
                }
                self.rest = Rest {
                    line: next.line,
                    offset: count,
                };
                let answer = Some(next.answer);
                self.sent.push_back(Sent {
                    id: next.id,
                    since: Instant::now(),
                    answer,
                    expired: false,
                });
            } else {
                let rest = self.rest.line.get(self.rest.offset..).unwrap_or_default();
                match send(stream, rest, None)? {
                    0 => {
                        self.blocked = true;
                        return Ok(());
                    }
                    count => self.rest.offset += count,
                }
            }
        }
        self.blocked = false;
        self.rest = Rest::default();
        Ok(())
    }

    /// Whether the peer has said nothing for too long.
    fn lies(&self) -> bool {
        let Some(oldest) = self.sent.front() else {
            return false;
        };
        self.answered
            .map_or(oldest.since, |answered| answered.max(oldest.since))
            .elapsed()
            > PATIENCE
    }

    fn may_knock(&self) -> bool {
        let due = self.knocked.is_none_or(|knocked| knocked.elapsed() > KNOCK_EVERY);
        due && self.sent.len() < WINDOW + MAX_KNOCKS
    }

    fn knock(&mut self, stream: &UnixStream) -> io::Result<()> {
        let line =
            format!("{{\"execute\":\"query-name\",\"id\":\"{ID_PREFIX}{KNOCK_ID}\"}}\r\n").into_bytes();
        self.knocked = Some(Instant::now());
        let count = send(stream, &line, None)?;
        // Without room the peer does not even read, so there is nothing to find out.
        if count > 0 {
            self.rest = Rest { line, offset: count };
            self.sent.push_back(Sent {
                id: KNOCK_ID,
                since: Instant::now(),
                answer: None,
                expired: false,
            });
        }
        Ok(())
    }

    /// Whom the reply with that id is for. Without an id it is for the oldest, since the peer works in order.
    /// The outer option is empty if nobody asked.
    pub(crate) fn answered(&mut self, id: Option<u64>) -> Option<Option<oneshot::Sender<Reply>>> {
        let index = match id {
            Some(id) => self.sent.iter().position(|sent| sent.id == id)?,
            None => 0,
        };
        let sent = self.sent.remove(index)?;
        let mut place = 0;
        self.sent.retain(|sent| {
            place += 1;
            place > index || sent.answer.is_some()
        });
        self.answered = Some(Instant::now());
        self.knocked = None;
        if self.sent.is_empty() {
            self.sent = VecDeque::new();
        }
        Some(sent.answer)
    }

    /// Nobody waits for `id` any more; whether any of it was sent.
    pub(crate) fn forget(&mut self, id: u64, expired: bool) -> bool {
        if let Some(sent) = self.sent.iter_mut().find(|sent| sent.id == id) {
            sent.answer = None;
            sent.expired |= expired;
            return true;
        }
        self.waiting.retain(|waiting| waiting.id != id);
        false
    }

    /// Whether somebody waits for a reply.
    pub(crate) fn somebody_waits(&self) -> bool {
        !self.waiting.is_empty() || self.sent.iter().any(|sent| sent.answer.is_some())
    }

    /// Commands sent or to be sent and not answered.
    pub(crate) fn unanswered(&self) -> usize {
        self.sent.len() + self.waiting.len()
    }

    /// How long the oldest command sent has been lying with the peer.
    pub(crate) fn oldest(&self) -> Option<Duration> {
        self.sent.front().map(|sent| sent.since.elapsed())
    }

    /// Whether a deadline passed without its late reply having come.
    pub(crate) fn has_expired(&self) -> bool {
        self.sent.iter().any(|sent| sent.expired)
    }
}

/// Sends the beginning of `bytes`, with the descriptor at its first byte; 0 if there is no room.
fn send(stream: &UnixStream, bytes: &[u8], fd: Option<&OwnedFd>) -> io::Result<usize> {
    let attempt = || loop {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [fd.map_or(stream.as_fd(), AsFd::as_fd)];
        if fd.is_some() {
            control.push(SendAncillaryMessage::ScmRights(&fds));
        }
        match rustix::net::sendmsg(stream, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL) {
            Err(rustix::io::Errno::INTR) => {}
            outcome => return outcome.map_err(io::Error::from),
        }
    };
    match stream.try_io(Interest::WRITABLE, attempt) {
        Err(err) if err.kind() == io::ErrorKind::WouldBlock => Ok(0),
        outcome => outcome,
    }
}

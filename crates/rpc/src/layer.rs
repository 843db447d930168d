//! A layer that encrypts, between packets and the byte stream, in SASL's form (RFC 4422, 3.7): from some packet on everything
//! travels in messages of a mechanism's own, each behind its length as a 32-bit number.
//!
//! ```text
//!   sent:     reply, the last in the clear │ length, message │ length, message ...
//!   received: call, the last in the clear  │ length, message ...
//! ```
//! Borders of messages and of packets have nothing to do with each other. While the call that brings the layer is being answered
//! nothing more is read, so nothing that was said in the clear can be taken for something that was encrypted.
//!
//! Nothing is taken from a message before it has come whole and was proved genuine. What it held is overwritten once it was taken.

use std::io;
use std::ops::Range;
use std::task::{Context, Poll, ready};

use crate::transport::Transport;
use crate::wipe::wipe;

/// Encrypts what is sent.
pub trait Seal: Send {
    /// How many bytes one message may carry.
    fn room(&self) -> usize;

    /// Appends the message that carries `bytes`.
    ///
    /// # Errors
    /// It cannot be made; the connection is over.
    fn seal(&mut self, bytes: &[u8], message: &mut Vec<u8>) -> io::Result<()>;
}

/// Decrypts what is received.
pub trait Unseal: Send {
    /// How long a message may be, in bytes.
    fn longest(&self) -> usize;

    /// Decrypts a message in place; gives where what it carries stands.
    ///
    /// # Errors
    /// It is not what the peer had to send next; the connection is over.
    fn unseal(&mut self, message: &mut [u8]) -> io::Result<Range<usize>>;
}

/// Both directions.
pub struct Layer {
    /// For what is sent.
    pub seal: Box<dyn Seal>,
    /// For what is received.
    pub unseal: Box<dyn Unseal>,
}

impl std::fmt::Debug for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Layer").finish_non_exhaustive()
    }
}

/// The length word before a message.
const LENGTH: usize = 4;

/// How much is read at a time where no longer message is announced.
const USUAL: usize = 4096;

/// Appends a message with its length before it.
pub(crate) fn framed(seal: &mut dyn Seal, bytes: &[u8], message: &mut Vec<u8>) -> io::Result<()> {
    let start = message.len();
    message.extend_from_slice(&[0; LENGTH]);
    seal.seal(bytes, message)?;
    let length = message.len().saturating_sub(start + LENGTH);
    let word = u32::try_from(length).map_err(io::Error::other)?;
    if let Some(place) = message.get_mut(start..start + LENGTH) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    Ok(())
}

/// Finds messages in what arrives, and hands out what they carry.
pub(crate) struct Unsealer {
    unseal: Box<dyn Unseal>,
    buffer: Vec<u8>,
    /// What was received and is not dealt with.
    filled: Range<usize>,
    /// What a message carried and nobody has taken; it stands before `filled`.
    carried: Range<usize>,
}

impl Unsealer {
    pub(crate) fn new(unseal: Box<dyn Unseal>) -> Self {
        Self {
            unseal,
            buffer: Vec::new(),
            filled: 0..0,
            carried: 0..0,
        }
    }

    /// Reads into `room`: how many bytes; 0 at the end.
    pub(crate) fn poll_read(
        &mut self,
        transport: &Transport,
        cx: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            if !self.carried.is_empty() {
                return Poll::Ready(Ok(self.take(room)));
            }
            let Some(needed) = self.next()? else { continue };
            let space = self.space(needed);
            match ready!(transport.poll_read(cx, space))? {
                (_, Some(_)) => {
                    return Poll::Ready(Err(invalid("a descriptor came over an encrypted connection")));
                }
                (0, None) if self.filled.is_empty() => return Poll::Ready(Ok(0)),
                (0, None) => {
                    return Poll::Ready(Err(invalid("the connection ended within an encrypted message")));
                }
                (count, None) => {
                    self.filled.end = self.filled.end.saturating_add(count).min(self.buffer.len())
                }
            }
        }
    }

    /// Whether nothing was received that was not taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.filled.is_empty() && self.carried.is_empty()
    }

    /// Nothing more comes for now: an idle connection keeps no buffer.
    pub(crate) fn rest(&mut self) {
        if self.is_empty() {
            self.buffer = Vec::new();
            self.filled = 0..0;
        }
    }

    fn take(&mut self, room: &mut [u8]) -> usize {
        let carried = self.buffer.get_mut(self.carried.clone()).unwrap_or_default();
        let count = carried.len().min(room.len());
        if let (Some(from), Some(to)) = (carried.get_mut(..count), room.get_mut(..count)) {
            to.copy_from_slice(from);
            wipe(from);
        }
        self.carried.start += count;
        count
    }

    /// Decrypts the next message if it is there; else tells how many bytes it takes to go on.
    fn next(&mut self) -> io::Result<Option<usize>> {
        let filled = self.buffer.get_mut(self.filled.clone()).unwrap_or_default();
        let Some((word, rest)) = filled.split_first_chunk_mut::<LENGTH>() else {
            return Ok(Some(LENGTH));
        };
        let length = u32::from_be_bytes(*word) as usize;
        if length > self.unseal.longest() {
            return Err(invalid(
                "an encrypted message announces more bytes than it may have",
            ));
        }
        let Some(message) = rest.get_mut(..length) else {
            return Ok(Some(LENGTH + length));
        };
        let carried = self.unseal.unseal(message)?;
        if carried.is_empty() || carried.end > length {
            // Nobody sends one, and a flood of them would keep this task from others.
            return Err(invalid("an encrypted message carries nothing"));
        }
        let start = self.filled.start + LENGTH;
        self.carried = start + carried.start..start + carried.end;
        self.filled.start = start + length;
        Ok(None)
    }

    /// Room behind what was received, for `needed` bytes from its start. It grows with what is really there, at most by doubling.
    fn space(&mut self, needed: usize) -> &mut [u8] {
        if self.filled.start > 0 {
            self.buffer.copy_within(self.filled.clone(), 0);
            self.filled = 0..self.filled.len();
        }
        if self.filled.end == self.buffer.len() {
            let length = (2 * self.buffer.len()).clamp(USUAL, needed.max(self.filled.end + 1).max(USUAL));
            self.buffer.resize(length, 0);
        }
        self.buffer.get_mut(self.filled.end..).unwrap_or_default()
    }
}

impl Drop for Unsealer {
    fn drop(&mut self) {
        wipe(self.buffer.get_mut(self.carried.clone()).unwrap_or_default());
    }
}

fn invalid(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

//! A packet on its way out: length word, header, body and the descriptors that follow it.

use std::os::fd::OwnedFd;

use error::{Code, Domain, Error};
use protocol::net::{self, Header, MessageType, Status, limits};
use xdr::Encode;

use crate::wipe::wipe;

/// A packet ready to be written.
#[derive(Debug)]
pub struct Packet {
    bytes: Vec<u8>,
    fds: Vec<OwnedFd>,
    /// Nobody can read it, so nothing has to be overwritten.
    encrypted: bool,
}

/// Length word and header.
const HEAD: usize = limits::LENGTH + limits::HEADER;

/// Room for a small body, so that most packets need one allocation.
const USUAL: usize = 256;

impl Packet {
    /// A packet with `body` behind `header`.
    ///
    /// # Errors
    /// `VIR_ERR_RPC` when the body is longer than a packet or a field may be.
    pub fn new(header: Header, body: &impl Encode) -> Result<Self, Error> {
        Self::with_fds(header, body, Vec::new())
    }

    /// The same with descriptors; the header's type becomes the one that announces them.
    ///
    /// # Errors
    /// As [`Packet::new`], and when there are more than 32 descriptors.
    pub fn with_fds(mut header: Header, body: &impl Encode, fds: Vec<OwnedFd>) -> Result<Self, Error> {
        let mut bytes = Vec::with_capacity(USUAL);
        bytes.extend_from_slice(&[0; limits::LENGTH]);
        if !fds.is_empty() {
            header.r#type = match header.r#type {
                MessageType::Call => MessageType::CallWithFds,
                MessageType::Reply => MessageType::ReplyWithFds,
                other => other,
            };
        }
        header.encode(&mut bytes).map_err(unencodable)?;
        if !fds.is_empty() {
            let count = u32::try_from(fds.len())
                .ok()
                .filter(|_| fds.len() <= limits::DESCRIPTORS);
            let count = count.ok_or_else(|| {
                rpc_error(format!(
                    "{} descriptors cannot travel with one message",
                    fds.len()
                ))
            })?;
            bytes.extend_from_slice(&count.to_be_bytes());
        }
        body.encode(&mut bytes).map_err(unencodable)?;
        Self::seal(bytes, fds)
    }

    /// A packet whose body is `payload` as it is: stream data, or a body that was encoded elsewhere.
    ///
    /// # Errors
    /// `VIR_ERR_RPC` when the payload is longer than a packet may be.
    pub fn raw(header: Header, payload: &[u8]) -> Result<Self, Error> {
        let mut bytes = Vec::with_capacity(limits::LENGTH + limits::HEADER + payload.len());
        bytes.extend_from_slice(&[0; limits::LENGTH]);
        header.encode(&mut bytes).map_err(unencodable)?;
        bytes.extend_from_slice(payload);
        Self::seal(bytes, Vec::new())
    }

    /// The packet of a stream that `piece` becomes.
    ///
    /// # Errors
    /// As [`Packet::raw`].
    pub(crate) fn of_piece(header: Header, piece: Piece) -> Result<Self, Error> {
        let mut head = Vec::with_capacity(HEAD);
        head.extend_from_slice(&[0; limits::LENGTH]);
        header.encode(&mut head).map_err(unencodable)?;
        let mut bytes = piece.0;
        match bytes.get_mut(..HEAD) {
            Some(room) if head.len() == HEAD => room.copy_from_slice(&head),
            _ => return Err(rpc_error("a piece of a stream lost the room for its header")),
        }
        Self::seal(bytes, Vec::new())
    }

    /// A packet that another connection brought, as it came.
    pub(crate) fn passed_on(bytes: &[u8], fds: Vec<OwnedFd>) -> Self {
        Self {
            bytes: bytes.to_vec(),
            fds,
            encrypted: false,
        }
    }

    /// An encrypted message of a layer, which is written as a packet is.
    pub(crate) fn sealed(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            fds: Vec::new(),
            encrypted: true,
        }
    }

    /// A packet that tells `failure`.
    pub fn failure(header: Header, failure: &Error) -> Self {
        let header = Header {
            status: Status::Error,
            ..header
        };
        Self::new(header, &net::Error::from(failure)).unwrap_or_else(|_| {
            // Only a sentence of megabytes gets here; the code still tells what happened.
            let short = Error::new(
                failure.code(),
                failure.domain(),
                "the reason is too long to be sent",
            );
            Self::new(header, &net::Error::from(&short)).unwrap_or(Self {
                bytes: Vec::new(),
                fds: Vec::new(),
                encrypted: false,
            })
        })
    }

    fn seal(mut bytes: Vec<u8>, fds: Vec<OwnedFd>) -> Result<Self, Error> {
        let length = bytes.len();
        let word = u32::try_from(length)
            .ok()
            .filter(|_| length <= limits::LENGTH + limits::MESSAGE);
        match (word, bytes.first_chunk_mut::<{ limits::LENGTH }>()) {
            (Some(word), Some(head)) => *head = word.to_be_bytes(),
            _ => {
                return Err(rpc_error(format!(
                    "a message of {length} bytes is too long to be sent"
                )));
            }
        }
        Ok(Self {
            bytes,
            fds,
            encrypted: false,
        })
    }

    /// Everything but the descriptors, length word included.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What stands behind the header, and behind the count of descriptors where there are any.
    pub fn body(&self) -> &[u8] {
        let count = if self.fds.is_empty() { 0 } else { size_of::<u32>() };
        self.bytes
            .get(limits::LENGTH + limits::HEADER + count..)
            .unwrap_or_default()
    }

    /// The descriptors that follow.
    pub fn fds(&self) -> &[OwnedFd] {
        &self.fds
    }
}

/// Bytes that are sent from where they are: one packet of a stream, of at most [`STREAM_DATA`](limits::STREAM_DATA) bytes.
#[derive(Debug)]
pub struct Piece(Vec<u8>);

impl Piece {
    /// A piece of as many bytes as `read` appends to what it is given, which has room for `length` and begins with bytes that are
    /// not its own.
    ///
    /// # Errors
    /// What `read` answers.
    pub fn read<E>(length: usize, read: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<Self, E> {
        let mut bytes = Vec::with_capacity(HEAD + length);
        bytes.resize(HEAD, 0);
        read(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.0.len().saturating_sub(HEAD)
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        if !self.encrypted {
            wipe(&mut self.bytes);
        }
    }
}

fn unencodable(cause: xdr::Error) -> Error {
    rpc_error(format!("a message cannot be encoded: {cause}"))
}

/// A failure of the protocol itself.
pub(crate) fn rpc_error(detail: impl Into<String>) -> Error {
    Error::new(Code::Rpc, Domain::Rpc, detail)
}

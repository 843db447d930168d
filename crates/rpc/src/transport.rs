//! The byte stream under a connection: a UNIX socket, which passes descriptors, or any other.
//!
//! A UNIX socket may be written from any task at once, without asking the connection's own; that saves a hand-off for each
//! reply. Any other stream (TLS, a tunnel through a child's pipes) is polled by the connection's task alone.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, Shutdown,
};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::UnixStream;

/// A byte stream that is no UNIX socket.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + 'static> ByteStream for T {}

/// What a client is connected through, as the admin protocol tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum TransportKind {
    Unix = 0,
    Tcp = 1,
    Tls = 2,
}

/// The byte stream under a connection.
pub struct Transport {
    kind: TransportKind,
    inner: Inner,
}

enum Inner {
    Unix(UnixStream),
    Stream(Mutex<Option<Pin<Box<dyn ByteStream>>>>),
}

impl Transport {
    /// A connected UNIX socket.
    pub fn unix(stream: UnixStream) -> Self {
        Self {
            kind: TransportKind::Unix,
            inner: Inner::Unix(stream),
        }
    }

    /// Any other stream; descriptors cannot pass.
    pub fn stream(kind: TransportKind, stream: impl ByteStream) -> Self {
        Self {
            kind,
            inner: Inner::Stream(Mutex::new(Some(Box::pin(stream)))),
        }
    }

    /// What it is.
    pub fn kind(&self) -> TransportKind {
        self.kind
    }

    /// Whether descriptors can pass.
    pub fn passes_fds(&self) -> bool {
        matches!(self.inner, Inner::Unix(_))
    }

    /// Whether any task may write.
    pub(crate) fn writes_from_anywhere(&self) -> bool {
        self.passes_fds()
    }

    /// The UNIX socket, if it is one.
    pub(crate) fn socket(&self) -> Option<&UnixStream> {
        match &self.inner {
            Inner::Unix(stream) => Some(stream),
            Inner::Stream(_) => None,
        }
    }

    /// Reads into `room`: how many bytes, and the descriptor that came with the last of them. 0 bytes: the end.
    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<(usize, Option<OwnedFd>)>> {
        match &self.inner {
            Inner::Unix(stream) => loop {
                ready!(stream.poll_read_ready(cx))?;
                let mut got = None;
                let tried = stream.try_io(Interest::READABLE, || {
                    let (count, fd) = receive(stream.as_fd(), room)?;
                    // Short without a descriptor, which cuts a read off: the socket is empty. Saying so here
                    // saves the system call that would only find out.
                    let empty = count > 0 && count < room.len() && fd.is_none();
                    got = Some((count, fd));
                    if empty {
                        Err(io::ErrorKind::WouldBlock.into())
                    } else {
                        Ok(())
                    }
                });
                match (got, tried) {
                    (Some(got), _) => return Poll::Ready(Ok(got)),
                    (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                    (None, Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                    (None, Err(error)) => return Poll::Ready(Err(error)),
                    (None, Ok(())) => {}
                }
            },
            Inner::Stream(stream) => {
                let mut stream = stream.lock();
                let Some(stream) = stream.as_mut() else {
                    return Poll::Ready(Ok((0, None)));
                };
                let mut buffer = ReadBuf::new(room);
                ready!(stream.as_mut().poll_read(cx, &mut buffer))?;
                Poll::Ready(Ok((buffer.filled().len(), None)))
            }
        }
    }

    /// Writes some of `slices`, from any task.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room now, or when only the connection's task may write.
    pub(crate) fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match (&self.inner, slices) {
            (Inner::Unix(stream), [one]) => stream.try_write(one),
            (Inner::Unix(stream), _) => stream.try_write_vectored(slices),
            (Inner::Stream(_), _) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Sends one descriptor with its data byte.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room now; `Unsupported` where none can pass.
    pub(crate) fn try_send_fd(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let Inner::Unix(stream) = &self.inner else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        stream.try_io(Interest::WRITABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            let fds = [fd];
            control.push(SendAncillaryMessage::ScmRights(&fds));
            rustix::net::sendmsg(stream, &[IoSlice::new(&[0])], &mut control, SendFlags::NOSIGNAL)?;
            Ok(())
        })
    }

    /// Writes some of `bytes` from the connection's task, which is woken when there is room again.
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &self.inner {
            Inner::Unix(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
            Inner::Stream(stream) => match stream.lock().as_mut() {
                Some(stream) => stream.as_mut().poll_write(cx, bytes),
                None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            },
        }
    }

    /// Hands on what the stream itself holds back.
    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.inner {
            Inner::Unix(_) => Poll::Ready(Ok(())),
            Inner::Stream(stream) => match stream.lock().as_mut() {
                Some(stream) => stream.as_mut().poll_flush(cx),
                None => Poll::Ready(Ok(())),
            },
        }
    }

    /// Ready when [`try_write`](Self::try_write) is worth another attempt.
    pub(crate) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.inner {
            Inner::Unix(stream) => stream.poll_write_ready(cx),
            Inner::Stream(_) => Poll::Ready(Ok(())),
        }
    }

    /// Ends both directions; the peer notices at once although others still hold the transport.
    pub(crate) fn shut(&self) {
        match &self.inner {
            // Fails only where the peer was faster.
            Inner::Unix(stream) => drop(rustix::net::shutdown(stream, Shutdown::Both)),
            Inner::Stream(stream) => drop(stream.lock().take()),
        }
    }
}

fn receive(socket: BorrowedFd<'_>, room: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = rustix::net::recvmsg(
        socket,
        &mut [IoSliceMut::new(room)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT,
    )?;
    let mut first = None;
    for message in control.drain() {
        let RecvAncillaryMessage::ScmRights(fds) = message else {
            continue;
        };
        for fd in fds {
            if first.replace(fd).is_some() {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "several descriptors came with one message",
                ));
            }
        }
    }
    Ok((got.bytes, first))
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

//! The byte stream under a connection: a socket of the kernel's, of which UNIX sockets pass descriptors, or any other.
//!
//! A socket may be written from any task at once, without asking the connection's own; that saves a hand-off for each
//! reply. The event loop watches it for reading only: a socket that is also watched for room to write reports each packet
//! that the peer takes, which would wake this process twice for one call. Only while a write waits for room, a
//! duplicate of the socket is watched for that. Any other stream (TLS, a tunnel through a child's pipes) is polled by the
//! connection's task alone.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, Shutdown,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::unix::UCred;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::net::{TcpStream, UnixStream};

/// A byte stream that is no socket.
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

/// Who is at the other end of a network connection, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: Option<SocketAddr>,
    /// The name in its certificate, if that is good.
    pub certificate_name: Option<String>,
}

/// The byte stream under a connection.
pub struct Transport {
    kind: TransportKind,
    peer: Peer,
    inner: Inner,
}

enum Inner {
    Socket(Socket),
    Stream(Mutex<Option<Pin<Box<dyn ByteStream>>>>),
}

impl Transport {
    /// A connected UNIX socket. One that cannot be taken over from the runtime is a connection that has ended.
    pub fn unix(stream: UnixStream) -> Self {
        let credentials = stream.peer_cred().ok();
        let socket = stream.into_std().map(OwnedFd::from);
        Self::socket(TransportKind::Unix, socket, credentials, Peer::default())
    }

    /// A connected TCP socket; as [`Transport::unix`], but descriptors cannot pass.
    pub fn tcp(stream: TcpStream) -> Self {
        let peer = Peer {
            address: stream.peer_addr().ok(),
            certificate_name: None,
        };
        Self::socket(
            TransportKind::Tcp,
            stream.into_std().map(OwnedFd::from),
            None,
            peer,
        )
    }

    fn socket(
        kind: TransportKind,
        socket: io::Result<OwnedFd>,
        credentials: Option<UCred>,
        peer: Peer,
    ) -> Self {
        let inner = match socket.and_then(|socket| Socket::new(socket, credentials)) {
            Ok(socket) => Inner::Socket(socket),
            Err(error) => {
                tracing::error!(target: "rpc", %error, "a connected socket cannot be watched");
                Inner::Stream(Mutex::new(None))
            }
        };
        Self { kind, peer, inner }
    }

    /// Any other stream; descriptors cannot pass.
    pub fn stream(kind: TransportKind, stream: impl ByteStream) -> Self {
        Self {
            kind,
            peer: Peer::default(),
            inner: Inner::Stream(Mutex::new(Some(Box::pin(stream)))),
        }
    }

    /// The same, where it is known who is at the other end.
    #[must_use]
    pub fn with_peer(self, peer: Peer) -> Self {
        Self { peer, ..self }
    }

    /// Who is at the other end of a network connection.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// What it is.
    pub fn kind(&self) -> TransportKind {
        self.kind
    }

    /// Whether descriptors can pass.
    pub fn passes_fds(&self) -> bool {
        self.kind == TransportKind::Unix && matches!(self.inner, Inner::Socket(_))
    }

    /// The socket once more, where it is a UNIX socket.
    pub(crate) fn duplicate(&self) -> Option<OwnedFd> {
        match &self.inner {
            Inner::Socket(socket) if self.passes_fds() => socket.fd().try_clone_to_owned().ok(),
            _ => None,
        }
    }

    /// Has the kernel take a whole packet of a stream, or more of a long reply, at once where it can, so that nobody waits for room in the middle of one.
    pub(crate) fn expect_much(&self) {
        if let Inner::Socket(socket) = &self.inner {
            // It takes twice of what it is asked for, up to its limit; what it does not take waits, as ever.
            let _ = rustix::net::sockopt::set_socket_send_buffer_size(
                socket.fd(),
                protocol::net::limits::STREAM_DATA,
            );
        }
    }

    /// Whether any task may write.
    pub(crate) fn writes_from_anywhere(&self) -> bool {
        matches!(self.inner, Inner::Socket(_))
    }

    /// Who is at the other end, where the kernel tells it.
    pub(crate) fn credentials(&self) -> Option<UCred> {
        match &self.inner {
            Inner::Socket(socket) => socket.credentials,
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
            Inner::Socket(socket) => loop {
                ready!(socket.reading.poll_read_ready(cx))?;
                let mut got = None;
                let tried = socket.reading.try_io(|| {
                    let (count, fd) = receive(socket.fd(), room)?;
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
        let Inner::Socket(socket) = &self.inner else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let count = match slices {
            [one] => rustix::net::send(socket.fd(), one, flags)?,
            _ => rustix::net::sendmsg(socket.fd(), slices, &mut SendAncillaryBuffer::default(), flags)?,
        };
        Ok(count)
    }

    /// Sends one descriptor with its data byte.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room now; `Unsupported` where none can pass.
    pub(crate) fn try_send_fd(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let Inner::Socket(socket) = &self.inner else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [fd];
        control.push(SendAncillaryMessage::ScmRights(&fds));
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        rustix::net::sendmsg(socket.fd(), &[IoSlice::new(&[0])], &mut control, flags)?;
        Ok(())
    }

    /// Writes some of `bytes` from the connection's task, which is woken when there is room again.
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &self.inner {
            Inner::Socket(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
            Inner::Stream(stream) => match stream.lock().as_mut() {
                Some(stream) => stream.as_mut().poll_write(cx, bytes),
                None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            },
        }
    }

    /// Hands on what the stream itself holds back.
    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.inner {
            Inner::Socket(_) => Poll::Ready(Ok(())),
            Inner::Stream(stream) => match stream.lock().as_mut() {
                Some(stream) => stream.as_mut().poll_flush(cx),
                None => Poll::Ready(Ok(())),
            },
        }
    }

    /// Makes `attempt`s at writing to a socket until one tells that nothing is left; between them the connection's task is
    /// woken when there is room again.
    pub(crate) fn poll_attempts(
        &self,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut() -> io::Result<bool>,
    ) -> Poll<io::Result<()>> {
        let Inner::Socket(socket) = &self.inner else {
            return Poll::Ready(Err(io::ErrorKind::Unsupported.into()));
        };
        let mut writing = socket.writing.lock();
        let watched = match writing.take() {
            Some(watched) => watched,
            None => Sender::from_owned_fd_unchecked(socket.fd().try_clone_to_owned()?)?,
        };
        while let Poll::Ready(ready) = watched.poll_write_ready(cx) {
            ready?;
            match watched.try_io(|| {
                if attempt()? {
                    Ok(())
                } else {
                    Err(io::ErrorKind::WouldBlock.into())
                }
            }) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
        *writing = Some(watched);
        Poll::Pending
    }

    /// Ends both directions; the peer notices at once although others still hold the transport.
    pub(crate) fn shut(&self) {
        match &self.inner {
            // Fails only where the peer was faster.
            Inner::Socket(socket) => drop(rustix::net::shutdown(socket.fd(), Shutdown::Both)),
            Inner::Stream(stream) => drop(stream.lock().take()),
        }
    }
}

/// A socket. The runtime's own socket type is always watched for both directions; its ends of a pipe are watched for
/// one, and assume nothing of the descriptor.
struct Socket {
    reading: Receiver,
    /// A duplicate, while a write waits.
    writing: Mutex<Option<Sender>>,
    credentials: Option<UCred>,
}

impl Socket {
    fn new(socket: OwnedFd, credentials: Option<UCred>) -> io::Result<Self> {
        let reading = Receiver::from_owned_fd_unchecked(socket)?;
        Ok(Self {
            reading,
            writing: Mutex::new(None),
            credentials,
        })
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.reading.as_fd()
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

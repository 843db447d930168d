//! The byte stream of a monitor, with the descriptors that come along.

use rustix::event::{PollFd, PollFlags};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use std::io::{self, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// A byte stream.
#[derive(Debug)]
pub enum Channel {
    /// A connected socket.
    Socket(UnixStream),
    /// Standard input and output.
    Stdio,
}

/// What arrived and has not been taken.
#[derive(Debug, Default)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    pub(crate) fds: Vec<OwnedFd>,
}

impl Channel {
    /// The next line; none at the end.
    pub(crate) fn next_line(&self, input: &mut Input) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(end) = input.bytes.iter().position(|&byte| byte == b'\n') {
                let rest = input.bytes.split_off(end + 1);
                return Ok(Some(std::mem::replace(&mut input.bytes, rest)));
            }
            let mut buffer = [0; 2048];
            let count = match self {
                Self::Socket(stream) => receive(stream, &mut buffer, &mut input.fds)?,
                Self::Stdio => {
                    rustix::io::retry_on_intr(|| rustix::io::read(rustix::stdio::stdin(), &mut buffer))?
                }
            };
            if count == 0 {
                return Ok(None);
            }
            input
                .bytes
                .extend_from_slice(buffer.get(..count).unwrap_or_default());
        }
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Socket(stream) => (&mut &*stream).write_all(bytes),
            Self::Stdio => {
                let mut out = io::stdout().lock();
                out.write_all(bytes)?;
                out.flush()
            }
        }
    }

    /// Waits, without reading, until the other side has gone.
    pub(crate) fn wait_for_the_end(&self) {
        let poll = |fd: rustix::fd::BorrowedFd<'_>| {
            let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::empty())];
            while rustix::event::poll(&mut fds, None) == Err(rustix::io::Errno::INTR) {}
        };
        match self {
            Self::Socket(stream) => poll(stream.as_fd()),
            Self::Stdio => poll(rustix::stdio::stdin()),
        }
    }
}

fn receive(stream: &UnixStream, buffer: &mut [u8], fds: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::io::retry_on_intr(|| {
        rustix::net::recvmsg(
            stream,
            &mut [IoSliceMut::new(buffer)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )
    })?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            fds.extend(received);
        }
    }
    Ok(received.bytes)
}

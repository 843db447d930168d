//! Console connections: a client's stream on one side, a terminal or socket of a guest on the other.
//!
//! A device serves one client at a time: two readers would each get half. A later one may take it over by force.

use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::devices::CharSource;
use parking_lot::Mutex;
use rpc::{Stream, StreamEvent};
use rustix::fs::{Mode, OFlags};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;
use tokio::sync::oneshot;

/// How much is passed on in one packet.
const CHUNK: usize = 16 * 1024;

/// Who holds which device, by its path. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Consoles(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    next: u64,
    by_path: HashMap<String, (u64, oneshot::Sender<()>)>,
}

/// The guest's side of a connection.
#[derive(Debug)]
pub(crate) enum Device {
    /// A terminal or a device node.
    Terminal(AsyncFd<File>),
    /// A socket that QEMU listens on.
    Socket(UnixStream),
}

impl Device {
    /// Opens what a device of a live document leads to.
    ///
    /// # Errors
    /// [`Code::OperationUnsupported`] for a kind that nobody can connect to; what the host refuses.
    pub(crate) async fn open(source: &CharSource) -> Result<Self> {
        let unsupported = || {
            let text = format!(
                "a character device of type '{}' has no end that a client can open",
                source.kind()
            );
            Error::new(Code::OperationUnsupported, ErrorDomain::Qemu, text)
        };
        let path = source.path().ok_or_else(unsupported)?.to_owned();
        let failed = |err: io::Error| {
            Error::new(
                Code::OperationFailed,
                ErrorDomain::Qemu,
                format!("cannot open '{path}': {err}"),
            )
            .caused_by(err)
        };
        let device = match source {
            CharSource::Pty { .. } | CharSource::Dev { .. } => {
                Self::Terminal(terminal(Path::new(&path)).map_err(failed)?)
            }
            CharSource::Unix { .. } => Self::Socket(UnixStream::connect(&path).await.map_err(failed)?),
            _ => return Err(unsupported()),
        };
        Ok(device)
    }

    async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Terminal(file) => {
                file.async_io(Interest::READABLE, |mut file| file.read(buffer))
                    .await
            }
            Self::Socket(socket) => loop {
                socket.readable().await?;
                match socket.try_read(buffer) {
                    Err(later) if later.kind() == io::ErrorKind::WouldBlock => {}
                    outcome => return outcome,
                }
            },
        }
    }

    async fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = match self {
                Self::Terminal(file) => {
                    file.async_io(Interest::WRITABLE, |mut file| file.write(bytes))
                        .await?
                }
                Self::Socket(socket) => {
                    socket.writable().await?;
                    match socket.try_write(bytes) {
                        Err(later) if later.kind() == io::ErrorKind::WouldBlock => 0,
                        outcome => outcome?,
                    }
                }
            };
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }
}

fn terminal(path: &Path) -> io::Result<AsyncFd<File>> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd: OwnedFd = rustix::fs::open(path, flags, Mode::empty())?;
    #[expect(
        deprecated,
        reason = "its successor is unsafe for types that lie about their descriptor; File does not"
    )]
    AsyncFd::new(File::from(fd))
}

impl Consoles {
    /// Takes a device for a client.
    ///
    /// # Errors
    /// [`Code::OperationFailed`] when somebody has it and `force` is not given.
    pub(crate) fn take(&self, path: &str, force: bool) -> Result<Hold> {
        let mut held = self.0.lock();
        if held.by_path.contains_key(path) && !force {
            let text = "Active console session exists for this domain";
            return Err(Error::new(Code::OperationFailed, ErrorDomain::Qemu, text));
        }
        let number = held.next;
        held.next += 1;
        let (drop_it, dropped) = oneshot::channel();
        // The former holder hears it by the fall of its sender.
        held.by_path.insert(path.to_owned(), (number, drop_it));
        Ok(Hold {
            consoles: self.clone(),
            path: path.to_owned(),
            number,
            dropped,
        })
    }
}

/// A device held for one client.
#[derive(Debug)]
pub(crate) struct Hold {
    consoles: Consoles,
    path: String,
    number: u64,
    dropped: oneshot::Receiver<()>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = self.consoles.0.lock();
        if held
            .by_path
            .get(&self.path)
            .is_some_and(|(number, _)| *number == self.number)
        {
            held.by_path.remove(&self.path);
        }
    }
}

/// Passes bytes both ways until one side ends.
///
/// What the client does not read is not read from the guest either, so it waits there and not in this daemon's memory.
pub(crate) async fn connect(stream: Stream, device: Device, mut hold: Hold) {
    let ending = {
        let from_guest = from_guest(&stream, &device);
        let to_guest = to_guest(&stream, &device);
        tokio::select! {
            ending = from_guest => ending,
            ending = to_guest => ending,
            _ = &mut hold.dropped => Ending::Taken,
        }
    };
    match ending {
        Ending::ClientGone => {}
        Ending::GuestGone => {
            // A client that is gone by now has nothing to be told.
            let _ = stream.finish().await;
        }
        Ending::Taken => {
            let text = "the console was taken over by another client";
            stream.abort(&Error::new(Code::OperationFailed, ErrorDomain::Qemu, text));
        }
        Ending::Failed(err) => {
            let text = format!("console: {err}");
            stream.abort(&Error::new(Code::OperationFailed, ErrorDomain::Qemu, text).caused_by(err));
        }
    }
}

enum Ending {
    /// The client broke off.
    ClientGone,
    /// The guest has no more, or the client says that it has.
    GuestGone,
    Taken,
    Failed(io::Error),
}

async fn from_guest(stream: &Stream, device: &Device) -> Ending {
    let mut buffer = vec![0; CHUNK];
    loop {
        match device.read(&mut buffer).await {
            // A terminal whose other end is closed answers EIO.
            Ok(0) => return Ending::GuestGone,
            Err(err) if err.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => {
                return Ending::GuestGone;
            }
            Err(err) => return Ending::Failed(err),
            Ok(count) => {
                let bytes = bytes::Bytes::copy_from_slice(buffer.get(..count).unwrap_or_default());
                if stream.send(bytes).await.is_err() {
                    return Ending::ClientGone;
                }
            }
        }
    }
}

async fn to_guest(stream: &Stream, device: &Device) -> Ending {
    loop {
        match stream.recv().await {
            StreamEvent::Data(bytes) => {
                if let Err(err) = device.write(&bytes).await {
                    return Ending::Failed(err);
                }
            }
            // A console has no holes; the peer that sends one means zeroes.
            StreamEvent::Hole(_) => {}
            StreamEvent::Finish => return Ending::GuestGone,
            StreamEvent::Abort(_) => return Ending::ClientGone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_client_at_a_time_unless_by_force() {
        let consoles = Consoles::default();
        let first = consoles.take("/dev/pts/9", false).unwrap();
        assert_eq!(
            consoles.take("/dev/pts/9", false).unwrap_err().code(),
            Code::OperationFailed
        );
        let mut first = first;
        let second = consoles.take("/dev/pts/9", true).unwrap();
        assert!((&mut first.dropped).await.is_err(), "the first was not told");
        drop(first);
        assert!(
            consoles.take("/dev/pts/9", false).is_err(),
            "the first gave away what is the second's"
        );
        drop(second);
        assert!(consoles.take("/dev/pts/9", false).is_ok());
    }

    #[tokio::test]
    async fn what_has_no_path_cannot_be_opened() {
        assert_eq!(
            Device::open(&CharSource::Null).await.unwrap_err().code(),
            Code::OperationUnsupported
        );
    }
}

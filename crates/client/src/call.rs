//! Calls out, replies and events in.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use error::{Code, Domain, Error, Result};
use parking_lot::Mutex;
use protocol::net::{self, Header, MessageType, Status};
use protocol::{Procedure, Program};
use rpc::{Arrived, CloseReason, Inbound, Keepalive, Link, Offered, Packet, Stream, Transport};
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::event::{Events, RawEvent, Subscriber, UNREAD, subscription};

/// How often a server whose queue is full is tried again.
const QUEUE: Duration = Duration::from_millis(20);

/// An answer as it came.
#[derive(Debug)]
pub struct Reply {
    /// The body.
    pub body: Bytes,
    /// The descriptors that came with it.
    pub fds: Vec<OwnedFd>,
}

/// One connection to a daemon. Clones share it; it is closed when the last is dropped.
#[derive(Debug, Clone)]
pub struct Client {
    connection: Arc<Connection>,
    deadline: Option<Duration>,
}

#[derive(Debug)]
struct Connection {
    link: Arc<Link>,
    shared: Arc<Shared>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.link.close(CloseReason::Local);
    }
}

#[derive(Debug)]
struct Pending {
    reply: oneshot::Sender<Result<Reply>>,
    stream: Option<Offered>,
}

#[derive(Debug, Default)]
struct Shared {
    serial: AtomicU32,
    /// Calls without an answer; `None` once there will be none, with the reason beside.
    pending: Mutex<Calls>,
    subscribers: Mutex<Vec<Subscriber>>,
}

#[derive(Debug, Default)]
struct Calls {
    waiting: HashMap<u32, Pending>,
    /// Why there will be no more answers.
    over: Option<String>,
}

/// Connects to the UNIX socket at `path`, and waits where too many wait to be accepted.
///
/// # Errors
/// `VIR_ERR_SYSTEM_ERROR` with the path and the system's words.
pub async fn unix_stream(path: &Path) -> Result<UnixStream> {
    loop {
        match UnixStream::connect(path).await {
            Ok(stream) => return Ok(stream),
            // The kernel tells nobody when there is room in a server's queue.
            Err(full) if full.kind() == ErrorKind::WouldBlock => tokio::time::sleep(QUEUE).await,
            Err(cause) => {
                let detail = format!("Failed to connect socket to '{}': {cause}", path.display());
                return Err(Error::new(Code::SystemError, Domain::Rpc, detail).caused_by(cause));
            }
        }
    }
}

impl Client {
    /// Connects to the UNIX socket at `path`.
    ///
    /// # Errors
    /// `VIR_ERR_SYSTEM_ERROR` with the path and the system's words.
    pub async fn connect_unix(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self::over(Transport::unix(unix_stream(path.as_ref()).await?)))
    }

    /// A client over a connected stream; to be called within a runtime.
    pub fn over(transport: Transport) -> Self {
        let link = Link::new(transport, usize::MAX);
        let shared = Arc::new(Shared::default());
        let inbound = Replies {
            link: Arc::clone(&link),
            shared: Arc::clone(&shared),
        };
        tokio::spawn(rpc::connection::run(Arc::clone(&link), inbound));
        Self {
            connection: Arc::new(Connection { link, shared }),
            deadline: None,
        }
    }

    /// The same connection, where no call waits longer than `deadline` for its reply.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self {
            connection: Arc::clone(&self.connection),
            deadline: Some(deadline),
        }
    }

    /// Calls `P`.
    ///
    /// # Errors
    /// What the server answers; `VIR_ERR_RPC` when the connection is closed or an answer malformed;
    /// `VIR_ERR_OPERATION_TIMEOUT` at the deadline (the server may still do what was asked).
    pub async fn call<P: Procedure>(&self, args: &P::Args) -> Result<P::Ret> {
        self.call_with_fds::<P>(args, Vec::new())
            .await
            .map(|(ret, _)| ret)
    }

    /// Calls `P` with descriptors; descriptors may come back, too.
    ///
    /// # Errors
    /// As [`Client::call`]; `VIR_ERR_NO_SUPPORT` where descriptors cannot pass.
    pub async fn call_with_fds<P: Procedure>(
        &self,
        args: &P::Args,
        fds: Vec<OwnedFd>,
    ) -> Result<(P::Ret, Vec<OwnedFd>)> {
        self.check_fds(&fds)?;
        let header = self.header(P::PROGRAM, P::INFO.number);
        let reply = self
            .exchange(header, Packet::with_fds(header, args, fds)?, None)
            .await?;
        Ok((decode::<P>(&reply.body)?, reply.fds))
    }

    /// Calls `P`, which opens a stream.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call_with_stream<P: Procedure>(&self, args: &P::Args) -> Result<(P::Ret, Stream)> {
        let header = self.header(P::PROGRAM, P::INFO.number);
        let packet = Packet::new(header, args)?;
        let (stream, offered) = self.connection.link.offer_stream(&header)?;
        let reply = self.exchange(header, packet, Some(offered)).await?;
        Ok((decode::<P>(&reply.body)?, stream))
    }

    /// Calls a procedure by number with arguments that are encoded already.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn call_raw(&self, program: &Program, procedure: i32, args: &[u8]) -> Result<Reply> {
        let header = self.header(program, procedure);
        self.exchange(header, Packet::raw(header, args)?, None).await
    }

    /// Every event from now on. Subscribe before registering for events at the server.
    pub fn events(&self) -> Events {
        let (subscriber, events) = subscription();
        let calls = self.connection.shared.pending.lock();
        if calls.over.is_none() {
            self.connection.shared.subscribers.lock().push(subscriber);
        }
        events
    }

    /// Starts asking whether the server is there; the connection ends when it does not answer. The server must have
    /// said that it knows keepalive (feature 10 of `connect_supports_feature`).
    pub fn start_keepalive(&self, settings: Keepalive) {
        self.connection.link.start_keepalive(settings);
    }

    /// Closes the connection for all clones.
    pub fn close(&self) {
        self.connection.link.close(CloseReason::Local);
    }

    /// Waits until the connection is closed, from whichever side.
    pub async fn closed(&self) {
        self.connection.link.closed().await;
    }

    /// Whether it is closed.
    pub fn is_closed(&self) -> bool {
        self.connection.link.is_closed()
    }

    fn header(&self, program: &Program, procedure: i32) -> Header {
        Header {
            prog: program.number,
            vers: program.version,
            proc: procedure,
            r#type: MessageType::Call,
            serial: self.connection.shared.serial.fetch_add(1, Ordering::Relaxed),
            status: Status::Ok,
        }
    }

    fn check_fds(&self, fds: &[OwnedFd]) -> Result<()> {
        if fds.is_empty() || self.connection.link.transport().passes_fds() {
            return Ok(());
        }
        Err(Error::new(
            Code::NoSupport,
            Domain::Rpc,
            "descriptors cannot be passed over this connection",
        ))
    }

    async fn exchange(&self, header: Header, packet: Packet, stream: Option<Offered>) -> Result<Reply> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut calls = self.connection.shared.pending.lock();
            if let Some(why) = &calls.over {
                return Err(over(why));
            }
            match calls.waiting.entry(header.serial) {
                Entry::Vacant(slot) => slot.insert(Pending {
                    reply: sender,
                    stream,
                }),
                // Four billion calls later.
                Entry::Occupied(_) => return Err(over("a call with this serial still waits")),
            };
        }
        self.connection.link.send(packet);
        let lost = |_| Err(over("the connection was closed"));
        let Some(deadline) = self.deadline else {
            return receiver.await.unwrap_or_else(lost);
        };
        match tokio::time::timeout(deadline, receiver).await {
            Ok(reply) => reply.unwrap_or_else(lost),
            Err(_) => Err(Error::new(
                Code::OperationTimeout,
                Domain::Rpc,
                format!(
                    "no answer to call {} within {} ms",
                    header.serial,
                    deadline.as_millis()
                ),
            )),
        }
    }
}

fn decode<P: Procedure>(body: &[u8]) -> Result<P::Ret> {
    xdr::from_bytes(body).map_err(|cause| {
        Error::new(
            Code::Rpc,
            Domain::Rpc,
            format!("the answer to {} is malformed: {cause}", P::INFO.name),
        )
    })
}

fn over(why: &str) -> Error {
    Error::new(
        Code::Rpc,
        Domain::Rpc,
        format!("the connection to the server is closed: {why}"),
    )
}

/// The client's side of the connection.
struct Replies {
    link: Arc<Link>,
    shared: Arc<Shared>,
}

impl Replies {
    fn reply(&self, header: &Header, body: &[u8], fds: Vec<OwnedFd>) -> Result<(), CloseReason> {
        let Some(pending) = self.shared.pending.lock().waiting.remove(&header.serial) else {
            return Err(CloseReason::Protocol(format!(
                "a reply to call {}, which nobody made",
                header.serial
            )));
        };
        let result = match header.status {
            Status::Ok => Ok(Reply {
                // It may hold a secret: its memory is overwritten when it is not needed any more.
                body: Bytes::from_owner(Zeroizing::new(body.to_vec())),
                fds,
            }),
            Status::Error => match xdr::from_bytes::<net::Error>(body) {
                Ok(error) => Err(Error::from(error)),
                Err(cause) => return Err(CloseReason::Protocol(format!("a malformed error: {cause}"))),
            },
            Status::Continue => {
                return Err(CloseReason::Protocol(
                    "a reply that is to be continued".to_owned(),
                ));
            }
        };
        if let Some(stream) = pending.stream {
            if result.is_ok() {
                stream.accepted()
            } else {
                stream.refused()
            }
        }
        // The caller may have stopped waiting.
        let _ = pending.reply.send(result);
        Ok(())
    }

    fn event(&self, header: &Header, body: &[u8]) {
        let mut subscribers = self.shared.subscribers.lock();
        subscribers.retain(Subscriber::listens);
        if subscribers.is_empty() {
            return;
        }
        let event = RawEvent {
            program: header.prog,
            number: header.proc,
            body: Bytes::copy_from_slice(body),
        };
        let most = subscribers
            .iter()
            .map(|subscriber| subscriber.tell(event.clone()))
            .max();
        drop(subscribers);
        if let Some(waiting) = most.filter(|waiting| *waiting > UNREAD) {
            self.link.close(CloseReason::EventsUnread(waiting));
        }
    }
}

impl Inbound for Replies {
    fn resume(&mut self) {}

    fn admits(&mut self, _: &Header) -> bool {
        true
    }

    fn packet(&mut self, packet: Arrived<'_>) -> Result<(), CloseReason> {
        match packet.header.r#type {
            MessageType::Reply | MessageType::ReplyWithFds => {
                self.reply(&packet.header, packet.body, packet.fds)
            }
            MessageType::Message => {
                self.event(&packet.header, packet.body);
                Ok(())
            }
            other => Err(CloseReason::Protocol(format!(
                "a server sent a packet of type {other:?}"
            ))),
        }
    }

    fn closed(&mut self, reason: &CloseReason) {
        let why = reason.to_string();
        let waiting = {
            let mut calls = self.shared.pending.lock();
            calls.over = Some(why.clone());
            std::mem::take(&mut calls.waiting)
        };
        for pending in waiting.into_values() {
            if let Some(stream) = pending.stream {
                stream.refused();
            }
            let _ = pending.reply.send(Err(over(&why)));
        }
        self.shared.subscribers.lock().clear();
    }
}

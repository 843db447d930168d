//! The server's side of a connection: calls in, replies out.
//!
//! ```text
//! packet -> table -> gate -> (guard) -> arguments -> handler, polled once -> ready: reply written
//!                                                                         -> pending: a task and a slot -> reply
//! ```
//! The table is the one the session came to, until a call hands the session over to another ([`Router::hand_over`]).
//!
//! A call that has to wait takes one of the client's slots. With all ordinary slots taken one more ordinary call is put
//! aside and reading goes on, so that keepalive, stream packets and high-priority calls still get through; at the next ordinary
//! call reading stops until a slot is free. Calls that another server serves take slots until it has answered; see `forward.rs`.

use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context as Waiting, Poll, Waker};

use error::{Code, Domain, Error, Result};
use futures_util::FutureExt;
use protocol::net::{Header, MessageType, limits};
use protocol::{Priority, ProcedureInfo, keepalive};
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::connection::{Arrived, CloseReason, Inbound, REPLY_MARK, run};
use crate::dispatcher::Dispatcher;
use crate::forward::Outgoing;
use crate::packet::Packet;
use crate::router::{Call, Place, Router, Work};
use crate::session::{Session, SessionOptions, Slot};
use crate::transport::Transport;

/// The longest packet of a client that has not authenticated: room for the largest token that authentication exchanges, each of
/// whose bytes takes four, and not for the buffers that a crowd of strangers could make us hold.
const UNKNOWN_LONGEST: usize = 5 * limits::INITIAL;

/// Serves one client: the session, and the future that serves it until it is gone, to be spawned.
pub fn serve<D: Send + Sync + 'static>(
    transport: Transport,
    router: Arc<Router<D>>,
    driver: Arc<D>,
    options: SessionOptions,
) -> (Arc<Session>, impl Future<Output = ()> + Send + 'static) {
    serve_by(transport, Dispatcher::new(router, driver), options)
}

/// The same with a table of any kind of driver.
pub fn serve_by(
    transport: Transport,
    dispatcher: Dispatcher,
    options: SessionOptions,
) -> (Arc<Session>, impl Future<Output = ()> + Send + 'static) {
    let session = Session::new(transport, options);
    let server = Server {
        dispatcher,
        session: Arc::clone(&session),
        aside: None,
    };
    let link = Arc::clone(session.link());
    let served = Arc::clone(&session);
    (session, async move {
        run(link, server).await;
        if let Some(relay) = served.relayed() {
            // Until then it costs what a client costs.
            relay.ended().await;
        }
        served.ended();
    })
}

struct Server {
    /// Who serves its calls unless the session is handed over.
    dispatcher: Dispatcher,
    session: Arc<Session>,
    /// An ordinary call that waits for a slot.
    aside: Option<Aside>,
}

/// A call as it came, kept for later.
struct Aside {
    header: Header,
    bytes: Zeroizing<Vec<u8>>,
    /// How many of the bytes, at their end, are the body.
    body: usize,
    fds: Vec<OwnedFd>,
}

/// How far a call came on the connection's task.
enum Progress {
    Done(Result<Packet>),
    Pending(Work),
}

impl Server {
    fn dispatcher(&self) -> &Dispatcher {
        self.session.served_by().unwrap_or(&self.dispatcher)
    }

    fn urgent(&self, header: &Header) -> bool {
        // A call that is refused anyway waits for nothing.
        self.dispatcher()
            .find(header)
            .map_or(true, |(procedure, _)| procedure.priority == Priority::High)
    }

    fn free(&self, urgent: bool) -> bool {
        self.session
            .slots()
            .free(urgent, self.session.limits().max_requests.max(1))
    }

    fn dispatch(&self, packet: Arrived<'_>) {
        let Arrived {
            header,
            body,
            bytes,
            fds,
        } = packet;
        let reply = Header {
            r#type: MessageType::Reply,
            ..header
        };
        let dispatcher = self.dispatcher();
        let (procedure, place) = match dispatcher.find(&header) {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!(target: "rpc", client = self.session.id(), ?header, %error, "call refused");
                self.session.link().send(Packet::failure(reply, &error));
                return;
            }
        };
        if let Place::At(to) = place {
            return self.forward(dispatcher, procedure, to, (header, bytes, fds));
        }
        let started = tracing::enabled!(target: "rpc", tracing::Level::DEBUG).then(Instant::now);
        let urgent = procedure.priority == Priority::High;
        let call = Call::new(header, procedure, fds);
        let progress = catch_unwind(AssertUnwindSafe(|| {
            let mut work = match dispatcher.start(&self.session, &call, body) {
                Ok(work) => work,
                Err(error) => return Progress::Done(Err(error)),
            };
            match work.as_mut().poll(&mut Waiting::from_waker(Waker::noop())) {
                Poll::Ready(result) => Progress::Done(result),
                Poll::Pending => Progress::Pending(work),
            }
        }));
        let length = body.len();
        match progress {
            Ok(Progress::Done(result)) => answer(&self.session, &call, result, length, started),
            Err(_) => answer(&self.session, &call, Err(panicked(&call)), length, started),
            Ok(Progress::Pending(work)) => {
                let slot = Slot::taken(&self.session, urgent);
                // Polled again there, which tells the handler who waits for it now.
                tokio::spawn(async move {
                    let result = AssertUnwindSafe(work).catch_unwind().await;
                    let result = result.unwrap_or_else(|_| Err(panicked(&call)));
                    answer(slot.session(), &call, result, length, started);
                });
            }
        }
    }
}

impl Server {
    /// Has another server serve a call.
    fn forward(
        &self,
        dispatcher: &Dispatcher,
        procedure: &'static ProcedureInfo,
        to: &'static str,
        (header, bytes, fds): (Header, &[u8], Vec<OwnedFd>),
    ) {
        let session = &self.session;
        if let Err(refusal) = dispatcher.admit(session, &header) {
            let reply = Header {
                r#type: MessageType::Reply,
                ..header
            };
            return session.link().send(Packet::failure(reply, &refusal));
        }
        tracing::debug!(target: "rpc", client = session.id(), procedure = procedure.name, serial = header.serial, to,
            "call passed on");
        let slot = Slot::taken(session, procedure.priority == Priority::High);
        let call = Outgoing::new(header, procedure, slot);
        let reach = || dispatcher.reach(session, &header, to);
        session.forwards().call(session, to, call, (bytes, fds), reach);
    }
}

fn panicked(call: &Call) -> Error {
    tracing::error!(target: "rpc", procedure = call.procedure.name, "the handler of a call panicked");
    Error::new(
        Code::InternalError,
        Domain::Rpc,
        format!(
            "{} failed because of a defect in this daemon; its log says more",
            call.procedure.name
        ),
    )
}

fn answer(
    session: &Arc<Session>,
    call: &Call,
    result: Result<Packet>,
    length: usize,
    started: Option<Instant>,
) {
    if let Some(started) = started {
        let name = call.procedure.name;
        let serial = call.header.serial;
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        match &result {
            Ok(packet) => {
                tracing::debug!(target: "rpc", client = session.id(), procedure = name, serial, bytes = length,
                reply = packet.bytes().len(), micros, "call")
            }
            Err(error) => {
                tracing::debug!(target: "rpc", client = session.id(), procedure = name, serial, bytes = length,
                micros, %error, "call failed")
            }
        }
    }
    let stream = call.stream.lock().take();
    let link = session.link();
    let layer = call.layer.lock().take();
    match result {
        Ok(packet) => {
            match layer {
                Some(layer) => link.send_and_secure(packet, layer),
                None => link.send(packet),
            }
            if let Some(stream) = stream {
                link.stream_opened(&stream);
            }
        }
        Err(error) => {
            if let Some(stream) = stream {
                link.stream_refused(&stream);
            }
            link.send(Packet::failure(call.reply(), &error));
            if layer.is_some() {
                // The client may count as known already, and nothing would protect it.
                link.close(CloseReason::Local);
            }
        }
    }
    if call.comes_first.load(Ordering::Relaxed) {
        link.answered();
    }
}

impl Inbound for Server {
    fn resume(&mut self) {
        if self.aside.is_some()
            && self.free(false)
            && let Some(aside) = self.aside.take()
        {
            let Aside {
                header,
                bytes,
                body,
                fds,
            } = aside;
            let start = bytes.len().saturating_sub(body);
            self.dispatch(Arrived {
                header,
                body: bytes.get(start..).unwrap_or_default(),
                bytes: &bytes,
                fds,
            });
        }
    }

    fn admits(&mut self, header: &Header) -> bool {
        let elsewhere = self.session.relayed().is_some_and(|relay| !relay.has_room());
        if elsewhere && header.prog != keepalive::PROGRAM.number {
            return false;
        }
        if self.session.link().reply_bytes() > REPLY_MARK {
            return false;
        }
        if matches!(header.r#type, MessageType::Stream | MessageType::StreamHole) {
            return self.session.forwards().has_room(header);
        }
        if !matches!(header.r#type, MessageType::Call | MessageType::CallWithFds)
            || header.prog == keepalive::PROGRAM.number
        {
            return true;
        }
        if self.urgent(header) {
            self.free(true)
        } else {
            self.aside.is_none() || {
                self.resume();
                self.aside.is_none()
            }
        }
    }

    fn longest(&self) -> usize {
        if self.session.authenticated() {
            usize::MAX
        } else {
            UNKNOWN_LONGEST
        }
    }

    fn packet(&mut self, packet: Arrived<'_>) -> Result<(), CloseReason> {
        match packet.header.r#type {
            MessageType::Call | MessageType::CallWithFds => {}
            other => {
                return Err(CloseReason::Protocol(format!(
                    "a client sent a packet of type {other:?}"
                )));
            }
        }
        if let Some(relay) = self.session.relayed()
            && !relay.keeps(&packet)
        {
            relay.pass(packet);
        } else if self.urgent(&packet.header) || self.free(false) {
            self.dispatch(packet);
        } else {
            self.aside = Some(Aside {
                header: packet.header,
                bytes: Zeroizing::new(packet.bytes.to_vec()),
                body: packet.body.len(),
                fds: packet.fds,
            });
        }
        Ok(())
    }

    fn stray(&mut self, packet: Arrived<'_>) -> Result<(), CloseReason> {
        if let Some(relay) = self.session.relayed() {
            relay.pass(packet);
        } else {
            self.session.forwards().stream(packet);
        }
        Ok(())
    }

    fn closed(&mut self, reason: &CloseReason) {
        let client = self.session.id();
        match reason {
            CloseReason::Peer | CloseReason::Gone | CloseReason::Local => {
                tracing::debug!(target: "rpc", client, %reason, "client gone");
            }
            _ => {
                tracing::warn!(target: "rpc", client, identity = ?self.session.identity(), peer = ?self.session.peer().address, %reason,
                "client disconnected")
            }
        }
        if let Some(relay) = self.session.relayed() {
            relay.finish(reason);
        }
        self.session.forwards().finish(reason);
    }
}

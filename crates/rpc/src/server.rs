//! The server's side of a connection: calls in, replies out.
//!
//! ```text
//! packet -> table -> gate -> arguments -> handler, polled once -> ready: reply written
//!                                                              -> pending: a task and a slot -> reply
//! ```
//! A call that has to wait takes one of the client's slots. With all ordinary slots taken one more ordinary call is put
//! aside and reading goes on, so that keepalive, stream packets and high-priority calls still get through; at the next ordinary
//! call reading stops until a slot is free.

use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context as Waiting, Poll, Waker};

use error::{Code, Domain, Error, Result};
use futures_util::FutureExt;
use protocol::net::{Header, MessageType, limits};
use protocol::{Priority, keepalive};
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::connection::{Arrived, CloseReason, Inbound, REPLY_MARK, run};
use crate::packet::Packet;
use crate::router::{Call, Context, Router, Work};
use crate::session::{Session, SessionOptions};
use crate::transport::Transport;

/// The longest packet of a client that has not authenticated: room for the largest token that authentication exchanges,
/// and not for the buffers that a crowd of strangers could make us hold.
const UNKNOWN_LONGEST: usize = 2 * limits::INITIAL;

/// Serves one client: the session, and the future that serves it until it is gone, to be spawned.
pub fn serve<D: Send + Sync + 'static>(
    transport: Transport,
    router: Arc<Router<D>>,
    driver: Arc<D>,
    options: SessionOptions,
) -> (Arc<Session>, impl Future<Output = ()> + Send + 'static) {
    let session = Session::new(transport, options);
    let server = Server {
        router,
        driver,
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

struct Server<D> {
    router: Arc<Router<D>>,
    driver: Arc<D>,
    session: Arc<Session>,
    /// An ordinary call that waits for a slot.
    aside: Option<(Header, Zeroizing<Vec<u8>>, Vec<OwnedFd>)>,
}

/// How far a call came on the connection's task.
enum Progress {
    Done(Result<Packet>),
    Pending(Work),
}

impl<D: Send + Sync + 'static> Server<D> {
    fn urgent(&self, header: &Header) -> bool {
        // A call that is refused anyway waits for nothing.
        self.router
            .find(header)
            .map_or(true, |route| route.procedure.priority == Priority::High)
    }

    fn free(&self, urgent: bool) -> bool {
        self.session
            .slots()
            .free(urgent, self.session.limits().max_requests.max(1))
    }

    fn dispatch(&self, header: Header, body: &[u8], fds: Vec<OwnedFd>) {
        let reply = Header {
            r#type: MessageType::Reply,
            ..header
        };
        let route = match self.router.find(&header) {
            Ok(route) => route,
            Err(error) => {
                tracing::debug!(target: "rpc", client = self.session.id(), ?header, %error, "call refused");
                self.session.link().send(Packet::failure(reply, &error));
                return;
            }
        };
        let started = tracing::enabled!(target: "rpc", tracing::Level::DEBUG).then(Instant::now);
        let urgent = route.procedure.priority == Priority::High;
        let call = Call::new(header, route.procedure, fds);
        let ctx = Context::new(
            Arc::clone(&self.driver),
            Arc::clone(&self.session),
            Arc::clone(&call),
        );
        let progress = catch_unwind(AssertUnwindSafe(|| {
            let begun = self
                .router
                .check(&self.session, &route)
                .and_then(|()| match route.handler {
                    Some(handler) => handler.start(ctx, body),
                    None => {
                        let function = route.procedure.function();
                        Err(Error::new(Code::NoSupport, route.procedure.subject(), function))
                    }
                });
            let mut work = match begun {
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
                let session = Arc::clone(&self.session);
                session.slots().take(urgent);
                let slot = Slot { session, urgent };
                // Polled again there, which tells the handler who waits for it now.
                tokio::spawn(async move {
                    let result = AssertUnwindSafe(work).catch_unwind().await;
                    let result = result.unwrap_or_else(|_| Err(panicked(&call)));
                    answer(&slot.session, &call, result, length, started);
                });
            }
        }
    }
}

/// A call in progress; free again when dropped.
struct Slot {
    session: Arc<Session>,
    urgent: bool,
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.session.slots().give(self.urgent) {
            self.session.link().wake();
        }
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
    match result {
        Ok(packet) => {
            link.send(packet);
            if let Some(stream) = stream {
                link.stream_opened(&stream);
            }
        }
        Err(error) => {
            if let Some(stream) = stream {
                link.stream_refused(&stream);
            }
            link.send(Packet::failure(call.reply(), &error));
        }
    }
}

impl<D: Send + Sync + 'static> Inbound for Server<D> {
    fn resume(&mut self) {
        if self.aside.is_some()
            && self.free(false)
            && let Some((header, body, fds)) = self.aside.take()
        {
            self.dispatch(header, &body, fds);
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
            self.dispatch(packet.header, packet.body, packet.fds);
        } else {
            self.aside = Some((packet.header, Zeroizing::new(packet.body.to_vec()), packet.fds));
        }
        Ok(())
    }

    fn stray(&mut self, packet: Arrived<'_>) -> Result<(), CloseReason> {
        if let Some(relay) = self.session.relayed() {
            relay.pass(packet);
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
    }
}

//! What may stand around every call of a table, and before every event: access control.
//!
//! A guard works on bodies as they travel, so it knows calls by their lines in the table and needs no types. A table without
//! one does nothing for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use error::Result;
use futures_util::future::BoxFuture;
use protocol::{ProcedureInfo, Program};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use crate::connection::{CloseReason, Link};
use crate::packet::Packet;
use crate::router::{Context, Router};

/// Stands around every call of a table, served or not, once its gate has let the call through.
pub trait Guard<D>: Send + Sync + 'static {
    /// Answers a call: with what its handler does ([`Guarded::proceed`]), or otherwise.
    fn serve(&self, call: Guarded<D>) -> BoxFuture<'static, Result<Packet>>;
}

/// A call in the hands of a guard.
pub struct Guarded<D> {
    pub(crate) context: Context<D>,
    pub(crate) arguments: Zeroizing<Vec<u8>>,
    pub(crate) program: &'static Program,
    pub(crate) router: Arc<Router<D>>,
}

impl<D: Send + Sync + 'static> Guarded<D> {
    /// The call, as its handler knows it.
    pub fn context(&self) -> &Context<D> {
        &self.context
    }

    /// The program that is called.
    pub fn program(&self) -> &'static Program {
        self.program
    }

    /// Its arguments as they came: anything, until they are decoded.
    pub fn arguments(&self) -> &[u8] {
        &self.arguments
    }

    /// Whether a handler serves it.
    pub fn is_served(&self) -> bool {
        self.router.has(self.program, self.context.procedure().number)
    }

    /// What the call's handler answers.
    ///
    /// # Errors
    /// The handler's; `VIR_ERR_NO_SUPPORT` where there is none.
    pub async fn proceed(&self) -> Result<Packet> {
        self.ask(self.context.procedure(), &self.arguments).await
    }

    /// What the handler of `procedure`, which is of the same program, answers to other arguments on behalf of the same
    /// client.
    ///
    /// # Errors
    /// As [`Guarded::proceed`].
    pub async fn ask(&self, procedure: &'static ProcedureInfo, arguments: &[u8]) -> Result<Packet> {
        let context = self.context.clone();
        self.router
            .start(self.program, procedure, context, arguments)?
            .await
    }

    /// A reply with that body.
    ///
    /// # Errors
    /// As [`Packet::raw`].
    pub fn reply(&self, body: &[u8]) -> Result<Packet> {
        Packet::raw(self.context.reply(), body)
    }
}

impl<D> std::fmt::Debug for Guarded<D> {
    /// Without the arguments, which may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guarded")
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

/// Decides whether a client may hear an event, by its line in the table and its body.
pub type EventJudge = dyn Fn(&'static ProcedureInfo, &[u8]) -> BoxFuture<'static, bool> + Send + Sync;

/// Events on their way to a client that may not hear all: judged one after the other, in their order.
#[derive(Debug)]
pub(crate) struct JudgedEvents {
    queue: mpsc::UnboundedSender<(&'static ProcedureInfo, Packet)>,
    /// Bytes of events that are not judged yet.
    waiting: Arc<AtomicUsize>,
    limit: usize,
}

impl JudgedEvents {
    /// For a client that may leave `limit` bytes of events unread, and as many unjudged.
    pub(crate) fn new(link: Arc<Link>, limit: usize, judge: Box<EventJudge>) -> Self {
        let (queue, mut events) = mpsc::unbounded_channel::<(&'static ProcedureInfo, Packet)>();
        let waiting = Arc::new(AtomicUsize::new(0));
        let judged = Arc::clone(&waiting);
        // Ends with the session, which holds the other end of the queue, or with the connection.
        tokio::spawn(async move {
            while let Some((procedure, event)) = events.recv().await {
                let heard = tokio::select! {
                    heard = judge(procedure, event.body()) => heard,
                    () = link.closed() => return,
                };
                judged.fetch_sub(event.bytes().len(), Ordering::Relaxed);
                if heard {
                    link.send_event(event);
                }
            }
        });
        Self {
            queue,
            waiting,
            limit,
        }
    }

    /// Takes an event; says that the connection is to be ended when too many wait.
    pub(crate) fn offer(&self, procedure: &'static ProcedureInfo, event: Packet) -> Result<(), CloseReason> {
        let length = event.bytes().len();
        let before = self.waiting.fetch_add(length, Ordering::Relaxed);
        if before > 0 && before + length > self.limit {
            return Err(CloseReason::EventsUnread(before));
        }
        // Nobody judges any more where nobody would hear.
        let _ = self.queue.send((procedure, event));
        Ok(())
    }
}

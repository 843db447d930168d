//! What a server sends unasked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use error::{Code, Domain, Error, Result};
use protocol::{Event, PROGRAMS, ProcedureInfo};
use tokio::sync::mpsc;

/// Bytes of events that may wait for their receiver; a receiver that lets more wait ends the connection.
pub(crate) const UNREAD: usize = 16 << 20;

/// One event as it came.
#[derive(Debug, Clone)]
pub struct RawEvent {
    pub(crate) program: u32,
    pub(crate) number: i32,
    pub(crate) body: Bytes,
}

impl RawEvent {
    /// Its line in the protocol's table; `None` for one that is newer than this crate.
    pub fn info(&self) -> Option<&'static ProcedureInfo> {
        PROGRAMS
            .iter()
            .find(|program| program.number == self.program)?
            .procedure(self.number)
    }

    /// The message, if this is an `E`.
    ///
    /// # Errors
    /// `VIR_ERR_RPC` when it is one, but malformed.
    pub fn decode<E: Event>(&self) -> Result<Option<E::Message>> {
        if (self.program, self.number) != (E::PROGRAM.number, E::INFO.number) {
            return Ok(None);
        }
        xdr::from_bytes(&self.body).map(Some).map_err(|cause| {
            Error::new(
                Code::Rpc,
                Domain::Rpc,
                format!("the event {} is malformed: {cause}", E::INFO.name),
            )
        })
    }

    /// The message's bytes.
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}

/// A subscription: every event since it was made, in order.
#[derive(Debug)]
pub struct Events {
    events: mpsc::UnboundedReceiver<RawEvent>,
    unread: Arc<AtomicUsize>,
}

impl Events {
    /// The next event; `None` once the connection is closed.
    pub async fn next(&mut self) -> Option<RawEvent> {
        let event = self.events.recv().await?;
        self.unread.fetch_sub(cost(&event), Ordering::Relaxed);
        Some(event)
    }

    /// The next event of kind `E`; others are skipped. `None` once the connection is closed.
    ///
    /// # Errors
    /// As [`RawEvent::decode`].
    pub async fn next_of<E: Event>(&mut self) -> Result<Option<E::Message>> {
        while let Some(event) = self.next().await {
            if let Some(message) = event.decode::<E>()? {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }
}

fn cost(event: &RawEvent) -> usize {
    event.body.len() + size_of::<RawEvent>()
}

/// The sending end of a subscription.
#[derive(Debug)]
pub(crate) struct Subscriber {
    events: mpsc::UnboundedSender<RawEvent>,
    unread: Arc<AtomicUsize>,
}

/// A new subscription.
pub(crate) fn subscription() -> (Subscriber, Events) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let unread = Arc::new(AtomicUsize::new(0));
    (
        Subscriber {
            events: sender,
            unread: Arc::clone(&unread),
        },
        Events {
            events: receiver,
            unread,
        },
    )
}

impl Subscriber {
    /// Whether anybody listens still.
    pub(crate) fn listens(&self) -> bool {
        !self.events.is_closed()
    }

    /// Hands the event over; how many bytes wait now.
    pub(crate) fn tell(&self, event: RawEvent) -> usize {
        let waiting = self.unread.fetch_add(cost(&event), Ordering::Relaxed);
        // A receiver that is gone is cleared away by whoever asks whether it listens.
        let _ = self.events.send(event);
        waiting
    }
}

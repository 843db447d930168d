//! The streams of a connection.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use protocol::net::Header;

use super::{CloseReason, Link, MAX_STREAMS, protocol_violation};
use crate::stream::{StreamState, key};

impl Link {
    /// Makes a stream known; `false` if there are too many, or one like it.
    pub(crate) fn add_stream(&self, stream: &Arc<StreamState>) -> bool {
        let mut streams = self.streams.lock();
        if self.is_closed() || streams.len() >= MAX_STREAMS || streams.contains_key(&stream.key()) {
            return false;
        }
        if streams.is_empty() {
            self.transport.expect_much();
        }
        streams.insert(stream.key(), Arc::clone(stream));
        true
    }

    pub(crate) fn forget_stream(&self, stream: &Arc<StreamState>) {
        let mut streams = self.streams.lock();
        if streams
            .get(&stream.key())
            .is_some_and(|known| Arc::ptr_eq(known, stream))
        {
            streams.remove(&stream.key());
        }
    }

    /// The call that opens the stream was answered well.
    pub(crate) fn stream_opened(&self, stream: &Arc<StreamState>) {
        for packet in stream.opened() {
            self.send_stream(packet, stream);
        }
    }

    /// The call that should open the stream failed.
    pub(crate) fn stream_refused(&self, stream: &Arc<StreamState>) {
        self.forget_stream(stream);
        if stream.gone("the call that opens the stream failed") {
            self.stream_has_room();
        }
    }

    pub(crate) fn stream_has_room(&self) {
        self.full_streams.fetch_sub(1, Ordering::SeqCst);
        self.wake();
    }

    pub(super) fn stream(&self, header: &Header) -> Option<Arc<StreamState>> {
        self.streams.lock().get(&key(header)).cloned()
    }

    pub(super) fn stream_packet(
        &self,
        stream: &Arc<StreamState>,
        header: &Header,
        body: Bytes,
    ) -> Result<(), CloseReason> {
        let then = stream.deliver(header, body).map_err(protocol_violation)?;
        if then.now_full {
            self.full_streams.fetch_add(1, Ordering::SeqCst);
        }
        if then.forget {
            self.forget_stream(stream);
        }
        if let Some(answer) = then.answer {
            self.send_stream(answer, stream);
        }
        Ok(())
    }
}

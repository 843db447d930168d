//! What QEMU says unasked, kept in a bounded queue.
//!
//! A full queue stops the reading, so QEMU's own buffers fill; nothing is lost. Two exceptions: events that only
//! say "it is now so" replace their forerunner, and while a command waits for its reply the queue may grow further,
//! because the reply may lie behind the events and its caller may be the one who drains them.

use crate::CloseReason;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::Notify;

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its name, as `SHUTDOWN`.
    pub name: String,
    /// Its data; null if it has none.
    pub data: Value,
    /// When it happened; zero if QEMU did not say.
    pub timestamp: Timestamp,
}

/// A time since the epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Timestamp {
    /// Seconds; -1 if QEMU could not tell.
    pub seconds: i64,
    /// Microseconds within the second.
    pub microseconds: i64,
}

/// Events and bytes that may lie in the queue while nobody waits for a reply.
const CALM: Bound = Bound {
    events: 256,
    bytes: 1 << 20,
};
/// The same while somebody does.
const PRESSED: Bound = Bound {
    events: 8192,
    bytes: 16 << 20,
};
/// From how many queued events on an event may replace its forerunner.
const REPLACE_FROM: usize = 16;

struct Bound {
    events: usize,
    bytes: usize,
}

/// The queue between the reader and [`Events`].
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Wakes the one who reads events.
    filled: Notify,
    /// Wakes the one who fills.
    pub(crate) drained: Notify,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<(Event, usize)>,
    bytes: usize,
    closed: Option<CloseReason>,
    /// Nobody reads any more.
    deaf: bool,
}

impl Queue {
    /// Whether the reader may read on.
    pub(crate) fn has_room(&self, somebody_waits: bool) -> bool {
        let bound = if somebody_waits { PRESSED } else { CALM };
        let state = self.state.lock();
        state.deaf || (state.events.len() < bound.events && state.bytes < bound.bytes)
    }

    /// Adds an event whose line had `length` bytes.
    pub(crate) fn push(&self, event: Event, length: usize) {
        let mut state = self.state.lock();
        if state.deaf {
            return;
        }
        if state.events.len() >= REPLACE_FROM && says_only_what_is(&event.name) {
            let old = state.events.iter().position(|(old, _)| replaces(&event, old));
            if let Some((_, old)) = old.and_then(|index| state.events.remove(index)) {
                state.bytes -= old;
            }
        }
        state.bytes += length;
        state.events.push_back((event, length));
        drop(state);
        self.filled.notify_one();
    }

    /// No more will come.
    pub(crate) fn close(&self, reason: CloseReason) {
        self.state.lock().closed.get_or_insert(reason);
        self.filled.notify_one();
    }
}

/// Whether only the last event of this kind is of interest.
fn says_only_what_is(name: &str) -> bool {
    matches!(
        name,
        "RTC_CHANGE" | "BALLOON_CHANGE" | "MEMORY_DEVICE_SIZE_CHANGE" | "NIC_RX_FILTER_CHANGED"
    )
}

fn replaces(new: &Event, old: &Event) -> bool {
    // RTC_CHANGE tells of the clock in use, the others of the device they name.
    let about = |event: &Event| {
        ["id", "name", "path", "qom-path"].map(|key| event.data.get(key).filter(|v| v.is_string()).cloned())
    };
    new.name == old.name && about(new) == about(old)
}

/// The events of one monitor, in order.
///
/// Dropping it lets the monitor go on without: later events are thrown away.
#[derive(Debug)]
pub struct Events(pub(crate) Arc<Queue>);

impl Events {
    /// The next event, or none once the monitor is closed and everything before that was given. Cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            {
                let mut state = self.0.state.lock();
                if let Some((event, length)) = state.events.pop_front() {
                    state.bytes -= length;
                    if state.events.is_empty() {
                        state.events = VecDeque::new();
                    }
                    drop(state);
                    self.0.drained.notify_one();
                    return Some(event);
                }
                if state.closed.is_some() {
                    return None;
                }
            }
            self.0.filled.notified().await;
        }
    }

    /// Why the monitor is closed, if it is.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.0.state.lock().closed.clone()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.deaf = true;
        state.events = VecDeque::new();
        state.bytes = 0;
        drop(state);
        self.0.drained.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: Value) -> Event {
        Event {
            name: name.to_owned(),
            data,
            timestamp: Timestamp::default(),
        }
    }

    #[test]
    fn only_states_of_one_device_replace_each_other() {
        let queue = Queue::default();
        for number in 0..100 {
            queue.push(event("STOP", Value::Null), 10);
            queue.push(
                event("BALLOON_CHANGE", serde_json::json!({ "actual": number })),
                10,
            );
            queue.push(
                event(
                    "MEMORY_DEVICE_SIZE_CHANGE",
                    serde_json::json!({ "id": format!("m{}", number % 2) }),
                ),
                10,
            );
        }
        let state = queue.state.lock();
        let of = |name: &str| state.events.iter().filter(|(e, _)| e.name == name).count();
        assert_eq!(of("STOP"), 100);
        assert!(of("BALLOON_CHANGE") <= 6);
        assert!((2..=7).contains(&of("MEMORY_DEVICE_SIZE_CHANGE")));
        let last = state
            .events
            .iter()
            .rev()
            .find(|(e, _)| e.name == "BALLOON_CHANGE")
            .unwrap();
        assert_eq!(last.0.data["actual"], 99);
        assert_eq!(state.bytes, state.events.len() * 10);
    }
}

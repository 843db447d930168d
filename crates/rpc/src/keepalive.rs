//! Is the peer still there: pings after silence, and the end of a connection that answers none.
//!
//! ```text
//! silence for `interval` -> ping -> `interval` -> ping ... -> after `count` pings and another `interval`: dead
//! any packet from the peer starts over
//! ```
//! With `count` 0 the connection ends after one interval of silence, without a ping.

use std::time::Duration;

use protocol::keepalive::procedure::{Ping, Pong};
use protocol::net::{Header, MessageType, Status};
use protocol::{Procedure, keepalive};
use tokio::time::Instant;

use crate::packet::Packet;

/// When to ask, and when to give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// The silence before a ping; `None`: never ask.
    pub interval: Option<Duration>,
    /// How many pings may stay unanswered.
    pub count: u32,
}

impl Keepalive {
    /// Never asks; the peer's pings are answered all the same.
    pub const OFF: Self = Self {
        interval: None,
        count: 0,
    };

    /// As `keepalive_interval` (seconds; 0 and below: never) and `keepalive_count` configure it.
    pub fn from_config(interval: i32, count: u32) -> Self {
        let interval = u64::try_from(interval)
            .ok()
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs);
        Self { interval, count }
    }
}

/// What to do when the timer fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Not yet.
    Wait(Instant),
    /// Ask, then wait.
    Ping(Instant),
    /// The peer is gone.
    Dead,
}

/// The state of asking.
#[derive(Debug)]
pub(crate) struct Pulse {
    interval: Duration,
    count: u32,
    unanswered: u32,
    next: Instant,
}

impl Pulse {
    /// Starts asking, if `settings` say so at all.
    pub(crate) fn start(settings: Keepalive, now: Instant) -> Option<Self> {
        let interval = settings.interval?;
        Some(Self {
            interval,
            count: settings.count,
            unanswered: 0,
            next: now + interval,
        })
    }

    /// Something came from the peer.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.unanswered = 0;
        self.next = now + self.interval;
    }

    /// What is due now.
    pub(crate) fn due(&mut self, now: Instant) -> Due {
        if now < self.next {
            return Due::Wait(self.next);
        }
        if self.unanswered >= self.count {
            return Due::Dead;
        }
        self.unanswered += 1;
        self.next = now + self.interval;
        Due::Ping(self.next)
    }
}

fn packet(procedure: i32) -> Option<Packet> {
    let header = Header {
        prog: keepalive::PROGRAM.number,
        vers: keepalive::PROGRAM.version,
        proc: procedure,
        r#type: MessageType::Message,
        serial: 0,
        status: Status::Ok,
    };
    Packet::raw(header, &[]).ok()
}

/// The question.
pub(crate) fn ping() -> Option<Packet> {
    packet(Ping::INFO.number)
}

/// The answer to `header`, if it is the question.
pub(crate) fn answer(header: &Header) -> Option<Packet> {
    if header.proc == Ping::INFO.number {
        packet(Pong::INFO.number)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_ends_after_the_last_ping() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut pulse = Pulse::start(Keepalive::from_config(5, 2), start).unwrap();
        assert_eq!(pulse.due(start + 4 * second), Due::Wait(start + 5 * second));
        assert_eq!(pulse.due(start + 5 * second), Due::Ping(start + 10 * second));
        assert_eq!(pulse.due(start + 10 * second), Due::Ping(start + 15 * second));
        assert_eq!(pulse.due(start + 15 * second), Due::Dead);
        pulse.heard(start + 15 * second);
        assert_eq!(pulse.due(start + 20 * second), Due::Ping(start + 25 * second));
    }

    #[test]
    fn intervals_of_nought_and_below_switch_it_off() {
        for interval in [0, -1, i32::MIN] {
            assert!(Pulse::start(Keepalive::from_config(interval, 5), Instant::now()).is_none());
        }
        let mut pulse = Pulse::start(Keepalive::from_config(5, 0), Instant::now()).unwrap();
        assert_eq!(pulse.due(Instant::now() + Duration::from_secs(6)), Due::Dead);
    }
}

//! The learned addresses of one port, and the text of the file that keeps them for the next daemon: a line an address, `EXPIRY ADDRESS`, with
//! the expiry in seconds since 1970, or `-` for one that does not expire.

use super::{Method, Seen};
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The most addresses that one port has at once. Servers lease few, and each costs rules.
const MOST: usize = 32;

/// An address that was learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lease {
    pub address: Ipv4Addr,
    /// Until when; `None` for good.
    pub until: Option<SystemTime>,
}

/// The addresses of a port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leases(Vec<Lease>);

impl Leases {
    /// The addresses, in the order in which they were learned.
    pub fn addresses(&self) -> Vec<Ipv4Addr> {
        self.0.iter().map(|lease| lease.address).collect()
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When the next one expires.
    pub(crate) fn next_end(&self) -> Option<SystemTime> {
        self.0.iter().filter_map(|lease| lease.until).min()
    }

    /// Takes in what was seen.
    pub fn learn(&mut self, method: Method, seen: Seen, now: SystemTime) {
        let (address, until) = match (method, seen) {
            // The first is the only one.
            (Method::Any, Seen::Uses(address) | Seen::Leased(address, _)) if self.is_empty() => {
                (address, None)
            }
            (Method::Dhcp, Seen::Leased(address, time)) => {
                (address, time.and_then(|time| now.checked_add(time)))
            }
            (Method::Dhcp, Seen::GaveBack(address)) => {
                self.0.retain(|lease| lease.address != address);
                return;
            }
            _ => return,
        };
        let room = self.0.len() < MOST;
        match self.0.iter_mut().find(|lease| lease.address == address) {
            Some(known) => known.until = until,
            None if room => self.0.push(Lease { address, until }),
            None => tracing::warn!(%address, "a guest has more leases than its filter is made for"),
        }
    }

    /// Forgets what has expired.
    pub fn expire(&mut self, now: SystemTime) {
        self.0.retain(|lease| lease.until.is_none_or(|until| until > now));
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for lease in &self.0 {
            let until = lease
                .until
                .and_then(|until| until.duration_since(UNIX_EPOCH).ok());
            // Writing to a string does not fail.
            let _ = match until {
                Some(until) => writeln!(text, "{} {}", until.as_secs(), lease.address),
                None => writeln!(text, "- {}", lease.address),
            };
        }
        text
    }

    /// Reads a file's text. A line that cannot be is left out: the guest renews its lease.
    pub fn from_text(text: &str) -> Self {
        let line = |line: &str| {
            let (until, address) = line.split_once(' ')?;
            let until = match until {
                "-" => None,
                seconds => Some(UNIX_EPOCH.checked_add(Duration::from_secs(seconds.parse().ok()?))?),
            };
            let address = address.parse().ok()?;
            Some(Lease { address, until })
        };
        Self(text.lines().filter_map(line).take(MOST).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

    #[test]
    fn of_any_frame_the_first_address_is_learned_and_no_other() {
        let mut leases = Leases::default();
        let now = SystemTime::now();
        leases.learn(Method::Any, Seen::GaveBack(FIRST), now);
        assert!(leases.is_empty());
        leases.learn(Method::Any, Seen::Uses(FIRST), now);
        leases.learn(Method::Any, Seen::Uses(OTHER), now);
        assert_eq!(leases.addresses(), [FIRST]);
        assert_eq!(Leases::from_text(&leases.to_text()), leases);
    }

    #[test]
    fn leases_hold_as_long_as_they_are_given_for_and_are_bounded() {
        let mut leases = Leases::default();
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        let hour = Duration::from_secs(3600);
        leases.learn(Method::Dhcp, Seen::Uses(OTHER), now);
        leases.learn(Method::Dhcp, Seen::Leased(FIRST, Some(hour)), now);
        leases.learn(Method::Dhcp, Seen::Leased(OTHER, None), now);
        assert_eq!(leases.next_end(), Some(now + hour));
        assert_eq!(leases.to_text(), "4600 10.0.0.1\n- 10.0.0.2\n");
        assert_eq!(Leases::from_text(&leases.to_text()), leases);
        leases.expire(now + hour);
        assert_eq!(leases.addresses(), [OTHER]);
        leases.learn(Method::Dhcp, Seen::GaveBack(OTHER), now);
        assert!(leases.is_empty());
        for last in 0..=255 {
            leases.learn(
                Method::Dhcp,
                Seen::Leased(Ipv4Addr::new(10, 1, 0, last), None),
                now,
            );
        }
        assert_eq!(leases.addresses().len(), MOST);
        assert_eq!(Leases::from_text("x\n5\n- no\n7 1.2.3.4 5\n"), Leases::default());
    }
}

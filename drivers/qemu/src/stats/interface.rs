//! Traffic of the host's network interfaces, read once for as many guests as a call is about.

use crate::domain::InterfaceName;
use std::collections::HashMap;
use std::io;

/// An interface's counters: bytes, packets, errors, drops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counters {
    /// What it received.
    pub received: [u64; 4],
    /// What it sent.
    pub sent: [u64; 4],
}

/// The counters of all interfaces.
#[derive(Debug, Default)]
pub(crate) struct Interfaces(HashMap<Box<str>, Counters>);

impl Interfaces {
    /// As the kernel tells them now.
    ///
    /// # Errors
    /// When `/proc/net/dev` cannot be read.
    pub(crate) fn read() -> io::Result<Self> {
        std::fs::read_to_string("/proc/net/dev").map(|table| Self::parse(&table))
    }

    fn parse(table: &str) -> Self {
        Self(table.lines().filter_map(entry).collect())
    }

    /// Those of one interface, as its guest sees them.
    pub(crate) fn of_guest(&self, interface: &InterfaceName) -> Option<Counters> {
        let Counters { received, sent } = self.get(&interface.target)?;
        Some(if interface.counts_as_guest {
            Counters { received, sent }
        } else {
            // What the host's end sends is what the guest receives.
            Counters {
                received: sent,
                sent: received,
            }
        })
    }

    fn get(&self, name: &str) -> Option<Counters> {
        self.0.get(name).copied()
    }
}

/// A line of the table: the name, a colon, eight figures of what was received and eight of what was sent.
fn entry(line: &str) -> Option<(Box<str>, Counters)> {
    let (name, figures) = line.trim_start().rsplit_once(':')?;
    let figures: Vec<u64> = figures
        .split_ascii_whitespace()
        .map_while(|figure| figure.parse().ok())
        .collect();
    let received = figures.get(..4)?.try_into().ok()?;
    let sent = figures.get(8..12)?.try_into().ok()?;
    Some((name.into(), Counters { received, sent }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_the_whole_name() {
        let table = Interfaces::parse(
            "Inter-|   Receive\n vnet10: 9 9 9 9 0 0 0 0 9 9 9 9 0 0 0 0\n  vnet1: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n",
        );
        let counters = Counters {
            received: [1, 2, 3, 4],
            sent: [5, 6, 7, 8],
        };
        assert_eq!(table.get("vnet1"), Some(counters));
        assert_eq!(table.get("vnet"), None);
        assert_eq!(Interfaces::parse("vnet1: 1 2").get("vnet1"), None);
    }

    #[test]
    fn a_tap_counts_the_other_way_than_its_guest_and_a_macvtap_does_not() {
        let table = Interfaces::parse("tap: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n");
        let received = |counts_as_guest| {
            let name = InterfaceName {
                target: "tap".into(),
                counts_as_guest,
            };
            table.of_guest(&name).unwrap().received
        };
        assert_eq!(received(false), [5, 6, 7, 8]);
        assert_eq!(received(true), [1, 2, 3, 4]);
    }
}

//! Proofs that were shown: whoever listens could show one again.
//!
//! A proof that is older than the clocks may differ is refused anyway, so each has to be remembered for twice that time. This lasts as
//! long as the process: a new one remembers nothing. Where a client asked for our proof as well, keys are new with each reply, and
//! a proof that is shown again leads nowhere.

use crate::SKEW;
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;

/// How many proofs are remembered; 16 bytes each, and as much again for the table.
const MAX: usize = 16 * 1024;

/// How long each is remembered at least, in seconds.
const REMEMBERED: u64 = 2 * SKEW;

type Mark = [u8; 16];

/// Those of the last minutes, and those of the minutes before, which go all at once.
#[derive(Debug, Default)]
pub(crate) struct Replays {
    since: u64,
    recent: HashSet<Mark>,
    older: HashSet<Mark>,
}

/// Whether a proof is new.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    First,
    Again,
    /// Nothing more can be remembered now.
    Crowded,
}

impl Replays {
    /// Remembers an encrypted proof.
    pub(crate) fn show(&mut self, proof: &[u8], now: u64) -> Shown {
        self.forget(now);
        let hash = Sha256::digest(proof);
        let Some(mark) = hash.first_chunk() else {
            return Shown::Crowded;
        };
        if self.recent.contains(mark) || self.older.contains(mark) {
            return Shown::Again;
        }
        if self.recent.len() + self.older.len() >= MAX {
            return Shown::Crowded;
        }
        self.recent.insert(*mark);
        Shown::First
    }

    fn forget(&mut self, now: u64) {
        let age = now.saturating_sub(self.since);
        if age >= REMEMBERED {
            let recent = std::mem::take(&mut self.recent);
            self.older = if age < 2 * REMEMBERED {
                recent
            } else {
                HashSet::new()
            };
            self.since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_remembered_as_long_as_it_could_be_shown_again() {
        let mut replays = Replays::default();
        let start = 1_000_000_000;
        for (proof, after, expected) in [
            ("one", 0, Shown::First),
            ("one", 0, Shown::Again),
            ("two", 599, Shown::First),
            ("one", 599, Shown::Again),
            ("two", 600, Shown::Again),
            ("two", 1199, Shown::Again),
            ("two", 1200, Shown::First),
            ("two", 5000, Shown::First),
        ] {
            assert_eq!(
                replays.show(proof.as_bytes(), start + after),
                expected,
                "{proof} {after}"
            );
        }
    }

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        let mut replays = Replays::default();
        for number in 0..MAX {
            assert_eq!(replays.show(&number.to_be_bytes(), 1000), Shown::First);
        }
        assert_eq!(replays.show(b"one more", 1001), Shown::Crowded);
        assert_eq!(replays.show(&0usize.to_be_bytes(), 1001), Shown::Again);
        assert_eq!(replays.show(b"one more", 3000), Shown::First);
    }
}

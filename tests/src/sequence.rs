//! Chance that can be repeated.

/// A sequence that looks random and is the same for the same seed (xorshift).
#[derive(Debug)]
pub struct Sequence {
    seed: u64,
    state: u64,
}

impl Sequence {
    /// A sequence of this run's own, or the one that `FERROVIRT_TEST_SEED` names.
    pub fn new() -> Self {
        let seed = std::env::var("FERROVIRT_TEST_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) * 7919 + 1);
        Self { seed, state: seed }
    }

    /// What it was made from, for the words of a failed test.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The next number, which is below `below`.
    pub fn next(&mut self, below: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % below
    }
}

impl Default for Sequence {
    fn default() -> Self {
        Self::new()
    }
}

//! The fuzz target's body over some ten thousand broken frames, so that every run of the tests tries it a little.
#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test"
)]

#[path = "../../../fuzz/bodies/learning_frame.rs"]
mod learning_frame;

use driver_nwfilter::learning::{Lesson, Method, read};
use model::Mac;
use std::path::Path;

/// A sequence that looks random and is the same each time (xorshift).
fn next(state: &mut u64, below: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state % below as u64).unwrap_or(0)
}

/// What the target starts from: whole frames that tell something.
fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/learning_frame");
    let files = std::fs::read_dir(folder).unwrap().flatten();
    let mut seeds: Vec<_> = files
        .map(|file| (file.file_name(), std::fs::read(file.path()).unwrap()))
        .collect();
    seeds.sort();
    seeds.into_iter().map(|(_, bytes)| bytes).collect()
}

#[test]
fn broken_frames_tell_nothing_that_is_not_in_them() {
    let lesson = Lesson {
        method: Method::Any,
        mac: Mac([0x52, 0x54, 0, 0, 0, 7]),
        servers: Vec::new(),
    };
    let seeds = seeds();
    let told = seeds.iter().filter(|seed| read(&lesson, &seed[2..]).is_some());
    assert!(told.count() >= 3, "seeds that tell nothing would try nothing");
    let mut state = 0x9e37_79b9_7f4a_7c15;
    for seed in &seeds {
        learning_frame::run(seed);
        for _ in 0..4000 {
            let mut frames = seed.clone();
            for _ in 0..=next(&mut state, 6) {
                let at = next(&mut state, frames.len());
                frames[at] = [0, 1, 2, 0x45, 0x7f, 0x80, 0xff][next(&mut state, 7)];
            }
            frames.truncate(next(&mut state, frames.len() * 4) + 1);
            learning_frame::run(&frames);
        }
    }
}

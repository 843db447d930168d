//! The fuzz target's body over some hundred broken documents, so that every run of the tests tries it a little.
#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test"
)]

#[path = "../../../fuzz/bodies/command_line.rs"]
mod command_line;

/// A sequence that looks random and is the same each time (xorshift).
fn next(state: &mut u64, below: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state % below as u64).unwrap_or(0)
}

#[test]
fn broken_documents_are_refused_or_become_arguments() {
    const CHANGES: &[&str] = &[
        "",
        "'",
        "<",
        "0",
        "-1",
        "99999999999999999999",
        "0x",
        "yes",
        "pci",
        "ü",
        "/",
        "31",
        ",",
    ];
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/command_line");
    let mut state = 0x9e37_79b9_7f4a_7c15;
    for seed in std::fs::read_dir(folder).unwrap() {
        let good = std::fs::read_to_string(seed.unwrap().path()).unwrap();
        command_line::run(good.as_bytes());
        for _ in 0..300 {
            let mut text = good.clone();
            for _ in 0..=next(&mut state, 3) {
                let start = text.floor_char_boundary(next(&mut state, text.len()));
                let end = text
                    .floor_char_boundary((start + next(&mut state, 12)).min(text.len()))
                    .max(start);
                text.replace_range(start..end, CHANGES[next(&mut state, CHANGES.len())]);
            }
            command_line::run(text.as_bytes());
        }
    }
}

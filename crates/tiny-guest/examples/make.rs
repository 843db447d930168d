//! Makes the guest in a folder: `cargo run -p tiny-guest --example make FOLDER`.

use anyhow::{Context, Result};
use std::path::PathBuf;

fn main() -> Result<()> {
    let folder = std::env::args_os()
        .nth(1)
        .map(PathBuf::from)
        .context("which folder?")?;
    tiny_guest::Guest::prepare(&folder).map(|_| ())
}

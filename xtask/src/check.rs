//! Every check of the project, the fast ones first.

use anyhow::{Context, Result, ensure};
use std::process::Command;

/// The steps, each a cargo command.
const STEPS: &[&[&str]] = &[
    &["fmt", "--check"],
    &[
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ],
    &["doc", "--workspace", "--no-deps", "--quiet"],
    // The daemons that tests of other packages run: cargo builds them for tests of their own package only.
    &["build", "--workspace", "--bins", "--quiet"],
    &["test", "--workspace", "--no-fail-fast"],
];

/// Runs the steps in order, and what takes a guest of its own at the end.
///
/// # Errors
/// When a step fails: its own output says why.
pub(crate) fn run() -> Result<()> {
    for step in STEPS {
        let status = Command::new(env!("CARGO"))
            .args(*step)
            .env("RUSTDOCFLAGS", "-D warnings")
            .status()
            .context("cannot run cargo")?;
        ensure!(status.success(), "`cargo {}` failed", step.join(" "));
    }
    crate::testbed::run_where_made()
}

//! Helper tasks of the project, run as `cargo xtask TASK`.

mod check;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Helper tasks of the project.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Checks the form of the code and runs every test.
    Test,
}

fn main() -> Result<()> {
    match Arguments::parse().task {
        Task::Test => check::run(),
    }
}

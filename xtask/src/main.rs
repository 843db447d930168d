//! Helper tasks of the project, run as `cargo xtask TASK`.

mod bench;
mod check;
mod compare_peer;
mod demo;
mod install;
mod packages;
mod progress;
mod testbed;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Helper tasks of the project.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Measures what the daemon costs, beside the host's libvirtd where that is installed.
    Bench {
        /// One round, and no ten thousand domains.
        #[arg(long)]
        quick: bool,
        /// Only this part.
        #[arg(long, value_enum)]
        part: Option<bench::Part>,
    },
    /// Gives documents of domains to this project's virtqemud and to the host's libvirtd, and tells where they differ.
    ComparePeer(compare_peer::Comparison),
    /// Boots a guest with stock virsh against the project's daemon, in a private folder, and cleans up.
    Demo {
        /// Install missing Debian packages without asking, as with CI=true.
        #[arg(long)]
        yes: bool,
    },
    /// Puts programs, systemd's units, users, folders and configuration files where a host has them.
    Install(install::Install),
    /// Boots a guest with a real systemd, installs the daemons in it and tests them there.
    Testbed {
        /// Install missing Debian packages without asking, as with CI=true.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        choice: testbed::Choice,
    },
    /// Installs what is missing, checks the form of the code and runs every test.
    Test {
        /// Install missing Debian packages without asking, as with CI=true.
        #[arg(long)]
        yes: bool,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().task {
        Task::Bench { quick, part } => bench::run(quick, part),
        Task::ComparePeer(comparison) => compare_peer::run(&comparison),
        Task::Demo { yes } => {
            packages::install_missing(packages::DEMO, yes)?;
            demo::run()
        }
        Task::Install(install) => install::run(&install),
        Task::Testbed { yes, choice } => {
            packages::install_missing(packages::TESTBED, yes)?;
            testbed::run(&choice)
        }
        Task::Test { yes } => {
            packages::install_missing(packages::TESTS, yes)?;
            check::run()
        }
    }
}

/// Where cargo puts what it builds.
fn target_folder() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let target = own
        .ancestors()
        .nth(2)
        .context("this program lies in no target folder")?;
    Ok(target.to_owned())
}

/// Where the programs of a release build lie.
fn release_folder() -> Result<PathBuf> {
    Ok(target_folder()?.join("release"))
}

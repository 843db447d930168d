//! Tests in a guest of the project's own with a real systemd: what no container and no private folder can show.
//!
//! The guest's [image] is made once; each run boots it with what is tested on a second [disk](payload) and leaves it as it
//! is. The tests are the target `in_guest` of the package `end-to-end`; what they say comes out of a serial port
//! of the [machine], and is told here as it comes.

mod image;
mod machine;
mod payload;

use crate::progress::say;
use anyhow::{Context, Result, bail};
use image::Image;
use machine::{Accelerator, Machine, Next};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the guest may be silent. A test that takes long does not say so meanwhile, and the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20 * 60);

/// What is run in the guest.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Choice {
    /// Test the release rather than what `cargo build` makes.
    #[arg(long)]
    release: bool,
    /// Take the programs from this folder and build only the tests.
    #[arg(long, value_name = "DIR", conflicts_with = "release")]
    from: Option<PathBuf>,
    /// Only tests whose names contain one of these.
    filter: Vec<String>,
}

/// Runs the tests in the guest and tells their results.
///
/// # Errors
/// A test failed, or the guest cannot be made or booted.
pub(crate) fn run(choice: &Choice) -> Result<()> {
    run_in(&Image::prepare()?, choice)
}

/// The same where the guest is made already; else says so. To make it takes minutes, packages of its own and much of a disk, which
/// whoever wants it asks for.
///
/// # Errors
/// A test failed, or the guest cannot be booted.
pub(crate) fn run_where_made() -> Result<()> {
    match Image::existing()? {
        Some(image) => run_in(&image, &Choice::default()),
        None => {
            say(
                "* NOT RUN: the tests in a guest with a real systemd, which `cargo xtask testbed` makes, boots and runs",
            );
            Ok(())
        }
    }
}

fn run_in(image: &Image, choice: &Choice) -> Result<()> {
    let work = tempfile::Builder::new()
        .prefix("ferrovirt-testbed-")
        .tempdir_in("/var/tmp")
        .context("no folder for the guest's disks")?;
    let payload = payload::make(work.path(), choice)?;
    let logs = crate::target_folder()?.join("testbed");
    fs::create_dir_all(&logs)?;
    let accelerator = Accelerator::of_host(image);
    say(&format!(
        "* Booting a guest with systemd{}; its logs are in {}",
        match accelerator {
            Accelerator::Kvm => "",
            Accelerator::Emulation => ", emulated as KVM runs nothing here (that takes minutes)",
        },
        logs.display()
    ));
    let start = Instant::now();
    let machine = Machine::boot(image, &payload, accelerator, &logs)?;
    let outcome = watch(&machine, start);
    drop(machine);
    if outcome.is_err() {
        for name in [machine::COMPLAINTS, machine::CONSOLE, machine::JOURNAL] {
            tell_end(&logs.join(name));
        }
    }
    outcome
}

/// Passes on what the tests say until the guest ends, or has been silent for too long.
fn watch(machine: &Machine, start: Instant) -> Result<()> {
    let mut said = Vec::new();
    let mut booted = false;
    loop {
        match machine.next(PATIENCE) {
            Next::Piece(piece) => {
                if !std::mem::replace(&mut booted, true) {
                    say(&format!("* The tests run after {} s", start.elapsed().as_secs()));
                }
                let mut out = std::io::stdout();
                // The guest's port is a terminal there, with its ends of lines.
                let shown: Vec<u8> = piece.iter().copied().filter(|byte| *byte != b'\r').collect();
                out.write_all(&shown)?;
                out.flush()?;
                said.extend(shown);
            }
            Next::Silence => bail!("the guest has said nothing for {} min", PATIENCE.as_secs() / 60),
            Next::End => break,
        }
    }
    say(&format!(
        "* The guest ended after {} s",
        start.elapsed().as_secs()
    ));
    judge(&String::from_utf8_lossy(&said))
}

/// Whether all tests have run and passed, by the runner's last words.
fn judge(said: &str) -> Result<()> {
    let mut results = said.lines().filter(|line| line.starts_with("test result: "));
    match results.next_back() {
        Some(line) if line.starts_with("test result: ok. 0 passed") => bail!("no test has such a name"),
        Some(line) if line.starts_with("test result: ok.") => Ok(()),
        Some(_) => bail!("tests in the guest failed"),
        None => bail!("the guest ended before its tests did"),
    }
}

/// Shows a log's last lines.
fn tell_end(log: &Path) {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let lines: Vec<_> = text.lines().collect();
    say(&format!("* The end of {}", log.display()));
    for line in lines.get(lines.len().saturating_sub(60)..).unwrap_or_default() {
        say(&format!("    {}", line.trim_end()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_run_that_passed_is_a_success() {
        let run = "running 1 test\ntest idle::ends ... ok\n\n";
        let passed = "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n";
        judge(&format!("{run}{passed}")).unwrap();
        for said in [
            String::new(),
            run.to_owned(),
            passed.replace("1 passed", "0 passed"),
            format!("{run}test result: FAILED. 0 passed; 1 failed\n"),
        ] {
            judge(&said).unwrap_err();
        }
    }
}

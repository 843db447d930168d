//! What is tested, as a disk of the guest's: all that `cargo xtask install` puts on a host, and the tests.

use super::Choice;
use super::image::run;
use crate::install;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The test target that runs in the guest, and its package.
const TESTS: [&str; 2] = ["in_guest", "end-to-end"];

/// Makes the disk in `work`; gives its path.
///
/// # Errors
/// Something cannot be built or written.
pub(super) fn make(work: &Path, choice: &Choice) -> Result<PathBuf> {
    let tree = work.join("payload");
    fs::create_dir(&tree)?;
    let from = if choice.release {
        None
    } else if let Some(folder) = &choice.from {
        Some(folder.clone())
    } else {
        let status = Command::new(env!("CARGO"))
            .args(["build", "--workspace", "--bins", "--quiet"])
            .status();
        ensure!(
            status.context("cannot run cargo")?.success(),
            "the programs cannot be built"
        );
        Some(crate::target_folder()?.join("debug"))
    };
    install::below(&tree.join("root"), from)?;
    fs::copy(tests()?, tree.join("tests")).context("cannot copy the tests")?;
    // Names of tests have no spaces, quotes or backslashes.
    let plain = |word: &String| {
        word.chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "_:".contains(letter))
    };
    ensure!(
        choice.filter.iter().all(plain),
        "a part of a test's name is of letters, digits, '_' and ':'"
    );
    fs::write(
        tree.join("environment"),
        format!("FILTER={}\n", choice.filter.join(" ")),
    )?;
    let disk = work.join("payload.ext4");
    // Half as much again for the file system itself.
    let size = size(&tree)? / 1024 * 3 / 2 + 16 * 1024;
    run(Command::new("mke2fs")
        .args(["-q", "-t", "ext4", "-O", "^has_journal", "-L", "payload", "-d"])
        .args([&tree, &disk])
        .arg(format!("{size}k")))?;
    fs::remove_dir_all(&tree)?;
    Ok(disk)
}

/// Builds the tests; gives their program.
fn tests() -> Result<PathBuf> {
    let [target, package] = TESTS;
    let output = Command::new(env!("CARGO"))
        .args(["test", "--quiet", "--package", package, "--test", target])
        .args(["--no-run", "--message-format=json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(output.status.success(), "the tests for the guest cannot be built");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let messages = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let program = |message: Value| {
        let of_target = message.pointer("/target/name")? == target;
        let program = message.get("executable")?.as_str()?;
        of_target.then(|| PathBuf::from(program))
    };
    messages
        .filter_map(program)
        .next()
        .context("cargo names no program of the tests")
}

/// The bytes of all files below a folder.
fn size(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file = entry.metadata()?;
        sum += if file.is_dir() {
            size(&entry.path())?
        } else {
            file.len()
        };
    }
    Ok(sum)
}

//! Stock clients.

use std::process::Command;

/// How a client ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it succeeded.
    pub success: bool,
    /// What it said.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl Outcome {
    /// Runs a command to its end.
    ///
    /// # Panics
    /// When it cannot be run.
    pub fn of(command: &mut Command) -> Self {
        let output = command
            .output()
            .unwrap_or_else(|err| panic!("cannot run {command:?}: {err}"));
        Self {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs a script of the stock Python client, the one of Debian's `python3-libvirt`, with arguments.
///
/// # Panics
/// When it cannot be run.
pub fn python(script: &str, arguments: &[&str]) -> Outcome {
    Outcome::of(
        Command::new("/usr/bin/python3")
            .arg("-c")
            .arg(script)
            .args(arguments),
    )
}

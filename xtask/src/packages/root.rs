//! Commands that only root may run.

use crate::progress::{Progress, say};
use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::process::{Command, Stdio};

/// What commands are told: to ask nothing, and to speak English.
const ENVIRONMENT: [(&str, &str); 2] = [("DEBIAN_FRONTEND", "noninteractive"), ("LC_ALL", "C")];

/// How this process can have something done as root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Root {
    /// It is root.
    Is,
    /// By sudo.
    Asks,
}

impl Root {
    /// None if it cannot.
    pub(crate) fn find() -> Option<Self> {
        if rustix::process::geteuid().is_root() {
            return Some(Self::Is);
        }
        super::is_there("sudo").then_some(Self::Asks)
    }

    /// Has sudo ask for a password now, where it is seen, if it wants one.
    pub(crate) fn unlock(self) -> Result<()> {
        if self == Self::Asks {
            say("* Asking sudo for root's power");
            let status = sudo().arg("--validate").status().context("cannot run sudo")?;
            ensure!(status.success(), "sudo gives none");
        }
        Ok(())
    }

    /// The command that runs `program` as root, without any question of Debian's packages and with words that can be read
    /// here.
    fn command(self, program: &str) -> Command {
        match self {
            Self::Is => {
                let mut command = Command::new(program);
                command.envs(ENVIRONMENT);
                command
            }
            Self::Asks => {
                let mut command = sudo();
                command.arg("env");
                command.args(ENVIRONMENT.map(|(name, value)| format!("{name}={value}")));
                command.arg(program);
                command
            }
        }
    }

    /// Runs a program as root to its end.
    pub(crate) fn run(self, program: &str, arguments: &[&str]) -> Result<()> {
        let status = self.command(program).args(arguments).status();
        let status = status.with_context(|| format!("cannot run {program} as root"))?;
        ensure!(status.success(), "`{program} {}` failed", arguments.join(" "));
        Ok(())
    }

    /// Runs apt-get as root and shows how far it is.
    pub(super) fn apt_get(self, arguments: &[&str]) -> Result<()> {
        // What apt has to tell of its progress (`APT::Status-Fd`) needs a channel of its own, which sudo leaves none: one
        // of the standard ones would be closed for dpkg and the packages' scripts.
        let mut apt = self
            .command("apt-get")
            .args(["-q", "-o", "Dpkg::Use-Pty=0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run apt-get as root")?;
        let complaints = apt.stderr.take().context("apt-get's errors")?;
        let complaints = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = BufReader::new(complaints).read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let (mut said, mut counts) = (String::new(), Counts::default());
        let mut progress = Progress::of_hundred();
        for line in BufReader::new(apt.stdout.take().context("apt-get's output")?).split(b'\n') {
            let line = String::from_utf8_lossy(&line?).into_owned();
            if let Some((stage, percent)) = counts.take(&line) {
                progress.at(stage, percent, line.trim_end());
            }
            said.push_str(&line);
            said.push('\n');
        }
        drop(progress);
        let status = apt.wait()?;
        let complaints = complaints.join().unwrap_or_default();
        ensure!(
            status.success(),
            "`apt-get {}` failed:\n{said}{complaints}",
            arguments.join(" ")
        );
        Ok(())
    }
}

/// sudo, which asks for no password where nobody could give one.
fn sudo() -> Command {
    let mut sudo = Command::new("sudo");
    if !std::io::stdin().is_terminal() {
        sudo.arg("--non-interactive");
    }
    sudo
}

/// How far apt-get is, by what it says.
#[derive(Debug, Default)]
struct Counts {
    packages: u64,
    downloaded: u64,
    /// Unpacked or configured: each package is both.
    installed: u64,
}

impl Counts {
    /// Counts a line; gives the stage that it is of, and the percentage.
    fn take(&mut self, line: &str) -> Option<(&'static str, u64)> {
        if let Some(packages) = announced(line) {
            self.packages = packages;
            return None;
        }
        let percent = |done: u64, all: u64| Some((done * 100).checked_div(all)?.min(100));
        if line.starts_with("Get:") {
            self.downloaded += 1;
            Some(("downloading", percent(self.downloaded, self.packages)?))
        } else if line.starts_with("Unpacking ") || line.starts_with("Setting up ") {
            self.installed += 1;
            Some(("installing", percent(self.installed, 2 * self.packages)?))
        } else {
            None
        }
    }
}

/// How many packages it says that it will install, newly or in the place of older ones.
fn announced(line: &str) -> Option<u64> {
    let (upgraded, rest) = line.split_once(" upgraded, ")?;
    let (new, _) = rest.split_once(" newly installed, ")?;
    Some(upgraded.parse::<u64>().ok()? + new.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apt_says_tells_how_far_it_is() {
        let mut counts = Counts::default();
        let lines = [
            // Lists of packages: nobody knows how many.
            (
                "Get:1 http://deb.debian.org/debian bookworm InRelease [151 kB]",
                None,
            ),
            ("Reading package lists...", None),
            (
                "1 upgraded, 3 newly installed, 0 to remove and 5 not upgraded.",
                None,
            ),
            (
                "Get:1 http://deb.debian.org/debian bookworm/main amd64 ucf all 3.0043 [55 kB]",
                Some(("downloading", 50)),
            ),
            ("Selecting previously unselected package ucf.", None),
            ("Unpacking ucf (3.0043) ...", Some(("installing", 12))),
            (
                "Unpacking libc6:amd64 (2.36-9) over (2.36-8) ...",
                Some(("installing", 25)),
            ),
            ("Setting up ucf (3.0043) ...", Some(("installing", 37))),
        ];
        for (line, expected) in lines {
            assert_eq!(counts.take(line), expected, "{line}");
        }
    }
}

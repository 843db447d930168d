//! Commands that only root may run.

use crate::progress::{Progress, say};
use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::process::{Command, Stdio};

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

    /// The command that runs `program` as root, without any question of Debian's packages.
    fn command(self, program: &str) -> Command {
        match self {
            Self::Is => {
                let mut command = Command::new(program);
                command.env("DEBIAN_FRONTEND", "noninteractive");
                command
            }
            Self::Asks => {
                let mut command = sudo();
                command.args(["env", "DEBIAN_FRONTEND=noninteractive", program]);
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
        let mut apt = self
            .command("apt-get")
            // Standard error is the one channel for it that sudo leaves open.
            .args(["-q", "-o", "APT::Status-Fd=2", "-o", "Dpkg::Use-Pty=0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run apt-get as root")?;
        let said = apt.stdout.take().context("apt-get's output")?;
        let said = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = BufReader::new(said).read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let mut complaints = Vec::new();
        let mut progress = Progress::of_hundred();
        for line in BufReader::new(apt.stderr.take().context("apt-get's errors")?).split(b'\n') {
            let line = String::from_utf8_lossy(&line?).into_owned();
            match status(&line) {
                Some((stage, percent, detail)) => progress.at(stage, percent, detail),
                None => complaints.push(line),
            }
        }
        drop(progress);
        let status = apt.wait()?;
        let said = said.join().unwrap_or_default();
        ensure!(
            status.success(),
            "`apt-get {}` failed:\n{said}{}",
            arguments.join(" "),
            complaints.join("\n")
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

/// The stage, the percentage and the detail of a line of apt's (`README.progress-reporting` of its sources).
fn status(line: &str) -> Option<(&'static str, u64, &str)> {
    let (kind, rest) = line.split_once(':')?;
    let stage = match kind {
        "dlstatus" => "downloading",
        "pmstatus" => "installing",
        _ => return None,
    };
    // The name before the percentage may hold a colon of its own, as in "libc6:amd64".
    let (_, rest) = rest.split_once(':')?;
    told(rest)
        .or_else(|| told(rest.split_once(':')?.1))
        .map(|(percent, detail)| (stage, percent, detail))
}

fn told(rest: &str) -> Option<(u64, &str)> {
    let (percent, detail) = rest.split_once(':')?;
    let percent: f64 = percent.parse().ok()?;
    Some((percent.clamp(0.0, 100.0) as u64, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apt_tells_of_itself_is_read() {
        for (line, expected) in [
            (
                "dlstatus:1:9.05654:Downloading file 1 of 3 (4m40s remaining)",
                Some(("downloading", 9, "Downloading file 1 of 3 (4m40s remaining)")),
            ),
            (
                "pmstatus:virtinst:66.6667:Configuring virtinst (all)",
                Some(("installing", 66, "Configuring virtinst (all)")),
            ),
            (
                "pmstatus:libc6:amd64:100:Installed libc6",
                Some(("installing", 100, "Installed libc6")),
            ),
            ("E: Unable to locate package nothing", None),
            ("dlstatus:1", None),
        ] {
            assert_eq!(status(line), expected, "{line}");
        }
    }
}

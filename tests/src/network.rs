//! A network name space of a test's own, so that nothing is done to the host's.

use crate::{Outcome, wait_for};
use std::fs;
use std::process::{Child, Command, Stdio};

/// A network that lives as long as this value, whichever daemons come and go in it. Only root can make one.
#[derive(Debug)]
pub(crate) struct Network {
    /// Waits for words that never come; if the test is killed, it reads their end.
    holder: Child,
}

impl Network {
    /// An empty network.
    ///
    /// # Panics
    /// When it cannot be made.
    pub(crate) fn new() -> Self {
        let holder = Command::new("unshare")
            .args(["--net", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("unshare can be run");
        let network = Self { holder };
        let own = fs::read_link("/proc/self/ns/net").expect("the test's own network");
        wait_for("a network", || {
            fs::read_link(network.path())
                .ok()
                .filter(|network| *network != own)
        });
        network
    }

    fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.holder.id())
    }

    /// What starts a program in it. What `/sys` shows are the links of the network that it was mounted in, so the program
    /// gets one of its own.
    pub(crate) fn entrance(&self) -> Vec<String> {
        let mount = "mount -t sysfs sysfs /sys && exec \"$0\" \"$@\"";
        let enter = format!("--net={}", self.path());
        ["nsenter", &enter, "unshare", "--mount", "sh", "-c", mount]
            .map(str::to_owned)
            .to_vec()
    }

    /// Runs a command in it.
    ///
    /// # Panics
    /// When it cannot be run.
    pub(crate) fn run(&self, command: &[&str]) -> Outcome {
        let enter = format!("--net={}", self.path());
        Outcome::of(Command::new("nsenter").arg(enter).args(command))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

//! The real firewalld, for the rules of a network of a test's own.

use crate::{Bus, Network, Outcome, wait_for};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// firewalld with this project's zones beside its own, on a bus of its own.
#[derive(Debug)]
pub struct Firewalld {
    process: Option<Child>,
    bus: Bus,
    folder: tempfile::TempDir,
}

impl Firewalld {
    /// It, not running yet. Only root can have one.
    ///
    /// # Panics
    /// When its bus does not start.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("fvfw").tempdir_in("/tmp");
        let folder = folder.expect("a folder");
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/firewalld");
        for kind in ["zones", "policies"] {
            let to = folder.path().join("etc").join(kind);
            fs::create_dir_all(&to).expect("a folder");
            for file in fs::read_dir(own.join(kind)).expect("the project's files") {
                let file = file.expect("a file");
                fs::copy(file.path(), to.join(file.file_name())).expect("a copy");
            }
        }
        Self {
            process: None,
            bus: Bus::start(folder.path()),
            folder,
        }
    }

    /// Starts it, for the rules of this network.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(&mut self, network: &Network) {
        let configuration = self.folder.path().join("etc").display().to_string();
        let mut command = network.command(&["firewalld", "--nofork", "--nopid", "--log-target", "console"]);
        command.args(["--system-config", &configuration]);
        let started = command
            .env("DBUS_SYSTEM_BUS_ADDRESS", self.bus.address())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.process = Some(started.expect("firewalld can be run"));
        wait_for("firewalld", || self.ask(&["--state"]).success.then_some(()));
    }

    /// Ends it.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Has its own client, firewall-cmd, ask it.
    ///
    /// # Panics
    /// When that cannot be run.
    pub fn ask(&self, arguments: &[&str]) -> Outcome {
        let mut command = Command::new("firewall-cmd");
        command.args(arguments);
        Outcome::of(command.env("DBUS_SYSTEM_BUS_ADDRESS", self.bus.address()))
    }

    /// The zone that a link is in.
    ///
    /// # Panics
    /// When firewalld does not tell.
    pub fn zone_of(&self, link: &str) -> Option<String> {
        let told = self.ask(&[&format!("--get-zone-of-interface={link}")]);
        if told.success {
            return Some(told.stdout.trim().to_owned());
        }
        assert_eq!(told.stderr.trim(), "no zone");
        None
    }

    /// What starts a program that takes its bus for the system's.
    pub fn entrance(&self) -> Vec<String> {
        self.bus.entrance()
    }
}

impl Default for Firewalld {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Firewalld {
    fn drop(&mut self) {
        self.stop();
    }
}

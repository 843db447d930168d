//! One daemon of a test, and stock clients that talk to it.

use crate::client::Outcome;
use crate::raw_client::first_answer;
use std::path::PathBuf;
use std::process::Command;

/// A daemon of an instance.
#[derive(Debug)]
pub struct Daemon(private_instance::Daemon);

impl Daemon {
    pub(crate) fn new(daemon: private_instance::Daemon) -> Self {
        Self(daemon)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.0.socket()
    }

    /// The URI that stock clients reach it by.
    pub fn uri(&self) -> String {
        self.0.uri()
    }

    /// The URI of a driver at its socket.
    pub fn uri_of(&self, driver: &str) -> String {
        self.0.uri_of(driver)
    }

    /// The URI of its read-only socket.
    pub fn read_only_uri(&self) -> String {
        self.0.read_only_uri()
    }

    /// The URI of its admin socket.
    pub fn admin_uri(&self) -> String {
        self.0.admin_uri()
    }

    /// What it said, over all its starts.
    pub fn log(&self) -> PathBuf {
        self.0.log()
    }

    /// Its process.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pid(&self) -> u32 {
        self.0.pid().expect("the daemon runs")
    }

    /// Starts it, for the first time or again, and waits until it answers: it listens before it has read what it keeps, and whoever
    /// connects meanwhile waits in the socket's queue.
    ///
    /// # Panics
    /// When it ends instead, or does not answer.
    pub fn restart(&mut self) {
        self.spawn();
        let connected = self.0.wait_until_it_serves();
        let stream = connected.unwrap_or_else(|err| panic!("{err}"));
        if let Err(err) = first_answer(stream) {
            panic!("{} does not answer: {err}\n{}", self.name(), self.0.said());
        }
    }

    /// Starts it without waiting for it.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn(&mut self) {
        self.0.spawn().expect("the daemon can be started");
    }

    /// Kills it as a crash would.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&mut self) {
        self.0.kill().expect("the daemon can be killed");
    }

    /// Asks it to end, and waits for it; gives its exit code.
    ///
    /// # Panics
    /// When it does not run.
    pub fn stop(&mut self) -> Option<i32> {
        self.0.stop().expect("the daemon ends").code()
    }

    /// Waits until it has ended by itself, and gives its exit code.
    ///
    /// # Panics
    /// When it does not.
    pub fn wait_for_end(&mut self) -> Option<i32> {
        self.0.wait_for_end().expect("it ends").code()
    }

    /// Runs stock virt-admin against it.
    ///
    /// # Panics
    /// When virt-admin cannot be run.
    pub fn try_virt_admin(&self, arguments: &[&str]) -> Outcome {
        let mut virt_admin = Command::new("virt-admin");
        virt_admin.args(["-q", "-c", &self.admin_uri()]);
        Outcome::of(virt_admin.args(arguments).env("LC_ALL", "C"))
    }

    /// Runs stock virt-admin, which must succeed; gives what it said.
    ///
    /// # Panics
    /// When it fails.
    pub fn virt_admin(&self, arguments: &[&str]) -> String {
        let outcome = self.try_virt_admin(arguments);
        assert!(
            outcome.success,
            "virt-admin {arguments:?} failed:\n{}{}",
            outcome.stdout, outcome.stderr
        );
        outcome.stdout
    }

    /// Runs stock virsh against it.
    ///
    /// # Panics
    /// When virsh cannot be run.
    pub fn try_virsh(&self, arguments: &[&str]) -> Outcome {
        self.try_virsh_at(&self.uri(), arguments)
    }

    fn try_virsh_at(&self, uri: &str, arguments: &[&str]) -> Outcome {
        let mut virsh = Command::new("virsh");
        virsh.args(["-q", "-c", uri]).args(arguments).env("LC_ALL", "C");
        Outcome::of(&mut virsh)
    }

    /// Runs stock virsh, which must succeed; gives what it said.
    ///
    /// # Panics
    /// When it fails.
    pub fn virsh(&self, arguments: &[&str]) -> String {
        self.virsh_at(&self.uri(), arguments)
    }

    /// The same at another URI of this daemon, such as [`Self::uri_of`].
    ///
    /// # Panics
    /// When it fails.
    pub fn virsh_at(&self, uri: &str, arguments: &[&str]) -> String {
        let outcome = self.try_virsh_at(uri, arguments);
        assert!(
            outcome.success,
            "virsh {arguments:?} failed:\n{}{}\n--- the log of {}\n{}",
            outcome.stdout,
            outcome.stderr,
            self.name(),
            self.0.said()
        );
        outcome.stdout
    }

    /// Runs stock virsh, which must fail; gives what it complained about.
    ///
    /// # Panics
    /// When it succeeds.
    pub fn virsh_fails(&self, arguments: &[&str]) -> String {
        let outcome = self.try_virsh(arguments);
        assert!(
            !outcome.success,
            "virsh {arguments:?} did not fail:\n{}",
            outcome.stdout
        );
        outcome.stderr
    }

    /// The most memory it ever had in RAM, in KiB.
    ///
    /// # Panics
    /// When it does not run.
    pub fn peak_memory(&self) -> u64 {
        let status = format!("/proc/{}/status", self.pid());
        let status = std::fs::read_to_string(status).expect("the daemon's state");
        let peak = status.lines().find_map(|line| {
            line.strip_prefix("VmHWM:")?
                .trim()
                .trim_end_matches(" kB")
                .parse()
                .ok()
        });
        peak.expect("the kernel tells it")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = self.0.said();
            let tail: Vec<&str> = said.lines().rev().take(60).collect();
            for line in tail.iter().rev() {
                tell(self.name(), line);
            }
        }
    }
}

#[expect(clippy::print_stderr, reason = "a failed test shows the daemon's last words")]
fn tell(name: &str, line: &str) {
    eprintln!("{name}| {line}");
}

//! A network name space of a test's own, so that nothing is done to the host's.

use crate::{Outcome, wait_for};
use std::fs;
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};

/// A network that lives as long as this value, whichever daemons come and go in it. Only root can make one.
#[derive(Debug)]
pub struct Network {
    /// Waits for words that never come; if the test is killed, it reads their end.
    holder: Child,
}

impl Network {
    /// An empty network.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new() -> Self {
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
    /// gets one of its own, with the host's control groups in it.
    pub(crate) fn entrance(&self) -> Vec<String> {
        let mount = "if [ -d /sys/fs/cgroup ]; then exec 9</sys/fs/cgroup; fi; mount -t sysfs sysfs /sys || exit; \
                     if [ -e /proc/self/fd/9 ]; then mount -c --rbind /proc/self/fd/9 /sys/fs/cgroup; exec 9<&-; fi; \
                     exec \"$0\" \"$@\"";
        let enter = format!("--net={}", self.path());
        ["nsenter", &enter, "unshare", "--mount", "sh", "-c", mount]
            .map(str::to_owned)
            .to_vec()
    }

    /// What runs a command in it.
    pub fn command(&self, command: &[&str]) -> Command {
        let mut entering = Command::new("nsenter");
        entering.arg(format!("--net={}", self.path())).args(command);
        entering
    }

    /// Runs a command in it.
    ///
    /// # Panics
    /// When it cannot be run.
    pub fn run(&self, command: &[&str]) -> Outcome {
        Outcome::of(&mut self.command(command))
    }

    /// Runs a command in it, which must succeed; gives what it said.
    ///
    /// # Panics
    /// When it fails.
    pub fn run_well(&self, command: &[&str]) -> String {
        let outcome = self.run(command);
        assert!(
            outcome.success,
            "{command:?}: {}{}",
            outcome.stdout, outcome.stderr
        );
        outcome.stdout
    }

    /// Connects it to another by a pair of links: `own` here, and `theirs` there. Both are switched on.
    ///
    /// # Panics
    /// When they cannot be made.
    pub fn connect(&self, own: &str, other: &Self, theirs: &str) {
        let there = other.holder.id().to_string();
        self.run_well(&[
            "ip", "link", "add", own, "type", "veth", "peer", "name", theirs, "netns", &there,
        ]);
        self.run_well(&["ip", "link", "set", own, "up"]);
        other.run_well(&["ip", "link", "set", theirs, "up"]);
    }

    /// Connects it to the caller's own by a pair of links: `here` there, and `there` here. Both are switched on.
    ///
    /// # Panics
    /// When they cannot be made.
    pub fn connect_to_callers(&self, here: &str, there: &str) {
        let own = self.holder.id().to_string();
        let made = Outcome::of(Command::new("ip").args([
            "link", "add", there, "type", "veth", "peer", "name", here, "netns", &own,
        ]));
        assert!(made.success, "{}", made.stderr);
        let on = Outcome::of(Command::new("ip").args(["link", "set", there, "up"]));
        assert!(on.success, "{}", on.stderr);
        self.run_well(&["ip", "link", "set", here, "up"]);
    }

    /// Does something in it, on a thread that stays there.
    ///
    /// # Panics
    /// When it cannot be entered.
    pub fn within<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> std::thread::JoinHandle<T> {
        let place = fs::File::open(self.path()).expect("the network");
        std::thread::spawn(move || {
            rustix::thread::move_into_link_name_space(
                place.as_fd(),
                Some(rustix::thread::LinkNameSpaceType::Network),
            )
            .expect("only root enters networks");
            work()
        })
    }

    /// Whether one packet there comes back.
    ///
    /// # Panics
    /// When that cannot be tried.
    pub fn reaches(&self, address: &str) -> bool {
        self.run(&["busybox", "ping", "-c", "1", "-W", "2", address])
            .success
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

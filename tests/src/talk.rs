//! Somebody who talks all the while something else is tried.

use crate::Network;
use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Stdio};

/// A ping, twenty times a second, until it is asked what became of it.
#[derive(Debug)]
pub struct Talk {
    ping: Child,
}

impl Talk {
    /// Begins to ping an address from a network.
    ///
    /// # Panics
    /// When that cannot be run.
    pub fn to(network: &Network, address: &str) -> Self {
        let ping = network
            // A line for each packet would fill the pipe, and then stop it.
            .command(&["busybox", "ping", "-q", "-i", "0.05", address])
            .stdout(Stdio::piped())
            .spawn()
            .expect("busybox");
        Self { ping }
    }

    /// Ends it; every packet has to have come back.
    ///
    /// # Panics
    /// When one did not.
    pub fn assert_unbroken(self) {
        let pid = i32::try_from(self.ping.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process"), Signal::INT).expect("the ping");
        let said = self.ping.wait_with_output().expect("what it said");
        let said = String::from_utf8_lossy(&said.stdout);
        let summary = said.lines().find(|line| line.contains("packet loss"));
        let summary = summary.expect("a summary");
        assert!(summary.contains(" 0% packet loss"), "{summary}");
    }
}

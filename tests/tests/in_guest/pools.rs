//! What tests of pools on this guest's own servers and devices share.

use crate::host::{Host, daemon, run, systemctl, try_run, wait_for};

const URI: [&str; 3] = ["-q", "-c", "storage:///system"];

/// Runs stock virsh against virtstoraged, which must succeed.
pub(crate) fn storage(arguments: &[&str]) -> String {
    run("virsh", &[&URI, arguments].concat())
}

/// The same, which must fail; gives what it complained about.
pub(crate) fn storage_fails(arguments: &[&str]) -> String {
    let outcome = try_run("virsh", &[&URI, arguments].concat());
    assert!(!outcome.success, "virsh {arguments:?}: {}", outcome.stdout);
    outcome.stderr
}

/// The value of a line of `pool-info` or `vol-info`, such as "State".
pub(crate) fn info(told: &str, key: &str) -> String {
    let mut lines = told.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(name, _)| *name == key).unwrap();
    value.trim().to_owned()
}

/// The volumes of a pool, by their names.
pub(crate) fn volumes(pool: &str) -> Vec<String> {
    let listed = storage(&["vol-list", pool]);
    let names = listed.lines().filter_map(|line| line.split_whitespace().next());
    names.map(str::to_owned).collect()
}

/// Ends virtstoraged as a crash would, and waits until systemd has started it anew.
pub(crate) fn crash() {
    let daemon = daemon("virtstoraged");
    let pid = daemon.pid();
    systemctl(&["kill", "--kill-who=main", "--signal=KILL", &daemon.service()]);
    wait_for("systemd to start virtstoraged anew", || {
        (daemon.is_active() && daemon.pid() != pid).then_some(())
    });
}

/// Units that the image masks, which run until the value goes.
pub(crate) struct Units(&'static [&'static str]);

impl Units {
    pub(crate) fn start(units: &'static [&'static str]) -> Self {
        Host::get();
        systemctl(&[&["--quiet", "unmask"], units].concat());
        systemctl(&[&["start"], units].concat());
        Self(units)
    }

    pub(crate) fn stop(&self) {
        systemctl(&[&["stop"], self.0].concat());
    }

    pub(crate) fn start_again(&self) {
        systemctl(&[&["start"], self.0].concat());
    }
}

impl Drop for Units {
    fn drop(&mut self) {
        try_run("systemctl", &[&["stop"], self.0].concat());
    }
}

/// A pool that a test defines, and that is gone when the value goes.
pub(crate) struct Pool(pub(crate) &'static str);

impl Drop for Pool {
    fn drop(&mut self) {
        for call in ["pool-destroy", "pool-undefine"] {
            try_run("virsh", &[&URI[..], &[call, self.0]].concat());
        }
    }
}

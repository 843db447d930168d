//! What a daemon gives away.

use crate::instance::{Instanced, Running};
use std::process::Command;

/// A line of what the kernel tells of a process.
fn status(daemon: &Running, key: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.0.id())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

pub(crate) fn what_it_does_not_need_is_taken_away() {
    let instance = Instanced::new("");
    let mut daemon = instance.start(&[]);
    for life in 0..3 {
        assert_eq!(status(&daemon, "NoNewPrivs"), "1");
        assert_eq!(status(&daemon, "Seccomp"), "2");
        // The next program finds what it needs in force, and puts nothing on top.
        assert_eq!(status(&daemon, "Seccomp_filters"), "2", "{life}");
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(status(&daemon, set), "0000000000000000", "{set}");
        }
        if rustix::process::geteuid().is_root() {
            assert_eq!(status(&daemon, "CapBnd"), "0000000000000000");
        }
        for denied in ["network", "priority"] {
            let outcome = instance.virsh("virttestd-sock", &["domuuid", denied]);
            assert!(outcome.status.success(), "{denied} is allowed: {outcome:?}");
        }
        daemon.signal(rustix::process::Signal::USR2);
        instance.await_notice("READY=1");
    }
    instance.virsh("virttestd-sock", &["domuuid", "reboot"]);
    let ended = daemon.0.wait().unwrap();
    let signal = std::os::unix::process::ExitStatusExt::signal(&ended);
    assert_eq!(signal, Some(rustix::process::Signal::SYS.as_raw()));
}

pub(crate) fn an_administrator_can_have_it_unconfined() {
    let instance = Instanced::new("confinement = 0");
    let daemon = instance.start(&[]);
    let own = |key: &str| status(&Running(Command::new("sleep").arg("9").spawn().unwrap()), key);
    for key in ["NoNewPrivs", "Seccomp", "CapBnd"] {
        assert_eq!(status(&daemon, key), own(key), "{key}");
    }
}

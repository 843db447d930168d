//! What daemons take away from themselves, where no unit does it.

use crate::guests::Guest;
use crate::host::{Daemon, Host, property, run, try_run};
use std::fs;
use std::path::Path;

/// A daemon that is started without anything of its unit, until the value goes.
struct Bare<'a> {
    daemon: &'a Daemon,
    unit: String,
}

impl<'a> Bare<'a> {
    fn start(daemon: &'a Daemon) -> Self {
        let units: Vec<_> = daemon.sockets.iter().map(|socket| socket.unit.as_str()).collect();
        let service = daemon.service();
        let stop: Vec<_> = ["stop", &service].into_iter().chain(units).collect();
        try_run("systemctl", &stop);
        let unit = format!("bare-{}.service", daemon.name);
        let program = format!("/usr/sbin/{}", daemon.name);
        run(
            "systemd-run",
            &[
                "--quiet",
                "--service-type=notify",
                "--collect",
                "--unit",
                &unit,
                &program,
            ],
        );
        Self { daemon, unit }
    }

    fn pid(&self) -> String {
        property(&self.unit, "MainPID")
    }

    /// What it has said.
    fn log(&self) -> String {
        run("journalctl", &["--quiet", "--no-pager", "--unit", &self.unit])
    }
}

impl Drop for Bare<'_> {
    fn drop(&mut self) {
        try_run("systemctl", &["stop", &self.unit]);
        let sockets = self.daemon.sockets.iter().filter(|socket| !socket.is_remote());
        let units = sockets.map(|socket| socket.unit.as_str());
        let start: Vec<_> = ["start"].into_iter().chain(units).collect();
        try_run("systemctl", &start);
    }
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn daemons_confine_themselves_where_no_unit_does() {
    println!("{:<14} no new  seccomp  powers", "");
    for daemon in Host::get().daemons() {
        let bare = Bare::start(daemon);
        let status = fs::read_to_string(format!("/proc/{}/status", bare.pid())).unwrap();
        let line = |key: &str| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
            line.unwrap().trim().to_owned()
        };
        let (no_new, seccomp, powers) = (line("NoNewPrivs"), line("Seccomp"), line("CapEff"));
        let powers = u64::from_str_radix(&powers, 16).unwrap();
        println!(
            "{:<14} {no_new:>6}  {seccomp:>7}  {powers:x} ({})",
            daemon.name,
            powers.count_ones()
        );
        // What runs guests or the host's tools gives them all of it.
        if !daemon.runs_guests() && !daemon.runs_tools() {
            assert_eq!(
                (no_new.as_str(), seccomp.as_str()),
                ("1", "2"),
                "{}: {}",
                daemon.name,
                bare.log()
            );
        }
        if !daemon.runs_guests() {
            assert!(
                powers.count_ones() <= 12,
                "{}: {}{status}",
                daemon.name,
                bare.log()
            );
        }
        run("virt-admin", &["-q", "-c", &daemon.admin_uri(), "srv-list"]);
    }
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn landlock_keeps_daemons_from_files_that_are_none_of_theirs() {
    fs::create_dir_all("/srv/others").unwrap();
    let set = |daemon: &Daemon, file: &str| {
        let output = format!("1:file:{file}");
        try_run(
            "virt-admin",
            &[
                "-q",
                "-c",
                &daemon.admin_uri(),
                "daemon-log-outputs",
                "--outputs",
                &output,
            ],
        )
    };
    // The others work on files that may be anywhere.
    let known = |daemon: &&Daemon| matches!(daemon.name.as_str(), "virtsecretd" | "virtproxyd");
    for daemon in Host::get().daemons().iter().filter(known) {
        let bare = Bare::start(daemon);
        let file = format!("/srv/others/{}.log", daemon.name);
        let outcome = set(daemon, &file);
        assert!(
            !outcome.success && outcome.stderr.contains("Permission denied") && !Path::new(&file).exists(),
            "{}: {outcome:?}",
            daemon.name
        );
        drop(bare);
    }
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn apparmor_holds_each_daemon_to_a_profile_of_its_own() {
    for daemon in Host::get().daemons() {
        daemon.restart();
        let held = fs::read_to_string(format!("/proc/{}/attr/current", daemon.pid())).unwrap();
        assert_eq!(held.trim(), format!("{} (enforce)", daemon.name));
    }
    // A guest is not held to its daemon's, as nothing in it is made for guests.
    let guest = Guest::start("profiled");
    let held = fs::read_to_string(format!("/proc/{}/attr/current", guest.pid)).unwrap();
    assert_eq!(held.trim(), "unconfined");
    let refused = run("dmesg", &[]);
    let refused: Vec<_> = refused
        .lines()
        .filter(|line| line.contains("DENIED") && line.contains("profile=\"virt"))
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

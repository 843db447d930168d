//! What the daemons cannot do, by what the kernel and systemd say of the running ones.

use crate::host::{Daemon, Host, run};
use std::fs;

/// The most that `systemd-analyze security` may say of a daemon, from 0.0 (safe) to 10.0.
const EXPOSURE: f64 = 3.0;

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn exposure_is_small_but_for_daemons_of_guests() {
    let mut too_much = Vec::new();
    for daemon in Host::get().daemons() {
        let told = run("systemd-analyze", &["security", "--no-pager", &daemon.service()]);
        let overall = told
            .lines()
            .find(|line| line.contains("Overall exposure level"))
            .unwrap();
        let figure: f64 = overall
            .split_whitespace()
            .find_map(|word| word.parse().ok())
            .unwrap();
        let limit = match daemon {
            daemon if daemon.runs_guests() => 10.0,
            _ => EXPOSURE,
        };
        println!(
            "{:<14} {figure:>4}{}",
            daemon.name,
            if daemon.runs_guests() {
                "  (guests inherit it)"
            } else {
                ""
            }
        );
        if figure > limit {
            too_much.push(daemon.name.clone());
        }
    }
    assert!(too_much.is_empty(), "{too_much:?}");
}

/// A line of `/proc/PID/status`.
fn status(pid: u32, key: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap().trim().to_owned()
}

/// The powers that a running daemon may ever have (capabilities(7)).
fn powers(daemon: &Daemon) -> u64 {
    u64::from_str_radix(&status(daemon.pid(), "CapBnd"), 16).unwrap()
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn the_kernel_holds_them_to_it() {
    const ALL: u64 = (1 << 41) - 1;
    println!("{:<14} no new  seccomp  powers", "");
    for daemon in Host::get().daemons() {
        daemon.restart();
        let pid = daemon.pid();
        let (no_new, seccomp) = (status(pid, "NoNewPrivs"), status(pid, "Seccomp"));
        let powers = powers(daemon);
        println!(
            "{:<14} {no_new:>6}  {seccomp:>7}  {powers:x} ({})",
            daemon.name,
            powers.count_ones()
        );
        // Filtered system calls, for all of them.
        assert_eq!(seccomp, "2", "{}", daemon.name);
        assert_ne!(powers & ALL, ALL, "{}", daemon.name);
        let effective = u64::from_str_radix(&status(pid, "CapEff"), 16).unwrap();
        assert_eq!(effective & !powers, 0, "{}", daemon.name);
        if !daemon.runs_guests() {
            assert_eq!(no_new, "1", "{}", daemon.name);
            // A few of what a daemon of files may need, out of forty-one.
            assert!(powers.count_ones() <= 12, "{}: {powers:x}", daemon.name);
        }
    }
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn the_proxy_has_no_power_at_all() {
    let proxy = crate::host::daemon("virtproxyd");
    proxy.restart();
    for key in ["CapBnd", "CapEff", "CapPrm", "CapInh", "CapAmb"] {
        assert_eq!(
            u64::from_str_radix(&status(proxy.pid(), key), 16).unwrap(),
            0,
            "{key}"
        );
    }
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn a_guest_is_confined_as_its_daemon_is() {
    let qemu = crate::host::daemon("virtqemud");
    qemu.restart();
    let guest = crate::guests::Guest::start("confined");
    assert_eq!(status(guest.pid, "Seccomp"), "2");
    let own = u64::from_str_radix(&status(guest.pid, "CapBnd"), 16).unwrap();
    assert_eq!(own & !powers(qemu), 0, "{own:x}");
}

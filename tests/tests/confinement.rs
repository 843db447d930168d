//! What daemons have taken away from themselves before they serve anybody.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use end_to_end::{Daemon, Instance, idle_domain, wait_for};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use std::fs;

/// What the kernel tells of a process.
fn status(pid: u32, key: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

fn capabilities(pid: u32, set: &str) -> u64 {
    u64::from_str_radix(&status(pid, set), 16).unwrap()
}

/// Waits until it does not only listen: what it does before that it does with all its powers.
fn serves(daemon: &Daemon) {
    wait_for("the daemon to serve", || {
        let said = fs::read_to_string(daemon.log()).unwrap();
        said.contains("clients are served").then_some(())
    });
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

#[test]
fn daemons_keep_what_their_work_needs() {
    /// `CAP_DAC_OVERRIDE`
    const ANY_FILE: u64 = 1 << 1;
    let daemons = [
        ("virtsecretd", 0),
        ("virtproxyd", 0),
        ("virtlogd", ANY_FILE),
        ("virtlockd", ANY_FILE),
    ];
    let instance = Instance::start_all(&daemons.map(|(name, _)| name));
    for (name, kept) in daemons {
        let daemon = instance.daemon(name);
        serves(daemon);
        let pid = daemon.pid();
        assert_eq!(status(pid, "NoNewPrivs"), "1", "{name}");
        assert_eq!(status(pid, "Seccomp"), "2", "{name}");
        let kept = if geteuid().is_root() { kept } else { 0 };
        for set in ["CapEff", "CapPrm"] {
            assert_eq!(capabilities(pid, set), kept, "{name}: {set}");
        }
        if geteuid().is_root() {
            assert_eq!(capabilities(pid, "CapBnd"), kept, "{name}");
        }
        let said = fs::read_to_string(daemon.log()).unwrap();
        let lacking: Vec<_> = said.lines().filter(|line| line.contains("warning")).collect();
        println!("{name}: {lacking:?}");
    }
}

#[test]
fn virtqemud_leaves_its_guests_what_they_need_and_no_more() {
    /// `CAP_SYS_MODULE`, `CAP_SYS_BOOT`, `CAP_SYS_TIME`, `CAP_MAC_ADMIN`
    const NEVER: u64 = 1 << 16 | 1 << 22 | 1 << 25 | 1 << 33;
    let instance = Instance::start();
    instance.define("vm", &idle_domain("vm"));
    instance.virsh(&["start", "vm"]);
    // A helper may have to become another user.
    for key in ["Seccomp", "NoNewPrivs"] {
        assert_eq!(status(instance.pid(), key), status(std::process::id(), key));
    }
    for pid in instance.guests().into_iter().chain([instance.pid()]) {
        if geteuid().is_root() {
            assert_eq!(capabilities(pid, "CapBnd") & NEVER, 0, "{pid}");
        }
    }
}

#[test]
fn virtsecretd_finds_files_only_in_its_places() {
    let instance = Instance::start_all(&["virtsecretd"]);
    let said = || fs::read_to_string(instance.log()).unwrap();
    if said().contains("no Landlock") {
        println!("NOT TESTED: the kernel has no Landlock");
        return;
    }
    serves(&instance);
    let key = instance.file("key", &"k".repeat(32));
    let text = format!("secrets_encryption_key = \"{key}\"\n");
    fs::write(instance.path("/etc/libvirt/secret.conf"), text).unwrap();
    signal(instance.pid(), Signal::HUP);
    wait_for("the refusal", || {
        said().contains("Permission denied").then_some(())
    });
    // A daemon that is started with it has it among its places.
    let mut instance = instance;
    assert_eq!(instance.stop(), Some(0));
    instance.restart();
    let uuid = "0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f";
    let file = instance.file("secret.xml", &format!("<secret><uuid>{uuid}</uuid></secret>"));
    instance.virsh(&["secret-define", &file]);
    instance.virsh(&["secret-set-value", uuid, "--base64", "MTIz"]);
    let sealed = format!("/etc/libvirt/secrets/{uuid}.aes256gcm");
    assert!(instance.path(&sealed).exists());
}

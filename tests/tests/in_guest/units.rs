//! Units, users and folders, as installed.

use crate::host::{Host, property, run, systemctl, try_run};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn systemd_finds_nothing_wrong_with_them() {
    let mut units = Vec::new();
    for daemon in Host::get().daemons() {
        units.push(daemon.service());
        units.extend(daemon.sockets.iter().map(|socket| socket.unit.clone()));
    }
    let verify = ["verify", "--man=no"].into_iter();
    let arguments: Vec<_> = verify.chain(units.iter().map(String::as_str)).collect();
    let outcome = try_run("systemd-analyze", &arguments);
    assert!(outcome.success, "{}", outcome.stderr);
    // It also complains about what others have installed.
    let ours = |line: &&str| units.iter().any(|unit| line.contains(unit.as_str()));
    let complaints: Vec<_> = outcome.stderr.lines().filter(ours).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
    for unit in &units {
        assert_eq!(property(unit, "LoadState"), "loaded", "{unit}");
        assert_eq!(property(unit, "NeedDaemonReload"), "no", "{unit}");
    }
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn enabling_a_service_enables_its_sockets_but_for_those_of_other_hosts() {
    for daemon in Host::get().daemons() {
        assert_eq!(systemctl(&["is-enabled", &daemon.service()]).trim(), "enabled");
        for socket in &daemon.sockets {
            let outcome = try_run("systemctl", &["is-enabled", &socket.unit]);
            let expected = if socket.is_remote() { "disabled" } else { "enabled" };
            assert_eq!(outcome.stdout.trim(), expected, "{}", socket.unit);
        }
    }
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn sockets_are_open_to_whom_they_are_for() {
    let group: u32 = run("getent", &["group", "libvirt"])
        .split(':')
        .nth(2)
        .unwrap()
        .parse()
        .unwrap();
    for daemon in Host::get().daemons() {
        for socket in daemon.sockets.iter().filter(|socket| !socket.is_remote()) {
            let file = std::fs::metadata(&socket.address).unwrap();
            assert!(file.file_type().is_socket(), "{}", socket.address);
            let mode = u32::from_str_radix(&property(&socket.unit, "SocketMode"), 8).unwrap();
            assert_eq!(file.permissions().mode() & 0o7777, mode, "{}", socket.address);
            // Administration is root's; others go by group or everybody.
            let admin = socket.address.ends_with("-admin-sock");
            assert!(!admin || mode == 0o600, "{}: {mode:o}", socket.address);
            let of_group = property(&socket.unit, "SocketGroup") == "libvirt";
            assert_eq!(file.gid(), if of_group { group } else { 0 }, "{}", socket.address);
        }
    }
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn users_and_folders_are_made() {
    Host::get();
    assert!(run("getent", &["passwd", "libvirt-qemu"]).starts_with("libvirt-qemu:x:64055:"));
    assert!(
        run("id", &["-nG", "libvirt-qemu"])
            .split_whitespace()
            .any(|group| group == "kvm")
    );
    for (folder, mode) in [
        ("/run/libvirt", 0o755),
        ("/etc/libvirt", 0o755),
        ("/etc/libvirt/secrets", 0o700),
        ("/var/lib/libvirt", 0o755),
        ("/var/cache/libvirt", 0o755),
        ("/var/log/libvirt", 0o755),
    ] {
        let file = std::fs::metadata(folder).unwrap();
        assert_eq!(
            (file.permissions().mode() & 0o7777, file.uid()),
            (mode, 0),
            "{folder}"
        );
    }
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn nothing_of_ours_has_failed() {
    for daemon in Host::get().daemons() {
        daemon.restart();
        let result = property(&daemon.service(), "Result");
        assert_eq!(
            (result.as_str(), daemon.is_active()),
            ("success", true),
            "{}",
            daemon.name
        );
    }
}

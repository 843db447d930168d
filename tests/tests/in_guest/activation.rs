//! Daemons are started by whoever connects.

use crate::host::{Host, daemon, property, run, systemctl, try_run, virsh};

/// What an unprivileged user of no group is.
const NOBODY: [&str; 4] = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn stock_virt_admin_starts_each_daemon() {
    for daemon in Host::get().daemons() {
        daemon.stop();
        let servers = run("virt-admin", &["-q", "-c", &daemon.admin_uri(), "srv-list"]);
        assert!(servers.contains(&daemon.name), "{}: {servers}", daemon.name);
        assert!(daemon.is_active(), "{}", daemon.name);
        // By its socket, and not by its name.
        let by = property(&daemon.service(), "TriggeredBy");
        assert!(by.contains(&format!("{}-admin.socket", daemon.name)), "{by}");
    }
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn stock_virsh_starts_each_daemon_that_has_a_driver() {
    let with_uri = Host::get()
        .daemons()
        .iter()
        .filter_map(|daemon| Some((daemon, daemon.uri()?)));
    for (daemon, uri) in with_uri {
        daemon.stop();
        let uri_told = run("virsh", &["-q", "-c", &uri, "uri"]);
        assert!(uri_told.contains(":///system"), "{uri}: {uri_told}");
        assert!(daemon.is_active(), "{}", daemon.name);

        // Whoever only looks need not be anybody.
        daemon.stop();
        let path = daemon
            .sockets
            .iter()
            .find(|socket| socket.address.ends_with("-sock-ro"));
        let scheme = uri.split("://").next().unwrap();
        let read_only = format!("{scheme}:///system?socket={}", path.unwrap().address);
        let look = ["virsh", "-q", "-r", "-c", &read_only, "uri"];
        let arguments: Vec<_> = NOBODY.iter().chain(&look).copied().collect();
        run("setpriv", &arguments);
        assert!(daemon.is_active(), "{}", daemon.name);
    }
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn whoever_may_not_connect_starts_nothing() {
    let with_uri = Host::get()
        .daemons()
        .iter()
        .filter(|daemon| daemon.uri().is_some());
    for daemon in with_uri {
        daemon.stop();
        let socket = daemon
            .sockets
            .iter()
            .find(|socket| socket.unit == format!("{}.socket", daemon.name))
            .unwrap();
        if property(&socket.unit, "SocketMode") == "0666" {
            // Then polkit decides, which the daemon has to be asked for.
            continue;
        }
        let uri = format!("qemu:///system?socket={}", socket.address);
        let knock = ["virsh", "-q", "-c", &uri, "uri"];
        let arguments: Vec<_> = NOBODY.iter().chain(&knock).copied().collect();
        let outcome = try_run("setpriv", &arguments);
        assert!(
            !outcome.success && outcome.stderr.contains("Permission denied"),
            "{}: {}",
            daemon.name,
            outcome.stderr
        );
        assert!(!daemon.is_active(), "{}", daemon.name);
    }
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn a_guest_that_starts_starts_the_keeper_of_its_log() {
    let (qemu, log) = (daemon("virtqemud"), daemon("virtlogd"));
    log.stop();
    qemu.restart();
    assert!(!log.is_active());
    let guest = crate::guests::Guest::start("logged");
    assert!(log.is_active());
    // And it has what the guest's QEMU was started with.
    assert!(
        std::fs::read_to_string("/var/log/libvirt/qemu/logged.log")
            .unwrap()
            .contains("qemu-system")
    );
    drop(guest);
    assert_eq!(virsh(&["list", "--name"]).trim(), "");
    systemctl(&["is-active", "virtlogd.socket"]);
}

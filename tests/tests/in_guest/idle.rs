//! Daemons end when nobody needs them.

use crate::guests::Guest;
use crate::host::{Host, daemon, property, run, virsh};

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn an_idle_daemon_ends_and_its_sockets_start_it_again() {
    for daemon in Host::get()
        .daemons()
        .iter()
        .filter(|daemon| daemon.ends_when_idle())
    {
        let _short = daemon.with_timeout(1);
        for _ in 0..2 {
            run("virt-admin", &["-q", "-c", &daemon.admin_uri(), "srv-list"]);
            daemon.wait_for_end();
            assert_eq!(
                property(&daemon.service(), "Result"),
                "success",
                "{}",
                daemon.name
            );
        }
    }
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn a_running_guest_keeps_its_daemon() {
    let (qemu, secret) = (daemon("virtqemud"), daemon("virtsecretd"));
    let short = qemu.with_timeout(1);
    let guest = Guest::start("kept");
    let pid = qemu.pid();
    // Another daemon that is left by its last client later and waits longer has ended first.
    let longer = secret.with_timeout(10);
    run("virsh", &["-q", "-c", "secret:///system", "secret-list"]);
    secret.wait_for_end();
    assert_eq!((qemu.is_active(), qemu.pid()), (true, pid));
    drop(guest);
    qemu.wait_for_end();
    assert_eq!(property(&qemu.service(), "Result"), "success");
    drop((short, longer));
    // Who asks again gets an answer.
    assert_eq!(virsh(&["list", "--name"]).trim(), "");
}

//! `systemctl reload`.

use crate::guests::Guest;
use crate::host::{Daemon, Host, daemon, property, run, systemctl, wait_for};
use end_to_end::copy_program;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn every_daemon_is_the_same_process_after_it() {
    let guest = Guest::start("reloaded");
    for daemon in Host::get().daemons() {
        daemon.restart();
        let pid = daemon.pid();
        systemctl(&["reload", &daemon.service()]);
        run("virt-admin", &["-q", "-c", &daemon.admin_uri(), "srv-list"]);
        assert_eq!((daemon.pid(), daemon.is_active()), (pid, true), "{}", daemon.name);
        assert_eq!(property(&daemon.service(), "Result"), "success");
    }
    drop(guest);
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn the_configuration_is_read_again() {
    let qemu = daemon("virtqemud");
    qemu.restart();
    let file = "/etc/libvirt/virtqemud.conf";
    let former = fs::read_to_string(file).unwrap();
    let limit = || {
        run(
            "virt-admin",
            &["-q", "-c", &qemu.admin_uri(), "srv-clients-info", &qemu.name],
        )
    };
    assert!(!limit().contains("4321"));
    fs::write(file, format!("{former}\nmax_clients = 4321\n")).unwrap();
    systemctl(&["reload", &qemu.service()]);
    wait_for("the new limit", || limit().contains("4321").then_some(()));
    fs::write(file, former).unwrap();
    qemu.restart();
}

/// Puts a copy in the program's place, as a package's upgrade does; gives its inode.
fn upgrade(daemon: &Daemon) -> u64 {
    let program = format!("/usr/sbin/{}", daemon.name);
    let fresh = format!("{program}.new");
    copy_program(program.as_ref(), fresh.as_ref());
    fs::rename(&fresh, &program).unwrap();
    fs::metadata(program).unwrap().ino()
}

/// Says so when the value goes, even in a failure.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn after_an_upgrade_the_new_program_takes_over_under_its_clients_feet() {
    let guest = Guest::start("upgraded");
    for daemon in Host::get().daemons() {
        daemon.restart();
        let pid = daemon.pid();
        let fresh = upgrade(daemon);
        let runs = || fs::metadata(format!("/proc/{pid}/exe")).is_ok_and(|program| program.ino() == fresh);
        assert!(!runs(), "{}", daemon.name);
        let over = AtomicBool::new(false);
        // Whoever connects meanwhile is never refused.
        let connected = std::thread::scope(|scope| {
            let clients = scope.spawn(|| {
                let socket = daemon
                    .sockets
                    .iter()
                    .find(|socket| socket.unit.ends_with("-admin.socket"))
                    .unwrap();
                let mut connected = 0;
                while !over.load(Ordering::Relaxed) {
                    UnixStream::connect(&socket.address).map(|_| connected += 1)?;
                    // As clients come, and not as fast as they could: the daemon has to get its turn on an emulated processor.
                    std::thread::sleep(Duration::from_millis(50));
                }
                Ok::<u32, std::io::Error>(connected)
            });
            {
                let _over = Ends(&over);
                systemctl(&["reload", &daemon.service()]);
                wait_for("the new program", || runs().then_some(()));
            }
            clients.join().unwrap()
        });
        assert!(connected.unwrap() > 0, "{}", daemon.name);
        run("virt-admin", &["-q", "-c", &daemon.admin_uri(), "srv-list"]);
        assert_eq!((daemon.pid(), daemon.is_active()), (pid, true), "{}", daemon.name);
    }
    guest.lives();
}

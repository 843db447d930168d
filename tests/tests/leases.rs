//! No two guests write to one disk.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use end_to_end::{Instance, disk, idle_domain, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::PathBuf;

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

/// One with guests of a daemon whose disks are leased.
fn instance(daemon: &str, lockd: &str) -> Instance {
    let mut instance = Instance::empty();
    let config = instance.path("/etc/libvirt/qemu.conf");
    let before = fs::read_to_string(&config).unwrap();
    fs::write(config, before + "lock_manager = \"lockd\"\n").unwrap();
    fs::write(instance.path("/etc/libvirt/qemu-lockd.conf"), lockd).unwrap();
    instance.add(daemon);
    instance
}

fn guest(name: &str, disk: &str, extra: &str) -> String {
    idle_domain(name).replace(
        "<devices>",
        &format!(
            "<devices><disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{disk}'/>\
             <target dev='vda' bus='virtio'/>{extra}</disk>"
        ),
    )
}

/// Runs virtlockd's program anew.
fn succeed(instance: &Instance) {
    let lockd = instance.daemon("virtlockd");
    let lives = || {
        let said = fs::read_to_string(lockd.log()).unwrap();
        said.matches("clients are served").count()
    };
    let before = lives();
    signal(lockd.pid(), Signal::USR1);
    wait_for("the next program", || (lives() > before).then_some(()));
}

#[test]
fn a_second_guest_on_an_image_is_refused_whatever_was_restarted() {
    second_guest_is_refused("virtqemud");
}

#[test]
fn so_it_is_where_one_daemon_has_all_drivers() {
    second_guest_is_refused("libvirtd");
}

fn second_guest_is_refused(daemon: &str) {
    let mut instance = instance(daemon, "");
    let image = disk(&instance, "shared.img");
    for name in ["a", "b"] {
        instance.define(name, &guest(name, &image, ""));
    }
    let refused = instance.virsh_fails(&["start", "a"]);
    assert!(refused.contains("virtlockd-sock"), "{refused}");
    assert_eq!(instance.left_overs(), Vec::<String>::new());

    instance.add("virtlockd");
    instance.virsh(&["start", "a"]);
    let refuses = |instance: &Instance| {
        let refused = instance.virsh_fails(&["start", "b"]);
        assert!(
            refused.contains("resource busy") && refused.contains(&image) && refused.contains("domain 'a'"),
            "{refused}"
        );
    };
    refuses(&instance);
    instance.kill();
    instance.restart();
    refuses(&instance);
    succeed(&instance);
    refuses(&instance);
    instance.stop();
    instance.restart();
    instance.virsh(&["suspend", "a"]);
    instance.virsh(&["resume", "a"]);
    refuses(&instance);
    succeed(&instance);
    // An end that nobody here was told of.
    instance.kill();
    signal(*instance.guests().first().unwrap(), Signal::KILL);
    instance.restart();
    wait_for("the image to be free", || {
        instance.try_virsh(&["start", "b"]).success.then_some(())
    });
    let refused = instance.virsh_fails(&["start", "a"]);
    assert!(refused.contains("domain 'b'"), "{refused}");
    instance.virsh(&["destroy", "b"]);
    wait_for("the image to be free", || {
        instance.try_virsh(&["start", "a"]).success.then_some(())
    });
}

#[test]
fn a_paused_guest_holds_nothing_and_shared_disks_are_shared() {
    let folder = tempfile::Builder::new().prefix("fvl").tempdir_in("/tmp").unwrap();
    let mut instance = instance(
        "virtqemud",
        &format!("file_lockspace_dir = \"{}\"\n", folder.path().display()),
    );
    instance.add("virtlockd");
    let leases = || -> Vec<PathBuf> {
        let entries = fs::read_dir(folder.path()).unwrap().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let image = disk(&instance, "own.img");
    instance.define("a", &guest("a", &image, ""));
    instance.virsh(&["start", "a", "--paused"]);
    assert_eq!(leases(), Vec::<PathBuf>::new());
    instance.virsh(&["resume", "a"]);
    let [lease] = leases().try_into().unwrap();
    let digest: String = lease.file_name().unwrap().to_string_lossy().into_owned();
    assert_eq!(digest.len(), 64, "{digest}");
    instance.virsh(&["suspend", "a"]);
    assert_eq!(leases(), Vec::<PathBuf>::new());
    // The next daemon knows.
    instance.kill();
    instance.restart();
    instance.virsh(&["resume", "a"]);
    assert_eq!(leases().len(), 1);
    instance.kill();
    instance.restart();
    instance.virsh(&["suspend", "a"]);
    assert_eq!(leases(), Vec::<PathBuf>::new());
    instance.virsh(&["resume", "a"]);
    // Without virtlockd it could not be resumed.
    instance.virsh(&["suspend", "a"]);
    instance.daemon_mut("virtlockd").kill();
    let refused = instance.virsh_fails(&["resume", "a"]);
    assert!(refused.contains("virtlockd-sock"), "{refused}");
    assert_eq!(instance.virsh(&["domstate", "a"]).trim(), "paused");
    instance.daemon_mut("virtlockd").restart();
    instance.virsh(&["resume", "a"]);
    instance.virsh(&["destroy", "a"]);
    // That virtlockd never had a connection of this guest's.
    wait_for("its lease to be free", || leases().is_empty().then_some(()));

    let common = disk(&instance, "common.img");
    for (name, extra) in [("s", "<shareable/>"), ("t", "<shareable/>"), ("w", "")] {
        instance.define(name, &guest(name, &common, extra));
    }
    instance.virsh(&["start", "s"]);
    instance.virsh(&["start", "t"]);
    let refused = instance.virsh_fails(&["start", "w"]);
    assert!(
        refused.contains("domain 's'") && refused.contains("domain 't'"),
        "{refused}"
    );
    let read_only = disk(&instance, "read-only.img");
    instance.define("r", &guest("r", &read_only, "<readonly/>"));
    instance.virsh(&["start", "r"]);
    assert_eq!(leases().len(), 1, "only the common disk is leased");
}

#[test]
fn a_lease_of_the_document_is_held_by_one_guest() {
    let mut instance = instance("virtqemud", "auto_disk_leases = 0\nrequire_lease_for_disks = 0\n");
    instance.add("virtlockd");
    let space = instance.root().join("space");
    fs::create_dir(&space).unwrap();
    let lease = format!(
        "<devices><lease><lockspace>any</lockspace><key>one</key><target path='{}'/></lease>",
        space.display()
    );
    for name in ["a", "b"] {
        instance.define(name, &idle_domain(name).replace("<devices>", &lease));
    }
    instance.virsh(&["start", "a"]);
    let refused = instance.virsh_fails(&["start", "b"]);
    assert!(
        refused.contains("resource busy") && refused.contains("domain 'a'"),
        "{refused}"
    );
    instance.virsh(&["suspend", "a"]);
    instance.virsh(&["start", "b"]);
    let refused = instance.virsh_fails(&["resume", "a"]);
    assert!(refused.contains("resource busy"), "{refused}");
    instance.virsh(&["destroy", "b"]);
    wait_for("the lease to be free", || {
        instance.try_virsh(&["resume", "a"]).success.then_some(())
    });
    instance.virsh(&["destroy", "a"]);
}

//! Guests outlive the daemon.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, idle_domain, wait_for};
use rustix::process::{Pid, Signal, kill_process};

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

#[test]
fn a_guest_that_goes_with_its_client_goes_with_the_daemon_too() {
    let mut instance = Instance::start();
    instance.define("bound", &idle_domain("bound"));
    instance.define("free", &idle_domain("free"));
    instance.virsh(&["start", "free"]);
    let script = "import libvirt, sys\n\
                  conn = libvirt.open(sys.argv[1])\n\
                  conn.lookupByName('bound').createWithFlags(libvirt.VIR_DOMAIN_START_AUTODESTROY)\n\
                  print('started', flush=True)\n\
                  sys.stdin.read()\n";
    let mut client = std::process::Command::new("/usr/bin/python3")
        .args(["-c", script, &instance.uri()])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 7];
    std::io::Read::read_exact(client.stdout.as_mut().unwrap(), &mut said).unwrap();
    assert_eq!(instance.guests().len(), 2);
    instance.kill();
    instance.restart();
    drop(client.stdin.take());
    client.wait().unwrap();
    assert_eq!(
        instance.virsh(&["domstate", "--reason", "bound"]).trim(),
        "shut off (destroyed)"
    );
    assert_eq!(instance.virsh(&["domstate", "free"]).trim(), "running");
    wait_for("its process to be gone", || {
        (instance.guests().len() == 1).then_some(())
    });
    instance.virsh(&["start", "bound"]);
}

#[test]
fn a_killed_daemon_is_followed_by_one_that_knows_its_guests() {
    let mut instance = Instance::start();
    instance.define("kept", &idle_domain("kept"));
    instance.virsh(&["start", "kept"]);
    let file = instance.file("transient.xml", &idle_domain("transient"));
    instance.virsh(&["create", &file, "--paused"]);
    let (guests, live) = (instance.guests(), instance.virsh(&["dumpxml", "kept"]));
    let id = instance.virsh(&["domid", "kept"]);
    assert_eq!(guests.len(), 2);

    instance.kill();
    instance.restart();
    assert_eq!(instance.guests(), guests);
    assert_eq!(instance.virsh(&["dumpxml", "kept"]), live);
    assert_eq!(instance.virsh(&["domid", "kept"]), id);
    assert_eq!(
        instance.virsh(&["domstate", "--reason", "transient"]).trim(),
        "paused (user)"
    );
    instance.virsh(&["resume", "transient"]);
    instance.virsh(&["suspend", "kept"]);

    // And in the ordinary way.
    assert_eq!(instance.stop(), Some(0));
    instance.restart();
    assert_eq!(
        instance.virsh(&["domstate", "--reason", "kept"]).trim(),
        "paused (user)"
    );
    instance.virsh(&["destroy", "kept"]);
    instance.virsh(&["destroy", "transient"]);
    assert_eq!(instance.virsh(&["list", "--all", "--name"]).trim(), "kept");
    assert_eq!(instance.guests(), Vec::<u32>::new());
}

#[test]
fn a_guest_that_ended_meanwhile_is_noticed() {
    let mut instance = Instance::start();
    instance.define("kept", &idle_domain("kept"));
    instance.virsh(&["start", "kept"]);
    let file = instance.file("transient.xml", &idle_domain("transient"));
    instance.virsh(&["create", &file]);
    let guests = instance.guests();
    instance.kill();
    guests.iter().for_each(|guest| signal(*guest, Signal::KILL));
    wait_for("the guests to end", || instance.guests().is_empty().then_some(()));
    instance.restart();
    assert_eq!(instance.virsh(&["list", "--all", "--name"]).trim(), "kept");
    assert_eq!(instance.virsh(&["domstate", "kept"]).trim(), "shut off");
    assert!(
        !instance.path("/run/libvirt/qemu/kept.xml").exists(),
        "the status document is left"
    );
    instance.virsh(&["start", "kept"]);
    instance.virsh(&["destroy", "kept"]);
}

#[test]
fn a_stuck_guest_costs_nobody_else_anything() {
    let mut instance = Instance::start();
    for name in ["stuck", "fine"] {
        instance.define(name, &idle_domain(name));
        instance.virsh(&["start", name]);
    }
    let stuck: u32 = std::fs::read_to_string(instance.path("/run/libvirt/qemu/stuck.pid"))
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    for restarted in [false, true] {
        signal(stuck, Signal::STOP);
        if restarted {
            instance.kill();
            instance.restart();
        }
        // The peer needs tens of seconds for these; here nothing may come near to a deadline.
        let start = std::time::Instant::now();
        let stats = instance.virsh(&["domstats"]);
        assert!(stats.contains("'stuck'") && stats.contains("'fine'"), "{stats}");
        instance.virsh(&["list", "--all"]);
        instance.virsh(&["dominfo", "stuck"]);
        instance.virsh(&["dumpxml", "stuck"]);
        instance.virsh(&["domstate", "stuck"]);
        instance.virsh(&["suspend", "fine"]);
        instance.virsh(&["resume", "fine"]);
        assert!(
            start.elapsed() < std::time::Duration::from_secs(8),
            "somebody waited for the stuck guest"
        );
        let complaint = instance.virsh_fails(&["dommemstat", "stuck"]);
        assert!(complaint.contains("Timed out"), "{complaint}");
        signal(stuck, Signal::CONT);
        wait_for("the guest to answer again", || {
            instance.try_virsh(&["dommemstat", "stuck"]).success.then_some(())
        });
    }
    signal(stuck, Signal::STOP);
    instance.virsh(&["destroy", "stuck"]);
    assert_eq!(instance.virsh(&["list", "--name"]).trim(), "fine");
}

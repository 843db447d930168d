//! A guest's life through stock virsh.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, console, idle_domain, tiny_guest, wait_for};
use std::process::{Command, Stdio};

#[test]
fn a_linux_guest_boots_is_talked_to_and_shuts_down() {
    let instance = Instance::start();
    instance.define("tiny", &tiny_guest(&instance, "tiny"));
    instance.virsh(&["start", "tiny"]);
    assert_eq!(
        instance.virsh(&["domstate", "--reason", "tiny"]).trim(),
        "running (booted)"
    );
    let seen = console(&instance.uri(), "tiny", "echo $((6*7))-is-said", "42-is-said");
    assert!(
        seen.contains("42-is-said"),
        "the guest's shell did not answer: {seen}"
    );

    let info = instance.virsh(&["dominfo", "tiny"]);
    for line in [
        "State:          running",
        "Max memory:     131072 KiB",
        "Persistent:     yes",
    ] {
        assert!(info.contains(line), "{line} is missing in\n{info}");
    }
    let picture = instance.root().join("picture");
    instance.virsh(&["screenshot", "tiny", picture.to_str().unwrap()]);
    let picture = std::fs::read(&picture).unwrap();
    assert!(
        picture.starts_with(b"\x89PNG") || picture.starts_with(b"P6"),
        "the screenshot is no picture"
    );
    instance.virsh(&["send-key", "tiny", "KEY_LEFTCTRL", "KEY_LEFTALT", "KEY_A"]);
    assert!(
        instance
            .virsh(&["qemu-monitor-command", "tiny", "--hmp", "info status"])
            .contains("running")
    );
    let status = instance.virsh(&["qemu-monitor-command", "tiny", r#"{"execute":"query-status"}"#]);
    assert!(status.contains(r#""running":true"#), "{status}");
    assert!(
        instance
            .virsh(&["domblkinfo", "tiny", "vda"])
            .contains("Capacity:       67108864")
    );
    assert!(
        instance
            .virsh(&["domblkstat", "tiny", "vda"])
            .contains("vda rd_req")
    );
    assert!(instance.virsh(&["dommemstat", "tiny"]).contains("actual 131072"));
    assert!(
        instance
            .virsh(&["vcpuinfo", "tiny"])
            .contains("State:          running")
    );
    assert!(
        instance
            .virsh(&["domdisplay", "tiny"])
            .starts_with("vnc://127.0.0.1:")
    );

    instance.virsh(&["suspend", "tiny"]);
    assert_eq!(
        instance.virsh(&["domstate", "--reason", "tiny"]).trim(),
        "paused (user)"
    );
    instance.virsh(&["resume", "tiny"]);
    assert_eq!(
        instance.virsh(&["domstate", "--reason", "tiny"]).trim(),
        "running (unpaused)"
    );
    instance.virsh(&["shutdown", "tiny", "--mode", "acpi"]);
    wait_for("the guest to shut down", || {
        (instance.virsh(&["domstate", "--reason", "tiny"]).trim() == "shut off (shutdown)").then_some(())
    });
    assert_eq!(instance.guests(), Vec::<u32>::new());
}

#[test]
fn a_reboot_goes_through_the_guest_and_keeps_the_process() {
    let instance = Instance::start();
    instance.define("tiny", &tiny_guest(&instance, "tiny"));
    instance.virsh(&["start", "tiny"]);
    console(&instance.uri(), "tiny", "echo up-$((1+1))", "up-2");
    let before = instance.guests();
    let mut events = Command::new("virsh")
        .args([
            "-q",
            "-c",
            &instance.uri(),
            "event",
            "tiny",
            "--event",
            "reboot",
            "--timeout",
            "100",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for("the listener", || {
        instance.try_virsh(&["list"]).success.then_some(())
    });
    instance.virsh(&["reboot", "tiny", "--mode", "acpi"]);
    assert!(events.wait().unwrap().success(), "no reboot event came");
    assert_eq!(instance.guests(), before);
    assert_eq!(instance.virsh(&["domstate", "tiny"]).trim(), "running");
    instance.virsh(&["reset", "tiny"]);
    instance.virsh(&["destroy", "tiny"]);
    assert_eq!(
        instance.virsh(&["domstate", "--reason", "tiny"]).trim(),
        "shut off (destroyed)"
    );
}

#[test]
fn ways_to_start_and_to_end() {
    let instance = Instance::start();
    instance.define("vm", &idle_domain("vm"));
    instance.virsh(&["start", "vm", "--paused"]);
    assert_eq!(
        instance.virsh(&["domstate", "--reason", "vm"]).trim(),
        "paused (user)"
    );
    let complaint = instance.virsh_fails(&["start", "vm"]);
    assert!(
        complaint.contains("already active") || complaint.contains("already running"),
        "{complaint}"
    );
    instance.virsh(&["destroy", "vm", "--graceful"]);

    // A transient domain is gone when it ends.
    let file = instance.file("transient.xml", &idle_domain("transient"));
    instance.virsh(&["create", &file]);
    assert!(
        instance
            .virsh(&["list", "--name", "--transient"])
            .contains("transient")
    );
    let id = instance.virsh(&["domid", "transient"]);
    assert!(id.trim().parse::<i32>().unwrap() > 0);
    instance.virsh(&["destroy", "transient"]);
    assert!(!instance.virsh(&["list", "--all", "--name"]).contains("transient"));

    // A guest bound to its client goes with it.
    let script = "import libvirt, sys\n\
                  libvirt.open(sys.argv[1]).lookupByName('vm').createWithFlags(libvirt.VIR_DOMAIN_START_AUTODESTROY)\n";
    let outcome = end_to_end::python(script, &[&instance.uri()]);
    assert!(outcome.success, "{}", outcome.stderr);
    wait_for("the guest to go with its client", || {
        (instance.virsh(&["domstate", "--reason", "vm"]).trim() == "shut off (destroyed)").then_some(())
    });

    // A definition that goes away under a running guest leaves a transient domain.
    instance.virsh(&["start", "vm"]);
    instance.virsh(&["undefine", "vm"]);
    assert!(instance.virsh(&["dominfo", "vm"]).contains("Persistent:     no"));
    instance.virsh(&["destroy", "vm"]);
    assert!(
        instance
            .virsh_fails(&["domid", "vm"])
            .contains("failed to get domain")
    );
}

/// A card of no model is one for a conventional bus: on q35 its bridge sits in a port, which has to be there before.
#[test]
fn old_devices_sit_behind_a_bridge_on_q35() {
    let instance = Instance::start();
    let document = idle_domain("old")
        .replace("machine='pc'", "machine='q35'")
        .replace(
            "<serial",
            "<interface type='user'/><sound model='es1370'/><serial",
        );
    instance.define("old", &document);
    instance.virsh(&["start", "old", "--paused"]);
    let tree = instance.virsh(&["qemu-monitor-command", "old", "--hmp", "info qtree"]);
    assert!(
        tree.contains("dev: rtl8139") && tree.contains("dev: ES1370"),
        "{tree}"
    );
    instance.virsh(&["destroy", "old"]);
}

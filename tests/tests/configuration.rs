//! `qemu.conf` under stock clients: read at start, and again at SIGHUP.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, idle_domain, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;

fn reload(instance: &Instance, more: &str) {
    let file = instance.path("/etc/libvirt/qemu.conf");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}{more}")).unwrap();
    let daemon = Pid::from_raw(i32::try_from(instance.pid()).unwrap()).unwrap();
    kill_process(daemon, Signal::HUP).unwrap();
}

#[test]
fn a_changed_configuration_holds_for_the_next_start() {
    let instance = Instance::start();
    let memory = instance.root().join("memory");
    let document = idle_domain("shown")
        .replace("<serial type='pty'/>", "<graphics type='vnc'/>")
        .replace(
            "<vcpu>",
            "<memoryBacking><source type='file'/></memoryBacking><vcpu>",
        );
    instance.define("shown", &document);
    let start = || {
        instance.virsh(&["start", "shown"]);
        instance.virsh(&["dumpxml", "shown"])
    };
    assert!(start().contains("<listen type='address' address='127.0.0.1'/>"));
    instance.virsh(&["destroy", "shown"]);
    reload(
        &instance,
        &format!(
            "vnc_auto_unix_socket = 1\nmemory_backing_dir = \"{}\"\n",
            memory.display()
        ),
    );
    wait_for("the configuration to hold", || {
        let holds = start().contains("<listen type='socket' socket='");
        if !holds {
            instance.virsh(&["destroy", "shown"]);
        }
        holds.then_some(())
    });
    let files = memory.join("libvirt/qemu");
    assert_eq!(fs::read_dir(&files).unwrap().count(), 1);
    instance.virsh(&["destroy", "shown"]);
    assert_eq!(fs::read_dir(&files).unwrap().count(), 0);

    // What is wrong changes nothing.
    reload(&instance, "no_such_key = 1\n");
    wait_for("the daemon to say so", || {
        fs::read_to_string(instance.log())
            .unwrap()
            .contains("no_such_key")
            .then_some(())
    });
    assert!(start().contains("<listen type='socket' socket='"));
    instance.virsh(&["destroy", "shown"]);
    assert_eq!(instance.left_overs(), Vec::<String>::new());
}

#[test]
fn memory_that_a_node_shares_lies_in_a_file() {
    let instance = Instance::start();
    let document = idle_domain("shared").replace(
        "<features>",
        "<cpu><numa><cell id='0' cpus='0' memory='32' unit='MiB' memAccess='shared'/></numa></cpu><features>",
    );
    let file = instance.file("shared.xml", &document);
    instance.virsh(&["create", &file]);
    instance.virsh(&["destroy", "shared"]);
    assert_eq!(instance.left_overs(), Vec::<String>::new());
}

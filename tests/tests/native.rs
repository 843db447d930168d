//! `virsh domxml-to-native`: the command line that a start would run, which QEMU itself takes.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, idle_domain, qemu_img, wait_for};
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::process::Command;

/// A guest with what a start makes on the host: a tap, a channel's socket, ports of graphics servers.
fn document() -> String {
    idle_domain("vm").replace(
        "<serial type='pty'/>",
        "<serial type='pty'/><interface type='bridge'><source bridge='no-such-bridge'/></interface>\
         <graphics type='vnc' autoport='yes'/>\
         <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>",
    )
}

#[test]
fn the_command_line_of_a_document_is_told() {
    let instance = Instance::start();
    let file = &instance.file("vm.xml", &document());
    let told = instance.virsh(&["domxml-to-native", "qemu-argv", file]);
    assert_eq!(told.trim().lines().count(), 1, "{told}");
    for part in [
        "guest=vm",
        r#""type":"tap","fd":"#,
        "-vnc 127.0.0.1:",
        "path=",
        "/monitor.sock,server=on,wait=off",
        "org.qemu.guest_agent.0,server=on,wait=off",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    // Nothing was made, or is kept.
    assert_eq!(instance.virsh(&["list", "--all", "--name"]).trim(), "");
    let again = instance.virsh(&["domxml-to-native", "qemu-argv", file]);
    let port = |text: &str| {
        text.split_once("-vnc ")
            .unwrap()
            .1
            .split(' ')
            .next()
            .map(str::to_owned)
    };
    assert_eq!(port(&told), port(&again));
    assert!(instance.guests().is_empty());

    // The same of a domain that is known, and what cannot be told.
    instance.define("vm", &document());
    let defined = instance.virsh(&["domxml-to-native", "qemu-argv", "--domain", "vm"]);
    assert!(defined.contains("guest=vm"), "{defined}");
    let refused = instance.virsh_fails(&["domxml-to-native", "xen-xl", file]);
    assert!(
        refused.contains("invalid argument: unsupported config type xen-xl"),
        "{refused}"
    );
    let refused = instance.virsh_fails(&["domxml-from-native", "qemu-argv", file]);
    assert!(
        refused.contains(
            "this function is not supported by the connection driver: virConnectDomainXMLFromNative"
        ),
        "{refused}"
    );
}

#[test]
fn a_shell_can_run_it() {
    let instance = Instance::start();
    instance.define("vm", &idle_domain("vm"));
    let told = instance.virsh(&["domxml-to-native", "qemu-argv", "--domain", "vm"]);
    // The folder of a run that does not take place is not there, and the key in it neither.
    let folder = told
        .split_once("file\":\"")
        .unwrap()
        .1
        .split("/master-key.aes")
        .next()
        .unwrap();
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(format!("{folder}/master-key.aes"), [0; 32]).unwrap();
    let mut shell = Command::new("sh");
    let mut qemu = shell
        .args(["-c", &format!("exec env {}", told.trim())])
        .spawn()
        .unwrap();
    // Its monitor is where the line says, and greets.
    let monitor = format!("{folder}/monitor.sock");
    let stream = wait_for("the monitor", || {
        assert_eq!(qemu.try_wait().unwrap(), None, "{told}");
        UnixStream::connect(&monitor).ok()
    });
    let mut greeting = String::new();
    BufReader::new(stream).read_line(&mut greeting).unwrap();
    assert!(greeting.contains("\"QMP\""), "{greeting}");
    // Its home is the folder that it was told.
    assert_eq!(instance.guests(), [qemu.id()]);
    qemu.kill().unwrap();
    qemu.wait().unwrap();
}

#[test]
fn a_guest_of_32_bits_has_a_processor_by_its_name() {
    let instance = Instance::start();
    let document = idle_domain("vm")
        .replace("arch='x86_64'", "")
        .replace(" machine='pc'", " arch='i686' machine='pc'");
    assert!(document.contains("arch='i686'"), "{document}");
    let file = &instance.file("vm.xml", &document);
    let told = instance.virsh(&["domxml-to-native", "qemu-argv", file]);
    assert!(told.contains("-cpu qemu32 "), "{told}");
    instance.define("vm", &document);
    let defined = instance.virsh(&["dumpxml", "vm"]);
    assert!(defined.contains(">qemu32</model>"), "{defined}");
}

#[test]
fn disks_are_told_whose_images_are_not_there_yet() {
    let instance = Instance::start();
    let disk = |name: &str, target: &str| {
        let path = instance.root().join(name);
        format!(
            "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{}'/>\
             <target dev='{target}' bus='virtio'/></disk>",
            path.display()
        )
    };
    qemu_img(&instance, "create -f raw base.raw 1M");
    qemu_img(&instance, "create -f qcow2 -F raw -b base.raw there.qcow2");
    let disks = format!(
        "<devices>{}{}",
        disk("missing.qcow2", "vda"),
        disk("there.qcow2", "vdb")
    );
    let file = instance.file("vm.xml", &idle_domain("vm").replace("<devices>", &disks));
    let told = instance.virsh(&["domxml-to-native", "qemu-argv", &file]);
    for part in [
        "/missing.qcow2\"",
        "/there.qcow2\"",
        "/base.raw\"",
        "\"virtio-disk0\"",
        "\"virtio-disk1\"",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
}

#[test]
fn of_an_interface_its_card_and_address_are_told() {
    let instance = Instance::start();
    let document = idle_domain("vm").replace(
        "<devices>",
        "<devices><interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/>\
         <driver queues='4' rx_queue_size='512'/><backend type='passt'/>\
         <portForward proto='tcp'><range start='2022' to='22'/></portForward></interface>",
    );
    let told = instance.virsh(&[
        "domxml-to-native",
        "qemu-argv",
        &instance.file("vm.xml", &document),
    ]);
    assert!(told.contains("52:54:00:00:00:01"), "{told}");
    assert!(told.contains(r#""driver":"virtio-net-pci""#), "{told}");
    for part in ["passt", "rx_queue_size", "\"mq\""] {
        assert!(!told.contains(part), "{part} is in {told}");
    }
}

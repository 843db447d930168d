//! Guests on bridges and taps, in a network of the test's own.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use end_to_end::{Instance, idle_domain};

/// An instance in a network of its own with the bridge `br0`, where that can be had.
fn instance() -> Option<Instance> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not run: a network of its own needs root");
        return None;
    }
    let instance = Instance::start_in_own_network();
    instance.in_network(&["ip", "link", "add", "br0", "mtu", "1400", "type", "bridge"]);
    instance.in_network(&["ip", "link", "set", "br0", "up"]);
    Some(instance)
}

fn domain(name: &str, interface: &str) -> String {
    idle_domain(name).replace("<serial type='pty'/>", interface)
}

#[test]
fn a_guest_on_a_bridge_has_a_tap_as_long_as_it_runs() {
    let Some(instance) = instance() else { return };
    let interface = "<interface type='bridge'><mac address='52:54:00:12:34:56'/><source bridge='br0'/>\
                     <model type='virtio'/></interface>";
    instance.define("bridged", &domain("bridged", interface));
    instance.virsh(&["start", "bridged"]);
    let list = instance.virsh(&["domiflist", "bridged"]);
    assert_eq!(
        list.split_whitespace().collect::<Vec<_>>(),
        ["vnet0", "bridge", "br0", "virtio", "52:54:00:12:34:56"]
    );
    let link = instance.in_network(&["ip", "-o", "link", "show", "vnet0"]);
    for part in ["master br0", "mtu 1400", "fe:54:00:12:34:56", ",UP"] {
        assert!(link.contains(part), "{part}: {link}");
    }
    let figures = instance.virsh(&["domifstat", "bridged", "vnet0"]);
    assert!(figures.contains("rx_bytes"), "{figures}");
    assert!(
        instance
            .virsh(&["domstats", "--interface", "bridged"])
            .contains("net.0.name=vnet0")
    );
    assert!(
        !instance
            .virsh(&["dumpxml", "--inactive", "bridged"])
            .contains("vnet0")
    );
    instance.virsh(&["destroy", "bridged"]);
    assert!(!instance.in_network(&["ip", "-o", "link"]).contains("vnet0"));
}

#[test]
fn a_tap_of_the_documents_own_name_and_one_that_was_there() {
    let Some(instance) = instance() else { return };
    instance.in_network(&["ip", "tuntap", "add", "dev", "kept0", "mode", "tap"]);
    let interfaces = "<interface type='ethernet'><target dev='own0'/><model type='e1000'/></interface>\
                      <interface type='ethernet'><target dev='kept0' managed='no'/><model type='e1000'/></interface>";
    let file = instance.file("both.xml", &domain("both", interfaces));
    instance.virsh(&["create", &file]);
    let links = instance.in_network(&["ip", "-o", "link"]);
    assert!(links.contains("own0") && links.contains("kept0"), "{links}");
    instance.virsh(&["destroy", "both"]);
    let links = instance.in_network(&["ip", "-o", "link"]);
    assert!(!links.contains("own0") && links.contains("kept0"), "{links}");
}

#[test]
fn a_start_that_fails_leaves_no_tap() {
    let Some(instance) = instance() else { return };
    let missing = "<interface type='bridge'><source bridge='nowhere0'/></interface>";
    let file = instance.file("missing.xml", &domain("missing", missing));
    let said = instance.virsh_fails(&["create", &file]);
    assert!(said.contains("nowhere0"), "{said}");
    let limited = "<interface type='bridge'><source bridge='br0'/><bandwidth><inbound average='1'/></bandwidth></interface>";
    let file = instance.file("limited.xml", &domain("limited", limited));
    let said = instance.virsh_fails(&["create", &file]);
    assert!(said.contains("<bandwidth>"), "{said}");
    let disk = "<interface type='bridge'><source bridge='br0'/></interface>\
                <disk type='file' device='disk'><source file='/nowhere.img'/><target dev='vda'/></disk>";
    let file = instance.file("diskless.xml", &domain("diskless", disk));
    instance.virsh_fails(&["create", &file]);
    assert!(!instance.in_network(&["ip", "-o", "link"]).contains("vnet"));
    assert_eq!(instance.left_overs(), Vec::<String>::new());
}

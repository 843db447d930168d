//! Guests on bridges and taps, in a network of the test's own.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use end_to_end::{Instance, idle_domain, wait_for};

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
    let disk = "<interface type='bridge'><source bridge='br0'/></interface>\
                <disk type='file' device='disk'><source file='/nowhere.img'/><target dev='vda'/></disk>";
    let file = instance.file("diskless.xml", &domain("diskless", disk));
    instance.virsh_fails(&["create", &file]);
    assert!(!instance.in_network(&["ip", "-o", "link"]).contains("vnet"));
    assert_eq!(instance.left_overs(), Vec::<String>::new());
}

/// A script that notes what it was called with, and fails where a file says so.
fn script(instance: &Instance, name: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let folder = instance.root().display();
    let text = format!(
        "#!/bin/sh\necho {name} \"$@\" $(ip -o link show \"$1\" 2>&1 | grep -c UP) >> {folder}/calls\n\
         [ ! -e {folder}/refuse ] || {{ echo the switch is full >&2; exit 3; }}\n"
    );
    let path = instance.file(name, &text);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn scripts_are_run_when_a_tap_is_there_and_when_it_is_gone() {
    let Some(mut instance) = instance() else { return };
    let (up, down) = (script(&instance, "up"), script(&instance, "down"));
    let interface = format!(
        "<interface type='ethernet'><script path='{up}'/><downscript path='{down}'/><target dev='own0'/></interface>"
    );
    let calls = |instance: &Instance| {
        let path = instance.root().join("calls");
        let calls = std::fs::read_to_string(&path).unwrap_or_default();
        let _ = std::fs::remove_file(path);
        calls
    };
    let file = instance.file("scripted.xml", &domain("scripted", &interface));
    instance.virsh(&["create", &file]);
    assert_eq!(calls(&instance), "up own0 1\n");
    instance.virsh(&["destroy", "scripted"]);
    assert_eq!(calls(&instance), "down own0 0\n");

    // The next daemon runs it for a guest that ended meanwhile.
    instance.virsh(&["create", &file]);
    let pid = std::fs::read_to_string(instance.path("/run/libvirt/qemu/scripted.pid")).unwrap();
    instance.kill();
    calls(&instance);
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    wait_for("the tap to go", || {
        (!instance.in_network(&["ip", "-o", "link"]).contains("own0")).then_some(())
    });
    instance.restart();
    assert_eq!(instance.virsh(&["list", "--all", "--name"]).trim(), "");
    assert_eq!(calls(&instance), "down own0 0\n");

    instance.file("refuse", "");
    let said = instance.virsh_fails(&["create", &file]);
    assert!(
        said.contains("the switch is full") && said.contains(&up),
        "{said}"
    );
    let joined = interface.replace("'ethernet'>", "'bridge'><source bridge='br0'/>");
    let file = instance.file("joined.xml", &domain("joined", &joined));
    let said = instance.virsh_fails(&["create", &file]);
    assert!(said.contains("unsupported configuration"), "{said}");
    assert!(!instance.in_network(&["ip", "-o", "link"]).contains("own0"));
    assert_eq!(instance.left_overs(), Vec::<String>::new());
}

/// Asks the driver of `tap0` how many received packets it gathers.
const COALESCED: &str = r"
import array, fcntl, socket, struct
asked = array.array('I', [0x0e] + [0] * 22)
link = struct.pack('16sP16x', b'tap0', asked.buffer_info()[0])
fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8946, link)
print(asked[2])
";

#[test]
fn a_tap_has_what_the_document_says_of_it() {
    let Some(instance) = instance() else { return };
    let bridged = "<interface type='bridge'><source bridge='br0'/><port isolated='yes'/><target dev='tap0'/>\
                   <guest dev='eth7'/><model type='virtio'/><link state='down'/><mtu size='1300'/>\
                   <backend tap='/dev/net/tun'/><coalesce><rx><frames max='7'/></rx></coalesce></interface>";
    let routed = "<interface type='ethernet'><source><ip address='10.9.9.1' prefix='24' peer='10.9.9.2'/>\
                  <ip address='fd09::1' family='ipv6' prefix='64'/>\
                  <route address='10.9.10.0' prefix='24' gateway='10.9.9.2' metric='5'/></source>\
                  <target dev='tap1'/></interface>";
    let file = instance.file("taps.xml", &domain("taps", &format!("{bridged}{routed}")));
    instance.virsh(&["create", &file]);
    let link = instance.in_network(&["ip", "-d", "-o", "link", "show", "tap0"]);
    for part in ["mtu 1300", "isolated on", "master br0", ",UP"] {
        assert!(link.contains(part), "{part}: {link}");
    }
    assert_eq!(
        instance.in_network(&["/usr/bin/python3", "-c", COALESCED]).trim(),
        "7"
    );
    let down = instance.virsh(&["domif-getlink", "taps", "tap0"]);
    assert!(down.contains("down"), "{down}");
    let cards = instance.virsh(&["qemu-monitor-command", "taps", "--hmp", "info network"]);
    assert!(cards.contains("net0") && cards.contains("net1"), "{cards}");
    let addresses = instance.in_network(&["ip", "-o", "addr", "show", "tap1"]);
    for part in ["10.9.9.1 peer 10.9.9.2/24", "fd09::1/64"] {
        assert!(addresses.contains(part), "{part}: {addresses}");
    }
    let routes = instance.in_network(&["ip", "route"]);
    assert!(
        routes.contains("10.9.10.0/24 via 10.9.9.2 dev tap1") && routes.contains("metric 5"),
        "{routes}"
    );
    instance.virsh(&["destroy", "taps"]);

    let create = |name: &str, interface: &str| {
        let file = instance.file(&format!("{name}.xml"), &domain(name, interface));
        instance.virsh_fails(&["create", &file])
    };
    let missing = "<interface type='ethernet'><target dev='kept7' managed='no'/></interface>";
    let said = create("missing", missing);
    assert!(said.contains("kept7"), "{said}");
    let said = create(
        "vlans",
        &bridged.replace("<source", "<vlan><tag id='4'/></vlan><source"),
    );
    assert!(
        said.contains("<vlan>") && said.contains("vlan_filtering is off"),
        "{said}"
    );
    let said = create(
        "untagged",
        &routed.replace("<source", "<vlan><tag id='4'/></vlan><source"),
    );
    assert!(
        said.contains("vlan tag not supported for this connection type"),
        "{said}"
    );
    for (kind, code) in [
        ("802.1Qbh", "unsupported configuration"),
        ("midonet", "not supported"),
    ] {
        let port = format!("<virtualport type='{kind}'/><target");
        let said = create("profile", &bridged.replace("<target", &port));
        assert!(said.contains(kind) && said.contains(code), "{kind}: {said}");
    }
    let said = create("elsewhere", &bridged.replace("/dev/net/tun", "/dev/nowhere"));
    assert!(said.contains("No such file"), "{said}");
    let said = create(
        "alone",
        &routed.replace("<target", "<port isolated='yes'/><target"),
    );
    assert!(said.contains("unsupported configuration"), "{said}");
    let links = instance.in_network(&["ip", "-o", "link"]);
    assert!(!links.contains("kept7") && !links.contains("tap0"), "{links}");
    assert_eq!(instance.left_overs(), Vec::<String>::new());
}

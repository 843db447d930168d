//! Guests directly on a link of the host, in a network of the test's own.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use end_to_end::{Instance, idle_domain, stand_in_domain, wait_for};
use std::process::{Command, Stdio};

/// Sends Ethernet frames of an experimental protocol.
const SEND_TO_ALL: &str = r"
import socket
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(('peer0', 0))
for _ in range(64):
    out.send(b'\xff' * 6 + b'\x02\0\0\0\0\1\x88\xb5' + bytes(46))
";

/// An instance in a network of its own with the pair of links `low0` and `peer0`, where that can be had.
fn instance() -> Option<Instance> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not run: a network of its own needs root");
        return None;
    }
    let instance = Instance::start_in_own_network();
    instance.in_network(&[
        "ip", "link", "add", "low0", "type", "veth", "peer", "name", "peer0",
    ]);
    instance.in_network(&["ip", "link", "set", "low0", "up"]);
    instance.in_network(&["ip", "link", "set", "peer0", "up"]);
    Some(instance)
}

fn domain(name: &str, interface: &str) -> String {
    idle_domain(name).replace("<serial type='pty'/>", interface)
}

fn direct(options: &str) -> String {
    format!("<interface type='direct'>{options}</interface>")
}

fn links(instance: &Instance) -> String {
    instance.in_network(&["ip", "-d", "-o", "link"])
}

#[test]
fn a_guest_has_a_macvtap_of_its_mode_as_long_as_it_runs() {
    let Some(instance) = instance() else { return };
    instance.in_network(&["ip", "link", "add", "br0", "type", "bridge"]);
    for (number, (mode, kernels, lower)) in [
        ("vepa", "vepa", "low0"),
        ("bridge", "bridge", "low0"),
        ("private", "private", "low0"),
        ("passthrough", "passthru", "br0"),
    ]
    .into_iter()
    .enumerate()
    {
        let address = format!("52:54:00:12:34:5{number}");
        let options = format!(
            "<mac address='{address}'/><source dev='{lower}' mode='{mode}'/><model type='virtio'/>\
             <driver queues='2'/>"
        );
        instance.define(mode, &domain(mode, &direct(&options)));
        instance.virsh(&["start", mode]);
        let list = instance.virsh(&["domiflist", mode]);
        let list: Vec<_> = list.split_whitespace().collect();
        let [name, "direct", source, "virtio", mac] = list[..] else {
            unreachable!("{list:?}")
        };
        assert!(name.starts_with("macvtap"), "{name}");
        assert_eq!((source, mac), (lower, address.as_str()));
        let link = instance.in_network(&["ip", "-d", "-o", "link", "show", name]);
        for part in [
            &format!("{name}@{lower}"),
            &address,
            ",UP",
            &format!("macvtap mode {kernels}"),
        ] {
            assert!(link.contains(part), "{part}: {link}");
        }
        if mode == "passthrough" {
            let lower = instance.in_network(&["ip", "-o", "link", "show", lower]);
            assert!(lower.contains(&address) && lower.contains(",UP"), "{lower}");
        }
        let figures = instance.virsh(&["domifstat", mode, name]);
        assert!(figures.contains("rx_bytes"), "{figures}");
        instance.virsh(&["destroy", mode]);
        assert!(!links(&instance).contains(name));
    }
    // What is sent to all below reaches the guest, and is counted as what it receives.
    let document = direct("<source dev='low0' mode='bridge'/><target dev='own0'/>");
    instance.define("counted", &domain("counted", &document));
    instance.virsh(&["start", "counted"]);
    let figure = |what: &str| {
        let figures = instance.virsh(&["domifstat", "counted", "own0"]);
        let name = format!("own0 {what} ");
        figures
            .lines()
            .find_map(|line| line.strip_prefix(&name)?.parse::<u64>().ok())
            .unwrap()
    };
    let received = figure("rx_packets");
    instance.in_network(&["/usr/bin/python3", "-c", SEND_TO_ALL]);
    wait_for("the frames to be received", || {
        (figure("rx_packets") >= received + 64).then_some(())
    });
    instance.virsh(&["destroy", "counted"]);
    assert!(!links(&instance).contains("own0"));
}

#[test]
fn a_start_that_fails_leaves_no_macvtap_and_others_links_alone() {
    let Some(instance) = instance() else { return };
    let create = |name: &str, interface: &str| {
        let file = instance.file(&format!("{name}.xml"), &domain(name, interface));
        instance.virsh_fails(&["create", &file])
    };
    let said = create("lowerless", &direct("<source dev='nowhere0' mode='bridge'/>"));
    assert!(said.contains("nowhere0"), "{said}");
    let source = "<source dev='low0' mode='bridge'/>";
    let said = create("sized", &direct(&format!("{source}<mtu size='1400'/>")));
    assert!(
        said.contains("unsupported configuration") && said.contains("<mtu>"),
        "{said}"
    );
    let said = create(
        "trusting",
        &direct(source).replace("'direct'", "'direct' trustGuestRxFilters='yes'"),
    );
    assert!(said.contains("trustGuestRxFilters"), "{said}");
    instance.in_network(&[
        "ip", "link", "add", "link", "low0", "name", "taken0", "type", "macvtap",
    ]);
    let said = create("late", &direct(&format!("{source}<target dev='taken0'/>")));
    assert!(said.contains("taken0"), "{said}");
    assert!(links(&instance).contains("taken0"));
    instance.in_network(&["ip", "link", "del", "taken0"]);
    let disk = "<disk type='file' device='disk'><source file='/nowhere.img'/><target dev='vda'/></disk>";
    create("diskless", &format!("{}{disk}", direct(source)));
    assert!(!links(&instance).contains("macvtap"));
    assert_eq!(instance.left_overs(), Vec::<String>::new());
}

#[test]
fn the_next_daemon_removes_the_macvtap_of_a_guest_that_ended_meanwhile() {
    let Some(mut instance) = instance() else { return };
    for name in ["staying", "leaving"] {
        let file = instance.file(
            "direct.xml",
            &domain(name, &direct("<source dev='low0' mode='bridge'/>")),
        );
        instance.virsh(&["create", &file]);
    }
    let pid = std::fs::read_to_string(instance.path("/run/libvirt/qemu/leaving.pid")).unwrap();
    instance.kill();
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    instance.restart();
    // It may still be ending when it is found.
    wait_for("the guest to go, and its macvtap with it", || {
        let left = links(&instance).matches("macvtap mode").count();
        (instance.virsh(&["list", "--name"]).trim() == "staying" && left == 1).then_some(())
    });
    instance.virsh(&["destroy", "staying"]);
    assert!(!links(&instance).contains("macvtap"));
    assert_eq!(instance.left_overs(), Vec::<String>::new());
}

#[test]
fn the_next_daemon_removes_the_macvtap_of_a_start_that_was_not_finished() {
    let Some(mut instance) = instance() else { return };
    let silent = instance.stand_in("on qmp_capabilities silent");
    let document = stand_in_domain("unfinished", &silent).replace(
        "<serial type='pty'/>",
        &direct("<source dev='low0' mode='bridge'/>"),
    );
    let file = instance.file("unfinished.xml", &document);
    let mut client = Command::new("virsh")
        .args(["-c", &instance.uri(), "create", &file])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("the macvtap", || {
        links(&instance).contains("macvtap mode").then_some(())
    });
    instance.kill();
    client.wait().unwrap();
    instance.restart();
    // It listens first; once it answers, what was unfinished is undone.
    assert_eq!(instance.virsh(&["list", "--all", "--name"]).trim(), "");
    assert!(!links(&instance).contains("macvtap"));
    wait_for("the process to go", || {
        instance.left_overs().is_empty().then_some(())
    });
}

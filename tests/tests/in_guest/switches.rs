//! Guests on switches that know VLANs: Open vSwitch, and the kernel's bridges that look at tags. What a guest's firmware sends when it
//! looks for something to boot is heard where its tags lead and nowhere else.

use crate::guests::Guest;
use crate::host::{daemon, run, try_run, wait_for};
use end_to_end::{Network, idle_domain};

/// A guest that asks the network for something to boot.
fn asking(name: &str, interface: &str) -> Guest {
    let boots = idle_domain(name)
        .replace("hvm</type>", "hvm</type><boot dev='network'/>")
        .replace("<serial type='pty'/>", interface);
    Guest::from(name, &boots)
}

/// What stands on another port of the switch, and counts what comes from the guest's card.
fn neighbour(port: &str, guest: &str) -> Network {
    let network = Network::new();
    network.run_well(&[
        "sh",
        "-c",
        "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6",
    ]);
    network.connect_to_callers("eth0", port);
    for words in [
        "add table netdev seen",
        "add chain netdev seen in { type filter hook ingress device eth0 priority 0; }",
        &format!("add rule netdev seen in ether saddr {guest} counter"),
    ] {
        network.run_well(&["nft", words]);
    }
    network
}

/// How many packets of the guest's it has heard.
fn heard(network: &Network) -> u64 {
    let told = network.run_well(&["nft", "list", "table", "netdev", "seen"]);
    let (_, rest) = told.split_once("packets ").unwrap();
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

const TAGGED: &str = "<vlan><tag id='42'/></vlan>";

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn a_guest_on_open_vswitch_is_in_its_vlan_and_forgotten_with_its_end() {
    for unit in [
        "ovsdb-server.service",
        "ovs-vswitchd.service",
        "openvswitch-switch.service",
    ] {
        run("systemctl", &["unmask", unit]);
    }
    run("systemctl", &["start", "openvswitch-switch.service"]);
    daemon("virtqemud");
    let switch = |words: &[&str]| run("ovs-vsctl", words);
    switch(&["--may-exist", "add-br", "ovsbr0"]);
    run("ip", &["link", "set", "ovsbr0", "up"]);
    let (same, other) = (
        neighbour("same0", "52:54:00:00:42:01"),
        neighbour("other0", "52:54:00:00:42:01"),
    );
    switch(&["--may-exist", "add-port", "ovsbr0", "same0", "tag=42"]);
    switch(&["--may-exist", "add-port", "ovsbr0", "other0", "tag=43"]);
    let interface = format!(
        "<interface type='bridge'><mac address='52:54:00:00:42:01'/><source bridge='ovsbr0'/>{TAGGED}\
         <virtualport type='openvswitch'><parameters interfaceid='5c271a64-5cfb-4f31-9d94-79311667b2aa' profileid='a \"profile\"'/>\
         </virtualport><bandwidth><inbound average='1000' peak='2000' burst='512'/><outbound average='500'/></bandwidth>\
         <target dev='tap-ovs'/><model type='virtio'/></interface>"
    );
    let guest = asking("switched", &interface);
    assert_eq!(switch(&["get", "Port", "tap-ovs", "tag"]).trim(), "42");
    let ids = switch(&["get", "Interface", "tap-ovs", "external_ids"]);
    for part in [
        "attached-mac=\"52:54:00:00:42:01\"",
        "iface-id=\"5c271a64-5cfb-4f31-9d94-79311667b2aa\"",
        "iface-status=active",
        "port-profile=\"a \\\"profile\\\"\"",
    ] {
        assert!(ids.contains(part), "{part}: {ids}");
    }
    let policing = switch(&["get", "Interface", "tap-ovs", "ingress_policing_rate"]);
    assert_eq!(policing.trim(), "4000");
    assert!(switch(&["--columns=other_config", "list", "QoS"]).contains("max-rate=\"16000000\""));
    wait_for("the guest's firmware to be heard in its VLAN", || {
        (heard(&same) > 0).then_some(())
    });
    assert_eq!(heard(&other), 0);
    // The next daemon knows what has to go, too.
    daemon("virtqemud").restart();
    drop(guest);
    wait_for("the switch to forget the guest", || {
        (!switch(&["list-ports", "ovsbr0"]).contains("tap-ovs")).then_some(())
    });
    assert_eq!(switch(&["list", "QoS"]).trim(), "");
    assert_eq!(switch(&["list", "Queue"]).trim(), "");
    let nowhere = interface.replace("ovsbr0", "nowhere0");
    std::fs::write(
        "/tmp/nowhere.xml",
        idle_domain("nowhere").replace("<serial type='pty'/>", &nowhere),
    )
    .unwrap();
    let said = try_run(
        "virsh",
        &["-q", "-c", "qemu:///system", "create", "/tmp/nowhere.xml"],
    );
    assert!(
        !said.success && said.stderr.contains("nowhere0"),
        "{}",
        said.stderr
    );
    switch(&["del-br", "ovsbr0"]);
    run("systemctl", &["stop", "openvswitch-switch.service"]);
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn a_guest_on_a_bridge_that_looks_at_tags_is_in_its_vlan() {
    daemon("virtqemud");
    run(
        "ip",
        &[
            "link",
            "add",
            "name",
            "vlanbr0",
            "up",
            "type",
            "bridge",
            "vlan_filtering",
            "1",
        ],
    );
    let (same, other) = (
        neighbour("vsame0", "52:54:00:00:42:02"),
        neighbour("vother0", "52:54:00:00:42:02"),
    );
    for (port, id) in [("vsame0", "42"), ("vother0", "43")] {
        run("ip", &["link", "set", port, "master", "vlanbr0"]);
        run("bridge", &["vlan", "del", "dev", port, "vid", "1"]);
        run(
            "bridge",
            &["vlan", "add", "dev", port, "vid", id, "pvid", "untagged"],
        );
    }
    let interface = format!(
        "<interface type='bridge'><mac address='52:54:00:00:42:02'/><source bridge='vlanbr0'/>{TAGGED}<target dev='tap-vlan'/><model type='virtio'/></interface>"
    );
    let guest = asking("tagged", &interface);
    let vlans = run("bridge", &["vlan", "show", "dev", "tap-vlan"]);
    let own: Vec<_> = vlans.split_whitespace().skip(2).collect();
    assert_eq!(own, ["tap-vlan", "42", "PVID", "Egress", "Untagged"], "{vlans}");
    wait_for("the guest's firmware to be heard in its VLAN", || {
        (heard(&same) > 0).then_some(())
    });
    assert_eq!(heard(&other), 0);
    drop(guest);

    let trunk = "<vlan trunk='yes'><tag id='42'/><tag id='43' nativeMode='untagged'/></vlan>";
    let guest = asking("trunked", &interface.replace(TAGGED, trunk));
    let vlans = run("bridge", &["vlan", "show", "dev", "tap-vlan"]);
    let own: Vec<_> = vlans.split_whitespace().skip(2).collect();
    assert_eq!(
        own,
        ["tap-vlan", "42", "43", "PVID", "Egress", "Untagged"],
        "{vlans}"
    );
    drop(guest);
    run("ip", &["link", "del", "vlanbr0"]);
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn a_bridge_that_is_told_who_is_where_learns_nothing() {
    daemon("virtnetworkd");
    let file = "/run/told-network.xml";
    let text = "<network><name>told</name><bridge name='virbr-told' macTableManager='libvirt'/>\
                <ip address='192.168.235.1' netmask='255.255.255.0'/></network>";
    std::fs::write(file, text).unwrap();
    run("virsh", &["-q", "-c", "network:///system", "net-create", file]);
    let interface = "<interface type='network'><mac address='52:54:00:00:42:03'/><source network='told'/><target dev='tap-told'/>\
                     </interface>";
    let guest = asking("told", interface);
    let table = run("bridge", &["fdb", "show", "dev", "tap-told"]);
    let port = run("bridge", &["-d", "link", "show", "dev", "tap-told"]);
    drop(guest);
    run("virsh", &["-q", "-c", "network:///system", "net-destroy", "told"]);
    assert!(
        table.contains("52:54:00:00:42:03") && table.contains("static"),
        "{table}"
    );
    assert!(port.contains("learning off flood off"), "{port}");
}

//! Which ways packets take: out of a network and not into it, as its mode has it.

use super::{left_overs, networkd, start};
use end_to_end::{Instance, Lodger, Outside};

/// The network that every host has.
const NAT: &str = "<network><name>default</name><bridge name='virbr0'/><forward/><domain name='vm.test'/>\
    <ip address='192.168.122.1' netmask='255.255.255.0'><dhcp><range start='192.168.122.2' end='192.168.122.254'/></dhcp></ip>\
    </network>";

/// The same in another mode.
fn in_mode(mode: &str) -> String {
    NAT.replace("<forward/>", &format!("<forward mode='{mode}'/>"))
}

/// A network of that document with a lodger on it; his address.
fn lodger(instance: &Instance, document: &str) -> (Lodger, String) {
    start(instance, "default", document);
    let lodger = Lodger::on(instance, "virbr0", "port0");
    let lease = lodger.lease("lodger");
    let address = lease.first().cloned().unwrap_or_default();
    assert!(address.starts_with("192.168.122."), "{lease:?}");
    (lodger, address)
}

/// Tells the world outside how lodgers are reached.
fn show_the_way(outside: &Outside) {
    let way = ["ip", "route", "add", "192.168.122.0/24", "via", Outside::HOST];
    outside.0.run_well(&way);
}

#[test]
fn whoever_is_on_the_default_network_gets_out_and_nobody_gets_in() {
    let Some(instance) = networkd() else { return };
    let outside = Outside::of(&instance);
    start(&instance, "default", NAT);
    let guest = Lodger::on(&instance, "virbr0", "port0");
    let lease = guest.lease("lodger");
    let [address, router, server, domain] = lease.as_slice() else {
        panic!("{lease:?}");
    };
    assert!(address.starts_with("192.168.122."), "{address}");
    assert_eq!([router, server], ["192.168.122.1"; 2]);
    assert_eq!(domain, "vm.test");

    let leases = instance.virsh(&["net-dhcp-leases", "default"]);
    for part in [&guest.mac(), &format!("{address}/24"), "lodger", "ipv4"] {
        assert!(leases.contains(part), "{part}: {leases}");
    }
    let found = guest.look_up("lodger.vm.test", server);
    assert!(found.contains(address.as_str()), "{found}");

    assert!(guest.network().reaches(Outside::ADDRESS));
    show_the_way(&outside);
    assert!(!outside.0.reaches(address), "somebody got in");
    // The host itself may.
    assert!(instance.network().reaches(address));

    instance.virsh(&["net-destroy", "default"]);
    assert_eq!(left_overs(&instance), Vec::<String>::new());
    // Who comes back has the address he had.
    instance.virsh(&["net-start", "default"]);
    let leases = instance.virsh(&["net-dhcp-leases", "default"]);
    assert!(leases.contains("lodger"), "{leases}");
    instance.virsh(&["net-undefine", "default"]);
    instance.virsh(&["net-destroy", "default"]);
    assert_eq!(instance.virsh(&["net-list", "--all", "--name"]).trim(), "");
    let left = std::fs::read_dir(instance.path("/var/lib/libvirt/dnsmasq")).unwrap();
    assert_eq!(left.count(), 0);
}

#[test]
fn who_is_on_a_routed_network_gets_out_as_himself_and_is_reached() {
    let Some(instance) = networkd() else { return };
    let outside = Outside::of(&instance);
    let (guest, address) = lodger(&instance, &in_mode("route"));
    assert!(
        !guest.network().reaches(Outside::ADDRESS),
        "outside knows no way back"
    );
    show_the_way(&outside);
    assert!(guest.network().reaches(Outside::ADDRESS));
    assert!(outside.0.reaches(&address));
}

#[test]
fn who_is_on_an_open_network_is_guarded_by_nobody() {
    let Some(instance) = networkd() else { return };
    let outside = Outside::of(&instance);
    let (guest, address) = lodger(&instance, &in_mode("open"));
    show_the_way(&outside);
    assert!(guest.network().reaches(Outside::ADDRESS));
    assert!(outside.0.reaches(&address));
    let rules = instance.in_network(&["nft", "list", "ruleset"]);
    assert!(!rules.contains("virbr0"), "{rules}");
}

#[test]
fn who_is_on_an_isolated_network_reaches_the_host_and_his_like() {
    let Some(instance) = networkd() else { return };
    let outside = Outside::of(&instance);
    // The host passes packets on for others.
    instance.in_network(&["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
    let (guest, address) = lodger(&instance, &NAT.replace("<forward/>", ""));
    let other = Lodger::on(&instance, "virbr0", "port1");
    let others = other.lease("other").first().cloned().unwrap();
    assert!(guest.network().reaches("192.168.122.1") && guest.network().reaches(&others));
    show_the_way(&outside);
    guest
        .network()
        .run(&["ip", "route", "add", "default", "via", "192.168.122.1"]);
    assert!(!guest.network().reaches(Outside::ADDRESS), "somebody got out");
    assert!(!outside.0.reaches(&address), "somebody got in");
}

#[test]
fn ipv6_takes_the_same_ways() {
    let Some(instance) = networkd() else { return };
    let outside = Outside::of(&instance);
    let six = "<ip family='ipv6' address='fd77::1' prefix='64'/></network>";
    let document = NAT
        .replace("<forward/>", "<forward mode='nat'><nat ipv6='yes'/></forward>")
        .replace("</network>", six);
    start(&instance, "default", &document);
    let guest = Lodger::on(&instance, "virbr0", "port0");
    // The host advertises itself; whoever hears it makes an address of his own and goes that way.
    let own = end_to_end::wait_for("an address of IPv6", || {
        let told = guest.network().run_well(&[
            "ip",
            "-6",
            "-o",
            "address",
            "show",
            "dev",
            "eth0",
            "scope",
            "global",
            "-tentative",
        ]);
        let word = told.split_whitespace().find(|word| word.starts_with("fd77:"))?;
        Some(word.trim_end_matches("/64").to_owned())
    });
    assert!(guest.network().reaches("fd77::1"));
    assert!(guest.network().reaches(Outside::ADDRESS_V6));
    outside
        .0
        .run_well(&["ip", "-6", "route", "add", "fd77::/64", "via", Outside::HOST_V6]);
    assert!(!outside.0.reaches(&own), "somebody got in");
    assert!(instance.network().reaches(&own));
    instance.virsh(&["net-destroy", "default"]);
    assert_eq!(left_overs(&instance), Vec::<String>::new());
}

#[test]
fn rules_that_somebody_flushed_are_set_again_by_a_reload() {
    let Some(instance) = networkd() else { return };
    let outside = Outside::of(&instance);
    let (guest, address) = lodger(&instance, NAT);
    instance.in_network(&["nft", "flush", "ruleset"]);
    assert!(!guest.network().reaches(Outside::ADDRESS), "nobody translates");
    let pid = rustix::process::Pid::from_raw(i32::try_from(instance.pid()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    end_to_end::wait_for("rules", || {
        guest.network().reaches(Outside::ADDRESS).then_some(())
    });
    show_the_way(&outside);
    assert!(!outside.0.reaches(&address), "somebody got in");
}

//! Zones of the real firewalld.

use end_to_end::{Firewalld, Instance, wait_for};

/// A network of that name and bridge, in a mode, and in a zone if one is named.
fn network(bridge: &str, mode: &str, zone: &str) -> String {
    let number = bridge.trim_start_matches("virbr");
    format!(
        "<network><name>{bridge}</name><forward mode='{mode}'/><bridge name='{bridge}' {zone}/>\
         <ip address='10.80.{number}.1' prefix='24'/></network>"
    )
}

/// Waits until a link is in a zone, which the daemon puts it into of its own accord.
fn is_again(firewalld: &Firewalld, link: &str, zone: &str) {
    wait_for("the zone", || {
        (firewalld.zone_of(link).as_deref() == Some(zone)).then_some(())
    });
}

#[test]
fn bridges_are_in_their_zones_whatever_becomes_of_firewalld() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not run: a network of its own needs root");
        return;
    }
    // Debian's package starts it for the whole host, so it is not among what is installed for tests.
    if !std::path::Path::new("/usr/sbin/firewalld").exists() {
        eprintln!("not run: there is no firewalld, of Debian's package firewalld");
        return;
    }
    let mut firewalld = Firewalld::new();
    let mut instance = Instance::start_all_in_own_network(&[]);
    firewalld.start(instance.network());
    instance.add_under(firewalld.entrance(), "virtnetworkd");
    for (bridge, mode, named, zone) in [
        ("virbr1", "nat", "", Some("libvirt")),
        ("virbr2", "route", "", Some("libvirt-routed")),
        ("virbr3", "nat", "zone='trusted'", Some("trusted")),
        ("virbr4", "open", "", None),
        ("virbr5", "open", "zone='dmz'", Some("dmz")),
    ] {
        super::start(&instance, bridge, &network(bridge, mode, named));
        assert_eq!(firewalld.zone_of(bridge).as_deref(), zone, "{bridge}");
    }
    // One that there is not leaves nothing.
    let file = instance.file("wrong.xml", &network("virbr6", "nat", "zone='nowhere'"));
    instance.virsh(&["net-define", &file]);
    let said = instance.virsh_fails(&["net-start", "virbr6"]);
    assert!(said.contains("nowhere"), "{said}");
    assert!(!instance.in_network(&["ip", "-o", "link"]).contains("virbr6"));

    // A firewalld that is started anew knows nothing.
    firewalld.stop();
    firewalld.start(instance.network());
    is_again(&firewalld, "virbr3", "trusted");
    is_again(&firewalld, "virbr2", "libvirt-routed");
    // What became of it while there was no daemon is made good by the next.
    let moved = firewalld.ask(&["--zone=drop", "--change-interface=virbr1"]);
    assert!(moved.success, "{}", moved.stderr);
    let daemon = instance.daemon_mut("virtnetworkd");
    daemon.kill();
    daemon.restart();
    is_again(&firewalld, "virbr1", "libvirt");

    instance.virsh(&["net-destroy", "virbr3"]);
    assert_eq!(firewalld.zone_of("virbr3"), None);

    firewalld.stop();
    let said = instance.virsh_fails(&["net-start", "virbr3"]);
    assert!(said.contains("firewalld is not active"), "{said}");
    // Whoever names none needs none.
    instance.virsh(&["net-destroy", "virbr1"]);
    instance.virsh(&["net-start", "virbr1"]);
}

//! Guests of QEMU's on virtual networks: virtqemud asks virtnetworkd.

use super::{left_overs, start, with};
use end_to_end::{Outside, console, disk, idle_domain, tiny_guest, virt_install, wait_for};

const NETWORK: &str = "<network><name>default</name><bridge name='virbr0'/><forward/><domain name='vm.test'/>\
    <ip address='192.168.122.1' netmask='255.255.255.0'><dhcp><range start='192.168.122.2' end='192.168.122.254'/></dhcp></ip>\
    </network>";

const CARD: &str = "<interface type='network'><mac address='52:54:00:12:34:56'/><source network='default'/>\
    <model type='virtio'/></interface>";

#[test]
fn linux_in_a_guest_gets_its_lease_and_out() {
    let Some(instance) = with(&["virtqemud", "virtnetworkd"]) else {
        return;
    };
    let outside = Outside::of(&instance);
    start(&instance, "default", NETWORK);
    let document = tiny_guest(&instance, "tiny");
    let document = document.replace("<interface type='user'><model type='virtio'/></interface>", CARD);
    instance.define("tiny", &document);
    instance.virsh(&["start", "tiny"]);
    let ask = "ip link set eth0 up; udhcpc -i eth0 -n -q -t 20 -T 1 -x hostname:tiny -s /etc/leased >/dev/null 2>&1";
    let way = format!(
        "{ask} && ping -c 1 -W 5 {} && nslookup -type=a tiny.vm.test && echo all-$((20+3))",
        Outside::ADDRESS
    );
    let seen = console(&instance.uri(), "tiny", &way, "all-23");
    assert!(seen.contains("all-23"), "{seen}");
    let addresses = instance.virsh(&["domifaddr", "tiny", "--source", "lease"]);
    assert!(
        addresses.contains("192.168.122.") && addresses.contains("52:54:00:12:34:56"),
        "{addresses}"
    );
    assert_eq!(
        instance
            .virsh(&["domhostname", "tiny", "--source", "lease"])
            .trim(),
        "tiny"
    );
    let words: Vec<_> = addresses.split_whitespace().collect();
    let address = words.last().unwrap().split('/').next().unwrap();
    outside
        .0
        .run_well(&["ip", "route", "add", "192.168.122.0/24", "via", Outside::HOST]);
    assert!(!outside.0.reaches(address), "somebody got in");
    instance.virsh(&["destroy", "tiny"]);
    instance.virsh(&["net-destroy", "default"]);
    assert_eq!(left_overs(&instance), Vec::<String>::new());
}

/// The ports that the network has.
fn ports(instance: &end_to_end::Instance) -> usize {
    let listed = instance.virsh(&["net-port-list", "default"]);
    listed.lines().filter(|line| !line.trim().is_empty()).count()
}

#[test]
fn a_guests_port_is_given_back_whatever_becomes_of_the_daemons() {
    let Some(mut instance) = with(&["virtqemud", "virtnetworkd"]) else {
        return;
    };
    start(&instance, "default", NETWORK);
    instance.define("idle", &idle_domain("idle").replace("<serial type='pty'/>", CARD));
    instance.virsh(&["start", "idle"]);
    let live = instance.virsh(&["dumpxml", "idle"]);
    assert!(
        live.contains("<source network='default' portid='") && live.contains("bridge='virbr0'/>"),
        "{live}"
    );
    let link = instance.in_network(&["ip", "-o", "link", "show", "vnet0"]);
    assert!(link.contains("master virbr0"), "{link}");
    assert_eq!(ports(&instance), 1);

    // virtqemud is gone, and finds its guest again.
    instance.kill();
    instance.restart();
    assert_eq!(ports(&instance), 1);
    // virtnetworkd is gone when the guest ends.
    instance.daemon_mut("virtnetworkd").kill();
    instance.virsh(&["destroy", "idle"]);
    instance.daemon_mut("virtnetworkd").restart();
    wait_for("the port to be given back", || {
        (ports(&instance) == 0).then_some(())
    });

    // A guest that ends while virtqemud is away.
    instance.virsh(&["start", "idle"]);
    assert_eq!(ports(&instance), 1);
    let guest = instance.guests();
    instance.kill();
    for pid in guest {
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
    instance.restart();
    wait_for("the port to be given back", || {
        (ports(&instance) == 0).then_some(())
    });

    // A start that fails.
    let broken = CARD.replace("'default'", "'nowhere'");
    instance.define(
        "broken",
        &idle_domain("broken").replace(
            "<serial type='pty'/>",
            &format!("{CARD}{broken}").replacen("12:34:56", "12:34:57", 1),
        ),
    );
    let said = instance.virsh_fails(&["start", "broken"]);
    assert!(said.contains("no network with matching name 'nowhere'"), "{said}");
    assert_eq!(ports(&instance), 0);
    let notes = std::fs::read_dir(instance.path("/run/libvirt/qemu/network-ports")).unwrap();
    assert_eq!(notes.count(), 0);
    assert_eq!(instance.left_overs(), Vec::<String>::new());
}

#[test]
fn guests_are_plugged_into_what_the_host_has() {
    let Some(instance) = with(&["virtqemud", "virtnetworkd"]) else {
        return;
    };
    let beside = end_to_end::Network::new();
    instance.in_network(&["ip", "link", "add", "br0", "up", "type", "bridge"]);
    instance.network().connect("card0", &beside, "eth0");
    start(
        &instance,
        "default",
        "<network><name>default</name><forward mode='bridge'/><bridge name='br0'/></network>",
    );
    start(
        &instance,
        "cards",
        "<network><name>cards</name><forward mode='passthrough'><interface dev='card0'/></forward></network>",
    );
    let cards = CARD
        .replace("'default'", "'cards'")
        .replace("12:34:56", "12:34:57");
    let two = idle_domain("two").replace("<serial type='pty'/>", &format!("{CARD}{cards}"));
    instance.define("two", &two);
    instance.virsh(&["start", "two"]);
    let live = instance.virsh(&["dumpxml", "two"]);
    for part in [
        "<interface type='bridge'>",
        "<source network='default' portid='",
        "bridge='br0'/>",
        "<interface type='direct'>",
        "<source network='cards' portid='",
        "dev='card0' mode='passthrough'/>",
    ] {
        assert!(live.contains(part), "{part}: {live}");
    }
    let links = instance.in_network(&["ip", "-o", "link"]);
    assert!(
        links.contains("master br0") && links.contains("macvtap0@card0"),
        "{links}"
    );
    // The card is taken.
    let other = cards.replace("12:34:57", "12:34:58");
    instance.define(
        "other",
        &idle_domain("other").replace("<serial type='pty'/>", &other),
    );
    let said = instance.virsh_fails(&["start", "other"]);
    assert!(said.contains("none are available"), "{said}");
    instance.virsh(&["destroy", "two"]);
    instance.virsh(&["start", "other"]);
    instance.virsh(&["destroy", "other"]);
    assert_eq!(ports(&instance), 0);
    let links = instance.in_network(&["ip", "-o", "link"]);
    assert!(!links.contains("macvtap") && !links.contains("vnet"), "{links}");
}

#[test]
fn virt_install_puts_a_guest_on_the_default_network_and_shows_it_there() {
    let Some(instance) = with(&["virtqemud", "virtnetworkd"]) else {
        return;
    };
    start(&instance, "default", NETWORK);
    let disk = disk(&instance, "installed.qcow2");
    virt_install(
        &instance,
        "installed",
        &[
            "--network",
            "network=default",
            "--graphics",
            "vnc,listens0.type=network,listens0.network=default",
            "--disk",
            &format!("type=file,source.file={disk},driver.type=qcow2"),
        ],
    );
    assert_eq!(instance.virsh(&["domstate", "installed"]).trim(), "running");
    assert_eq!(ports(&instance), 1);
    let listed = instance.virsh(&["domiflist", "installed"]);
    assert!(listed.contains("vnet0") && listed.contains("default"), "{listed}");
    let live = instance.virsh(&["dumpxml", "installed"]);
    assert!(
        live.contains("<listen type='network' address='192.168.122.1' network='default'/>"),
        "{live}"
    );
    let shown = instance.virsh(&["domdisplay", "installed"]);
    assert!(shown.starts_with("vnc://192.168.122.1:"), "{shown}");
    let (_, display) = shown.trim().rsplit_once(':').unwrap();
    let port = (5900 + display.parse::<u32>().unwrap()).to_string();
    // Who is on the network sees it there.
    let guest = end_to_end::Lodger::on(&instance, "virbr0", "port0");
    guest.lease("looker");
    let greeting = guest
        .network()
        .run(&["timeout", "5", "busybox", "nc", "192.168.122.1", &port]);
    assert!(greeting.stdout.starts_with("RFB "), "{greeting:?}");
    let kept = instance.virsh(&["dumpxml", "--inactive", "installed"]);
    assert!(
        kept.contains("<listen type='network' network='default'/>"),
        "{kept}"
    );
    instance.virsh(&["destroy", "installed"]);
    assert_eq!(ports(&instance), 0);
    // A network on which the host has no address.
    start(
        &instance,
        "nowhere",
        "<network><name>nowhere</name><bridge name='virbr8'/></network>",
    );
    let dark = "<graphics type='vnc'><listen type='network' network='nowhere'/></graphics>";
    let file = instance.file(
        "dark.xml",
        &idle_domain("dark").replace("<serial type='pty'/>", dark),
    );
    let said = instance.virsh_fails(&["create", &file]);
    assert!(said.contains("'nowhere' had no usable address"), "{said}");
}

#[test]
fn one_process_has_guests_and_their_networks() {
    let Some(mut instance) = with(&["libvirtd"]) else {
        return;
    };
    start(&instance, "default", NETWORK);
    instance.define("idle", &idle_domain("idle").replace("<serial type='pty'/>", CARD));
    instance.virsh(&["start", "idle"]);
    assert_eq!(ports(&instance), 1);
    instance.kill();
    instance.restart();
    assert_eq!(ports(&instance), 1);
    assert_eq!(instance.virsh(&["domstate", "idle"]).trim(), "running");
    instance.virsh(&["destroy", "idle"]);
    assert_eq!(ports(&instance), 0);
    instance.virsh(&["net-destroy", "default"]);
    assert_eq!(left_overs(&instance), Vec::<String>::new());
}

//! `<bandwidth>` in the kernel's schedulers, as far as every kernel has them: what is sent. What limits do to packets is measured in the
//! guest of the testbed.

use super::{left_overs, networkd, start, with};
use end_to_end::{Instance, idle_domain, python};

const NETWORK: &str = "<network><name>limited</name><bridge name='virbr9'/><bandwidth><inbound average='1000' peak='2000'/></bandwidth>\
    <ip address='10.99.0.1' prefix='24'><dhcp><range start='10.99.0.2' end='10.99.0.9'/></dhcp></ip></network>";

/// The classes below a link's first scheduler, each with its rate and what it may take.
fn classes(instance: &Instance, link: &str) -> Vec<String> {
    let told = instance.in_network(&["tc", "class", "show", "dev", link]);
    let mut classes: Vec<String> = told
        .lines()
        .map(|line| {
            let after = |name: &str| line.split_whitespace().skip_while(|word| *word != name).nth(1);
            let [number, rate, ceil] = ["htb", "rate", "ceil"].map(|name| after(name).unwrap_or_default());
            format!("{number} {rate} {ceil}")
        })
        .collect();
    classes.sort();
    classes
}

/// Starts the daemon anew, and waits until it has looked after what is there.
fn serve_again(instance: &mut Instance) {
    instance.restart();
    instance.virsh(&["net-list"]);
}

/// Asks for a port with a floor of so many kilobytes a second.
fn port(instance: &Instance, number: u32, floor: u32) -> String {
    let text = format!(
        "<networkport><uuid>0a81f5b2-8403-4b23-88d6-21ccc2f80d0{number}</uuid>\
         <owner><name>g{number}</name><uuid>06578fc1-c686-46fa-bc2c-220893b466a6</uuid></owner>\
         <mac address='52:54:00:00:00:0{number}'/><bandwidth><inbound average='100' floor='{floor}'/></bandwidth></networkport>"
    );
    instance.file(&format!("port{number}.xml"), &text)
}

#[test]
fn what_is_kept_for_a_guest_is_a_class_of_the_bridge() {
    let Some(mut instance) = networkd() else { return };
    start(&instance, "limited", NETWORK);
    assert_eq!(
        classes(&instance, "virbr9"),
        ["1:1 8Mbit 16Mbit", "1:2 8Mbit 16Mbit"]
    );
    instance.virsh(&["net-port-create", "limited", &port(&instance, 1, 300)]);
    instance.virsh(&["net-port-create", "limited", &port(&instance, 2, 400)]);
    let both = [
        "1:1 8Mbit 16Mbit",
        "1:2 2400Kbit 16Mbit",
        "1:3 2400Kbit 16Mbit",
        "1:4 3200Kbit 16Mbit",
    ];
    assert_eq!(classes(&instance, "virbr9"), both);
    let filters = instance.in_network(&["tc", "filter", "show", "dev", "virbr9"]);
    assert!(
        filters.contains("flowid 1:3") && filters.contains("match 00000001/ffffffff"),
        "{filters}"
    );
    let first = "0a81f5b2-8403-4b23-88d6-21ccc2f80d01";
    let told = instance.virsh(&["net-port-dumpxml", "limited", first]);
    assert!(told.contains("<bandwidth classID='3'>"), "{told}");
    let status = std::fs::read_to_string(instance.path("/run/libvirt/network/limited.xml")).unwrap();
    assert!(
        status.contains("<class_id bitmap='0-4'/>") && status.contains("<floor sum='700'/>"),
        "{status}"
    );
    let said = instance.virsh_fails(&["net-port-create", "limited", &port(&instance, 3, 1301)]);
    assert!(said.contains("floor=2001 would overcommit peak=2000"), "{said}");

    // What a crash left half done is done: a class has another rate than its port, or there are other classes than ports.
    instance.kill();
    instance.in_network(&[
        "tc", "class", "change", "dev", "virbr9", "classid", "1:4", "htb", "rate", "99kbps",
    ]);
    serve_again(&mut instance);
    assert_eq!(classes(&instance, "virbr9"), both);
    instance.kill();
    instance.in_network(&["tc", "qdisc", "del", "dev", "virbr9", "root"]);
    serve_again(&mut instance);
    assert_eq!(classes(&instance, "virbr9"), both);

    let change = python(CHANGE, &[&instance.uri(), first]);
    assert!(change.success, "{}", change.stderr);
    assert!(classes(&instance, "virbr9").contains(&"1:3 4Mbit 16Mbit".to_owned()));
    instance.virsh(&["net-port-delete", "limited", first]);
    assert_eq!(
        classes(&instance, "virbr9"),
        ["1:1 8Mbit 16Mbit", "1:2 4800Kbit 16Mbit", "1:4 3200Kbit 16Mbit"]
    );
    instance.virsh(&["net-destroy", "limited"]);
    assert_eq!(left_overs(&instance), Vec::<String>::new());
}

/// Keeps more for a port, tries to keep too much, and reads what is kept.
const CHANGE: &str = r"
import libvirt, sys
libvirt.registerErrorHandler(lambda *_: None, None)
conn = libvirt.open(sys.argv[1])
port = conn.networkLookupByName('limited').portLookupByUUIDString(sys.argv[2])
port.setParameters({'inbound.floor': 500, 'inbound.average': 100})
try:
    port.setParameters({'inbound.floor': 5000})
    sys.exit('5000 of 2000 are kept')
except libvirt.libvirtError as err:
    assert err.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID, err
assert port.parameters()['inbound.floor'] == 500, port.parameters()
";

#[test]
fn a_bridge_of_the_hosts_is_limited_by_one_network_and_freed_by_it() {
    let Some(instance) = networkd() else { return };
    instance.in_network(&["ip", "link", "add", "name", "br0", "up", "type", "bridge"]);
    let inside =
        "<forward mode='bridge'/><bridge name='br0'/><bandwidth><inbound average='500'/></bandwidth>";
    start(
        &instance,
        "one",
        &format!("<network><name>one</name>{inside}</network>"),
    );
    assert_eq!(classes(&instance, "br0"), ["1:1 4Mbit 4Mbit", "1:2 4Mbit 4Mbit"]);
    let file = instance.file("two.xml", &format!("<network><name>two</name>{inside}</network>"));
    let said = instance.virsh_fails(&["net-create", &file]);
    assert!(said.contains("'br0' is limited already"), "{said}");
    assert_eq!(classes(&instance, "br0").len(), 2);
    let file = port(&instance, 1, 5);
    let said = instance.virsh_fails(&["net-port-create", "one", &file]);
    assert!(said.contains("'floor' is only supported"), "{said}");
    instance.virsh(&["net-destroy", "one"]);
    assert_eq!(classes(&instance, "br0"), Vec::<String>::new());
}

const GUEST: &str = "<interface type='network'><mac address='52:54:00:12:34:01'/><source network='limited'/>\
    <bandwidth><inbound average='200' floor='300'/></bandwidth></interface>\
    <interface type='bridge'><mac address='52:54:00:12:34:02'/><source bridge='br0'/>\
    <bandwidth><inbound average='100' peak='400' burst='64'/></bandwidth></interface>";

#[test]
fn a_guests_limits_are_set_told_and_changed() {
    let Some(mut instance) = with(&["virtqemud", "virtnetworkd"]) else {
        return;
    };
    instance.in_network(&["ip", "link", "add", "name", "br0", "up", "type", "bridge"]);
    start(&instance, "limited", NETWORK);
    instance.define(
        "idle",
        &idle_domain("idle").replace("<serial type='pty'/>", GUEST),
    );
    instance.virsh(&["start", "idle"]);
    assert_eq!(classes(&instance, "vnet0"), ["1:1 1600Kbit 1600Kbit"]);
    assert_eq!(classes(&instance, "vnet1"), ["1:1 800Kbit 3200Kbit"]);
    assert!(classes(&instance, "virbr9").contains(&"1:3 2400Kbit 16Mbit".to_owned()));

    let changed = python(TUNE, &[&instance.uri()]);
    assert!(changed.success, "{}{}", changed.stdout, changed.stderr);
    assert_eq!(classes(&instance, "vnet0"), ["1:1 400Kbit 400Kbit"]);
    assert_eq!(classes(&instance, "vnet1"), Vec::<String>::new());
    assert!(classes(&instance, "virbr9").contains(&"1:3 3200Kbit 16Mbit".to_owned()));
    instance.kill();
    instance.restart();
    let told = instance.virsh(&["domiftune", "idle", "vnet0"]);
    assert!(
        told.contains("inbound.average: 50") && told.contains("inbound.floor  : 400"),
        "{told}"
    );
    let told = instance.virsh(&["domiftune", "idle", "52:54:00:12:34:02", "--config"]);
    assert!(told.contains("inbound.average: 77"), "{told}");
    instance.virsh(&["destroy", "idle"]);
    assert_eq!(
        classes(&instance, "virbr9").len(),
        2,
        "nothing is kept for nobody"
    );
    assert_eq!(instance.left_overs(), Vec::<String>::new());
}

/// Changes limits of the running guest and of its definition, and is refused what cannot be.
const TUNE: &str = r"
import libvirt, sys
libvirt.registerErrorHandler(lambda *_: None, None)
dom = libvirt.open(sys.argv[1]).lookupByName('idle')
LIVE, CONFIG = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG
first, second = '52:54:00:12:34:01', 'vnet1'
def refused(code, device, limits, flags=LIVE):
    try:
        dom.setInterfaceParameters(device, limits, flags)
    except libvirt.libvirtError as err:
        assert err.get_error_code() == code, err
        return
    sys.exit('%s of %s is served' % (limits, device))
dom.setInterfaceParameters(first, {'inbound.average': 50, 'inbound.floor': 400}, LIVE)
dom.setInterfaceParameters(second, {'inbound.average': 0}, LIVE)
dom.setInterfaceParameters('52:54:00:12:34:02', {'inbound.average': 77}, CONFIG)
refused(libvirt.VIR_ERR_INVALID_ARG, 'vnet7', {'inbound.average': 1})
refused(libvirt.VIR_ERR_OPERATION_INVALID, first, {'inbound.floor': 5000})
refused(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, second, {'inbound.floor': 1})
refused(libvirt.VIR_ERR_INVALID_ARG, second, {'inbound.average': 1}, 1 << 20)
told = dom.interfaceParameters(first, LIVE)
assert told['inbound.floor'] == 400 and told['outbound.average'] == 0 and len(told) == 7, told
assert 'vnet1' in dom.XMLDesc() and 'peak' not in dom.XMLDesc(), dom.XMLDesc()
";

#[test]
fn what_cannot_be_limited_is_refused() {
    let Some(instance) = with(&["virtqemud"]) else {
        return;
    };
    let limits = "<bandwidth><inbound average='1'/></bandwidth>";
    let user = format!("<interface type='user'>{limits}</interface>");
    let file = instance.file(
        "user.xml",
        &idle_domain("user").replace("<serial type='pty'/>", &user),
    );
    let said = instance.virsh_fails(&["create", &file]);
    assert!(
        said.contains("<interface type='user'>: <bandwidth> is not supported"),
        "{said}"
    );
    for (limits, words) in [
        ("<inbound average='1' floor='1'/>", "'floor' is for"),
        ("<inbound peak='1'/>", "'average' is missing"),
        ("<outbound average='1' burst='4194304'/>", "4194303 is the most"),
    ] {
        let card = format!(
            "<interface type='bridge'><source bridge='br0'/><bandwidth>{limits}</bandwidth></interface>"
        );
        let file = instance.file(
            "bad.xml",
            &idle_domain("bad").replace("<serial type='pty'/>", &card),
        );
        let said = instance.virsh_fails(&["define", &file]);
        assert!(said.contains(words), "{words}: {said}");
    }
}

//! What cannot be is refused with libvirt's code and a sentence that names it, and nothing is left of it.

use super::{left_overs, networkd, start};
use end_to_end::{Instance, python};

fn network(name: &str, inside: &str) -> String {
    format!("<network><name>{name}</name>{inside}</network>")
}

/// What is said of a document that is refused as a definition.
fn refused(instance: &Instance, document: &str) -> String {
    let file = instance.file("refused.xml", document);
    instance.virsh_fails(&["net-define", &file])
}

/// What is said of one that is a definition but does not start.
fn does_not_start(instance: &Instance, name: &str, inside: &str) -> String {
    let file = instance.file("idle.xml", &network(name, inside));
    instance.virsh(&["net-define", &file]);
    let said = instance.virsh_fails(&["net-start", name]);
    instance.virsh(&["net-undefine", name]);
    said
}

#[test]
fn what_does_not_go_together_is_refused() {
    let Some(instance) = networkd() else { return };
    let inside = "<bridge name='virbr3'/><ip address='10.3.0.1' prefix='24'/>";
    start(&instance, "one", &network("one", inside));
    let before = instance.virsh(&["net-dumpxml", "one"]);

    let said = refused(&instance, &network("two", inside));
    assert!(said.contains("bridge name 'virbr3' already in use"), "{said}");
    let said = refused(&instance, &network("one", "<bridge name='virbr4'/>"));
    assert!(said.contains("already exists with uuid"), "{said}");
    let said = does_not_start(&instance, "two", "<ip address='10.3.0.9' prefix='25'/>");
    assert!(said.contains("10.3.0.0/24 of network 'one'"), "{said}");
    instance.in_network(&["ip", "link", "add", "taken0", "up", "type", "bridge"]);
    instance.in_network(&["ip", "address", "add", "10.4.0.1/24", "dev", "taken0"]);
    let said = does_not_start(&instance, "two", "<ip address='10.4.0.1' prefix='16'/>");
    assert!(said.contains("already in use by interface taken0"), "{said}");
    let said = does_not_start(&instance, "two", "<bridge name='taken0'/>");
    assert!(said.contains("cannot make the bridge 'taken0'"), "{said}");
    let links = instance.in_network(&["ip", "-o", "link"]);
    assert!(links.contains("taken0"), "it is somebody else's");

    let said = refused(&instance, &network("two", "<forward mode='sideways'/>"));
    assert!(said.contains("sideways"), "{said}");
    let group = "<mac address='01:00:5e:00:00:01'/><bridge name='b'/>";
    let said = refused(&instance, &network("two", group));
    assert!(said.contains("01:00:5e:00:00:01"), "{said}");
    let powerful = "<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'><name>two</name>\
                    <ip address='10.5.0.1' prefix='24'/><dnsmasq:options>\
                    <dnsmasq:option value='dhcp-script=/bin/true'/></dnsmasq:options></network>";
    let said = refused(&instance, powerful);
    assert!(said.contains("dhcp-script"), "{said}");

    for (inside, words) in [
        (
            "<bridge name='virbr4' zone='public'/>",
            "zone public requested for network two but firewalld is not active",
        ),
        (
            "<domain name='d' localOnly='yes' register='yes'/>",
            "systemd-resolved is not available",
        ),
    ] {
        let said = does_not_start(&instance, "two", inside);
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(instance.virsh(&["net-dumpxml", "one"]), before, "it is as it was");
    instance.virsh(&["net-destroy", "one"]);
    assert_eq!(left_overs(&instance), Vec::<String>::new());
}

/// Calls with flags that nobody knows.
const UNKNOWN_FLAGS: &str = r#"
import libvirt, sys
libvirt.registerErrorHandler(lambda *_: None, None)
conn = libvirt.open(sys.argv[1])
net = conn.networkDefineXML('<network><name>n</name></network>')
for name, call in [
    ('list', lambda: conn.listAllNetworks(1 << 30)),
    ('dump', lambda: net.XMLDesc(1 << 30)),
    ('define', lambda: conn.networkDefineXMLFlags('<network/>', 1 << 30)),
    ('update', lambda: net.update(3, 10, -1, '<host/>', 1 << 30)),
    ('leases', lambda: net.DHCPLeases(None, 1 << 30)),
    ('ports', lambda: net.listAllPorts(1 << 30)),
    ('port', lambda: net.portCreateXML('<networkport/>', 1 << 30)),
]:
    try:
        call()
        print(name, 'is served')
    except libvirt.libvirtError as err:
        if err.get_error_code() != libvirt.VIR_ERR_INVALID_ARG:
            print(name, err)
net.undefine()
"#;

#[test]
fn flags_that_nobody_knows_are_refused() {
    let Some(instance) = networkd() else { return };
    let told = python(UNKNOWN_FLAGS, &[&instance.uri()]);
    assert!(
        told.success && told.stdout.is_empty(),
        "{}{}",
        told.stdout,
        told.stderr
    );
}

#[test]
fn a_host_that_asks_for_iptables_is_told_that_there_is_none() {
    let Some(_) = networkd() else { return };
    let mut instance = Instance::empty_in_own_network();
    let folder = instance.path("/etc/libvirt");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("network.conf");
    std::fs::write(file, "firewall_backend = \"iptables\"\n").unwrap();
    let said = instance.fails("virtnetworkd");
    assert!(said.contains("firewall_backend = \"iptables\""), "{said}");
}

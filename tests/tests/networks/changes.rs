//! What a running network becomes, and who hears of it.

use super::{networkd, start};
use end_to_end::{Instance, Lodger, python};
use std::fs;
use std::os::unix::fs::PermissionsExt;

const NETWORK: &str = "<network><name>lan</name><bridge name='virbr5'/><forward mode='nat'/>\
    <ip address='10.55.0.1' prefix='24'><dhcp><range start='10.55.0.100' end='10.55.0.200'/></dhcp></ip></network>";

/// The number that the network's dnsmasq has.
fn server(instance: &Instance) -> String {
    fs::read_to_string(instance.path("/run/libvirt/network/lan.pid")).unwrap()
}

#[test]
fn a_change_holds_for_whoever_asks_next() {
    let Some(instance) = networkd() else { return };
    start(&instance, "lan", NETWORK);
    let guest = Lodger::on(&instance, "virbr5", "port0");
    let first = server(&instance);
    let host = format!("<host mac='{}' name='known' ip='10.55.0.77'/>", guest.mac());
    instance.virsh(&[
        "net-update",
        "lan",
        "add",
        "ip-dhcp-host",
        &host,
        "--live",
        "--config",
    ]);
    let name = "<host ip='10.55.0.88'><hostname>written</hostname></host>";
    instance.virsh(&["net-update", "lan", "add", "dns-host", name, "--live"]);
    assert_eq!(server(&instance), first, "it only reads anew");
    let lease = guest.lease("whatever");
    let known = fs::read_to_string(instance.path("/var/lib/libvirt/dnsmasq/lan.hostsfile")).unwrap();
    assert_eq!(
        lease.first().map(String::as_str),
        Some("10.55.0.77"),
        "{lease:?}, {}, {known}",
        guest.mac()
    );
    let found = guest.look_up("written", "10.55.0.1");
    assert!(found.contains("10.55.0.88"), "{found}");

    let (live, kept) = (
        instance.virsh(&["net-dumpxml", "lan"]),
        instance.virsh(&["net-dumpxml", "lan", "--inactive"]),
    );
    assert!(live.contains("10.55.0.77") && live.contains("written"), "{live}");
    assert!(kept.contains("10.55.0.77") && !kept.contains("written"), "{kept}");

    let again = instance.virsh_fails(&["net-update", "lan", "add", "ip-dhcp-host", &host, "--live"]);
    assert!(again.contains("10.55.0.77") || again.contains("known"), "{again}");
    let outside = "<range start='10.99.0.1' end='10.99.0.9'/>";
    instance.virsh_fails(&["net-update", "lan", "add", "ip-dhcp-range", outside, "--live"]);
    assert_eq!(instance.virsh(&["net-dumpxml", "lan"]), live, "it is as it was");

    let more = "<range start='10.55.0.10' end='10.55.0.19'/>";
    instance.virsh(&["net-update", "lan", "add-first", "ip-dhcp-range", more, "--live"]);
    assert_ne!(server(&instance), first, "ranges are read at its start");
    assert_eq!(
        guest.lease("whatever").first().map(String::as_str),
        Some("10.55.0.77")
    );
}

#[test]
fn metadata_is_kept_and_told() {
    let Some(instance) = networkd() else { return };
    start(&instance, "lan", NETWORK);
    instance.virsh(&["net-desc", "lan", "--title", "--live", "a title"]);
    instance.virsh(&["net-desc", "lan", "--config", "a text"]);
    assert_eq!(instance.virsh(&["net-desc", "lan", "--title"]).trim(), "a title");
    let kept = instance.virsh(&["net-dumpxml", "lan", "--inactive"]);
    assert!(kept.contains("<description>a text</description>"), "{kept}");
    let element = "<app x='1'/>";
    instance.virsh(&["net-metadata", "lan", "urn:app", "--key", "k", "--set", element]);
    assert_eq!(
        instance.virsh(&["net-metadata", "lan", "urn:app"]).trim(),
        element
    );
    instance.virsh(&["net-metadata", "lan", "urn:app", "--remove"]);
    assert_eq!(instance.virsh(&["net-metadata", "lan", "urn:app"]).trim(), "");
}

/// Does everything to a network and says what is heard of it.
const EVENTS: &str = r#"
import libvirt, sys, threading
libvirt.virEventRegisterDefaultImpl()
conn = libvirt.open(sys.argv[1])
heard = []
conn.networkEventRegisterAny(None, libvirt.VIR_NETWORK_EVENT_ID_LIFECYCLE,
    lambda conn, net, event, detail, _: heard.append('%s %d' % (net.name(), event)), None)
net = conn.networkDefineXML(sys.argv[2])
net.create()
net.destroy()
net.undefine()
while len(heard) < 4:
    libvirt.virEventRunDefaultImpl()
print('; '.join(heard))
"#;

#[test]
fn clients_hear_what_happens() {
    let Some(instance) = networkd() else { return };
    let heard = python(EVENTS, &[&instance.uri(), NETWORK]);
    assert!(heard.success, "{}", heard.stderr);
    assert_eq!(heard.stdout.trim(), "lan 0; lan 2; lan 3; lan 1");
}

#[test]
fn a_script_of_the_administrators_hears_first_and_may_refuse() {
    let Some(instance) = networkd() else { return };
    let folder = instance.path("/etc/libvirt/hooks");
    fs::create_dir_all(&folder).unwrap();
    let (script, heard, refusal) = (
        folder.join("network"),
        instance.root().join("heard"),
        instance.root().join("refusal"),
    );
    let text = format!(
        "#!/bin/sh\ncat > /dev/null\necho \"$1 $2 $3\" >> {}\n[ ! -e {} ] || {{ echo not today >&2; exit 1; }}\n",
        heard.display(),
        refusal.display()
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    start(&instance, "lan", NETWORK);
    instance.virsh(&["net-destroy", "lan"]);
    assert_eq!(
        fs::read_to_string(&heard).unwrap(),
        "lan start begin\nlan started begin\nlan stopped end\n"
    );
    fs::write(&refusal, "").unwrap();
    let said = instance.virsh_fails(&["net-start", "lan"]);
    assert!(said.contains("not today"), "{said}");
    assert_eq!(super::left_overs(&instance), Vec::<String>::new());
}

//! A network that libvirt's own daemon left active, as at a host's switch-over.

use super::{left_overs, networkd, start};
use std::fs;

const NETWORK: &str = "<network><name>default</name><bridge name='virbr0'/><forward/>\
    <ip address='192.168.122.1' netmask='255.255.255.0'/></network>";

/// The tables that libvirt's daemon has, in short.
const TABLES: &str = "table ip libvirt_network { chain guest_input { oif \"lo\" counter reject; }; }\n\
    table ip6 libvirt_network { chain guest_input { }; }\n";

#[test]
fn rules_of_libvirts_are_gone_as_soon_as_ours_are_there() {
    let Some(mut instance) = networkd() else { return };
    start(&instance, "default", NETWORK);
    let status = instance.path("/run/libvirt/network/default.xml");
    let tables = instance.file("tables.nft", TABLES);
    let own = |instance: &end_to_end::Instance| instance.in_network(&["nft", "list", "tables"]);

    // Somebody else's, as long as nobody says that they were of our networks.
    instance.kill();
    instance.in_network(&["nft", "-f", &tables]);
    instance.restart();
    instance.virsh(&["net-list"]);
    assert!(own(&instance).contains("table ip libvirt_network"));

    instance.kill();
    let text = fs::read_to_string(&status).unwrap();
    let former = "<firewall name='fwRemoval' backend='nftables'><group><action layer='ipv4'><args><item>x</item></args></action>\
                  </group></firewall></networkstatus>";
    fs::write(&status, text.replace("</networkstatus>", former)).unwrap();
    instance.restart();
    instance.virsh(&["net-list"]);
    assert_eq!(own(&instance).trim(), "table inet libvirt_network");
    assert!(!fs::read_to_string(&status).unwrap().contains("<firewall"));
    instance.virsh(&["net-destroy", "default"]);
    assert_eq!(left_overs(&instance), Vec::<String>::new());
}

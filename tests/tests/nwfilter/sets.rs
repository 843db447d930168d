//! Sets of the administrator's, in the daemon's own table: looked up as they are, and left alone whatever happens to rules.

use super::Host;

const NFT: [&str; 2] = ["bridge", "libvirt_nwfilter"];

fn nft(host: &Host, words: &[&str]) {
    host.instance.network().run_well(&[&["nft"], words].concat());
}

const FILTER: &str = "<filter name='by-set' chain='root'>\
    <rule action='drop' direction='out'><udp match='no' ipset='friends' ipsetflags='dst'/></rule></filter>";

/// The guest's words to the neighbour.
const WORDS: [&str; 1] = ["said"];

#[test]
fn a_set_is_looked_up_as_it_is_and_outlives_daemons_and_rules() {
    let mut host = Host::new();
    let said = |host: &Host| {
        let mut heard = host.arrive_of("v4(own, '10.7.0.2', 'said')\narp(own, own, '10.7.0.2', 'end')");
        heard.retain(|name| name != "end");
        heard
    };
    let file = host.instance.file("filter.xml", FILTER);
    host.instance.virsh(&["nwfilter-define", &file]);
    let [family, table] = NFT;

    // Nobody made it.
    let document = super::binding("vnet0", "by-set", &[]);
    let binding = host.instance.file("binding.xml", &document);
    let refused = host.instance.try_virsh(&["nwfilter-binding-create", &binding]);
    assert!(
        refused
            .stderr
            .contains("no set of that name in the table 'libvirt_nwfilter'"),
        "{refused:?}"
    );

    nft(&host, &["add", "table", family, table]);
    nft(
        &host,
        &["add", "set", family, table, "friends", "{ type ipv4_addr; }"],
    );
    assert!(host.bind_with("by-set", &[]));
    assert_eq!(said(&host), Vec::<String>::new());
    nft(
        &host,
        &["add", "element", family, table, "friends", "{ 10.7.0.9 }"],
    );
    assert_eq!(said(&host), WORDS);

    // The next daemon finds it as it is, beside rules that nobody asked for.
    host.instance.kill();
    nft(&host, &["add", "chain", family, table, "from/stale"]);
    nft(&host, &["add", "rule", family, table, "from/stale", "drop"]);
    host.instance.restart();
    assert!(!host.rules().contains("stale"), "{}", host.rules());
    assert_eq!(said(&host), WORDS);
    nft(
        &host,
        &["delete", "element", family, table, "friends", "{ 10.7.0.9 }"],
    );
    assert_eq!(said(&host), Vec::<String>::new());

    // It is the administrator's when nothing is guarded, too, and in use as long as something is.
    let delete = ["nft", "delete", "set", family, table, "friends"];
    assert!(!host.instance.network().run(&delete).success);
    host.instance.kill();
    host.instance.network().run_well(&["ip", "link", "del", "vnet0"]);
    host.instance.restart();
    assert!(!host.guards("vnet0"), "{}", host.rules());
    assert!(host.rules().contains("set friends"), "{}", host.rules());
    host.instance.network().run_well(&delete);
}

//! Packets meet the same end as by the rules of libvirt's own cases, of ebtables, iptables and ip6tables.
//!
//! Packets are made of both rule sets: for each rule one that it is about, and others that differ from that one in a single field, by
//! one, or by the lowest bit that counts. Each goes from the guest and to it, as part of connections in several states.

use super::tests::with;
use super::{Place, PortRules, Sets, compile};
use crate::firewall::{Changes, There, replace};
use model::nwfilter::{Binding, Filter};
use rule_model::{Packet, RuleSet, Verdict, command, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What the cases take variables for.
const VARIABLES: [(&str, &[&str]); 4] = [
    ("A", &["1.1.1.1", "2.2.2.2", "3.3.3.3", "3.3.3.3"]),
    ("B", &["80", "90", "80", "80"]),
    ("C", &["1080", "1090", "1100", "1110"]),
    ("IPSETNAME", &["tck_test"]),
];

fn corpus() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/nwfilter-firewall");
    if !folder.is_dir() {
        println!("not run: the golden cases are not beside the checkout (../shared/corpus)");
        return None;
    }
    Some(folder)
}

/// The guest's port and whom it belongs to.
fn binding() -> Binding {
    let parameters: String = VARIABLES
        .iter()
        .flat_map(|(name, values)| {
            values
                .iter()
                .map(move |value| format!("<parameter name='{name}' value='{value}'/>"))
        })
        .collect();
    super::tests::binding("tck-testcase", &parameters)
}

/// What packets have in common: all facts of every protocol.
fn anything() -> Packet {
    let mut packet = Packet::new();
    for header in ["nh", "th"] {
        for byte in 0..42 {
            packet = packet.with(&format!("{header}.{}+8", byte * 8), 0);
        }
    }
    packet
        .with("ether.saddr", 0x0202_0202_0202)
        .with("ether.daddr", 0x0404_0404_0404)
        .with("ether.type", 0x0800)
        .with("vlan.id", 7)
        .with("vlan.type", 0x0800)
        .with_address("ip.saddr", "192.0.2.1")
        .with_address("ip.daddr", "192.0.2.2")
        .with("ip.dscp", 0)
        .with_address("ip6.saddr", "2001:db8::1")
        .with_address("ip6.daddr", "2001:db8::2")
        .with("ip6.dscp", 0)
        .with("meta.l4proto", 6)
        .with("th.sport", 1000)
        .with("th.dport", 2000)
        .with("ct.state", "new")
        .with("ct.direction", "original")
        .with("ct.count", 0)
}

/// Without the headers that such a packet does not have.
fn real(packet: &Packet) -> Packet {
    let (kind, protocol) = (packet.number("ether.type"), packet.number("meta.l4proto"));
    packet.clone().only(|fact| match fact.split_once('.') {
        Some(("ip", _)) => kind == Some(0x0800),
        Some(("ip6", _)) => kind == Some(0x86dd),
        Some(("vlan", _)) => kind == Some(0x8100),
        Some(("meta" | "ct", _)) => matches!(kind, Some(0x0800 | 0x86dd)),
        Some(("th", _)) => {
            matches!(kind, Some(0x0800 | 0x86dd)) && matches!(protocol, Some(6 | 17 | 132 | 136))
        }
        _ => true,
    })
}

/// Whether every number has room in its field.
fn fits(packet: &Packet) -> bool {
    [
        ("ether.type", 16),
        ("vlan.id", 12),
        ("vlan.type", 16),
        ("meta.l4proto", 8),
        ("ip.dscp", 6),
        ("ip6.dscp", 6),
        ("th.sport", 16),
        ("th.dport", 16),
        ("ip.saddr", 32),
        ("ip.daddr", 32),
    ]
    .iter()
    .all(|(fact, bits)| packet.number(fact).is_none_or(|number| number < 1 << bits))
}

/// Every packet that rules of either set could tell from another.
fn packets(sets: [&RuleSet; 2]) -> BTreeSet<Packet> {
    let mut found = BTreeSet::new();
    for set in sets {
        for family in [0x0800_u128, 0x86dd] {
            for packet in set.packets_near(&anything().with("ether.type", family)) {
                for (state, way) in [
                    ("new", "original"),
                    ("established", "original"),
                    ("established", "reply"),
                    ("related", "reply"),
                    ("invalid", "original"),
                ] {
                    let packet = packet.clone().with("ct.state", state).with("ct.direction", way);
                    found.insert(real(&packet));
                }
                found.insert(real(&packet));
            }
        }
    }
    found.retain(fits);
    found
}

/// libvirt's chains of one way, by ebtables, iptables and ip6tables, and ours.
struct Chains {
    theirs: [&'static str; 3],
    ours: [Place; 2],
}

/// The chain that a port's packets are led to; where there is none, one that is not there.
fn lead(rules: &PortRules, place: Place) -> String {
    let name = rules.leads().get(&place).map_or("none", |name| name);
    format!("bridge/libvirt_nwfilter/{name}")
}

/// From the guest to others, from it to the host, and to it.
const WAYS: [Chains; 3] = [
    Chains {
        theirs: [
            "ebtables/nat/libvirt-J-vnet0",
            "iptables/filter/FJ-vnet0",
            "ip6tables/filter/FJ-vnet0",
        ],
        ours: [Place::From, Place::PacketsFrom],
    },
    Chains {
        theirs: [
            "ebtables/nat/libvirt-J-vnet0",
            "iptables/filter/HJ-vnet0",
            "ip6tables/filter/HJ-vnet0",
        ],
        ours: [Place::From, Place::PacketsFrom],
    },
    Chains {
        theirs: [
            "ebtables/nat/libvirt-P-vnet0",
            "iptables/filter/FP-vnet0",
            "ip6tables/filter/FP-vnet0",
        ],
        ours: [Place::To, Place::PacketsTo],
    },
];

/// The same rules with an end that drops in each chain: a packet that a rule lets pass differs then from one that none is about.
fn closed(mut rules: RuleSet, chains: BTreeSet<String>) -> RuleSet {
    for chain in chains {
        let drop = rule_model::Rule {
            conditions: Vec::new(),
            action: rule_model::Action::Drop,
        };
        rules.chain(&chain).push(drop);
    }
    rules
}

fn drops(rules: &RuleSet, chain: &str, packet: &Packet) -> bool {
    rules.has(chain) && rules.judge_in(chain, packet) == Some(Verdict::Dropped)
}

/// The chains of one way by their names.
struct Ends {
    theirs: [&'static str; 3],
    ours: [String; 2],
}

/// What chains of one way do with a packet: those of frames, and those of the packet's family.
fn ends(theirs: &RuleSet, ours: &RuleSet, way: &Ends, packet: &Packet) -> [(bool, bool); 2] {
    let frames = (
        drops(theirs, way.theirs[0], packet),
        drops(ours, &way.ours[0], packet),
    );
    let family = match packet.number("ether.type") {
        Some(0x0800) => way.theirs[1],
        Some(0x86dd) => way.theirs[2],
        _ => return [frames, (false, false)],
    };
    [
        frames,
        (drops(theirs, family, packet), drops(ours, &way.ours[1], packet)),
    ]
}

#[test]
fn the_same_packets_pass_as_by_libvirts_rules() {
    let Some(folder) = corpus() else { return };
    let binding = binding();
    // As the case says that it was made by.
    let sets = Sets::from([("tck_test".to_owned(), vec!["ipv4_addr".to_owned()])]);
    let (mut cases, mut tried) = (0, 0);
    let mut seen: BTreeMap<bool, usize> = BTreeMap::new();
    let mut different = BTreeMap::new();
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .flatten()
        .filter_map(|file| Some(file.file_name().to_str()?.strip_suffix("-linux.args")?.to_owned()))
        .collect();
    names.sort();
    for case in names {
        let text = fs::read_to_string(folder.join(format!("{case}.xml"))).unwrap();
        let name = Filter::from_xml(&text).unwrap().name;
        assert_eq!(name, binding.reference.filter, "{case}");
        let compiled = compile(&binding, &with(&[&text]), &[], &sets).unwrap();
        let ways = WAYS.map(|way| Ends {
            theirs: way.theirs,
            ours: way.ours.map(|place| lead(&compiled, place)),
        });
        let mut ours = RuleSet::default();
        json::read(
            &mut ours,
            &super::tests::whole(replace(&Changes::one("vnet0", Some(compiled)), &There::default())),
        );
        let mut theirs = RuleSet::default();
        let commands = fs::read_to_string(folder.join(format!("{case}-linux.args"))).unwrap();
        command::read(&mut theirs, &commands);
        assert!(!theirs.is_empty() && !ours.is_empty(), "{case}");
        // Other rules of the same port see what these let pass, so it matters by which rule.
        let all = |chains: fn(&Ends) -> Vec<String>| ways.iter().flat_map(chains).collect();
        let closed_theirs = closed(theirs.clone(), all(|way| way.theirs.map(str::to_owned).to_vec()));
        let closed_ours = closed(ours.clone(), all(|way| way.ours.to_vec()));
        for packet in packets([&theirs, &ours]) {
            for way in &ways {
                for (theirs, ours) in [(&theirs, &ours), (&closed_theirs, &closed_ours)] {
                    for (wanted, is) in ends(theirs, ours, way, &packet) {
                        if wanted != is {
                            let told = format!(
                                "{:?}: dropped {wanted} by theirs, {is} by ours: {packet:?}",
                                way.theirs
                            );
                            different.entry(case.clone()).or_insert(told);
                        }
                        *seen.entry(is).or_default() += 1;
                        tried += 1;
                    }
                }
            }
            // And what leads to the chains leads there.
            for (packet, hooks, way) in [
                (
                    packet.clone().with("meta.iifname", "vnet0"),
                    ["prerouting"; 2],
                    &ways[0],
                ),
                (
                    packet.clone().with("meta.oifname", "vnet0"),
                    ["postrouting", "forward"],
                    &ways[2],
                ),
            ] {
                let dropped = hooks
                    .iter()
                    .any(|hook| ours.judge(hook, &packet) == Verdict::Dropped);
                let wanted = ends(&theirs, &ours, way, &packet)
                    .iter()
                    .any(|(wanted, _)| *wanted);
                if dropped != wanted {
                    let told =
                        format!("{hooks:?}: dropped {wanted} by theirs, {dropped} by ours: {packet:?}");
                    different.entry(case.clone()).or_insert(told);
                }
            }
        }
        cases += 1;
    }
    println!("nwfilter-firewall: {cases} cases, {tried} ends of packets, dropped or not: {seen:?}");
    assert!(different.is_empty(), "{different:#?}");
    assert_eq!(cases, 30);
    assert_eq!(seen.len(), 2, "some pass and some do not");
}

//! virtnwfilterd is killed at random instants while bindings and filters change, and all the while a guest that is guarded talks.

use super::{Host, MAC};
use end_to_end::{Instance, RandomKills, Talk};
use std::collections::{BTreeMap, BTreeSet};

/// A filter that says by one of its numbers which definition it is.
fn changing(number: u32) -> String {
    format!(
        "<filter name='changing' chain='root'><uuid>11111111-2222-3333-4444-555555555555</uuid>\
         <rule action='drop' direction='in'><tcp dstportstart='{}'/></rule></filter>",
        NUMBER + number
    )
}

/// Where numbers of definitions begin; the first one is there before anybody works.
const NUMBER: u32 = 7000;

/// Works on a binding, which is `absent` or has one of two filters, or on the filter that changes.
const CHOOSE: &str = r#"
def choose(conn, state):
    if name == 'changing':
        number = random.randint(1, 900)
        document = '''<filter name='changing' chain='root'><uuid>11111111-2222-3333-4444-555555555555</uuid>
<rule action='drop' direction='in'><tcp dstportstart='%d'/></rule></filter>''' % (7000 + number)
        return str(number), lambda: conn.nwfilterDefineXML(document)
    if state != 'absent':
        return 'absent', lambda: conn.nwfilterBindingLookupByPortDev(name).delete()
    want = random.choice(['changing', 'no-mac-spoofing'])
    document = '''<filterbinding><owner><name>g</name><uuid>5c6d49af-b071-6127-b4ec-6f8ed4b55335</uuid></owner>
<portdev name='%s'/><mac address='52:54:00:00:01:01'/><filterref filter='%s'/></filterbinding>''' % (name, want)
    return want, lambda: conn.nwfilterBindingCreateXML(document, 0)
"#;

/// The lines of each chain.
fn chains(rules: &str) -> BTreeMap<String, Vec<String>> {
    let mut chains: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut name = String::new();
    for line in rules.lines().map(str::trim) {
        match line
            .strip_prefix("chain ")
            .and_then(|rest| rest.strip_suffix(" {"))
        {
            Some(begun) => {
                begun.clone_into(&mut name);
                chains.entry(name.clone()).or_default();
            }
            None if !name.is_empty() => chains.entry(name.clone()).or_default().push(line.to_owned()),
            None => {}
        }
    }
    chains
}

/// The chain that each port is led to.
fn leads(lines: &[String]) -> BTreeMap<String, String> {
    let pairs = lines.iter().flat_map(|line| line.split(['{', ',', '}']));
    pairs
        .filter_map(|pair| {
            let (port, chain) = pair.trim().split_once(" : jump ")?;
            Some((port.trim_matches('"').to_owned(), chain.to_owned()))
        })
        .collect()
}

/// What the daemon says there is, which has to be what the kernel has.
fn told(instance: &Instance) -> BTreeMap<String, String> {
    let mut told = BTreeMap::new();
    for line in instance.virsh(&["nwfilter-binding-list"]).lines() {
        if let [port, filter] = line.split_whitespace().collect::<Vec<_>>().as_slice() {
            told.insert((*port).to_owned(), (*filter).to_owned());
        }
    }
    let document = instance.virsh(&["nwfilter-dumpxml", "changing"]);
    let (_, rest) = document.split_once("dstportstart='").unwrap();
    let number: u32 = rest.split('\'').next().unwrap().parse().unwrap();
    let rules = instance.in_network(&["nft", "-nn", "list", "ruleset"]);
    let chains = chains(&rules);
    let led_from = |chain: &str| leads(chains.get(chain).map(Vec::as_slice).unwrap_or_default());
    let guarded: BTreeSet<_> = led_from("frames-from").into_keys().collect();
    assert_eq!(guarded, told.keys().cloned().collect(), "{rules}");
    for (port, _) in told.iter().filter(|(_, filter)| *filter == "changing") {
        let chain = led_from("connections-to").remove(port).unwrap_or_default();
        let inside = chains
            .get(&chain)
            .map(|lines| lines.join("\n"))
            .unwrap_or_default();
        let rule = format!("dport {number} drop");
        assert!(inside.contains(&rule), "{rule} is not before {port}: {rules}");
    }
    // What nothing leads to is left over.
    for (name, lines) in &chains {
        let is_led_to = rules.contains(&format!("jump {name}"));
        let is_base = lines.iter().any(|line| line.contains(" hook "));
        assert!(is_led_to != is_base, "{name}: {rules}");
    }
    if number > NUMBER {
        told.insert("changing".to_owned(), (number - NUMBER).to_string());
    }
    told.remove("vnet0");
    told
}

#[test]
fn nothing_of_filters_is_lost_or_left_and_the_guest_hears_no_silence() {
    let mut host = Host::new();
    let file = host.instance.file("changing.xml", &changing(0));
    host.instance.virsh(&["nwfilter-define", &file]);
    assert!(host.bind("clean-traffic"));
    let ports = ["vnet1", "vnet2", "vnet3"];
    for port in ports {
        let network = host.instance.network();
        network.run_well(&["ip", "tuntap", "add", "dev", port, "mode", "tap"]);
        network.run_well(&["ip", "link", "set", port, "up", "master", "br0"]);
    }
    assert!(host.guest.reaches("10.7.0.9"));
    let talk = Talk::to(&host.guest, "10.7.0.9");
    let subjects = ports.iter().copied().chain(["changing"]);
    let work = RandomKills {
        kills: 100,
        instant: 60..400,
        subjects: subjects.map(|name| (name.to_owned(), Vec::new())).collect(),
        choose: CHOOSE,
    };
    work.run(&mut host.instance, told);
    talk.assert_unbroken();
    // The guest is guarded as it was, by the address that is its own.
    assert_eq!(host.arrive(), super::HONEST, "{MAC}");
    for port in told(&host.instance).keys().filter(|name| *name != "changing") {
        host.instance.virsh(&["nwfilter-binding-delete", port]);
    }
    host.instance.virsh(&["nwfilter-binding-delete", "vnet0"]);
    assert!(!host.rules().contains("vnet"), "{}", host.rules());
}

//! virtnetworkd is killed at random instants while networks come, change and go, and all the while somebody talks through one.

use super::{left_overs, networkd, start};
use end_to_end::{Instance, Lodger, Outside, RandomKills, Talk};
use std::collections::{BTreeMap, BTreeSet};

const TALKED_THROUGH: &str = "<network><name>steady</name><bridge name='virbr77'/><forward/>\
    <bandwidth><inbound average='1000000'/></bandwidth>\
    <ip address='10.77.0.1' prefix='24'><dhcp><range start='10.77.0.2' end='10.77.0.9'/></dhcp></ip></network>";

/// Works on one network: it is `absent`, `defined` or `active`; or on one guest's port of the network that is talked through, which
/// keeps some of its bandwidth for it: it is `absent` or `connected`.
const CHOOSE: &str = r#"
number = int(sys.argv[5])
document = '''<network><name>%s</name><forward mode='route'/><ip address='10.%d.0.1' prefix='24'>
<dhcp><range start='10.%d.0.2' end='10.%d.0.9'/></dhcp></ip></network>''' % (name, number, number, number)
port = '''<networkport><uuid>0a81f5b2-8403-4b23-88d6-21ccc2f80%03d</uuid><owner><name>%s</name>
<uuid>06578fc1-c686-46fa-bc2c-220893b466a6</uuid></owner><mac address='52:54:00:00:00:0%d'/>
<bandwidth><inbound floor='%d'/></bandwidth></networkport>'''
def choose_port(conn, state):
    steady = lambda: conn.networkLookupByName('steady')
    if state == 'absent':
        text = port % (number, name, number, random.randint(1, 9000))
        return 'connected', lambda: steady().portCreateXML(text)
    return 'absent', lambda: steady().portLookupByUUIDString('0a81f5b2-8403-4b23-88d6-21ccc2f80%03d' % number).delete()
def choose(conn, state):
    if name.startswith('p'):
        return choose_port(conn, state)
    net = lambda: conn.networkLookupByName(name)
    if state == 'absent':
        return 'defined', lambda: conn.networkDefineXML(document)
    if state == 'defined':
        if random.random() < 0.7:
            return 'active', lambda: net().create()
        return 'absent', lambda: net().undefine()
    if random.random() < 0.5:
        return 'defined', lambda: net().destroy()
    host = '<host ip="10.%d.%d.%d"><hostname>h%d</hostname></host>' % (
        number, random.randint(1, 250), random.randint(1, 250), random.randint(1, 1 << 30))
    return 'active', lambda: net().update(3, 10, -1, host, 1)
"#;

/// The state of every network, which has to be that of the host as well.
fn told(instance: &Instance) -> BTreeMap<String, String> {
    let listed = instance.virsh(&["net-list", "--all"]);
    let mut told = BTreeMap::new();
    let mut bridges = BTreeSet::new();
    for line in listed.lines().filter(|line| !line.trim().is_empty()) {
        let words: Vec<_> = line.split_whitespace().collect();
        let [name, state, ..] = words.as_slice() else {
            continue;
        };
        let active = *state == "active";
        if active {
            let info = instance.virsh(&["net-info", name]);
            let bridge = info.lines().find_map(|line| line.strip_prefix("Bridge:"));
            bridges.insert(bridge.unwrap().trim().to_owned());
        }
        let state = if active { "active" } else { "defined" };
        told.insert((*name).to_owned(), state.to_owned());
    }
    let links = instance.in_network(&["ip", "-o", "link"]);
    let there: BTreeSet<_> = links
        .lines()
        .filter_map(|line| line.split(": ").nth(1))
        .filter(|name| name.starts_with("virbr"))
        .map(str::to_owned)
        .collect();
    assert_eq!(there, bridges, "bridges are those of active networks");
    let served: BTreeSet<_> = left_overs(instance)
        .into_iter()
        .filter(|line| line.contains("dnsmasq --conf-file="))
        .filter_map(|line| Some(line.split_once("/dnsmasq/")?.1.split_once(".conf")?.0.to_owned()))
        .collect();
    let active: BTreeSet<_> = told
        .iter()
        .filter(|(_, state)| *state == "active")
        .map(|(name, _)| name.clone())
        .collect();
    assert_eq!(served, active, "servers are those of active networks");
    told.extend(ports(instance));
    told
}

/// The guests that are connected to the network that is talked through: each has a class of its bridge, and nobody else has.
fn ports(instance: &Instance) -> Vec<(String, String)> {
    let mut ports = Vec::new();
    let mut classes = BTreeSet::from(["1:1".to_owned(), "1:2".to_owned()]);
    for uuid in instance.virsh(&["net-port-list", "steady"]).split_whitespace() {
        let port = instance.virsh(&["net-port-dumpxml", "steady", uuid]);
        let between = |before: &str, after: char| {
            let (_, rest) = port.split_once(before).unwrap();
            rest.split(after).next().unwrap().to_owned()
        };
        let class: u32 = between("classID='", '\'').parse().unwrap();
        classes.insert(format!("1:{class:x}"));
        ports.push((between("<name>", '<'), "connected".to_owned()));
    }
    let told = instance.in_network(&["tc", "class", "show", "dev", "virbr77"]);
    let there: BTreeSet<_> = told
        .lines()
        .filter_map(|line| Some(line.split_whitespace().nth(2)?.to_owned()))
        .collect();
    assert_eq!(there, classes, "classes are those of connected guests");
    ports
}

#[test]
fn nothing_of_networks_is_lost_or_left_and_nobody_hears_a_silence() {
    let Some(mut instance) = networkd() else { return };
    let _outside = Outside::of(&instance);
    start(&instance, "steady", TALKED_THROUGH);
    let guest = Lodger::on(&instance, "virbr77", "port0");
    guest.lease("talker");
    assert!(guest.network().reaches(Outside::ADDRESS));
    let talk = Talk::to(guest.network(), Outside::ADDRESS);
    let work = RandomKills {
        kills: 100,
        instant: 20..300,
        subjects: ["n101", "n102", "p1", "p2"]
            .map(|name| {
                (
                    name.to_owned(),
                    vec![name.trim_start_matches(['n', 'p']).to_owned()],
                )
            })
            .into(),
        choose: CHOOSE,
    };
    work.run(&mut instance, told);
    talk.assert_unbroken();
    for (name, state) in told(&instance) {
        if state == "active" {
            instance.virsh(&["net-destroy", &name]);
        }
    }
    assert_eq!(left_overs(&instance), Vec::<String>::new());
}

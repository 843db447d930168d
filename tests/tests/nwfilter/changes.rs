//! Filters change under guests that talk: no frame meets half of one, nor none.

use super::{HONEST, Host, Listener, WORDS};
use end_to_end::python;
use std::io::Write;
use std::process::Stdio;

/// Sends a true frame and a false one again and again until its input ends, then tells how many pairs there were.
const TALK: &str = "
import select
pairs = 0
while True:
    v4(own, '10.7.0.2', 'true%d' % pairs); v4(own, '10.7.0.66', 'false%d' % pairs)
    pairs += 1
    if select.select([sys.stdin], [], [], 0.001)[0]: break
v4(own, '10.7.0.2', 'end')
print(pairs)
";

/// Defines a filter so many times, each time in another form that means the same.
const REDEFINE: &str = "
import libvirt, sys
conn = libvirt.open(sys.argv[1])
filter = conn.nwfilterLookupByName('no-ip-spoofing')
document = filter.XMLDesc()
for number in range(int(sys.argv[2])):
    more = \"<rule action='return' direction='out' priority='500'><ip srcipaddr='$IP' protocol='%d'/></rule></filter>\" % (number % 200)
    conn.nwfilterDefineXML(document.replace('</filter>', more))
conn.nwfilterDefineXML(document)
";

#[test]
fn two_hundred_redefinitions_let_no_false_frame_pass_and_stop_no_true_one() {
    let host = Host::new();
    assert!(host.bind("clean-traffic"));
    let mut listener = Listener::at(&host.neighbour);
    let script = format!("{WORDS}\n{TALK}");
    let mut talker = host.guest.command(&["/usr/bin/python3", "-c", &script]);
    let mut talker = talker
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let redefined = python(REDEFINE, &[&host.instance.uri(), "200"]);
    assert!(redefined.success, "{}", redefined.stderr);
    talker.stdin.take().unwrap().write_all(b"\n").unwrap();
    let output = talker.wait_with_output().unwrap();
    let pairs: usize = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap();
    let heard = listener.heard();
    let wanted: Vec<_> = (0..pairs).map(|number| format!("true{number}")).collect();
    assert!(pairs > 200, "{pairs} pairs were sent");
    assert!(
        heard == wanted,
        "{} of {pairs}: {:?}",
        heard.len(),
        heard.iter().find(|name| name.starts_with("false"))
    );
}

#[test]
fn the_next_daemon_guards_what_is_there_and_forgets_what_is_not() {
    let mut host = Host::new();
    let network = host.instance.network();
    network.run_well(&["ip", "tuntap", "add", "dev", "vnet9", "mode", "tap"]);
    assert!(host.bind("clean-traffic"));
    let other = super::binding("vnet9", "clean-traffic", &[("IP", "10.7.0.7")]);
    let file = host.instance.file("other.xml", &other);
    host.instance.virsh(&["nwfilter-binding-create", &file]);
    let bindings = |host: &Host| host.instance.virsh(&["nwfilter-binding-list"]);
    assert!(bindings(&host).contains("vnet9"));

    // Somebody clears the host's rules and a guest ends while the daemon is away.
    host.instance.kill();
    host.instance.network().run_well(&["nft", "flush", "ruleset"]);
    host.instance.network().run_well(&["ip", "link", "del", "vnet9"]);
    host.instance.restart();
    assert!(!bindings(&host).contains("vnet9"), "{}", bindings(&host));
    assert!(!host.rules().contains("vnet9"), "{}", host.rules());
    assert_eq!(host.arrive(), HONEST);

    // While it is there, the next change makes good what is missing.
    host.instance.network().run_well(&["nft", "flush", "ruleset"]);
    let document = host.instance.virsh(&["nwfilter-dumpxml", "no-mac-spoofing"]);
    let file = host.instance.file("same.xml", &document);
    host.instance.virsh(&["nwfilter-define", &file]);
    assert_eq!(host.arrive(), HONEST);
}

//! Network filters under stock clients, with packets of a guest that lies about itself. Everything is in network namespaces of the
//! test's own, which only root can make.
//!
//! ```text
//!   guest  eth0 ─── vnet0 ─ br0 ─ wire ─── eth0  neighbour 10.7.0.9
//! ```
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod changes;
mod gratuitous;
mod kills;
mod learning;
mod sets;

use end_to_end::{Instance, Network, idle_domain};
use std::path::Path;
use std::process::{Child, Stdio};

const MAC: &str = "52:54:00:00:00:07";
const UUID: &str = "5c6d49af-b071-6127-b4ec-6f8ed4b55335";

/// A daemon with the shipped filters on a host with a bridge, a guest and a neighbour.
struct Host {
    instance: Instance,
    guest: Network,
    neighbour: Network,
}

impl Host {
    fn new() -> Self {
        let mut instance = Instance::empty_in_own_network();
        let folder = instance.path("/etc/libvirt/nwfilter");
        std::fs::create_dir_all(&folder).unwrap();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/filters");
        for file in std::fs::read_dir(shipped).unwrap().flatten() {
            std::fs::copy(file.path(), folder.join(file.file_name())).unwrap();
        }
        instance.add("virtnwfilterd");
        let (guest, neighbour) = (Network::new(), Network::new());
        let host = instance.network();
        host.run_well(&["ip", "link", "add", "br0", "type", "bridge"]);
        host.run_well(&["ip", "link", "set", "br0", "up"]);
        host.connect("vnet0", &guest, "eth0");
        host.connect("wire", &neighbour, "eth0");
        for port in ["vnet0", "wire"] {
            host.run_well(&["ip", "link", "set", port, "master", "br0"]);
        }
        guest.run_well(&["ip", "link", "set", "eth0", "address", MAC]);
        guest.run_well(&["ip", "address", "add", "10.7.0.2/24", "dev", "eth0"]);
        neighbour.run_well(&["ip", "address", "add", "10.7.0.9/24", "dev", "eth0"]);
        Self {
            instance,
            guest,
            neighbour,
        }
    }

    fn bind(&self, filter: &str) -> bool {
        self.bind_with(filter, &[("IP", "10.7.0.2")])
    }

    fn bind_with(&self, filter: &str, parameters: &[(&str, &str)]) -> bool {
        let document = binding("vnet0", filter, parameters);
        let file = self.instance.file("binding.xml", &document);
        self.instance
            .try_virsh(&["nwfilter-binding-create", "--validate", &file])
            .success
    }

    fn rules(&self) -> String {
        self.instance
            .network()
            .run_well(&["nft", "-nn", "list", "ruleset"])
    }

    /// Whether what a port sends is led to rules.
    fn guards(&self, port: &str) -> bool {
        self.rules().contains(&format!("\"{port}\" : jump from/"))
    }

    /// Which of the guest's frames arrive at the neighbour.
    fn arrive(&self) -> Vec<String> {
        self.arrive_of(
            "v4(own, '10.7.0.2', 'honest'); v4(other, '10.7.0.2', 'mac'); v4(own, '10.7.0.66', 'ip')\n\
             arp(own, own, '10.7.0.2', 'honest-arp'); arp(own, other, '10.7.0.2', 'arp-mac')\n\
             arp(own, own, '10.7.0.66', 'arp-ip'); v6('ipv6'); raw(0x88b5, 'other')\n",
        )
    }

    /// Which of the frames that these lines of Python send arrive, and how often. A last one, which every filter lets pass, ends it.
    fn arrive_of(&self, lines: &str) -> Vec<String> {
        let mut listener = Listener::at(&self.neighbour);
        self.send(lines);
        self.send("v4(own, '10.7.0.2', 'end')");
        listener.heard()
    }

    /// Has the guest send frames, in words of [`WORDS`].
    fn send(&self, lines: &str) {
        send(&self.guest, lines);
    }
}

/// Has somebody send frames, in words of [`WORDS`].
fn send(network: &Network, lines: &str) {
    network.run_well(&["/usr/bin/python3", "-c", &format!("{WORDS}\n{lines}")]);
}

/// Who writes down which frames arrive; frames carry their names.
struct Listener {
    process: Child,
    said: std::io::BufReader<std::process::ChildStdout>,
}

impl Listener {
    fn at(network: &Network) -> Self {
        let listen = "import re, socket, sys\n\
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)); s.bind(('eth0', 0)); s.settimeout(60)\n\
            s.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)\n\
            print('ready', flush=True)\n\
            while True:\n\
            \x20   frame = s.recv(2048)\n\
            \x20   name = re.search(rb'<([a-z0-9-]+)>', frame)\n\
            \x20   if name:\n\
            \x20       name = name.group(1).decode()\n\
            \x20       if name == 'end': break\n\
            \x20       print(name, flush=True)\n";
        let mut process = network.command(&["/usr/bin/python3", "-c", listen]);
        let mut process = process.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = std::io::BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut said, &mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self { process, said }
    }

    /// What arrived until the end.
    fn heard(&mut self) -> Vec<String> {
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.said, &mut rest).unwrap();
        assert!(self.process.wait().unwrap().success());
        rest.lines().map(str::to_owned).collect()
    }
}

/// How frames are sent: packets of IPv4 and ARP, of addresses that are true or not, answers of DHCP, and others.
const WORDS: &str = "import socket, struct, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('eth0', 0))
own, other = bytes.fromhex('525400000007'), bytes.fromhex('525400000099')
ip = socket.inet_aton; every = b'\\xff' * 6
def udp(to, mac, source, ports, data):
    def header(check): return struct.pack('!BBHHHBBH4s4s', 0x45, 0, 28 + len(data), 0, 0, 64, 17, check, ip(source), ip('10.7.0.9'))
    total = sum(struct.unpack('!10H', header(0)))
    s.send(to + mac + b'\\x08\\x00' + header(~(total % 65535) & 65535) + struct.pack('!HHHH', *ports, 8 + len(data), 0) + data)
def named(name): return b'<' + name.encode() + b'>'
def v4(mac, source, name): udp(every, mac, source, (5000, 5000), named(name))
def arp(mac, inner, source, name, target='10.7.0.9'):
    body = struct.pack('!HHBBH6s4s6s4s', 1, 0x800, 6, 4, 2, inner, ip(source), every, ip(target))
    s.send(every + mac + b'\\x08\\x06' + body + named(name))
def raw(kind, name): s.send(every + own + struct.pack('!H', kind) + named(name) + b'\\0' * 60)
def v6(name): s.send(every + own + b'\\x86\\xdd' + struct.pack('!IHBB', 0x60000000, 6, 59, 64) + b'\\xfd' * 32 + named(name))
def ack(mac, server, address, seconds):
    message = struct.pack('!BBBBIHH4s4s4s4s16s64s128s', 2, 1, 6, 0, 1, 0, 0, ip('0.0.0.0'), ip(address), ip('0.0.0.0'), ip('0.0.0.0'), own, b'', b'')
    options = bytes.fromhex('63825363350105') + b'\\x33\\x04' + struct.pack('!I', seconds) + b'\\x36\\x04' + ip(server) + b'\\xff'
    udp(own, mac, server, (67, 68), message + options)
";

/// A binding of the guest's at a port.
fn binding(port: &str, filter: &str, parameters: &[(&str, &str)]) -> String {
    let parameters: String = parameters
        .iter()
        .map(|(name, value)| format!("<parameter name='{name}' value='{value}'/>"))
        .collect();
    format!(
        "<filterbinding><owner><name>g</name><uuid>{UUID}</uuid></owner><portdev name='{port}'/>\
         <mac address='{MAC}'/><filterref filter='{filter}'>{parameters}</filterref></filterbinding>"
    )
}

const ALL: [&str; 8] = [
    "honest",
    "mac",
    "ip",
    "honest-arp",
    "arp-mac",
    "arp-ip",
    "ipv6",
    "other",
];
const HONEST: [&str; 2] = ["honest", "honest-arp"];

#[test]
fn of_a_guest_that_lies_only_what_is_true_arrives_and_without_a_filter_everything() {
    let mut host = Host::new();
    assert_eq!(host.arrive(), ALL);
    assert!(host.bind("clean-traffic"));
    assert_eq!(host.arrive(), HONEST);
    assert!(!host.bind("clean-traffic"), "a port has one filter");
    let listed = host.instance.virsh(&["nwfilter-binding-list"]);
    assert!(
        listed.contains("vnet0") && listed.contains("clean-traffic"),
        "{listed}"
    );

    // Rules outlive the daemon, and the next one finds what they belong to.
    let before = host.rules();
    host.instance.kill();
    assert_eq!(host.arrive(), HONEST);
    host.instance.restart();
    assert_eq!(host.rules(), before);
    assert_eq!(host.arrive(), HONEST);

    // A changed filter holds at once for those that include it.
    let uuid = |name: &str| {
        let told = host.instance.virsh(&["nwfilter-dumpxml", name]);
        let (_, rest) = told.split_once("<uuid>").unwrap();
        rest.split_once("</uuid>").unwrap().0.to_owned()
    };
    let open = format!(
        "<filter name='no-mac-spoofing' chain='mac'><uuid>{}</uuid></filter>",
        uuid("no-mac-spoofing")
    );
    let file = host.instance.file("open.xml", &open);
    host.instance.virsh(&["nwfilter-define", &file]);
    assert_eq!(host.arrive(), ["honest", "mac", "honest-arp"]);

    // What cannot be is refused, and what holds stays.
    let text = |inside: &str| {
        format!(
            "<filter name='no-ip-spoofing' chain='ipv4-ip'><uuid>{}</uuid>{inside}</filter>",
            uuid("no-ip-spoofing")
        )
    };
    for (inside, words) in [
        ("<filterref filter='clean-traffic'/>", "would include itself"),
        ("<filterref filter='no-such'/>", "'no-such' is missing"),
        (
            "<rule action='drop' direction='out'><ip srcipaddr='$NOPE'/></rule>",
            "variables NOPE",
        ),
    ] {
        let file = host.instance.file("bad.xml", &text(inside));
        let refused = host.instance.try_virsh(&["nwfilter-define", &file]);
        assert!(!refused.success && refused.stderr.contains(words), "{refused:?}");
    }
    let refused = host.instance.try_virsh(&["nwfilter-undefine", "no-ip-spoofing"]);
    assert!(refused.stderr.contains("in use"), "{refused:?}");
    assert_eq!(host.arrive(), ["honest", "mac", "honest-arp"]);

    host.instance.virsh(&["nwfilter-binding-delete", "vnet0"]);
    assert_eq!(host.arrive(), ALL);
    assert!(!host.rules().contains("vnet0"), "{}", host.rules());
}

/// virtqemud has a guest's tap guarded as long as the guest runs, whichever daemon is killed meanwhile.
#[test]
fn the_tap_of_a_guest_is_guarded_as_long_as_the_guest_runs() {
    let mut host = Host::new();
    host.instance.add("virtqemud");
    let network = host.instance.network();
    network.run_well(&["ip", "link", "del", "vnet0"]);
    let domain = |filter: &str| {
        let interface = format!(
            "<interface type='bridge'><mac address='{MAC}'/><source bridge='br0'/><model type='virtio'/>\
             <filterref filter='{filter}'><parameter name='IP' value='10.7.0.2'/></filterref></interface>"
        );
        idle_domain("guarded").replace("<serial type='pty'/>", &interface)
    };
    let start = |filter: &str| {
        let file = host.instance.file("guarded.xml", &domain(filter));
        host.instance.daemon("virtqemud").try_virsh(&["create", &file])
    };
    let refused = start("no-such-filter");
    assert!(
        refused.stderr.contains("'no-such-filter' is missing"),
        "{refused:?}"
    );
    assert!(!network.run_well(&["ip", "-o", "link"]).contains("vnet"));
    let started = start("clean-traffic");
    assert!(started.success, "{started:?}");
    let bindings = |host: &Host| {
        host.instance
            .daemon("virtqemud")
            .virsh(&["nwfilter-binding-list"])
    };
    assert!(bindings(&host).contains("vnet0"), "{}", bindings(&host));
    for daemon in ["virtnwfilterd", "virtqemud"] {
        host.instance.daemon_mut(daemon).kill();
        host.instance.daemon_mut(daemon).restart();
        assert!(bindings(&host).contains("vnet0"), "{daemon}: {}", bindings(&host));
        assert!(host.guards("vnet0"), "{daemon}");
    }
    host.instance.daemon("virtqemud").virsh(&["destroy", "guarded"]);
    assert!(!bindings(&host).contains("vnet0"), "{}", bindings(&host));
    assert!(!host.guards("vnet0"), "{}", host.rules());
}

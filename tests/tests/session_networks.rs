//! A user's own virtnetworkd: `network:///session`, under stock virsh. He keeps networks, and starts those for which nothing of the
//! host's has to change, as libvirt has it; what takes powers that he lacks is refused, and leaves nothing behind.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Outcome, User};
use std::path::Path;

const URI: &str = "network:///session?mode=direct";

/// A network that is a bridge which the host has already.
const BRIDGED: &str =
    "<network><name>bridged</name><forward mode='bridge'/><bridge name='fv-no-such-br'/></network>";

/// A network that takes a bridge of its own, rules and dnsmasq.
const NAT: &str = "<network><name>nat</name><forward mode='nat'/><bridge name='fv-session-br'/>\
    <ip address='192.168.222.1' netmask='255.255.255.0'><dhcp><range start='192.168.222.2' end='192.168.222.9'/></dhcp></ip>\
    </network>";

struct Session {
    user: User,
}

impl Session {
    fn new() -> Self {
        let mut user = User::new();
        user.start("virtnetworkd");
        Self { user }
    }

    fn virsh(&self, arguments: &[&str]) -> String {
        self.user.virsh(URI, arguments)
    }

    fn refused(&self, arguments: &[&str], words: &str) {
        let outcome = self.user.try_virsh(URI, arguments);
        assert!(
            !outcome.success && outcome.stderr.contains(words),
            "{arguments:?}: {words}: {outcome:?}"
        );
    }

    fn define(&self, document: &str) {
        let file = self.user.file("network.xml", document);
        self.virsh(&["net-define", file.to_str().unwrap()]);
    }

    /// The names of networks that are active.
    fn active(&self) -> Vec<String> {
        let listed = self.virsh(&["net-list", "--name"]);
        listed.split_whitespace().map(str::to_owned).collect()
    }
}

#[test]
fn a_user_keeps_networks_of_his_own() {
    let mut session = Session::new();
    assert!(session.virsh(&["uri"]).starts_with("network:///session"));
    assert_eq!(session.virsh(&["net-list", "--all", "--name"]).trim(), "");
    session.define(NAT);
    let file = session.user.home().join(".config/libvirt/qemu/networks/nat.xml");
    assert!(file.exists());
    session.virsh(&["net-autostart", "nat"]);
    let host = "<host mac='52:54:00:00:00:01' ip='192.168.222.5'/>";
    session.virsh(&["net-update", "nat", "add", "ip-dhcp-host", host, "--config"]);
    let info = session.virsh(&["net-info", "nat"]);
    for (what, is) in [("Active", "no"), ("Persistent", "yes"), ("Autostart", "yes")] {
        let line = info.lines().find(|line| line.starts_with(what)).unwrap();
        assert!(line.ends_with(is), "{info}");
    }

    // The first daemon after a start of the host finds it, cannot start it, and serves all the same.
    session.user.kill();
    std::fs::remove_dir_all(session.user.home().join("run/libvirt")).unwrap();
    session.user.start("virtnetworkd");
    assert!(session.virsh(&["net-dumpxml", "nat"]).contains("192.168.222.5"));
    assert_eq!(session.active(), Vec::<String>::new());
    session.virsh(&["net-undefine", "nat"]);
    assert!(!file.exists());
    session.refused(&["net-dumpxml", "nat"], "nat");
}

#[test]
fn what_takes_powers_is_refused_and_leaves_nothing() {
    let session = Session::new();
    session.define(NAT);
    session.refused(&["net-start", "nat"], "Operation not permitted");
    assert_eq!(session.active(), Vec::<String>::new());
    let links = Outcome::of(std::process::Command::new("ip").args(["-o", "link"]));
    assert!(
        links.success && !links.stdout.contains("fv-session-br"),
        "{links:?}"
    );
    let left: Vec<_> = files_below(&session.user.home().join("run"))
        .into_iter()
        .filter(|path| path.contains("nat"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
    let file = session.user.file("transient.xml", NAT);
    session.virsh(&["net-undefine", "nat"]);
    session.refused(&["net-create", file.to_str().unwrap()], "Operation not permitted");
    assert_eq!(session.virsh(&["net-list", "--all", "--name"]).trim(), "");
}

fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files_below(&entry.path())),
            false => found.push(entry.file_name().to_string_lossy().into_owned()),
        }
    }
    found
}

#[test]
fn a_network_that_changes_nothing_of_the_host_is_started_and_adopted() {
    let mut session = Session::new();
    session.define(BRIDGED);
    session.virsh(&["net-start", "bridged"]);
    assert_eq!(session.active(), ["bridged"]);
    session.refused(&["net-start", "bridged"], "already active");
    session.user.kill();
    session.user.start("virtnetworkd");
    assert_eq!(session.active(), ["bridged"]);
    session.virsh(&["net-destroy", "bridged"]);
    session.virsh(&["net-undefine", "bridged"]);
    assert_eq!(session.virsh(&["net-list", "--all", "--name"]).trim(), "");
}

/// His daemon is not the system's: each answers for its own networks alone.
#[test]
fn the_systems_networks_are_not_his() {
    let session = Session::new();
    let socket = session.user.socket("virtnetworkd");
    let system = format!("network+unix:///system?socket={}", socket.display());
    let outcome = session.user.try_virsh(&system, &["net-list"]);
    assert!(!outcome.success, "{outcome:?}");
    assert!(outcome.stderr.contains("try network:///session"), "{outcome:?}");
}

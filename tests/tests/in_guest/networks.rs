//! virtnetworkd as installed: a network's bridge, rules and dnsmasq under what its service may do.

use crate::host::{daemon, run, systemctl, try_run, wait_for};
use std::fs;

const NAME: &str = "tested";
const BRIDGE: &str = "virbr-tested";
const DOCUMENT: &str = "<network><name>tested</name><bridge name='virbr-tested'/><forward mode='nat'/>\
                        <ip address='192.168.231.1' netmask='255.255.255.0'><dhcp>\
                        <range start='192.168.231.2' end='192.168.231.254'/></dhcp></ip></network>";

fn network(arguments: &[&str]) -> String {
    let uri = ["-q", "-c", "network:///system"];
    run("virsh", &[&uri, arguments].concat())
}

/// The process that serves the network's leases; zero if none does.
fn dnsmasq() -> u32 {
    let told = try_run("pgrep", &["--full", &format!("dnsmasq.*/{NAME}.conf")]).stdout;
    let pids = told.lines().filter_map(|pid| pid.parse().ok());
    // It has a helper of root's beside it, which it starts later.
    pids.min().unwrap_or(0)
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn a_network_of_the_installed_daemon_serves_and_is_adopted() {
    let file = "/run/tested-network.xml";
    fs::write(file, DOCUMENT).unwrap();
    // Where the host's resolver has not run yet, what /etc/resolv.conf leads to has no folder, which dnsmasq does not bear.
    fs::create_dir_all("/run/systemd/resolve").unwrap();
    network(&["net-define", file]);
    network(&["net-start", NAME]);
    assert!(run("ip", &["addr", "show", BRIDGE]).contains("192.168.231.1/24"));
    assert!(run("nft", &["list", "ruleset"]).contains(BRIDGE));
    let serving = dnsmasq();
    assert_ne!(serving, 0);

    // As a crash would end it; systemd starts it anew, and what serves goes on.
    let daemon = daemon("virtnetworkd");
    let pid = daemon.pid();
    systemctl(&["kill", "--kill-who=main", "--signal=KILL", &daemon.service()]);
    wait_for("systemd to start virtnetworkd anew", || {
        (daemon.is_active() && daemon.pid() != pid).then_some(())
    });
    assert!(network(&["net-list"]).contains(NAME));
    assert_eq!(dnsmasq(), serving);

    network(&["net-destroy", NAME]);
    network(&["net-undefine", NAME]);
    assert!(!try_run("ip", &["link", "show", BRIDGE]).success);
    assert!(!run("nft", &["list", "ruleset"]).contains(BRIDGE));
    assert_eq!(dnsmasq(), 0);
}

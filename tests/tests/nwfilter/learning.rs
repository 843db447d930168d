//! Addresses of guests that nobody has told: of the first frame that tells one, or of what a server leases.

use super::{HONEST, Host, send};
use end_to_end::{Network, wait_for};
use std::process::{Child, Stdio};

/// A server of DHCP, which ends with the value.
struct Server(Child);

impl Server {
    /// dnsmasq at the neighbour's card.
    fn at(network: &Network, folder: &std::path::Path) -> Self {
        let leases = format!("--dhcp-leasefile={}", folder.join("leases").display());
        let server = network
            .command(&[
                "dnsmasq",
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--port=0",
                "--user=root",
                "--pid-file=",
                "--no-ping",
            ])
            .args([
                "--interface=eth0",
                "--bind-interfaces",
                "--dhcp-range=10.7.0.50,10.7.0.60,5m",
                &leases,
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The guest has its address no longer.
fn without_address(host: &Host) {
    host.guest.run_well(&["ip", "address", "flush", "dev", "eth0"]);
}

#[test]
fn the_first_address_that_a_guest_uses_is_its_own_for_good() {
    let mut host = Host::new();
    without_address(&host);
    assert!(host.bind_with("clean-traffic", &[]));
    // Before it is known nothing leaves: the first of many honest ones tells it, and later ones arrive.
    let heard = host.arrive_of(
        "raw(0x88b5, 'other'); v6('ipv6'); v4(other, '10.7.0.66', 'mac'); arp(own, other, '10.7.0.66', 'arp-mac')\n\
         for number in range(60): v4(own, '10.7.0.2', 'again'); time.sleep(0.05)\n",
    );
    assert!(
        !heard.is_empty() && heard.iter().all(|name| name == "again"),
        "{heard:?}"
    );
    assert_eq!(host.arrive(), HONEST);
    assert!(host.rules().contains("10.7.0.2"), "{}", host.rules());

    // The next daemon knows it still, and so does a changed filter.
    host.instance.kill();
    host.instance.restart();
    assert_eq!(host.arrive(), HONEST);
    let document = host.instance.virsh(&["nwfilter-dumpxml", "no-arp-mac-spoofing"]);
    let file = host.instance.file("same.xml", &document);
    host.instance.virsh(&["nwfilter-define", &file]);
    assert_eq!(host.arrive(), HONEST);

    // A new binding is for whoever is there now.
    host.instance.virsh(&["nwfilter-binding-delete", "vnet0"]);
    assert!(host.bind_with("clean-traffic", &[("CTRL_IP_LEARNING", "any")]));
    assert!(!host.rules().contains("10.7.0.2"), "{}", host.rules());
    host.instance.virsh(&["nwfilter-binding-delete", "vnet0"]);

    for (parameters, what) in [
        ([("CTRL_IP_LEARNING", "none")], "none"),
        ([("CTRL_IP_LEARNING", "maybe")], "maybe"),
    ] {
        assert!(!host.bind_with("clean-traffic", &parameters), "{what}");
    }
}

#[test]
fn a_guest_has_the_addresses_that_servers_lease_it_as_long_as_they_do() {
    let mut host = Host::new();
    without_address(&host);
    host.guest.run_well(&["ip", "link", "set", "lo", "up"]);
    let learning = [("CTRL_IP_LEARNING", "dhcp"), ("DHCPSERVER", "10.7.0.9")];
    assert!(host.bind_with("clean-traffic", &learning));

    // What it says of itself is nothing, be it in a server's words; nor is what others say who are no servers of its.
    host.send("v4(own, '10.7.0.66', 'lie'); ack(own, '10.7.0.9', '10.7.0.66', 3600)");
    send(&host.neighbour, "ack(other, '10.7.0.8', '10.7.0.67', 3600)");

    let _server = Server::at(&host.neighbour, host.instance.root());
    let script = "#!/bin/sh\n[ \"$1\" = bound ] || exit 0\nip address replace \"$ip/$mask\" dev \"$interface\"\necho \"$ip\"\n";
    let script = host.instance.file("leased", script);
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let said = host.guest.run_well(&[
        "busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "20", "-T", "1", "-s", &script,
    ]);
    let address = said.split_whitespace().last().unwrap().to_owned();
    assert!(
        address.starts_with("10.7.0.5") || address == "10.7.0.60",
        "{said}"
    );
    wait_for("the guest to be let through", || {
        host.guest.reaches("10.7.0.9").then_some(())
    });
    for lie in ["10.7.0.66", "10.7.0.67"] {
        assert!(!host.rules().contains(lie), "{lie}: {}", host.rules());
    }
    host.guest
        .run_well(&["ip", "address", "add", "10.7.0.66/24", "dev", "eth0"]);
    let from = |host: &Host, address: &str| {
        host.guest
            .run(&["busybox", "ping", "-c", "1", "-W", "2", "-I", address, "10.7.0.9"])
            .success
    };
    assert!(!from(&host, "10.7.0.66") && from(&host, &address));

    // Leases outlive the daemon and the binding.
    host.instance.kill();
    host.instance.restart();
    assert!(from(&host, &address));
    host.instance.virsh(&["nwfilter-binding-delete", "vnet0"]);
    assert!(host.bind_with("clean-traffic", &learning));
    assert!(from(&host, &address));

    // A second address, for two seconds.
    let is_known = |host: &Host| host.rules().contains("10.7.0.78");
    wait_for("the second address", || {
        send(&host.neighbour, "ack(other, '10.7.0.9', '10.7.0.78', 2)");
        is_known(&host).then_some(())
    });
    wait_for("its end", || (!is_known(&host)).then_some(()));
    assert!(from(&host, &address));
}

//! A host with networks for guests, a guest, and the world outside, each a network name space.
//!
//! ```text
//!   guest  eth0 ─── port of a bridge ─ host ─ out0 ─── eth0  outside 203.0.113.2, 2001:db8::2
//! ```

use crate::{Instance, Network};
use std::path::PathBuf;

/// The world outside, which knows no way to guests.
#[derive(Debug)]
pub struct Outside(pub Network);

impl Outside {
    /// Its own address.
    pub const ADDRESS: &'static str = "203.0.113.2";
    /// Its own address of IPv6.
    pub const ADDRESS_V6: &'static str = "2001:db8::2";
    /// The host's.
    pub const HOST: &'static str = "203.0.113.1";
    /// The host's of IPv6.
    pub const HOST_V6: &'static str = "2001:db8::1";

    /// Puts it beside the network of an instance's daemons.
    ///
    /// # Panics
    /// When that cannot be made.
    pub fn of(instance: &Instance) -> Self {
        let outside = Network::new();
        let host = instance.network();
        host.run_well(&["ip", "link", "set", "lo", "up"]);
        host.connect("out0", &outside, "eth0");
        for (network, link, v4, v6) in [
            (host, "out0", Self::HOST, Self::HOST_V6),
            (&outside, "eth0", Self::ADDRESS, Self::ADDRESS_V6),
        ] {
            network.run_well(&["ip", "address", "add", &format!("{v4}/24"), "dev", link]);
            network.run_well(&["ip", "address", "add", &format!("{v6}/64"), "dev", link, "nodad"]);
        }
        Self(outside)
    }
}

/// What stands for a guest: somebody else's kernel on the other end of a cable.
#[derive(Debug)]
pub struct Lodger {
    network: Network,
    script: PathBuf,
}

impl Lodger {
    /// Plugs one into a bridge of the host's, by a link `port` there.
    ///
    /// # Panics
    /// When that cannot be made.
    pub fn on(instance: &Instance, bridge: &str, port: &str) -> Self {
        let network = Network::new();
        let host = instance.network();
        host.connect(port, &network, "eth0");
        host.run_well(&["ip", "link", "set", port, "master", bridge]);
        network.run_well(&["ip", "link", "set", "lo", "up"]);
        let script = "#!/bin/sh\n[ \"$1\" = bound ] || exit 0\n\
                      ip address add \"$ip/$mask\" dev \"$interface\"\n\
                      [ -z \"$router\" ] || ip route replace default via \"$router\"\n\
                      echo \"$ip $router $dns $domain\"\n";
        let script = PathBuf::from(instance.file("leased", script));
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("the script");
        Self { network, script }
    }

    /// Its network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The address of its card.
    pub fn mac(&self) -> String {
        let told = self.network.run_well(&["ip", "-o", "link", "show", "eth0"]);
        let (_, rest) = told.split_once("link/ether ").expect("a card");
        rest.split(' ').next().unwrap_or_default().to_owned()
    }

    /// Asks a server for the address of a name; gives what is said.
    ///
    /// # Panics
    /// When there is none.
    pub fn look_up(&self, name: &str, server: &str) -> String {
        self.network
            .run_well(&["busybox", "nslookup", "-type=a", name, server])
    }

    /// Asks for an address, calling itself `name`; gives address, router, name server and domain as it was told them.
    ///
    /// # Panics
    /// When it gets none.
    pub fn lease(&self, name: &str) -> Vec<String> {
        let script = self.script.display().to_string();
        let name = format!("hostname:{name}");
        let said = self.network.run_well(&[
            "busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "10", "-T", "1", "-x", &name, "-s",
            &script,
        ]);
        said.split_whitespace().map(str::to_owned).collect()
    }
}

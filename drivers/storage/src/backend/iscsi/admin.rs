//! The words of iscsiadm.

use crate::failure::argument;
use crate::sysfs::Sysfs;
use error::Result;
use std::path::Path;
use tool::{Cancel, Tool};
use uuid::Uuid;

/// What a portal listens on where nobody says otherwise.
const PORT: u16 = 3260;

/// How the names of interfaces begin that are made here, as libvirt's do.
pub(super) const OWN_INTERFACE: &str = "libvirt-iface-";

/// Where a target is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Portal {
    host: String,
    port: u16,
}

impl Portal {
    pub(super) fn of(host: &str, port: Option<u16>) -> Result<Self> {
        match port {
            Some(0) => Err(argument("a portal has no port 0")),
            port => Ok(Self {
                host: host.to_owned(),
                port: port.unwrap_or(PORT),
            }),
        }
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    fn word(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// A target at a portal, as iscsiadm keeps a record of it.
#[derive(Debug)]
pub(super) struct Node<'a> {
    pub portal: &'a Portal,
    pub target: &'a str,
    /// The initiator's interface, if not the one that all use.
    pub interface: Option<&'a str>,
}

impl Node<'_> {
    fn tool(&self) -> Tool {
        let interface = self.interface.into_iter().flat_map(|name| ["--interface", name]);
        Tool::new("iscsiadm")
            .with(["--mode", "node"])
            .with(["--portal", &self.portal.word()])
            .with(["--targetname", self.target])
            .with(interface)
    }

    /// Makes the record.
    pub(super) fn add(&self) -> Tool {
        self.tool().with(["--op", "new"])
    }

    /// Removes the record.
    pub(super) fn remove(&self) -> Tool {
        self.tool().with(["--op", "delete"])
    }

    /// Changes something in the record.
    pub(super) fn set(&self, name: &str, value: &str) -> Tool {
        self.tool()
            .with(["--op", "update", "--name", name, "--value", value])
    }

    pub(super) fn log_in(&self) -> Tool {
        self.tool().with(["--login"])
    }

    pub(super) fn log_out(&self) -> Tool {
        self.tool().with(["--logout"])
    }
}

/// Has a session look for LUNs that came. Whoever does so waits in the kernel where the target hangs, and can then not be ended: that
/// is to be a program, which the daemon need not outlive.
pub(super) fn rescan(session: u32) -> Tool {
    Tool::new("iscsiadm")
        .with(["--mode", "session"])
        .with(["--sid".to_owned(), session.to_string()])
        .with(["--rescan"])
}

/// Has the kernel's initiator loaded, where the service manager is who may do that: iscsiadm would do it by itself, but not with the
/// little power that the daemon's unit leaves to it.
pub(super) fn load_initiator(sysfs: &Sysfs, cancel: &Cancel) {
    if sysfs.path("class/iscsi_transport/tcp").exists() || !Path::new("/run/systemd/system").exists() {
        return;
    }
    let asked = Tool::new("systemctl")
        .with(["start", "modprobe@iscsi_tcp.service"])
        .run(cancel);
    if let Err(err) = asked {
        // What that means iscsiadm will say.
        tracing::warn!(%err, "the initiator cannot be loaded");
    }
}

/// Asks a portal for its targets.
pub(super) fn discover(portal: &Portal, interface: Option<&str>) -> Tool {
    Tool::new("iscsiadm")
        .with(["--mode", "discovery", "--type", "sendtargets"])
        .with(["--portal", &portal.word()])
        .with(interface.into_iter().flat_map(|name| ["--interface", name]))
        // Nobody asked for records of them.
        .with(["--op", "nonpersistent"])
}

/// The targets in what it tells: `192.0.2.1:3260,1 iqn...` each, one that several portals have several times.
pub(super) fn targets(told: &str) -> Vec<String> {
    let mut targets = Vec::new();
    for line in told.lines() {
        if let Some((_, target)) = line.trim().split_once(' ')
            && !targets.iter().any(|known| known == target)
        {
            targets.push(target.to_owned());
        }
    }
    targets
}

/// The interface of an initiator's name, which is made where there is none.
pub(super) fn interface(initiator: &str, cancel: &Cancel) -> Result<String> {
    let iscsiadm = || Tool::new("iscsiadm").with(["--mode", "iface"]);
    let known = iscsiadm().run(cancel)?;
    if let Some(name) = interface_of(&known, initiator) {
        return Ok(name);
    }
    let unique = Uuid::new_v4().simple().to_string();
    let name = format!("{OWN_INTERFACE}{}", unique.get(..8).unwrap_or_default());
    let own = || iscsiadm().with(["--interface", &name]);
    own().with(["--op", "new"]).run(cancel)?;
    let named = own()
        .with([
            "--op",
            "update",
            "--name",
            "iface.initiatorname",
            "--value",
            initiator,
        ])
        .run(cancel);
    if named.is_err() {
        let _ = own().with(["--op", "delete"]).run(cancel);
    }
    named.map(|_| name)
}

/// The interface in a list of `name transport,hardware address,address,device,initiator` each.
fn interface_of(told: &str, initiator: &str) -> Option<String> {
    told.lines().find_map(|line| {
        let (name, facts) = line.split_once(' ')?;
        let is_it = facts.split(',').nth(4) == Some(initiator);
        is_it.then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portal_is_one_word() {
        for (host, port, word) in [
            ("iscsi.example.com", None, "iscsi.example.com:3260"),
            ("192.0.2.1", Some(860), "192.0.2.1:860"),
            ("2001:db8::1", None, "[2001:db8::1]:3260"),
        ] {
            assert_eq!(Portal::of(host, port).unwrap().word(), word);
        }
        assert!(Portal::of("h", Some(0)).is_err());
    }

    #[test]
    fn targets_are_told_once() {
        let told = "192.0.2.1:3260,1 iqn.2013-06.com.example:a\n192.0.2.2:3260,2 iqn.2013-06.com.example:a\n\
                    [2001:db8::1]:3260,1 iqn.2013-06.com.example:b\n";
        let names = ["iqn.2013-06.com.example:a", "iqn.2013-06.com.example:b"];
        assert_eq!(targets(told), names);
    }

    #[test]
    fn an_interface_is_known_by_its_initiator() {
        let told = "default tcp,<empty>,<empty>,<empty>,<empty>\n\
                    libvirt-iface-03020100 tcp,<empty>,<empty>,<empty>,iqn.2004-06.example:example1:initiator\n";
        let known = interface_of(told, "iqn.2004-06.example:example1:initiator");
        assert_eq!(known.as_deref(), Some("libvirt-iface-03020100"));
        assert_eq!(interface_of(told, "iqn.2004-06.example:example1"), None);
    }

    #[test]
    fn words_are_in_their_order() {
        let portal = Portal::of("h", None).unwrap();
        let node = Node {
            portal: &portal,
            target: "iqn.t",
            interface: Some("i"),
        };
        let words = node.set("node.startup", "manual").words().join(" ");
        assert_eq!(
            words,
            "iscsiadm --mode node --portal h:3260 --targetname iqn.t --interface i --op update \
             --name node.startup --value manual"
        );
        let words = rescan(3).words().join(" ");
        assert_eq!(words, "iscsiadm --mode session --sid 3 --rescan");
    }
}

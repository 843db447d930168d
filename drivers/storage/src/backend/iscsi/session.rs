//! Sessions with targets, as the kernel tells of them.

use super::admin::OWN_INTERFACE;
use crate::sysfs::Sysfs;
use std::net::IpAddr;

/// A session, which is a SCSI host.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub number: u32,
    /// The number of that host.
    pub host: u32,
    /// The initiator's interface, if not the one that all use.
    pub interface: Option<String>,
    /// Whether the target answers, as far as the kernel has noticed: where it does not, the kernel keeps whoever reads or writes
    /// waiting for some minutes.
    pub answers: bool,
}

impl Session {
    /// The session with a target, as an initiator of that name if it matters, at a server.
    pub(super) fn find(sysfs: &Sysfs, target: &str, initiator: Option<&str>, server: &str) -> Option<Self> {
        sysfs
            .entries("class/iscsi_session")
            .iter()
            .filter_map(|session| {
                let told = |name: &str| sysfs.attribute(format!("class/iscsi_session/{session}/{name}"));
                let is_it = told("targetname").as_deref() == Some(target)
                    && match initiator {
                        Some(name) => told("initiatorname").as_deref() == Some(name),
                        // Those are other pools'.
                        None => !told("ifacename").is_some_and(|name| name.starts_with(OWN_INTERFACE)),
                    }
                    && is_at(sysfs, session, server);
                is_it.then(|| Self::of(sysfs, session, told("ifacename")))?
            })
            .next()
    }

    fn of(sysfs: &Sysfs, session: &str, interface: Option<String>) -> Option<Self> {
        Some(Self {
            number: session.strip_prefix("session")?.parse().ok()?,
            host: sysfs.host_of(format!("class/iscsi_session/{session}"))?,
            interface: interface.filter(|name| !matches!(name.as_str(), "" | "default" | "<NULL>")),
            answers: sysfs
                .attribute(format!("class/iscsi_session/{session}/state"))
                .is_none_or(|state| state == "LOGGED_IN"),
        })
    }
}

/// Whether a session is with a server. What is known by a name may have any address, and a target of that name is believed then.
fn is_at(sysfs: &Sysfs, session: &str, server: &str) -> bool {
    let Ok(server) = server.parse::<IpAddr>() else {
        return true;
    };
    let number = session.trim_start_matches("session");
    let told = |name: &str| {
        let address = sysfs.attribute(format!("class/iscsi_connection/connection{number}:0/{name}"))?;
        address.parse::<IpAddr>().ok()
    };
    let addresses = [told("persistent_address"), told("address")];
    // What tells no address is taken at its name, too.
    addresses.iter().all(Option::is_none) || addresses.contains(&Some(server))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_session_is_found_by_who_is_at_its_ends() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for class in ["iscsi_session", "iscsi_connection"] {
            fs::create_dir_all(root.join("class").join(class)).unwrap();
        }
        for (number, initiator, interface, address) in [
            (1, "iqn.host", "default", "192.0.2.1"),
            (2, "iqn.own", "libvirt-iface-03020100", "192.0.2.2"),
        ] {
            let device = format!("devices/platform/host{}/session{number}", number + 5);
            let session = format!("{device}/iscsi_session/session{number}");
            let connection = format!("{device}/connection{number}:0/iscsi_connection/connection{number}:0");
            fs::create_dir_all(root.join(&session)).unwrap();
            fs::create_dir_all(root.join(&connection)).unwrap();
            for (file, text) in [
                (format!("{session}/targetname"), "iqn.t\n"),
                (format!("{session}/initiatorname"), initiator),
                (format!("{session}/ifacename"), interface),
                (format!("{connection}/persistent_address"), address),
            ] {
                fs::write(root.join(file), text).unwrap();
            }
            let link = |class: &str, name: String, to: &str| {
                symlink(format!("../../{to}"), root.join("class").join(class).join(name)).unwrap();
            };
            link("iscsi_session", format!("session{number}"), &session);
            link("iscsi_connection", format!("connection{number}:0"), &connection);
        }
        let sysfs = Sysfs::below(root);
        let host = |target, initiator, server| {
            Session::find(&sysfs, target, initiator, server).map(|session| session.host)
        };
        assert_eq!(host("iqn.t", None, "server"), Some(6));
        assert_eq!(host("iqn.t", None, "192.0.2.1"), Some(6));
        assert_eq!(
            host("iqn.t", None, "192.0.2.2"),
            None,
            "that is an initiator's own"
        );
        assert_eq!(host("iqn.t", Some("iqn.own"), "192.0.2.2"), Some(7));
        assert_eq!(host("iqn.t", None, "192.0.2.3"), None);
        assert_eq!(host("iqn.t", Some("iqn.own"), "server"), Some(7));
        assert_eq!(host("iqn.t", Some("iqn.other"), "server"), None);
        assert_eq!(host("iqn.x", None, "server"), None);
        let own = Session::find(&sysfs, "iqn.t", Some("iqn.own"), "server").unwrap();
        assert_eq!(own.interface.as_deref(), Some("libvirt-iface-03020100"));
        assert_eq!(own.number, 2);
        for (state, answers) in [("LOGGED_IN\n", true), ("FAILED\n", false), ("FREE\n", false)] {
            fs::write(root.join("class/iscsi_session/session2/state"), state).unwrap();
            let own = Session::find(&sysfs, "iqn.t", Some("iqn.own"), "server").unwrap();
            assert_eq!(own.answers, answers, "{state}");
        }
    }
}

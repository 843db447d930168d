//! The daemons that are installed. A new one is a line here, its own part of its service and its configuration files.

use super::filters::FILTER_FILES;

/// A daemon.
#[derive(Debug)]
pub(crate) struct Daemon {
    /// Its name, which is its program's and its units'.
    pub(crate) name: &'static str,
    /// What its units say it is.
    pub(super) about: &'static str,
    /// What the names of its sockets begin with.
    pub(crate) begin: &'static str,
    /// The daemon that does the same work in another way: one host has one of them.
    pub(crate) instead_of: Option<&'static str>,
    /// Its sockets.
    pub(crate) sockets: &'static [Socket],
    /// The group that may use the read-write socket; root alone where there is none.
    pub(super) group: Option<&'static str>,
    /// Flags that the unit cannot do without.
    pub(super) flags: &'static str,
    /// Flags that an administrator may replace.
    pub(super) arguments: &'static str,
    /// The part of its service that is its own.
    pub(super) own: &'static str,
    /// The part of its AppArmor profile that is its own.
    pub(super) profile: &'static str,
    /// Its configuration files: names below `/etc/libvirt`, and contents.
    pub(super) configuration: &'static [(&'static str, &'static str)],
}

/// What a socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Socket {
    ReadWrite,
    ReadOnly,
    Admin,
    /// Plain TCP, for an administrator who has allowed it.
    Tcp,
    /// TLS, once there are certificates.
    Tls,
}

use Socket::{Admin, ReadOnly, ReadWrite, Tcp, Tls};

/// Programs that are no daemons.
pub(super) const PROGRAMS: &[&str] = &["virt-sasl-user", "virt-ssh-helper"];

/// Programs that daemons run, and nobody by hand.
pub(super) const HELPERS: &[&str] = &["libvirt_leaseshelper"];

/// The daemon of all drivers, which nobody gets who does not start it.
const MONOLITH: Option<&str> = Some("libvirtd");

/// Who may use the daemons without being root.
const GROUP: Option<&str> = Some("libvirt");

/// Seconds without clients and guests after which a daemon ends; its sockets start it again.
const UNTIL_IDLE: &str = "--timeout 120";

macro_rules! own {
    ($name:literal) => {
        include_str!(concat!("../../../packaging/units/", $name, ".service"))
    };
}

macro_rules! profile {
    ($name:literal) => {
        include_str!(concat!("../../../packaging/apparmor/", $name))
    };
}

macro_rules! files {
    ($($name:literal),*) => {
        &[$(($name, include_str!(concat!("../../../packaging/configuration/", $name)))),*]
    };
}

/// Every daemon.
pub(crate) const DAEMONS: &[Daemon] = &[
    Daemon {
        name: "virtqemud",
        about: "Ferrovirt QEMU daemon",
        begin: "virtqemud",
        instead_of: MONOLITH,
        sockets: &[ReadWrite, ReadOnly, Admin],
        group: GROUP,
        flags: "",
        arguments: UNTIL_IDLE,
        own: own!("virtqemud"),
        profile: profile!("virtqemud"),
        configuration: files!["virtqemud.conf", "qemu.conf", "qemu-lockd.conf"],
    },
    Daemon {
        name: "virtsecretd",
        about: "Ferrovirt secret daemon",
        begin: "virtsecretd",
        instead_of: MONOLITH,
        sockets: &[ReadWrite, ReadOnly, Admin],
        group: GROUP,
        // All of /run would be too much to be let write to.
        flags: "--pid-file /run/libvirt/virtsecretd.pid ",
        arguments: UNTIL_IDLE,
        own: own!("virtsecretd"),
        profile: profile!("virtsecretd"),
        configuration: files!["virtsecretd.conf", "secret.conf"],
    },
    Daemon {
        name: "virtstoraged",
        about: "Ferrovirt storage daemon",
        begin: "virtstoraged",
        instead_of: MONOLITH,
        sockets: &[ReadWrite, ReadOnly, Admin],
        group: GROUP,
        flags: "",
        arguments: UNTIL_IDLE,
        own: own!("virtstoraged"),
        profile: profile!("virtstoraged"),
        configuration: files!["virtstoraged.conf"],
    },
    Daemon {
        name: "virtnetworkd",
        about: "Ferrovirt network daemon",
        begin: "virtnetworkd",
        instead_of: MONOLITH,
        sockets: &[ReadWrite, ReadOnly, Admin],
        group: GROUP,
        flags: "",
        arguments: UNTIL_IDLE,
        own: own!("virtnetworkd"),
        profile: profile!("virtnetworkd"),
        configuration: &[
            (
                "virtnetworkd.conf",
                include_str!("../../../packaging/configuration/virtnetworkd.conf"),
            ),
            (
                "network.conf",
                include_str!("../../../packaging/configuration/network.conf"),
            ),
            (
                "qemu/networks/default.xml",
                include_str!("../../../packaging/networks/default.xml"),
            ),
        ],
    },
    Daemon {
        name: "virtnwfilterd",
        about: "Ferrovirt network filter daemon",
        begin: "virtnwfilterd",
        instead_of: MONOLITH,
        sockets: &[ReadWrite, ReadOnly, Admin],
        group: GROUP,
        flags: "",
        arguments: UNTIL_IDLE,
        own: own!("virtnwfilterd"),
        profile: profile!("virtnwfilterd"),
        configuration: FILTER_FILES,
    },
    Daemon {
        name: "virtproxyd",
        about: "Ferrovirt proxy daemon",
        begin: "libvirt",
        instead_of: MONOLITH,
        sockets: &[ReadWrite, ReadOnly, Admin, Tcp, Tls],
        group: GROUP,
        flags: "--pid-file /run/libvirt/virtproxyd.pid ",
        arguments: UNTIL_IDLE,
        own: own!("virtproxyd"),
        profile: profile!("virtproxyd"),
        configuration: files!["virtproxyd.conf"],
    },
    Daemon {
        name: "libvirtd",
        about: "Ferrovirt daemon of all drivers",
        begin: "libvirt",
        instead_of: None,
        sockets: &[ReadWrite, ReadOnly, Admin, Tcp, Tls],
        group: GROUP,
        flags: "",
        arguments: UNTIL_IDLE,
        // It has virtqemud's guests, and what they need.
        own: concat!(own!("virtqemud"), own!("libvirtd")),
        profile: profile!("libvirtd"),
        configuration: files!["libvirtd.conf"],
    },
    Daemon {
        name: "virtlogd",
        about: "Ferrovirt log daemon",
        begin: "virtlogd",
        instead_of: None,
        sockets: &[ReadWrite, Admin],
        group: None,
        flags: "",
        arguments: "",
        own: own!("virtlogd"),
        profile: profile!("virtlogd"),
        configuration: files!["virtlogd.conf"],
    },
    Daemon {
        name: "virtlockd",
        about: "Ferrovirt lock daemon",
        begin: "virtlockd",
        instead_of: None,
        sockets: &[ReadWrite, Admin],
        group: None,
        flags: "",
        arguments: "",
        own: own!("virtlockd"),
        profile: profile!("virtlockd"),
        configuration: files!["virtlockd.conf"],
    },
];

//! The daemons that are installed. A new one is a line here, its own part of its service and its configuration files.

/// A daemon.
#[derive(Debug)]
pub(super) struct Daemon {
    /// Its name, which is its program's and its units'.
    pub(super) name: &'static str,
    /// What its units say it is.
    pub(super) about: &'static str,
    /// What the names of its sockets begin with.
    pub(super) begin: &'static str,
    /// Its sockets.
    pub(super) sockets: &'static [Socket],
    /// The group that may use the read-write socket; root alone where there is none.
    pub(super) group: Option<&'static str>,
    /// Flags that the unit cannot do without.
    pub(super) flags: &'static str,
    /// Flags that an administrator may replace.
    pub(super) arguments: &'static str,
    /// The part of its service that is its own.
    pub(super) own: &'static str,
    /// Its configuration files: names below `/etc/libvirt`, and contents.
    pub(super) configuration: &'static [(&'static str, &'static str)],
}

/// What a socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Socket {
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
pub(super) const PROGRAMS: &[&str] = &["virt-ssh-helper"];

/// Who may use the daemons without being root.
const GROUP: Option<&str> = Some("libvirt");

/// Seconds without clients and guests after which a daemon ends; its sockets start it again.
const UNTIL_IDLE: &str = "--timeout 120";

macro_rules! own {
    ($name:literal) => {
        include_str!(concat!("../../../packaging/units/", $name, ".service"))
    };
}

macro_rules! files {
    ($($name:literal),*) => {
        &[$(($name, include_str!(concat!("../../../packaging/configuration/", $name)))),*]
    };
}

/// Every daemon.
pub(super) const DAEMONS: &[Daemon] = &[
    Daemon {
        name: "virtqemud",
        about: "Ferrovirt QEMU daemon",
        begin: "virtqemud",
        sockets: &[ReadWrite, ReadOnly, Admin],
        group: GROUP,
        flags: "",
        arguments: UNTIL_IDLE,
        own: own!("virtqemud"),
        configuration: files!["virtqemud.conf", "qemu.conf", "qemu-lockd.conf"],
    },
    Daemon {
        name: "virtsecretd",
        about: "Ferrovirt secret daemon",
        begin: "virtsecretd",
        sockets: &[ReadWrite, ReadOnly, Admin],
        group: GROUP,
        // All of /run would be too much to be let write to.
        flags: "--pid-file /run/libvirt/virtsecretd.pid ",
        arguments: UNTIL_IDLE,
        own: own!("virtsecretd"),
        configuration: files!["virtsecretd.conf", "secret.conf"],
    },
    Daemon {
        name: "virtproxyd",
        about: "Ferrovirt proxy daemon",
        begin: "libvirt",
        sockets: &[ReadWrite, ReadOnly, Admin, Tcp, Tls],
        group: GROUP,
        flags: "--pid-file /run/libvirt/virtproxyd.pid ",
        arguments: UNTIL_IDLE,
        own: own!("virtproxyd"),
        configuration: files!["virtproxyd.conf"],
    },
    Daemon {
        name: "virtlogd",
        about: "Ferrovirt log daemon",
        begin: "virtlogd",
        sockets: &[ReadWrite, Admin],
        group: None,
        flags: "",
        arguments: "",
        own: own!("virtlogd"),
        configuration: files!["virtlogd.conf"],
    },
    Daemon {
        name: "virtlockd",
        about: "Ferrovirt lock daemon",
        begin: "virtlockd",
        sockets: &[ReadWrite, Admin],
        group: None,
        flags: "",
        arguments: "",
        own: own!("virtlockd"),
        configuration: files!["virtlockd.conf"],
    },
];

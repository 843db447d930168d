//! The keys that every daemon behind UNIX sockets has: `virtqemud.conf` and its siblings.

use super::{FromValue, Octal, Value, schema};
use crate::wildcard::PATTERN_MAX;
use uuid::Uuid;

schema! {
    /// The configuration of a daemon behind UNIX sockets.
    pub struct DaemonConfig {
        /// The group that owns the sockets; the daemon's own unless set.
        unix_sock_group: Option<String> = None,
        /// Permission bits of the read-only socket.
        unix_sock_ro_perms: Octal = Octal(0o777),
        /// Permission bits of the read-write socket. Whoever can open it manages everything, hence root only.
        unix_sock_rw_perms: Octal = Octal(0o700),
        /// Permission bits of the admin socket.
        unix_sock_admin_perms: Octal = Octal(0o700),
        /// The folder of the sockets; the instance's run folder unless set.
        unix_sock_dir: Option<String> = None,
        /// How a client of the read-only socket proves who it is: "none" (whoever may open it may look), "polkit"
        /// (action org.libvirt.unix.monitor) or "sasl" (a name and a password).
        auth_unix_ro: Auth = Auth::None,
        /// How a client of the read-write socket proves who it is: "none" (whoever may open it may do everything) or
        /// "polkit" (action org.libvirt.unix.manage; root is not asked). Unless set, it is "none" where the socket's
        /// permissions keep others out, and "polkit" where everybody may open it. "sasl" is there as well.
        auth_unix_rw: Option<Auth> = None,
        /// The names that users of SASL may have, with "*", "?" and "[...]"; every name unless set.
        sasl_allowed_username_list: Option<Usernames> = None,
        /// What decides about each call of a client that is let in: [] for nothing, [ "polkit" ] for polkit's actions
        /// org.libvirt.api. and after that object and permission.
        access_drivers: AccessDrivers = AccessDrivers::default(),
        /// How many clients may be connected at a time; further ones wait in the socket's queue.
        max_clients: u32 = 5000,
        /// How many connections may wait to be accepted, per socket.
        max_queued_clients: u32 = 1000,
        /// How many clients may be connected without having proved who they are; 0 for as many as `max_clients`.
        max_anonymous_clients: u32 = 20,
        /// How many idle workers are kept.
        min_workers: u32 = 5,
        /// How many workers may do work that waits for disks and programs.
        max_workers: u32 = 20,
        /// How many workers are kept for calls of high priority.
        prio_workers: u32 = 5,
        /// How many calls of one client are served at a time.
        max_client_requests: u32 = 5,
        /// `min_workers` of the admin socket.
        admin_min_workers: u32 = 1,
        /// `max_workers` of the admin socket.
        admin_max_workers: u32 = 5,
        /// `max_clients` of the admin socket.
        admin_max_clients: u32 = 5,
        /// `max_queued_clients` of the admin socket.
        admin_max_queued_clients: u32 = 5,
        /// `max_client_requests` of the admin socket.
        admin_max_client_requests: u32 = 5,
        /// The least level that is logged where no filter says otherwise: 1 debug, 2 information, 3 warnings, 4 errors.
        log_level: Option<u32> = None,
        /// Levels by category, "1:qemu 3:rpc"; the first match counts.
        log_filters: Option<String> = None,
        /// Where the log goes, "3:journald 1:file:/var/log/libvirt/virtqemud.log".
        log_outputs: Option<String> = None,
        /// Auditing: 0. The audit subsystem is not built in.
        audit_level: Audit = Audit,
        /// Audit messages in the log: 0. The audit subsystem is not built in.
        audit_logging: Audit = Audit,
        /// The host's UUID, where the host has none of its own.
        host_uuid: Option<HostUuid> = None,
        /// Where the host's UUID is taken from: "smbios" or "machine-id".
        host_uuid_source: HostUuidSource = HostUuidSource::Smbios,
        /// Seconds of silence after which a client is asked whether it is still there; -1 for never.
        keepalive_interval: i32 = 5,
        /// How many such questions may stay unanswered.
        keepalive_count: u32 = 5,
        /// `keepalive_interval` of the admin socket.
        admin_keepalive_interval: i32 = 5,
        /// `keepalive_count` of the admin socket.
        admin_keepalive_count: u32 = 5,
        /// Whether the daemon takes away from itself what its work does not need: powers, system calls, places. A key of this
        /// project's own.
        confinement: bool = true,
        /// Seconds after which a call to Open vSwitch is given up.
        ovs_timeout: u32 = 5,
    }
    elsewhere {
        "virtproxyd.conf": listen_tls, listen_tcp, tls_port, tcp_port, listen_addr, auth_tcp, auth_tls, tcp_min_ssf,
            key_file, cert_file, ca_file, crl_file, tls_no_sanity_certificate, tls_no_verify_certificate,
            tls_allowed_dn_list, tls_priority;
        "no file any more: clients ask for keepalive themselves": keepalive_required, admin_keepalive_required;
        "no file any more: nobody is told by mDNS": mdns_adv, mdns_name;
    }
}

/// How clients prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// They need not: whoever may open the socket may use it.
    None,
    /// polkit knows.
    Polkit,
    /// By a name and a password.
    Sasl,
}

impl FromValue for Auth {
    fn from_value(value: Value) -> Result<Self, String> {
        match String::from_value(value)?.as_str() {
            "none" => Ok(Self::None),
            "polkit" => Ok(Self::Polkit),
            "sasl" => Ok(Self::Sasl),
            other => Err(format!("'{other}' is no authentication scheme")),
        }
    }

    fn written(&self) -> Option<String> {
        let name = match self {
            Self::None => "none",
            Self::Polkit => "polkit",
            Self::Sasl => "sasl",
        };
        name.to_owned().written()
    }
}

/// Patterns of users' names, with "*", "?" and "[...]".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usernames(pub Vec<String>);

impl FromValue for Usernames {
    fn from_value(value: Value) -> Result<Self, String> {
        let names = Vec::<String>::from_value(value)?;
        match names.iter().find(|name| name.chars().count() > PATTERN_MAX) {
            Some(name) => Err(format!("'{name}' is longer than {PATTERN_MAX} characters")),
            None => Ok(Self(names)),
        }
    }

    fn written(&self) -> Option<String> {
        self.0.written()
    }
}

/// What decides about each call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccessDrivers {
    /// Whether polkit does. Nothing does otherwise.
    pub polkit: bool,
}

impl FromValue for AccessDrivers {
    fn from_value(value: Value) -> Result<Self, String> {
        let mut drivers = Self::default();
        for name in Vec::<String>::from_value(value)? {
            match name.as_str() {
                "none" | "nop" => {}
                "polkit" => drivers.polkit = true,
                other => {
                    return Err(format!(
                        "'{other}' is no access control driver; \"polkit\" and \"none\" are there"
                    ));
                }
            }
        }
        Ok(drivers)
    }

    fn written(&self) -> Option<String> {
        let names: &[String] = if self.polkit { &["polkit".to_owned()] } else { &[] };
        names.to_vec().written()
    }
}

/// No auditing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audit;

impl FromValue for Audit {
    fn from_value(value: Value) -> Result<Self, String> {
        match u32::from_value(value)? {
            0 => Ok(Self),
            1 | 2 => Err("auditing is not built into this version; set 0 to run without it".to_owned()),
            _ => Err("0 is wanted".to_owned()),
        }
    }

    fn written(&self) -> Option<String> {
        Some("0".to_owned())
    }
}

/// A UUID that can name a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostUuid(pub Uuid);

impl FromValue for HostUuid {
    fn from_value(value: Value) -> Result<Self, String> {
        let text = String::from_value(value)?;
        let uuid = Uuid::parse_str(&text).map_err(|_| format!("'{text}' is no UUID"))?;
        let mut digits = uuid.simple().to_string().into_bytes();
        digits.dedup();
        if digits.len() == 1 {
            return Err("a UUID whose digits are all the same names no host; run uuidgen".to_owned());
        }
        Ok(Self(uuid))
    }
}

/// Where the host's UUID is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostUuidSource {
    /// The firmware's tables.
    Smbios,
    /// `/etc/machine-id`.
    MachineId,
}

impl FromValue for HostUuidSource {
    fn from_value(value: Value) -> Result<Self, String> {
        match String::from_value(value)?.as_str() {
            "smbios" => Ok(Self::Smbios),
            "machine-id" => Ok(Self::MachineId),
            other => Err(format!("\"smbios\" or \"machine-id\" is wanted, not '{other}'")),
        }
    }

    fn written(&self) -> Option<String> {
        let name = match self {
            Self::Smbios => "smbios",
            Self::MachineId => "machine-id",
        };
        name.to_owned().written()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Loaded, Schema};
    use std::path::Path;

    fn load(text: &str) -> Result<Loaded<DaemonConfig>, String> {
        Loaded::text(Path::new("virtqemud.conf"), text).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn another_daemons_key_is_a_warning_that_names_its_file() {
        let loaded = load("listen_tcp = 1").unwrap();
        assert_eq!(loaded.values, DaemonConfig::default());
        assert!(
            loaded.warnings[0].contains("virtproxyd.conf"),
            "{:?}",
            loaded.warnings
        );
    }

    #[test]
    fn what_is_not_built_is_refused_and_never_ignored() {
        for text in ["audit_level = 2", "audit_logging = 1"] {
            let refusal = load(text).unwrap_err();
            assert!(refusal.contains("not built into this version"), "{refusal}");
        }
        assert!(load("auth_unix_rw = \"none\"\naccess_drivers = []").is_ok());
    }

    #[test]
    fn polkit_decides_where_it_is_named_and_nothing_unknown_is() {
        let loaded = load("auth_unix_rw = \"polkit\"\naccess_drivers = [ \"none\", \"polkit\" ]").unwrap();
        assert_eq!(loaded.values.auth_unix_rw, Some(Auth::Polkit));
        assert!(loaded.values.access_drivers.polkit);
        assert!(
            !load("access_drivers = [ \"none\" ]")
                .unwrap()
                .values
                .access_drivers
                .polkit
        );
        let refusal = load("max_clients = 9\naccess_drivers = [ \"selinux\" ]").unwrap_err();
        assert!(
            refusal.contains("virtqemud.conf:2: access_drivers: 'selinux' is no"),
            "{refusal}"
        );
        assert!(load("auth_unix_rw = \"kerberos\"").is_err());
    }

    #[test]
    fn a_host_is_not_named_by_the_placeholder() {
        assert!(load("host_uuid = \"00000000-0000-0000-0000-000000000000\"").is_err());
        assert!(load("host_uuid = \"8f07f4c8-8d3c-4c24-8c3e-5ac9b5d5d0f9\"").is_ok());
    }

    #[test]
    fn every_key_says_what_it_means() {
        for key in DaemonConfig::KEYS {
            assert!(!key.doc.is_empty(), "{}", key.name);
        }
    }
}

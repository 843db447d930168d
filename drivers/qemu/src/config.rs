//! `qemu.conf`: the driver's own configuration.

mod encryption;

pub use encryption::SecretUuid;

use crate::prepare::Variables;
use cgroup::Controller;
use daemon::config::{FromValue, OneOrMore, Value, schema};

schema! {
    /// The configuration of the QEMU driver.
    pub struct QemuConfig {
        /// The address VNC servers listen on where the domain names none.
        vnc_listen: String = "127.0.0.1".to_owned(),
        /// Whether VNC servers without address listen on a socket of their own in the guest's folder.
        vnc_auto_unix_socket: bool = false,
        /// The password of VNC servers whose domain has none.
        vnc_password: Option<String> = None,
        /// Whether a guest with VNC uses the audio server that the daemon's environment names: 0. It is not built in.
        vnc_allow_host_audio: NoHostAudio = NoHostAudio,
        /// The address SPICE servers listen on where the domain names none.
        spice_listen: String = "127.0.0.1".to_owned(),
        /// Whether SPICE servers without address listen on a socket of their own in the guest's folder.
        spice_auto_unix_socket: bool = false,
        /// The password of SPICE servers whose domain has none.
        spice_password: Option<String> = None,
        /// The same of a guest without graphics: 0.
        nographics_allow_host_audio: NoHostAudio = NoHostAudio,
        /// Whether VNC servers use TLS.
        vnc_tls: bool = false,
        /// The folder of their certificates; `/etc/pki/libvirt-vnc` if that is there and no other is the default.
        vnc_tls_x509_cert_dir: Option<String> = None,
        /// The secret that opens the file of their private key.
        vnc_tls_x509_secret_uuid: Option<SecretUuid> = None,
        /// Whether their clients show a certificate.
        vnc_tls_x509_verify: Option<bool> = None,
        /// Whether clients of VNC servers say by SASL who they are.
        vnc_sasl: bool = false,
        /// The folder of SASL's configuration for that; SASL's own unless set.
        vnc_sasl_dir: Option<String> = None,
        /// Whether SPICE servers may use TLS.
        spice_tls: bool = false,
        /// The folder of their certificates; `/etc/pki/libvirt-spice` if that is there and no other is the default.
        spice_tls_x509_cert_dir: Option<String> = None,
        /// Whether clients of SPICE servers say by SASL who they are.
        spice_sasl: bool = false,
        /// The folder of SASL's configuration for that; SASL's own unless set.
        spice_sasl_dir: Option<String> = None,
        /// Whether character devices over TCP use TLS where the domain does not say.
        chardev_tls: bool = false,
        /// The folder of their certificates; `/etc/pki/libvirt-chardev` if that is there and no other is the default.
        chardev_tls_x509_cert_dir: Option<String> = None,
        /// Whether clients of those that listen show a certificate.
        chardev_tls_x509_verify: Option<bool> = None,
        /// The secret that opens the file of their private key.
        chardev_tls_x509_secret_uuid: Option<SecretUuid> = None,
        /// Whether disks on NBD servers use TLS where the domain does not say.
        nbd_tls: bool = false,
        /// The folder of their certificates; `/etc/pki/libvirt-nbd` if that is there and no other is the default.
        nbd_tls_x509_cert_dir: Option<String> = None,
        /// The secret that opens the file of their private key.
        nbd_tls_x509_secret_uuid: Option<SecretUuid> = None,
        /// The folder of certificates for everything that has none of its own; `/etc/pki/qemu` unless set.
        default_tls_x509_cert_dir: Option<String> = None,
        /// Whether clients show a certificate where nothing else is said: 1, as they do unless set, or 0.
        default_tls_x509_verify: bool = true,
        /// The secret that opens files of private keys that have none of their own.
        default_tls_x509_secret_uuid: Option<SecretUuid> = None,
        /// The first port of graphics servers that choose one themselves.
        remote_display_port_min: u16 = 5900,
        /// The last of them.
        remote_display_port_max: u16 = 65535,
        /// The first port of VNC's WebSocket servers that choose one themselves.
        remote_websocket_port_min: u16 = 5700,
        /// The last of them.
        remote_websocket_port_max: u16 = 65535,
        /// The user guests run as, by name or as "+NUMBER"; the daemon's own unless set.
        user: Option<String> = None,
        /// The group guests run as, by name or as "+NUMBER"; the daemon's own unless set.
        group: Option<String> = None,
        /// How guests are confined: "none". Security drivers are not built in.
        security_driver: NoneOnly = NoneOnly,
        /// Whether files of guests are their user's while they run, where that is not the daemon's own.
        dynamic_ownership: bool = true,
        /// Whether whose such files were is noted at them, in extended attributes, and they go back to them afterwards; where not,
        /// they are root's.
        remember_owner: bool = true,
        /// Seconds between two guests that start with the daemon.
        auto_start_delay: u32 = 0,
        /// Whether QEMU confines itself with seccomp: 1, as it does unless set, or 0.
        seccomp_sandbox: bool = true,
        /// Whether QEMU marks its messages with the time.
        log_timestamp: bool = true,
        /// How a guest's output gets into its files: "logd", through virtlogd, without which no guest starts, or "file",
        /// written by QEMU itself and as large as the guest wants. Unless set, through virtlogd where it answers.
        stdio_handler: Option<StdioHandler> = None,
        /// Whether memory of guests goes into core dumps of QEMU.
        dump_guest_core: bool = false,
        /// The lock manager: "lockd" leases guests' disks through virtlockd, as `qemu-lockd.conf` says; "nop" leases
        /// nothing.
        lock_manager: LockManager = LockManager::Nop,
        /// How many calls may wait for one guest, where that is fewer than the daemon allows anyway; 0 for no such limit.
        max_queued: u32 = 0,
        /// The program that connects a guest to a bridge for a daemon that may not do it itself.
        bridge_helper: String = "/usr/lib/qemu/qemu-bridge-helper".to_owned(),
        /// The folder of guest memory that lies in files; `ram` in the driver's own folder unless set.
        memory_backing_dir: Option<String> = None,
        /// Where file systems of huge pages are mounted; all that the kernel lists unless set, none where empty.
        hugetlbfs_mount: Option<OneOrMore> = None,
        /// Firmware that no descriptor speaks of, with what its variables start as: "CODE:VARIABLES".
        nvram: FirmwareVariables = FirmwareVariables::default(),
        /// The user TPM emulators run as; that of guests unless set.
        swtpm_user: Option<String> = None,
        /// The group TPM emulators run as; that of guests unless set.
        swtpm_group: Option<String> = None,
        /// The controllers that guests' control groups have, of those that the host has; none where empty.
        cgroup_controllers: Controllers = Controllers::default(),
        /// The device nodes that every guest may open, besides those that its document names, where control groups hold it to
        /// that.
        cgroup_device_acl: OneOrMore = every_guests_nodes(),
        /// What of the host guests see of their own: "mount", a /dev with the nodes alone that they may open; nothing where empty.
        namespaces: Namespaces = Namespaces::default(),
        /// QEMU capabilities that are taken as missing, by libvirt's names: none.
        capability_filters: EmptyOnly = EmptyOnly,
    }
    elsewhere {
    }
}

/// What `cgroup_device_acl` is unless set.
fn every_guests_nodes() -> OneOrMore {
    let names = [
        "null",
        "full",
        "zero",
        "random",
        "urandom",
        "ptmx",
        "kvm",
        "userfaultfd",
    ];
    OneOrMore(names.map(|name| format!("/dev/{name}")).to_vec())
}

/// Name spaces of guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Namespaces {
    /// Whether guests have a `/dev` of their own.
    pub mount: bool,
}

impl FromValue for Namespaces {
    fn from_value(value: Value) -> Result<Self, String> {
        let given = OneOrMore::from_value(value)?.0;
        match given.iter().find(|name| *name != "mount") {
            Some(other) => Err(format!("there is no name space \"{other}\"; only \"mount\"")),
            None => Ok(Self {
                mount: !given.is_empty(),
            }),
        }
    }

    fn written(&self) -> Option<String> {
        OneOrMore(self.mount.then(|| "mount".to_owned()).into_iter().collect()).written()
    }
}

/// Controllers of control groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controllers(pub Vec<Controller>);

impl Default for Controllers {
    fn default() -> Self {
        Self(Controller::ALL.to_vec())
    }
}

impl FromValue for Controllers {
    fn from_value(value: Value) -> Result<Self, String> {
        let known = |name: &String| {
            Controller::of_name(name)
                .ok_or_else(|| format!("there is no controller \"{name}\" that guests could have"))
        };
        let given = OneOrMore::from_value(value)?.0;
        given.iter().map(known).collect::<Result<_, String>>().map(Self)
    }

    fn written(&self) -> Option<String> {
        OneOrMore(self.0.iter().map(ToString::to_string).collect()).written()
    }
}

/// The pairs of `nvram`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirmwareVariables(pub Vec<Variables>);

impl Default for FirmwareVariables {
    /// Where Debian and others have always put it.
    fn default() -> Self {
        let pair = |code: &str, template: &str| Variables {
            code: code.to_owned(),
            template: template.to_owned(),
        };
        Self(vec![
            pair("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
            pair(
                "/usr/share/OVMF/OVMF_CODE.secboot.fd",
                "/usr/share/OVMF/OVMF_VARS.fd",
            ),
            pair("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
            pair(
                "/usr/share/AAVMF/AAVMF32_CODE.fd",
                "/usr/share/AAVMF/AAVMF32_VARS.fd",
            ),
        ])
    }
}

impl FromValue for FirmwareVariables {
    fn from_value(value: Value) -> Result<Self, String> {
        let pair = |text: &String| {
            let (code, template) = text
                .split_once(':')
                .filter(|(code, template)| code.starts_with('/') && template.starts_with('/'))
                .ok_or_else(|| format!("\"{text}\" is not \"/CODE:/VARIABLES\""))?;
            Ok(Variables {
                code: code.to_owned(),
                template: template.to_owned(),
            })
        };
        let given = OneOrMore::from_value(value)?.0;
        given.iter().map(pair).collect::<Result<_, String>>().map(Self)
    }

    fn written(&self) -> Option<String> {
        let pair = |pair: &Variables| format!("{}:{}", pair.code, pair.template);
        OneOrMore(self.0.iter().map(pair).collect()).written()
    }
}

/// Who writes guests' output into its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StdioHandler {
    /// virtlogd, at the other end of a pipe.
    Logd,
    /// QEMU.
    File,
}

impl FromValue for StdioHandler {
    fn from_value(value: Value) -> Result<Self, String> {
        match String::from_value(value)?.as_str() {
            "logd" => Ok(Self::Logd),
            "file" => Ok(Self::File),
            other => Err(format!("\"logd\" or \"file\" is wanted, not '{other}'")),
        }
    }
}

/// Who keeps two guests from writing to one disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockManager {
    /// Nobody.
    Nop,
    /// virtlockd.
    Lockd,
}

impl FromValue for LockManager {
    fn from_value(value: Value) -> Result<Self, String> {
        match String::from_value(value)?.as_str() {
            "nop" => Ok(Self::Nop),
            "lockd" => Ok(Self::Lockd),
            "sanlock" => Err("\"sanlock\" is not built into this version; set \"lockd\"".to_owned()),
            other => Err(format!("\"lockd\" or \"nop\" is wanted, not '{other}'")),
        }
    }

    fn written(&self) -> Option<String> {
        let name = match self {
            Self::Nop => "nop",
            Self::Lockd => "lockd",
        };
        name.to_owned().written()
    }
}

macro_rules! only {
    ($($(#[$doc:meta])* $name:ident: $list:expr, $reason:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name;

        impl FromValue for $name {
            fn from_value(value: Value) -> Result<Self, String> {
                let allowed: &[&str] = &$list;
                let given = OneOrMore::from_value(value)?.0;
                match given.iter().find(|word| !allowed.contains(&word.as_str())) {
                    None => Ok(Self),
                    Some(word) => Err(format!("\"{word}\" is not built into this version; {}", $reason)),
                }
            }

            fn written(&self) -> Option<String> {
                let allowed: &[&str] = &$list;
                OneOrMore(allowed.iter().map(ToString::to_string).collect()).written()
            }
        }
    )*};
}

only! {
    /// The security drivers there are: none.
    NoneOnly: ["none"], "set \"none\" only if guests need no confinement beyond their user";
    /// A list that may only be empty.
    EmptyOnly: [], "remove it";
}

macro_rules! off {
    ($($(#[$doc:meta])* $name:ident: $instead:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name;

        impl FromValue for $name {
            fn from_value(value: Value) -> Result<Self, String> {
                match bool::from_value(value)? {
                    false => Ok(Self),
                    true => Err(format!("it is not built into this version; set 0, and {}", $instead)),
                }
            }

            fn written(&self) -> Option<String> {
                false.written()
            }
        }
    )*};
}

off! {
    /// No guest finds its audio server in the daemon's environment.
    NoHostAudio: "name the server in the domain's <audio> element";
}

#[cfg(test)]
mod tests {
    use super::*;
    use daemon::config::Loaded;

    #[test]
    fn what_is_not_built_in_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("qemu.conf");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Loaded::<QemuConfig>::file(&path)
        };
        assert_eq!(
            read("user = \"root\"\n").unwrap().values.user.as_deref(),
            Some("root")
        );
        let refused = read("\nsecurity_driver = \"selinux\"\n").unwrap_err().to_string();
        assert!(refused.contains(":2: security_driver: \"selinux\""), "{refused}");
        assert!(read("security_driver = [ \"none\" ]\nlock_manager = \"nop\"\n").is_ok());
        assert!(read("lock_manager = \"lockd\"\n").is_ok());
        assert!(read("lock_manager = \"sanlock\"\n").is_err());
        assert!(read("stdio_handler = \"pipe\"\n").is_err());
        let handler = |text: &str| read(text).unwrap().values.stdio_handler;
        assert_eq!(handler("stdio_handler = \"logd\"\n"), Some(StdioHandler::Logd));
        assert_eq!(handler("stdio_handler = \"file\"\n"), Some(StdioHandler::File));
        assert!(!read("dynamic_ownership = 0\n").unwrap().values.dynamic_ownership);
        assert!(read("vnc_allow_host_audio = 1\n").is_err());
        assert!(read("vnc_allow_host_audio = 0\n").is_ok());
        assert!(read("no_such_key = 1\n").is_err());
        let controllers = |text: &str| read(text).map(|read| read.values.cgroup_controllers.0);
        assert_eq!(
            controllers("cgroup_controllers = [ \"cpu\" ]\n").unwrap(),
            [Controller::Cpu]
        );
        assert_eq!(controllers("cgroup_controllers = [ ]\n").unwrap(), []);
        assert!(controllers("cgroup_controllers = [ \"net_cls\" ]\n").is_err());
        let pairs = read("nvram = [ \"/a:/b\" ]\n").unwrap().values.nvram.0;
        assert_eq!((pairs[0].code.as_str(), pairs[0].template.as_str()), ("/a", "/b"));
        assert!(read("nvram = [ \"/a\" ]\n").is_err());
    }
}

//! `qemu.conf`: the driver's own configuration.

use crate::prepare::Variables;
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
        /// Whether files of guests change hands to the guests' user: 0. It is not built in.
        dynamic_ownership: NoNewOwner = NoNewOwner,
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
        /// QEMU capabilities that are taken as missing, by libvirt's names: none.
        capability_filters: EmptyOnly = EmptyOnly,
    }
    elsewhere {
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
    /// Files of guests do not change hands.
    NoNewOwner: "give guests' files to their user";
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
        assert!(read("dynamic_ownership = 1\n").is_err());
        assert!(read("vnc_allow_host_audio = 1\n").is_err());
        assert!(read("vnc_allow_host_audio = 0\n").is_ok());
        assert!(read("no_such_key = 1\n").is_err());
        let pairs = read("nvram = [ \"/a:/b\" ]\n").unwrap().values.nvram.0;
        assert_eq!((pairs[0].code.as_str(), pairs[0].template.as_str()), ("/a", "/b"));
        assert!(read("nvram = [ \"/a\" ]\n").is_err());
    }
}

//! The error numbers of the public header `virterror.h`.

macro_rules! numbers {
    ($(#[$doc:meta])* $name:ident, $prefix:literal { $($variant:ident = $number:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "each name is the header's own")]
        #[repr(i32)]
        pub enum $name { $($variant = $number),* }

        impl $name {
            /// The number on the wire.
            pub const fn number(self) -> i32 {
                self as i32
            }

            /// The variant with that number, if this version knows it.
            pub const fn from_number(number: i32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The header's name of it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => concat!($prefix, $text)),* }
            }
        }
    };
}

impl Code {
    /// The words a sentence of this kind starts with; users and their scripts know them.
    pub const fn lead(self) -> Option<&'static str> {
        Some(match self {
            Self::InternalError => "internal error",
            Self::NoSupport => "this function is not supported by the connection driver",
            Self::NoConnect => "no connection driver available for",
            Self::InvalidConn => "invalid connection pointer in",
            Self::InvalidDomain => "invalid domain pointer in",
            Self::InvalidArg => "invalid argument",
            Self::OperationFailed => "operation failed",
            Self::OsType => "unknown OS type",
            Self::XmlError => "XML error",
            Self::XmlInvalidSchema => "XML document failed to validate against schema",
            Self::DomExist => "domain already exists",
            Self::OperationDenied => "operation forbidden",
            Self::OpenFailed => "failed to open",
            Self::ReadFailed => "failed to read",
            Self::WriteFailed => "failed to write",
            Self::ConfSyntax => "configuration file syntax error",
            Self::NoDomain => "Domain not found",
            Self::NoNetwork => "Network not found",
            Self::NoStoragePool => "Storage pool not found",
            Self::NoStorageVol => "Storage volume not found",
            Self::InvalidSecret => "Invalid secret",
            Self::NoSecret => "Secret not found",
            Self::NoDomainMetadata => "metadata not found",
            Self::NoHostname => "no hostname found",
            Self::NoServer => "Server not found",
            Self::NoClient => "Client not found",
            Self::OperationInvalid => "Requested operation is not valid",
            Self::OperationTimeout => "Timed out during operation",
            Self::OperationUnsupported => "Operation not supported",
            Self::OperationAborted => "operation aborted",
            Self::ConfigUnsupported => "unsupported configuration",
            Self::CpuIncompatible => "the CPU is incompatible with host CPU",
            Self::AuthFailed => "authentication failed",
            Self::AuthCancelled => "authentication cancelled",
            Self::AuthUnavailable => "authentication unavailable",
            Self::AccessDenied => "access denied",
            Self::ArgumentUnsupported => "argument unsupported",
            Self::AgentUnresponsive => "Guest agent is not responding",
            Self::AgentCommandTimeout => "guest agent command timed out",
            Self::AgentCommandFailed => "guest agent command failed",
            Self::NoDevice => "device not found",
            Self::DeviceMissing => "device not found",
            Self::Overflow => "numerical overflow",
            Self::ResourceBusy => "resource busy",
            _ => return None,
        })
    }
}

numbers! {
    /// What went wrong, as `virErrorNumber` counts it.
    Code, "VIR_ERR_" {
        Ok = 0, "OK";
        InternalError = 1, "INTERNAL_ERROR";
        NoMemory = 2, "NO_MEMORY";
        NoSupport = 3, "NO_SUPPORT";
        UnknownHost = 4, "UNKNOWN_HOST";
        NoConnect = 5, "NO_CONNECT";
        InvalidConn = 6, "INVALID_CONN";
        InvalidDomain = 7, "INVALID_DOMAIN";
        InvalidArg = 8, "INVALID_ARG";
        OperationFailed = 9, "OPERATION_FAILED";
        GetFailed = 10, "GET_FAILED";
        PostFailed = 11, "POST_FAILED";
        HttpError = 12, "HTTP_ERROR";
        SexprSerial = 13, "SEXPR_SERIAL";
        NoXen = 14, "NO_XEN";
        XenCall = 15, "XEN_CALL";
        OsType = 16, "OS_TYPE";
        NoKernel = 17, "NO_KERNEL";
        NoRoot = 18, "NO_ROOT";
        NoSource = 19, "NO_SOURCE";
        NoTarget = 20, "NO_TARGET";
        NoName = 21, "NO_NAME";
        NoOs = 22, "NO_OS";
        NoDevice = 23, "NO_DEVICE";
        NoXenstore = 24, "NO_XENSTORE";
        DriverFull = 25, "DRIVER_FULL";
        CallFailed = 26, "CALL_FAILED";
        XmlError = 27, "XML_ERROR";
        DomExist = 28, "DOM_EXIST";
        OperationDenied = 29, "OPERATION_DENIED";
        OpenFailed = 30, "OPEN_FAILED";
        ReadFailed = 31, "READ_FAILED";
        ParseFailed = 32, "PARSE_FAILED";
        ConfSyntax = 33, "CONF_SYNTAX";
        WriteFailed = 34, "WRITE_FAILED";
        XmlDetail = 35, "XML_DETAIL";
        InvalidNetwork = 36, "INVALID_NETWORK";
        NetworkExist = 37, "NETWORK_EXIST";
        SystemError = 38, "SYSTEM_ERROR";
        Rpc = 39, "RPC";
        GnutlsError = 40, "GNUTLS_ERROR";
        NoDomain = 42, "NO_DOMAIN";
        NoNetwork = 43, "NO_NETWORK";
        InvalidMac = 44, "INVALID_MAC";
        AuthFailed = 45, "AUTH_FAILED";
        InvalidStoragePool = 46, "INVALID_STORAGE_POOL";
        InvalidStorageVol = 47, "INVALID_STORAGE_VOL";
        NoStoragePool = 49, "NO_STORAGE_POOL";
        NoStorageVol = 50, "NO_STORAGE_VOL";
        InvalidNodeDevice = 52, "INVALID_NODE_DEVICE";
        NoNodeDevice = 53, "NO_NODE_DEVICE";
        NoSecurityModel = 54, "NO_SECURITY_MODEL";
        OperationInvalid = 55, "OPERATION_INVALID";
        NoInterface = 57, "NO_INTERFACE";
        InvalidInterface = 58, "INVALID_INTERFACE";
        MultipleInterfaces = 59, "MULTIPLE_INTERFACES";
        InvalidNwfilter = 61, "INVALID_NWFILTER";
        NoNwfilter = 62, "NO_NWFILTER";
        BuildFirewall = 63, "BUILD_FIREWALL";
        InvalidSecret = 65, "INVALID_SECRET";
        NoSecret = 66, "NO_SECRET";
        ConfigUnsupported = 67, "CONFIG_UNSUPPORTED";
        OperationTimeout = 68, "OPERATION_TIMEOUT";
        MigratePersistFailed = 69, "MIGRATE_PERSIST_FAILED";
        HookScriptFailed = 70, "HOOK_SCRIPT_FAILED";
        InvalidDomainSnapshot = 71, "INVALID_DOMAIN_SNAPSHOT";
        NoDomainSnapshot = 72, "NO_DOMAIN_SNAPSHOT";
        InvalidStream = 73, "INVALID_STREAM";
        ArgumentUnsupported = 74, "ARGUMENT_UNSUPPORTED";
        StorageProbeFailed = 75, "STORAGE_PROBE_FAILED";
        StoragePoolBuilt = 76, "STORAGE_POOL_BUILT";
        SnapshotRevertRisky = 77, "SNAPSHOT_REVERT_RISKY";
        OperationAborted = 78, "OPERATION_ABORTED";
        AuthCancelled = 79, "AUTH_CANCELLED";
        NoDomainMetadata = 80, "NO_DOMAIN_METADATA";
        MigrateUnsafe = 81, "MIGRATE_UNSAFE";
        Overflow = 82, "OVERFLOW";
        BlockCopyActive = 83, "BLOCK_COPY_ACTIVE";
        OperationUnsupported = 84, "OPERATION_UNSUPPORTED";
        Ssh = 85, "SSH";
        AgentUnresponsive = 86, "AGENT_UNRESPONSIVE";
        ResourceBusy = 87, "RESOURCE_BUSY";
        AccessDenied = 88, "ACCESS_DENIED";
        DbusService = 89, "DBUS_SERVICE";
        StorageVolExist = 90, "STORAGE_VOL_EXIST";
        CpuIncompatible = 91, "CPU_INCOMPATIBLE";
        XmlInvalidSchema = 92, "XML_INVALID_SCHEMA";
        MigrateFinishOk = 93, "MIGRATE_FINISH_OK";
        AuthUnavailable = 94, "AUTH_UNAVAILABLE";
        NoServer = 95, "NO_SERVER";
        NoClient = 96, "NO_CLIENT";
        AgentUnsynced = 97, "AGENT_UNSYNCED";
        Libssh = 98, "LIBSSH";
        DeviceMissing = 99, "DEVICE_MISSING";
        InvalidNwfilterBinding = 100, "INVALID_NWFILTER_BINDING";
        NoNwfilterBinding = 101, "NO_NWFILTER_BINDING";
        InvalidDomainCheckpoint = 102, "INVALID_DOMAIN_CHECKPOINT";
        NoDomainCheckpoint = 103, "NO_DOMAIN_CHECKPOINT";
        NoDomainBackup = 104, "NO_DOMAIN_BACKUP";
        InvalidNetworkPort = 105, "INVALID_NETWORK_PORT";
        NetworkPortExist = 106, "NETWORK_PORT_EXIST";
        NoNetworkPort = 107, "NO_NETWORK_PORT";
        NoHostname = 108, "NO_HOSTNAME";
        CheckpointInconsistent = 109, "CHECKPOINT_INCONSISTENT";
        MultipleDomains = 110, "MULTIPLE_DOMAINS";
        NoNetworkMetadata = 111, "NO_NETWORK_METADATA";
        AgentCommandTimeout = 112, "AGENT_COMMAND_TIMEOUT";
        AgentCommandFailed = 113, "AGENT_COMMAND_FAILED";
    }
}

numbers! {
    /// Which part of the system says so, as `virErrorDomain` counts it.
    Domain, "VIR_FROM_" {
        None = 0, "NONE";
        Xen = 1, "XEN";
        Xend = 2, "XEND";
        Xenstore = 3, "XENSTORE";
        Sexpr = 4, "SEXPR";
        Xml = 5, "XML";
        Dom = 6, "DOM";
        Rpc = 7, "RPC";
        Proxy = 8, "PROXY";
        Conf = 9, "CONF";
        Qemu = 10, "QEMU";
        Net = 11, "NET";
        Test = 12, "TEST";
        Remote = 13, "REMOTE";
        Openvz = 14, "OPENVZ";
        Xenxm = 15, "XENXM";
        StatsLinux = 16, "STATS_LINUX";
        Lxc = 17, "LXC";
        Storage = 18, "STORAGE";
        Network = 19, "NETWORK";
        Domain = 20, "DOMAIN";
        Uml = 21, "UML";
        Nodedev = 22, "NODEDEV";
        XenInotify = 23, "XEN_INOTIFY";
        Security = 24, "SECURITY";
        Vbox = 25, "VBOX";
        Interface = 26, "INTERFACE";
        One = 27, "ONE";
        Esx = 28, "ESX";
        Phyp = 29, "PHYP";
        Secret = 30, "SECRET";
        Cpu = 31, "CPU";
        Xenapi = 32, "XENAPI";
        Nwfilter = 33, "NWFILTER";
        Hook = 34, "HOOK";
        DomainSnapshot = 35, "DOMAIN_SNAPSHOT";
        Audit = 36, "AUDIT";
        Sysinfo = 37, "SYSINFO";
        Streams = 38, "STREAMS";
        Vmware = 39, "VMWARE";
        Event = 40, "EVENT";
        Libxl = 41, "LIBXL";
        Locking = 42, "LOCKING";
        Hyperv = 43, "HYPERV";
        Capabilities = 44, "CAPABILITIES";
        Uri = 45, "URI";
        Auth = 46, "AUTH";
        Dbus = 47, "DBUS";
        Parallels = 48, "PARALLELS";
        Device = 49, "DEVICE";
        Ssh = 50, "SSH";
        Lockspace = 51, "LOCKSPACE";
        Initctl = 52, "INITCTL";
        Identity = 53, "IDENTITY";
        Cgroup = 54, "CGROUP";
        Access = 55, "ACCESS";
        Systemd = 56, "SYSTEMD";
        Bhyve = 57, "BHYVE";
        Crypto = 58, "CRYPTO";
        Firewall = 59, "FIREWALL";
        Polkit = 60, "POLKIT";
        Thread = 61, "THREAD";
        Admin = 62, "ADMIN";
        Logging = 63, "LOGGING";
        Xenxl = 64, "XENXL";
        Perf = 65, "PERF";
        Libssh = 66, "LIBSSH";
        Resctrl = 67, "RESCTRL";
        Firewalld = 68, "FIREWALLD";
        DomainCheckpoint = 69, "DOMAIN_CHECKPOINT";
        Tpm = 70, "TPM";
        Bpf = 71, "BPF";
        Ch = 72, "CH";
    }
}

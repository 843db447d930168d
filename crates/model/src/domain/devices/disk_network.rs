//! Disk sources that QEMU reaches over the network.

use xml::{Element, Value, YesNo};

use super::chardev::Reconnect;
use super::disk_source::SourceDetails;

/// An image on a server; which of the fields apply depends on the protocol.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "source")]
pub struct NetworkSource {
    #[xml(attr)]
    pub protocol: NetworkProtocol,
    /// Export, volume and image, path of the URL, or IQN and LUN.
    #[xml(attr)]
    pub name: Option<String>,
    /// Query part of an HTTP URL.
    #[xml(attr)]
    pub query: Option<String>,
    #[xml(attr)]
    pub tls: Option<YesNo>,
    /// Name to expect in the server's certificate.
    #[xml(attr = "tlsHostname")]
    pub tls_hostname: Option<String>,
    #[xml(children = "host")]
    pub hosts: Vec<NetworkHost>,
    #[xml(child)]
    pub snapshot: Option<RbdSnapshot>,
    #[xml(child)]
    pub config: Option<RbdConfig>,
    #[xml(child)]
    pub initiator: Option<Initiator>,
    #[xml(child)]
    pub ssl: Option<Ssl>,
    #[xml(wrapped = "cookies/cookie")]
    pub cookies: Vec<Cookie>,
    #[xml(child)]
    pub readahead: Option<Readahead>,
    #[xml(child)]
    pub timeout: Option<Timeout>,
    #[xml(child = "knownHosts")]
    pub known_hosts: Option<KnownHosts>,
    #[xml(child)]
    pub identity: Option<Identity>,
    #[xml(child)]
    pub reconnect: Option<Reconnect>,
    #[xml(flatten)]
    pub details: SourceDetails,
}

impl NetworkSource {
    /// A source that says nothing but its protocol.
    pub fn of(protocol: NetworkProtocol) -> Self {
        Self {
            protocol,
            name: None,
            query: None,
            tls: None,
            tls_hostname: None,
            hosts: Vec::new(),
            snapshot: None,
            config: None,
            initiator: None,
            ssl: None,
            cookies: Vec::new(),
            readahead: None,
            timeout: None,
            known_hosts: None,
            identity: None,
            reconnect: None,
            details: SourceDetails::default(),
        }
    }
}

/// Protocols of network disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum NetworkProtocol {
    #[xml("nbd")]
    Nbd,
    #[xml("rbd")]
    Rbd,
    #[xml("sheepdog")]
    Sheepdog,
    #[xml("gluster")]
    Gluster,
    #[xml("iscsi")]
    Iscsi,
    #[xml("http")]
    Http,
    #[xml("https")]
    Https,
    #[xml("ftp")]
    Ftp,
    #[xml("ftps")]
    Ftps,
    #[xml("tftp")]
    Tftp,
    #[xml("ssh")]
    Ssh,
    #[xml("vxhs")]
    Vxhs,
    #[xml("nfs")]
    Nfs,
}

impl NetworkProtocol {
    /// The port where servers of this protocol listen unless told otherwise; 0 where there is none.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Nbd => 10809,
            Self::Sheepdog => 7000,
            Self::Gluster => 24007,
            Self::Iscsi => 3260,
            Self::Http => 80,
            Self::Https => 443,
            Self::Ftp => 21,
            Self::Ftps => 990,
            Self::Tftp => 69,
            Self::Ssh => 22,
            Self::Vxhs => 9999,
            Self::Rbd | Self::Nfs => 0,
        }
    }
}

/// A server of a network disk or pool.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "host")]
pub struct NetworkHost {
    /// Name or address; not with a socket.
    #[xml(attr)]
    pub name: Option<String>,
    #[xml(attr)]
    pub port: Option<u32>,
    /// TCP where missing.
    #[xml(attr)]
    pub transport: Option<HostTransport>,
    /// Path, with the transport `unix`.
    #[xml(attr)]
    pub socket: Option<String>,
}

/// How a server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum HostTransport {
    #[xml("tcp")]
    Tcp,
    #[xml("unix")]
    Unix,
    #[xml("rdma")]
    Rdma,
}

/// Snapshot of an RBD image.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "snapshot")]
pub struct RbdSnapshot {
    #[xml(attr)]
    pub name: String,
}

/// Ceph configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "config")]
pub struct RbdConfig {
    #[xml(attr)]
    pub file: String,
}

/// iSCSI initiator.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "initiator")]
pub struct Initiator {
    #[xml(child)]
    pub iqn: Iqn,
}

/// Qualified name of an initiator.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "iqn")]
pub struct Iqn {
    #[xml(attr)]
    pub name: String,
}

/// Whether the server's certificate is checked.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "ssl")]
pub struct Ssl {
    #[xml(attr)]
    pub verify: YesNo,
}

/// HTTP cookie.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "cookie")]
pub struct Cookie {
    #[xml(attr)]
    pub name: String,
    #[xml(text)]
    pub value: String,
}

/// Size of the read-ahead buffer, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "readahead")]
pub struct Readahead {
    #[xml(attr)]
    pub size: u64,
}

/// How long to wait for the server.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "timeout")]
pub struct Timeout {
    #[xml(attr)]
    pub seconds: u64,
}

/// Host keys of ssh.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "knownHosts")]
pub struct KnownHosts {
    #[xml(attr)]
    pub path: String,
}

/// Who to be on the server: `user` and `group` for NFS, the rest for ssh.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "identity")]
pub struct Identity {
    #[xml(attr)]
    pub user: Option<String>,
    #[xml(attr)]
    pub group: Option<String>,
    #[xml(attr)]
    pub username: Option<String>,
    #[xml(attr)]
    pub keyfile: Option<String>,
    #[xml(attr)]
    pub agentsock: Option<String>,
}

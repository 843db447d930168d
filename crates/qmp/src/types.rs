//! The answers the driver reads, by QEMU's names. Fields QEMU adds later are ignored.

use serde::Deserialize;
use std::fmt;

/// What QEMU says first on a connection.
#[derive(Debug, Clone, Deserialize)]
pub struct Greeting {
    /// The version.
    pub version: VersionInfo,
    /// Capabilities to choose from, as `oob`.
    #[serde(default)]
    pub capabilities: Vec<String>,
}

/// `query-version`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct VersionInfo {
    /// The version proper.
    pub qemu: Version,
    /// The packager's addition.
    #[serde(default)]
    pub package: String,
}

/// A version of QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Version {
    pub major: u32,
    pub minor: u32,
    pub micro: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.micro)
    }
}

/// `query-status`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StatusInfo {
    /// Whether the processors run.
    pub running: bool,
    /// `prelaunch`, `running`, `paused`, `shutdown`, `inmigrate`, `io-error`, `guest-panicked`, ...
    pub status: String,
}

/// One entry of `query-commands`, `qom-list-types` or `query-iothreads`-like lists that is read for its name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Named {
    /// The name.
    pub name: String,
}

/// One entry of `query-machines`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MachineInfo {
    /// The name.
    pub name: String,
    /// Another name of it, as `pc`.
    pub alias: Option<String>,
    /// Whether it is used if none is named.
    #[serde(default)]
    pub is_default: bool,
    /// Virtual processors at most.
    pub cpu_max: u32,
    /// Whether processors can be plugged in.
    #[serde(default)]
    pub hotpluggable_cpus: bool,
    /// Whether NUMA nodes may have their own memory.
    #[serde(default)]
    pub numa_mem_supported: bool,
    /// Whether its use is discouraged.
    #[serde(default)]
    pub deprecated: bool,
    /// The processor model if none is named.
    pub default_cpu_type: Option<String>,
    /// The id of the memory backend it makes by itself.
    pub default_ram_id: Option<String>,
}

/// One entry of `query-cpu-definitions`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CpuDefinition {
    /// The model's name.
    pub name: String,
    /// The QOM type.
    #[serde(default)]
    pub typename: String,
    /// Features that keep it from being used here; none if QEMU does not know.
    pub unavailable_features: Option<Vec<String>>,
    /// Whether its use is discouraged.
    #[serde(default)]
    pub deprecated: bool,
    /// Whether its meaning is fixed for all time and machines.
    #[serde(default, rename = "static")]
    pub is_static: bool,
}

/// `query-cpu-model-expansion`.
#[derive(Debug, Clone, Deserialize)]
pub struct CpuModelExpansion {
    /// The model found.
    pub model: CpuModel,
}

/// A processor model with its properties.
#[derive(Debug, Clone, Deserialize)]
pub struct CpuModel {
    /// The name.
    pub name: String,
    /// The properties' values.
    #[serde(default)]
    pub props: serde_json::Map<String, serde_json::Value>,
}

/// One entry of `device-list-properties`, `qom-list` and `qom-list-properties`.
#[derive(Debug, Clone, Deserialize)]
pub struct Property {
    /// The name.
    pub name: String,
    /// The type as QEMU calls it.
    #[serde(rename = "type")]
    pub kind: String,
}

/// One entry of `query-block`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BlockInfo {
    /// The backend's name; empty if it was made without one.
    #[serde(default)]
    pub device: String,
    /// The device's QOM path or id.
    pub qdev: Option<String>,
    /// Whether the medium can be taken out.
    #[serde(default)]
    pub removable: bool,
    /// Whether the guest has locked the tray.
    #[serde(default)]
    pub locked: bool,
    /// Whether the tray is open.
    #[serde(default, rename = "tray_open")]
    pub tray_open: bool,
    /// `ok`, `failed` or `nospace`.
    pub io_status: Option<String>,
    /// What is in it.
    pub inserted: Option<BlockNode>,
}

/// A node of the block layer: `inserted` of [`BlockInfo`], or an entry of `query-named-block-nodes`.
#[derive(Debug, Clone, Deserialize)]
pub struct BlockNode {
    /// The node's name.
    #[serde(rename = "node-name")]
    pub node_name: Option<String>,
    /// The file's name.
    #[serde(default)]
    pub file: String,
    /// Whether it cannot be written.
    #[serde(default)]
    pub ro: bool,
    /// The format or protocol driver.
    #[serde(default)]
    pub drv: String,
    /// How deep its chain of backing files is.
    #[serde(default)]
    pub backing_file_depth: u64,
    /// The image itself.
    pub image: Option<ImageInfo>,
    /// Bytes written above which `BLOCK_WRITE_THRESHOLD` comes; 0 is never.
    #[serde(default)]
    pub write_threshold: u64,
}

/// An image of a node.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ImageInfo {
    /// The guest's view of its size, in bytes.
    pub virtual_size: u64,
    /// Bytes it occupies.
    pub actual_size: Option<u64>,
    /// Bytes of one cluster.
    pub cluster_size: Option<u64>,
    /// The format.
    #[serde(default)]
    pub format: String,
}

/// One entry of `query-blockstats`, with the node it lies on and the one behind that.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BlockStats {
    /// The backend's name, if it has one.
    pub device: Option<String>,
    /// The device's QOM path or id.
    pub qdev: Option<String>,
    /// The node's name.
    pub node_name: Option<String>,
    /// The figures.
    pub stats: BlockDeviceStats,
    /// The file or protocol node below.
    pub parent: Option<Box<BlockStats>>,
    /// The backing node.
    pub backing: Option<Box<BlockStats>>,
}

/// The figures of a block device or node since its start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct BlockDeviceStats {
    /// Bytes read.
    pub rd_bytes: u64,
    /// Bytes written.
    pub wr_bytes: u64,
    /// Reads.
    pub rd_operations: u64,
    /// Writes.
    pub wr_operations: u64,
    /// Flushes.
    pub flush_operations: u64,
    /// Nanoseconds spent on reads.
    pub rd_total_time_ns: u64,
    /// Nanoseconds spent on writes.
    pub wr_total_time_ns: u64,
    /// Nanoseconds spent on flushes.
    pub flush_total_time_ns: u64,
    /// The highest byte written.
    pub wr_highest_offset: u64,
}

/// One entry of `query-cpus-fast`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CpuInfo {
    /// The index.
    pub cpu_index: u32,
    /// Where it is in the object tree.
    #[serde(default)]
    pub qom_path: String,
    /// The thread that runs it.
    pub thread_id: i64,
    /// Its place: `socket-id`, `core-id`, `thread-id`, ...
    #[serde(default)]
    pub props: serde_json::Map<String, serde_json::Value>,
    /// The architecture.
    #[serde(default)]
    pub target: String,
}

/// One entry of `query-iothreads`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct IoThreadInfo {
    /// The object's id.
    pub id: String,
    /// The thread.
    pub thread_id: i64,
    /// Polling at most, in nanoseconds.
    #[serde(default)]
    pub poll_max_ns: i64,
    /// The factor it grows by.
    #[serde(default)]
    pub poll_grow: i64,
    /// The divisor it shrinks by.
    #[serde(default)]
    pub poll_shrink: i64,
}

/// One entry of `query-chardev`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ChardevInfo {
    /// Its id.
    pub label: String,
    /// What it leads to, as `pty:/dev/pts/3` or `disconnected:unix:...`.
    pub filename: String,
    /// Whether the guest has its end open.
    #[serde(default)]
    pub frontend_open: bool,
}

impl ChardevInfo {
    /// The terminal QEMU made for it.
    pub fn pty(&self) -> Option<&str> {
        self.filename.strip_prefix("pty:")
    }
}

/// `query-balloon`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct BalloonInfo {
    /// Bytes the guest has.
    pub actual: u64,
}

/// The `guest-stats` property of a balloon device.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct BalloonStats {
    /// When the guest told them last, in seconds since the epoch; 0 is never.
    pub last_update: u64,
    /// The figures by name (`stat-free-memory`, ...); all ones or -1 stands for unknown.
    pub stats: serde_json::Map<String, serde_json::Value>,
}

impl BalloonStats {
    /// A figure, if the guest tells it.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.stats.get(name)?.as_u64().filter(|&value| value != u64::MAX)
    }
}

/// `query-vnc`.
#[derive(Debug, Clone, Deserialize)]
pub struct VncInfo {
    /// Whether there is a server.
    pub enabled: bool,
    /// Its address.
    pub host: Option<String>,
    /// Its port.
    pub service: Option<String>,
    /// How clients prove who they are.
    pub auth: Option<String>,
}

/// `query-spice`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SpiceInfo {
    /// Whether there is a server.
    pub enabled: bool,
    /// Its address.
    pub host: Option<String>,
    /// Its port.
    pub port: Option<i64>,
    /// Its port for TLS.
    pub tls_port: Option<i64>,
}

/// One entry of `query-rx-filter`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RxFilterInfo {
    /// The device's id.
    pub name: String,
    /// The address the guest uses.
    pub main_mac: String,
    /// Whether it hears everything.
    #[serde(default)]
    pub promiscuous: bool,
    /// Multicast addresses it wants.
    #[serde(default)]
    pub multicast_table: Vec<String>,
    /// Unicast addresses it wants.
    #[serde(default)]
    pub unicast_table: Vec<String>,
    /// VLANs it wants.
    #[serde(default)]
    pub vlan_table: Vec<u16>,
    /// Whether the table says all: `normal`, `none` or `all`.
    #[serde(default)]
    pub multicast: String,
    /// The same for unicast.
    #[serde(default)]
    pub unicast: String,
}

/// `add-fd`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AddedFd {
    /// The set it was added to.
    pub fdset_id: i64,
    /// Its number in QEMU.
    pub fd: i64,
}

/// One entry of `query-stats`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StatsResult {
    /// Who provides it, as `kvm`.
    pub provider: String,
    /// The object it is about.
    pub qom_path: Option<String>,
    /// Name and value.
    #[serde(default)]
    pub stats: Vec<Stat>,
}

/// One figure of [`StatsResult`].
#[derive(Debug, Clone, Deserialize)]
pub struct Stat {
    /// Its name.
    pub name: String,
    /// A number, a list of numbers or a boolean.
    pub value: serde_json::Value,
}

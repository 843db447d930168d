//! Character devices: serial and parallel ports, consoles and channels.
//!
//! All of them join two ends. The host's end, [`CharSource`], is chosen by `type` and is the same for every device
//! that carries bytes (also smartcards, USB redirection, entropy sources); the guest's end is the `<target>`.

use xml::{Element, Fields, OnOff, Value, YesNo};

use super::info::{DeviceInfo, DeviceSecLabel};

/// A serial port.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "serial")]
pub struct Serial {
    #[xml(flatten)]
    pub source: CharSource,
    #[xml(child)]
    pub log: Option<CharLog>,
    #[xml(child)]
    pub target: Option<SerialTarget>,
    #[xml(flatten)]
    pub info: DeviceInfo,
}

/// The guest's end of a serial port.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "target")]
pub struct SerialTarget {
    #[xml(attr = "type")]
    pub kind: Option<SerialTargetType>,
    /// Counted from 0.
    #[xml(attr)]
    pub port: Option<u32>,
    #[xml(child)]
    pub model: Option<SerialTargetModel>,
}

/// Bus of a serial port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum SerialTargetType {
    #[xml("isa-serial")]
    Isa,
    #[xml("usb-serial")]
    Usb,
    #[xml("pci-serial")]
    Pci,
    #[xml("spapr-vio-serial")]
    SpaprVio,
    /// Part of the board.
    #[xml("system-serial")]
    System,
    #[xml("sclp-serial")]
    Sclp,
    /// A port that only writes, for firmware messages.
    #[xml("isa-debug")]
    IsaDebug,
}

/// `<model name='isa-serial'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "model")]
pub struct SerialTargetModel {
    #[xml(attr)]
    pub name: SerialModel,
}

/// Devices that are a serial port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum SerialModel {
    #[xml("isa-serial")]
    IsaSerial,
    #[xml("usb-serial")]
    UsbSerial,
    #[xml("pci-serial")]
    PciSerial,
    #[xml("spapr-vty")]
    SpaprVty,
    #[xml("pl011")]
    Pl011,
    #[xml("sclpconsole")]
    SclpConsole,
    #[xml("sclplmconsole")]
    SclpLmConsole,
    #[xml("16550a")]
    Uart16550a,
    #[xml("isa-debugcon")]
    IsaDebugCon,
}

/// A parallel port.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "parallel")]
pub struct Parallel {
    #[xml(flatten)]
    pub source: CharSource,
    #[xml(child)]
    pub log: Option<CharLog>,
    #[xml(child)]
    pub target: Option<ParallelTarget>,
    #[xml(flatten)]
    pub info: DeviceInfo,
}

/// The guest's end of a parallel port.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "target")]
pub struct ParallelTarget {
    /// Counted from 0.
    #[xml(attr)]
    pub port: Option<u32>,
}

/// A console; the first one of a full-virtualised guest is its first serial port under another name.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "console", leading = "type")]
pub struct Console {
    /// Live documents: the pseudo terminal's path, as old clients look for it.
    #[xml(attr)]
    pub tty: Option<String>,
    #[xml(flatten)]
    pub source: CharSource,
    #[xml(child)]
    pub log: Option<CharLog>,
    #[xml(child)]
    pub target: Option<ConsoleTarget>,
    #[xml(flatten)]
    pub info: DeviceInfo,
}

/// The guest's end of a console.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "target")]
pub struct ConsoleTarget {
    #[xml(attr = "type")]
    pub kind: Option<ConsoleTargetType>,
    /// Counted from 0.
    #[xml(attr)]
    pub port: Option<u32>,
}

/// Kind of a console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum ConsoleTargetType {
    #[xml("none")]
    None,
    #[xml("serial")]
    Serial,
    #[xml("xen")]
    Xen,
    #[xml("uml")]
    Uml,
    #[xml("virtio")]
    Virtio,
    #[xml("lxc")]
    Lxc,
    #[xml("openvz")]
    OpenVz,
    #[xml("sclp")]
    Sclp,
    #[xml("sclplm")]
    SclpLm,
}

/// A private channel between host and guest.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "channel")]
pub struct Channel {
    #[xml(flatten)]
    pub source: CharSource,
    #[xml(child)]
    pub log: Option<CharLog>,
    #[xml(child)]
    pub target: ChannelTarget,
    #[xml(flatten)]
    pub info: DeviceInfo,
}

impl Channel {
    /// Whether the guest's agent is at its other end, which all management tools find by this name.
    pub fn is_guest_agent(&self) -> bool {
        self.name() == Some("org.qemu.guest_agent.0")
    }

    /// Name of a virtio channel (`org.qemu.guest_agent.0`).
    pub fn name(&self) -> Option<&str> {
        match &self.target {
            ChannelTarget::Virtio { name, .. } | ChannelTarget::Xen { name } => name.as_deref(),
            ChannelTarget::GuestFwd { .. } => None,
        }
    }
}

/// The guest's end of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Fields)]
#[xml(tag = "type")]
pub enum ChannelTarget {
    /// A named port of a virtio-serial controller.
    #[xml(name = "virtio")]
    Virtio {
        #[xml(attr)]
        name: Option<String>,
        /// Live documents: whether a process in the guest has the port open.
        #[xml(attr)]
        state: Option<ChannelState>,
    },
    /// A TCP port of the user-mode network's virtual host.
    #[xml(name = "guestfwd")]
    GuestFwd {
        #[xml(attr)]
        address: String,
        #[xml(attr)]
        port: u32,
    },
    #[xml(name = "xen")]
    Xen {
        #[xml(attr)]
        name: Option<String>,
    },
}

super::element_of_fields!(ChannelTarget, "target");

/// Whether the guest listens on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum ChannelState {
    #[xml("connected")]
    Connected,
    #[xml("disconnected")]
    Disconnected,
}

/// `<log file='..' append='on'/>`: a copy of what the guest writes.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "log")]
pub struct CharLog {
    #[xml(attr)]
    pub file: String,
    #[xml(attr)]
    pub append: Option<OnOff>,
}

/// The host's end of a character device.
#[derive(Debug, Clone, PartialEq, Fields)]
#[xml(tag = "type", default = "pty")]
pub enum CharSource {
    #[xml(name = "null")]
    Null,
    /// A virtual console of QEMU's own display.
    #[xml(name = "vc")]
    Vc,
    /// A pseudo terminal; its path is known while the domain runs.
    #[xml(name = "pty")]
    Pty {
        #[xml(child)]
        source: Option<PathSource>,
    },
    #[xml(name = "dev")]
    Dev {
        #[xml(child)]
        source: Option<PathSource>,
    },
    #[xml(name = "file")]
    File {
        #[xml(child)]
        source: Option<OutputFileSource>,
    },
    #[xml(name = "pipe")]
    Pipe {
        #[xml(child)]
        source: Option<PathSource>,
    },
    #[xml(name = "stdio")]
    Stdio,
    #[xml(name = "udp")]
    Udp {
        /// At most one of each mode.
        #[xml(children = "source")]
        sources: Vec<UdpSource>,
    },
    #[xml(name = "tcp")]
    Tcp {
        #[xml(child)]
        source: Option<TcpSource>,
        #[xml(child)]
        protocol: Option<Protocol>,
    },
    #[xml(name = "unix")]
    Unix {
        #[xml(child)]
        source: Option<UnixSource>,
    },
    /// A channel of the SPICE connection with a meaning that SPICE knows.
    #[xml(name = "spicevmc")]
    SpiceVmc,
    /// A named channel of the SPICE connection.
    #[xml(name = "spiceport")]
    SpicePort {
        #[xml(child)]
        source: Option<NamedSource>,
    },
    /// A pair of FreeBSD null-modem devices.
    #[xml(name = "nmdm")]
    Nmdm {
        #[xml(child)]
        source: Option<NmdmSource>,
    },
    /// QEMU's own implementation of the SPICE agent protocol.
    #[xml(name = "qemu-vdagent")]
    QemuVdagent {
        #[xml(child)]
        source: Option<VdagentSource>,
    },
    #[xml(name = "dbus")]
    Dbus {
        #[xml(child)]
        source: Option<NamedSource>,
    },
}

impl Default for CharSource {
    fn default() -> Self {
        Self::Pty { source: None }
    }
}

impl CharSource {
    /// The path on the host: of the terminal, device, file, pipe or socket.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Pty { source } | Self::Dev { source } | Self::Pipe { source } => {
                source.as_ref()?.path.as_deref()
            }
            Self::File { source } => source.as_ref()?.path.as_deref(),
            Self::Unix { source } => source.as_ref()?.path.as_deref(),
            _ => None,
        }
    }

    /// The name of the kind, as in the `type` attribute.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Vc => "vc",
            Self::Pty { .. } => "pty",
            Self::Dev { .. } => "dev",
            Self::File { .. } => "file",
            Self::Pipe { .. } => "pipe",
            Self::Stdio => "stdio",
            Self::Udp { .. } => "udp",
            Self::Tcp { .. } => "tcp",
            Self::Unix { .. } => "unix",
            Self::SpiceVmc => "spicevmc",
            Self::SpicePort { .. } => "spiceport",
            Self::Nmdm { .. } => "nmdm",
            Self::QemuVdagent { .. } => "qemu-vdagent",
            Self::Dbus { .. } => "dbus",
        }
    }
}

/// `<source path='..'/>`
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "source")]
pub struct PathSource {
    #[xml(attr)]
    pub path: Option<String>,
    #[xml(children = "seclabel")]
    pub seclabels: Vec<DeviceSecLabel>,
}

/// A file that takes what the guest writes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "source")]
pub struct OutputFileSource {
    #[xml(attr)]
    pub path: Option<String>,
    /// Whether the file's old content is kept.
    #[xml(attr)]
    pub append: Option<OnOff>,
    #[xml(children = "seclabel")]
    pub seclabels: Vec<DeviceSecLabel>,
}

/// Who calls whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Value)]
pub enum SourceMode {
    #[default]
    #[xml("connect")]
    Connect,
    #[xml("bind")]
    Bind,
}

/// A UNIX stream socket.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "source")]
pub struct UnixSource {
    #[xml(attr, default)]
    pub mode: SourceMode,
    /// Chosen by the daemon where missing.
    #[xml(attr)]
    pub path: Option<String>,
    #[xml(child)]
    pub reconnect: Option<Reconnect>,
    #[xml(children = "seclabel")]
    pub seclabels: Vec<DeviceSecLabel>,
}

/// A TCP socket.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "source")]
pub struct TcpSource {
    #[xml(attr, default)]
    pub mode: SourceMode,
    #[xml(attr)]
    pub host: Option<String>,
    /// Port number or service name.
    #[xml(attr)]
    pub service: Option<String>,
    /// As the daemon's configuration says where missing.
    #[xml(attr)]
    pub tls: Option<YesNo>,
    #[xml(child)]
    pub reconnect: Option<Reconnect>,
}

/// One end of a UDP association: `bind` is where to receive, `connect` where to send to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "source")]
pub struct UdpSource {
    #[xml(attr, default)]
    pub mode: SourceMode,
    #[xml(attr)]
    pub host: Option<String>,
    /// Port number or service name.
    #[xml(attr)]
    pub service: Option<String>,
}

/// `<source channel='..'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "source")]
pub struct NamedSource {
    #[xml(attr)]
    pub channel: String,
}

/// The two ends of a null-modem device.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "source")]
pub struct NmdmSource {
    #[xml(attr)]
    pub master: String,
    #[xml(attr)]
    pub slave: String,
}

/// What QEMU's vdagent passes on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "source")]
pub struct VdagentSource {
    #[xml(child)]
    pub clipboard: Option<Clipboard>,
    #[xml(child)]
    pub mouse: Option<MouseMode>,
}

/// `<clipboard copypaste='no'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "clipboard")]
pub struct Clipboard {
    #[xml(attr)]
    pub copypaste: YesNo,
}

/// `<mouse mode='client'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "mouse")]
pub struct MouseMode {
    #[xml(attr)]
    pub mode: MouseSide,
}

/// Who draws the pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum MouseSide {
    #[xml("server")]
    Server,
    #[xml("client")]
    Client,
}

/// `<protocol type='telnet'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "protocol")]
pub struct Protocol {
    #[xml(attr = "type", default)]
    pub kind: ProtocolType,
}

/// What is spoken over a TCP character device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Value)]
pub enum ProtocolType {
    #[default]
    #[xml("raw")]
    Raw,
    #[xml("telnet")]
    Telnet,
    #[xml("telnets")]
    Telnets,
    #[xml("tls")]
    Tls,
}

/// What a connecting end does when the connection breaks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "reconnect")]
pub struct Reconnect {
    #[xml(attr)]
    pub enabled: Option<YesNo>,
    /// Seconds between attempts.
    #[xml(attr)]
    pub timeout: Option<u32>,
    /// Seconds to hold requests back (network disks).
    #[xml(attr)]
    pub delay: Option<u32>,
}

//! `<graphics>`: how people look at the guest.

use xml::{Element, Fields, OnOff, Value, YesNo};

use super::chardev::{Clipboard, MouseMode};

/// One way to the guest's display.
#[derive(Debug, Clone, PartialEq, Fields)]
#[xml(tag = "type")]
pub enum Graphics {
    #[xml(name = "sdl")]
    Sdl(Sdl),
    #[xml(name = "vnc")]
    Vnc(Box<Vnc>),
    #[xml(name = "rdp")]
    Rdp(Box<Rdp>),
    #[xml(name = "desktop")]
    Desktop(Desktop),
    #[xml(name = "spice")]
    Spice(Box<Spice>),
    #[xml(name = "egl-headless")]
    EglHeadless {
        #[xml(child)]
        gl: Option<Gl>,
    },
    #[xml(name = "dbus")]
    Dbus(DbusDisplay),
}

super::element_of_fields!(Graphics, "graphics");

impl Graphics {
    /// The name of the kind, as in the `type` attribute.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sdl(_) => "sdl",
            Self::Vnc(_) => "vnc",
            Self::Rdp(_) => "rdp",
            Self::Desktop(_) => "desktop",
            Self::Spice(_) => "spice",
            Self::EglHeadless { .. } => "egl-headless",
            Self::Dbus(_) => "dbus",
        }
    }

    /// Where the server listens; empty for displays that are no server.
    pub fn listens(&self) -> &[Listen] {
        match self {
            Self::Vnc(vnc) => &vnc.listens,
            Self::Spice(spice) => &spice.listens,
            Self::Rdp(rdp) => &rdp.listens,
            Self::Sdl(_) | Self::Desktop(_) | Self::EglHeadless { .. } | Self::Dbus(_) => &[],
        }
    }

    /// As [`Graphics::listens`], to be changed; `None` for displays that are no server.
    pub fn listens_mut(&mut self) -> Option<&mut Vec<Listen>> {
        match self {
            Self::Vnc(vnc) => Some(&mut vnc.listens),
            Self::Spice(spice) => Some(&mut spice.listens),
            Self::Rdp(rdp) => Some(&mut rdp.listens),
            Self::Sdl(_) | Self::Desktop(_) | Self::EglHeadless { .. } | Self::Dbus(_) => None,
        }
    }

    /// Takes passwords out, as clients without the right to see them get the document.
    pub fn strip_secrets(&mut self) {
        match self {
            Self::Vnc(vnc) => vnc.access = GraphicsAccess::default(),
            Self::Spice(spice) => spice.access = GraphicsAccess::default(),
            Self::Rdp(rdp) => rdp.passwd = None,
            Self::Sdl(_) | Self::Desktop(_) | Self::EglHeadless { .. } | Self::Dbus(_) => {}
        }
    }

    /// Whether a password is set.
    pub fn has_secrets(&self) -> bool {
        match self {
            Self::Vnc(vnc) => vnc.access.passwd.is_some(),
            Self::Spice(spice) => spice.access.passwd.is_some(),
            Self::Rdp(rdp) => rdp.passwd.is_some(),
            Self::Sdl(_) | Self::Desktop(_) | Self::EglHeadless { .. } | Self::Dbus(_) => false,
        }
    }
}

/// Password of a VNC or SPICE server, and what becomes of clients when it changes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Fields)]
pub struct GraphicsAccess {
    #[xml(attr)]
    pub passwd: Option<String>,
    /// UTC, as `2011-05-31T16:11:22`.
    #[xml(attr = "passwdValidTo")]
    pub passwd_valid_to: Option<String>,
    #[xml(attr)]
    pub connected: Option<Connected>,
}

/// What becomes of connected clients when the password changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum Connected {
    #[xml("default")]
    Default,
    #[xml("fail")]
    Fail,
    #[xml("disconnect")]
    Disconnect,
    #[xml("keep")]
    Keep,
}

/// A window on the host's own display.
#[derive(Debug, Clone, PartialEq, Eq, Default, Fields)]
pub struct Sdl {
    #[xml(attr)]
    pub display: Option<String>,
    #[xml(attr)]
    pub xauth: Option<String>,
    #[xml(attr)]
    pub fullscreen: Option<YesNo>,
    #[xml(child)]
    pub gl: Option<Gl>,
}

/// VirtualBox's window.
#[derive(Debug, Clone, PartialEq, Eq, Default, Fields)]
pub struct Desktop {
    #[xml(attr)]
    pub display: Option<String>,
    #[xml(attr)]
    pub fullscreen: Option<YesNo>,
}

/// A VNC server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Fields)]
pub struct Vnc {
    /// -1: chosen when the domain starts.
    #[xml(attr)]
    pub port: Option<i32>,
    #[xml(attr)]
    pub autoport: Option<YesNo>,
    /// -1: chosen when the domain starts.
    #[xml(attr)]
    pub websocket: Option<i32>,
    /// Path of a UNIX socket, in the form of old clients; also in the first `<listen>`.
    #[xml(attr)]
    pub socket: Option<String>,
    /// Address in the form of old clients; also in the first `<listen>`.
    #[xml(attr)]
    pub listen: Option<String>,
    #[xml(attr)]
    pub keymap: Option<String>,
    #[xml(attr = "sharePolicy")]
    pub share_policy: Option<VncSharePolicy>,
    /// Whether clients may shut down, reboot and reset the guest.
    #[xml(attr = "powerControl")]
    pub power_control: Option<YesNo>,
    #[xml(flatten)]
    pub access: GraphicsAccess,
    #[xml(children = "listen")]
    pub listens: Vec<Listen>,
    #[xml(child)]
    pub audio: Option<AudioRef>,
}

/// What becomes of the old client when a new one connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum VncSharePolicy {
    #[xml("allow-exclusive")]
    AllowExclusive,
    #[xml("force-shared")]
    ForceShared,
    #[xml("ignore")]
    Ignore,
}

/// An RDP server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Fields)]
pub struct Rdp {
    #[xml(attr)]
    pub port: Option<i32>,
    #[xml(attr)]
    pub autoport: Option<YesNo>,
    #[xml(attr = "replaceUser")]
    pub replace_user: Option<YesNo>,
    #[xml(attr = "multiUser")]
    pub multi_user: Option<YesNo>,
    #[xml(attr)]
    pub listen: Option<String>,
    #[xml(attr)]
    pub username: Option<String>,
    #[xml(attr)]
    pub passwd: Option<String>,
    #[xml(children = "listen")]
    pub listens: Vec<Listen>,
}

/// A SPICE server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Fields)]
pub struct Spice {
    /// -1: chosen when the domain starts.
    #[xml(attr)]
    pub port: Option<i32>,
    /// -1: chosen when the domain starts.
    #[xml(attr = "tlsPort")]
    pub tls_port: Option<i32>,
    #[xml(attr)]
    pub autoport: Option<YesNo>,
    /// Address in the form of old clients; also in the first `<listen>`.
    #[xml(attr)]
    pub listen: Option<String>,
    #[xml(attr)]
    pub keymap: Option<String>,
    #[xml(attr = "defaultMode")]
    pub default_mode: Option<ChannelMode>,
    #[xml(flatten)]
    pub access: GraphicsAccess,
    #[xml(children = "listen")]
    pub listens: Vec<Listen>,
    #[xml(children = "channel")]
    pub channels: Vec<SpiceChannel>,
    #[xml(child)]
    pub image: Option<SpiceImage>,
    #[xml(child)]
    pub jpeg: Option<SpiceJpeg>,
    #[xml(child)]
    pub zlib: Option<SpiceZlib>,
    #[xml(child)]
    pub playback: Option<SpicePlayback>,
    #[xml(child)]
    pub streaming: Option<SpiceStreaming>,
    #[xml(child)]
    pub mouse: Option<MouseMode>,
    #[xml(child)]
    pub clipboard: Option<Clipboard>,
    #[xml(child = "filetransfer")]
    pub file_transfer: Option<FileTransfer>,
    #[xml(child)]
    pub gl: Option<Gl>,
}

/// A display on D-Bus.
#[derive(Debug, Clone, PartialEq, Eq, Default, Fields)]
pub struct DbusDisplay {
    /// Address of a message bus; excludes `p2p`.
    #[xml(attr)]
    pub address: Option<String>,
    /// Clients come in by descriptors that the daemon hands over.
    #[xml(attr)]
    pub p2p: Option<YesNo>,
    #[xml(child)]
    pub gl: Option<Gl>,
    #[xml(child)]
    pub audio: Option<AudioRef>,
}

/// Which audio backend plays what a device or display makes.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "audio")]
pub struct AudioRef {
    /// `id` of an `<audio>`.
    #[xml(attr)]
    pub id: u32,
}

/// Where a graphics server listens.
#[derive(Debug, Clone, PartialEq, Eq, Fields)]
#[xml(tag = "type")]
pub enum Listen {
    /// An address; the daemon's default where missing.
    #[xml(name = "address")]
    Address {
        #[xml(attr)]
        address: Option<String>,
    },
    /// The host's address on a virtual network.
    #[xml(name = "network")]
    Network {
        /// Live documents: what was found.
        #[xml(attr)]
        address: Option<String>,
        #[xml(attr)]
        network: Option<String>,
    },
    /// A UNIX socket; its path is chosen by the daemon where missing.
    #[xml(name = "socket")]
    Socket {
        #[xml(attr)]
        socket: Option<String>,
    },
    /// Nowhere: clients come in by descriptors only.
    #[xml(name = "none")]
    None,
}

super::element_of_fields!(Listen, "listen");

/// `<gl enable='yes' rendernode='/dev/dri/renderD128'/>`
#[derive(Debug, Clone, PartialEq, Eq, Default, Element)]
#[xml(element = "gl")]
pub struct Gl {
    #[xml(attr)]
    pub enable: Option<YesNo>,
    #[xml(attr)]
    pub rendernode: Option<String>,
}

/// Encryption of one SPICE channel.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "channel")]
pub struct SpiceChannel {
    #[xml(attr)]
    pub name: SpiceChannelName,
    #[xml(attr)]
    pub mode: ChannelMode,
}

/// Channels of SPICE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Value)]
pub enum SpiceChannelName {
    #[xml("main")]
    Main,
    #[xml("display")]
    Display,
    #[xml("inputs")]
    Inputs,
    #[xml("cursor")]
    Cursor,
    #[xml("playback")]
    Playback,
    #[xml("record")]
    Record,
    #[xml("smartcard")]
    Smartcard,
    #[xml("usbredir")]
    Usbredir,
}

/// Whether a SPICE channel is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum ChannelMode {
    #[xml("any")]
    Any,
    #[xml("secure")]
    Secure,
    #[xml("insecure")]
    Insecure,
}

/// `<image compression='auto_glz'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "image")]
pub struct SpiceImage {
    #[xml(attr)]
    pub compression: ImageCompression,
}

/// Compression of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum ImageCompression {
    #[xml("auto_glz")]
    AutoGlz,
    #[xml("auto_lz")]
    AutoLz,
    #[xml("quic")]
    Quic,
    #[xml("glz")]
    Glz,
    #[xml("lz")]
    Lz,
    #[xml("off")]
    Off,
}

/// `<jpeg compression='auto'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "jpeg")]
pub struct SpiceJpeg {
    #[xml(attr)]
    pub compression: WanCompression,
}

/// `<zlib compression='auto'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "zlib")]
pub struct SpiceZlib {
    #[xml(attr)]
    pub compression: WanCompression,
}

/// Extra compression for slow links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum WanCompression {
    #[xml("auto")]
    Auto,
    #[xml("never")]
    Never,
    #[xml("always")]
    Always,
}

/// `<playback compression='on'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "playback")]
pub struct SpicePlayback {
    #[xml(attr)]
    pub compression: OnOff,
}

/// `<streaming mode='filter'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "streaming")]
pub struct SpiceStreaming {
    #[xml(attr)]
    pub mode: StreamingMode,
}

/// Which parts of the display are sent as video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Value)]
pub enum StreamingMode {
    #[xml("filter")]
    Filter,
    #[xml("all")]
    All,
    #[xml("off")]
    Off,
}

/// `<filetransfer enable='no'/>`
#[derive(Debug, Clone, PartialEq, Eq, Element)]
#[xml(element = "filetransfer")]
pub struct FileTransfer {
    #[xml(attr)]
    pub enable: YesNo,
}

//! `-vnc`, `-spice`, `-display`: how people look at the guest.

use super::line::{KeyValues, Line, incomplete, on_off, unsupported};
use error::Result;
use model::domain::devices::Graphics;
use model::domain::devices::chardev::MouseSide;
use model::domain::devices::graphics::{
    ChannelMode, DbusDisplay, Gl, ImageCompression, Listen, Sdl, Spice, SpiceChannelName, StreamingMode, Vnc,
    VncSharePolicy, WanCompression,
};

/// The lowest port of VNC, which is its display 0.
const VNC_BASE: i32 = 5900;

impl Line<'_> {
    /// What stands where there is no graphics: nothing is shown.
    pub(super) fn display_none(&mut self) {
        if self.domain.devices.graphics.is_empty() {
            self.option("-display", "none");
        }
    }

    pub(super) fn graphics(&mut self) -> Result<()> {
        for one in &self.domain.devices.graphics {
            match one {
                Graphics::Vnc(vnc) => self.vnc(vnc)?,
                Graphics::Spice(spice) => self.spice(spice)?,
                Graphics::Sdl(sdl) => self.sdl(sdl),
                Graphics::EglHeadless { gl } => {
                    let node = self.render_node(gl.as_ref());
                    self.option(
                        "-display",
                        KeyValues::new()
                            .word("egl-headless")
                            .maybe("rendernode", node)
                            .finish(),
                    );
                }
                Graphics::Dbus(dbus) => self.dbus(dbus)?,
                Graphics::Rdp(_) => return Err(unsupported("<graphics type='rdp'> is not supported yet")),
                Graphics::Desktop(_) => return Err(unsupported("<graphics type='desktop'> is not for QEMU")),
            }
        }
        Ok(())
    }

    fn vnc(&mut self, vnc: &Vnc) -> Result<()> {
        let listen = vnc
            .listens
            .first()
            .ok_or_else(|| incomplete("<graphics type='vnc'>: no <listen>"))?;
        let mut option = match listen {
            Listen::Socket { socket } => {
                let socket = socket
                    .as_deref()
                    .ok_or_else(|| incomplete("<listen type='socket'> has no path"))?;
                KeyValues::new().set("vnc", format!("unix:{socket}"))
            }
            Listen::Address { address } | Listen::Network { address, .. } => {
                let address = address.as_deref().unwrap_or_default();
                let port = vnc
                    .port
                    .filter(|port| *port >= 0)
                    .ok_or_else(|| incomplete("<graphics>: no port was chosen"))?;
                let display = port
                    .checked_sub(VNC_BASE)
                    .filter(|display| *display >= 0)
                    .ok_or_else(|| {
                        unsupported(format!(
                            "<graphics type='vnc' port='{port}'>: vnc port must be in range [5900,65535]"
                        ))
                    })?;
                let address = if address.contains(':') {
                    format!("[{address}]")
                } else {
                    address.to_owned()
                };
                KeyValues::new().word(format!("{address}:{display}"))
            }
            Listen::None => KeyValues::new().word("none"),
        };
        if let (Some(websocket), Listen::Address { .. } | Listen::Network { .. }) = (vnc.websocket, listen) {
            option.put("websocket", websocket);
        }
        if let Some(policy) = vnc.share_policy {
            option.put(
                "share",
                match policy {
                    VncSharePolicy::AllowExclusive => "allow-exclusive",
                    VncSharePolicy::ForceShared => "force-shared",
                    VncSharePolicy::Ignore => "ignore",
                },
            );
        }
        if vnc.access.passwd.is_some() || self.context.vnc_password {
            option.put("password", "on");
        }
        option = option.maybe("tls-creds", self.vnc_tls()?);
        let sasl = self.context.encryption.vnc_sasl.as_ref();
        option = option.maybe("sasl", self.sasl(sasl));
        if let Some(control) = vnc.power_control {
            option.put("power-control", on_off(control.is_yes()));
        }
        if let Some(keymap) = &vnc.keymap {
            self.option("-k", keymap.as_str());
        }
        option.put(
            "audiodev",
            super::sound::audio_id(self.domain, vnc.audio.as_ref())?,
        );
        self.option("-vnc", option.finish());
        Ok(())
    }

    fn spice(&mut self, spice: &Spice) -> Result<()> {
        let mut option = KeyValues::new();
        let port = spice.port.filter(|port| *port > 0);
        let tls = spice.tls_port.filter(|port| *port > 0);
        if let (Some(tls), None) = (tls, &self.context.encryption.spice) {
            return Err(unsupported(format!(
                "<graphics type='spice' tlsPort='{tls}'>: TLS is disabled in the driver's configuration"
            )));
        }
        let listen = spice
            .listens
            .first()
            .ok_or_else(|| incomplete("<graphics type='spice'>: no <listen>"))?;
        match listen {
            Listen::Socket { socket } => {
                let socket = socket
                    .as_deref()
                    .ok_or_else(|| incomplete("<listen type='socket'> has no path"))?;
                option.put("unix", "on");
                option.put("addr", socket);
            }
            Listen::Address { address } | Listen::Network { address, .. } => {
                if let Some(port) = port {
                    option.put("port", port);
                }
                option = option.maybe("tls-port", tls);
                if let Some(address) = address.as_deref().filter(|_| port.is_some() || tls.is_some()) {
                    option.put("addr", address);
                }
                if port.is_none() && tls.is_none() {
                    option.put("port", 0);
                }
            }
            Listen::None => option.put("port", 0),
        }
        if let Some(mouse) = &spice.mouse {
            option.put("agent-mouse", on_off(mouse.mode == MouseSide::Client));
        }
        if spice.access.passwd.is_none() && !self.context.spice_password {
            option.put("disable-ticketing", "on");
        }
        let sasl = self.context.encryption.spice_sasl.as_ref();
        option = option.maybe("sasl", self.sasl(sasl));
        if tls.is_some() {
            let folder = self.context.encryption.spice.as_ref();
            option = option.maybe("x509-dir", folder.map(|folder| folder.display()));
        }
        match spice.default_mode {
            Some(ChannelMode::Secure) if tls.is_none() => return Err(needs_tls("defaultMode")),
            Some(ChannelMode::Secure) => option.put("tls-channel", "default"),
            Some(ChannelMode::Insecure) => option.put("plaintext-channel", "default"),
            Some(ChannelMode::Any) | None => {}
        }
        for channel in &spice.channels {
            let name = match channel.name {
                SpiceChannelName::Main => "main",
                SpiceChannelName::Display => "display",
                SpiceChannelName::Inputs => "inputs",
                SpiceChannelName::Cursor => "cursor",
                SpiceChannelName::Playback => "playback",
                SpiceChannelName::Record => "record",
                SpiceChannelName::Smartcard => "smartcard",
                SpiceChannelName::Usbredir => "usbredir",
            };
            match channel.mode {
                ChannelMode::Secure if tls.is_none() => return Err(needs_tls(name)),
                ChannelMode::Secure => option.put("tls-channel", name),
                ChannelMode::Insecure => option.put("plaintext-channel", name),
                ChannelMode::Any => {}
            }
        }
        let wan = |compression: WanCompression| match compression {
            WanCompression::Auto => "auto",
            WanCompression::Never => "never",
            WanCompression::Always => "always",
        };
        if let Some(image) = &spice.image {
            option.put(
                "image-compression",
                match image.compression {
                    ImageCompression::AutoGlz => "auto_glz",
                    ImageCompression::AutoLz => "auto_lz",
                    ImageCompression::Quic => "quic",
                    ImageCompression::Glz => "glz",
                    ImageCompression::Lz => "lz",
                    ImageCompression::Off => "off",
                },
            );
        }
        option = option
            .maybe(
                "jpeg-wan-compression",
                spice.jpeg.as_ref().map(|jpeg| wan(jpeg.compression)),
            )
            .maybe(
                "zlib-glz-wan-compression",
                spice.zlib.as_ref().map(|zlib| wan(zlib.compression)),
            )
            .maybe(
                "playback-compression",
                spice.playback.as_ref().map(|it| on_off(it.compression.is_on())),
            );
        if let Some(streaming) = &spice.streaming {
            option.put(
                "streaming-video",
                match streaming.mode {
                    StreamingMode::Filter => "filter",
                    StreamingMode::All => "all",
                    StreamingMode::Off => "off",
                },
            );
        }
        if spice
            .clipboard
            .as_ref()
            .is_some_and(|clipboard| !clipboard.copypaste.is_yes())
        {
            option.put("disable-copy-paste", "on");
        }
        if spice
            .file_transfer
            .as_ref()
            .is_some_and(|transfer| !transfer.enable.is_yes())
        {
            option.put("disable-agent-file-xfer", "on");
        }
        let node = self.render_node(spice.gl.as_ref());
        option = gl(option, spice.gl.as_ref(), node);
        option.put("seamless-migration", "on");
        if let Some(keymap) = &spice.keymap {
            self.option("-k", keymap.as_str());
        }
        self.option("-spice", option.finish());
        Ok(())
    }

    fn sdl(&mut self, sdl: &Sdl) {
        if let Some(xauth) = &sdl.xauth {
            self.environment("XAUTHORITY", xauth);
        }
        if let Some(display) = &sdl.display {
            self.environment("DISPLAY", display);
        }
        if sdl.fullscreen.is_some_and(|full| full.is_yes()) {
            self.flag("-full-screen");
        }
        self.option(
            "-display",
            gl(KeyValues::new().word("sdl"), sdl.gl.as_ref(), None).finish(),
        );
    }

    fn dbus(&mut self, dbus: &DbusDisplay) -> Result<()> {
        let mut option = KeyValues::new().word("dbus");
        if dbus.p2p.is_some_and(|p2p| p2p.is_yes()) {
            option.put("p2p", "on");
        } else {
            let address = dbus.address.as_deref();
            option.put("addr", address.ok_or_else(|| unsupported("<graphics type='dbus'>: a bus of the daemon's own is not supported yet; name an address"))?);
        }
        let node = self.render_node(dbus.gl.as_ref());
        option = gl(option, dbus.gl.as_ref(), node);
        if dbus.audio.is_some() {
            option.put(
                "audiodev",
                super::sound::audio_id(self.domain, dbus.audio.as_ref())?,
            );
        }
        self.option("-display", option.finish());
        Ok(())
    }
}

impl Line<'_> {
    /// What a display with OpenGL is drawn by.
    fn render_node(&self, gl: Option<&Gl>) -> Option<String> {
        if let Some(node) = gl.and_then(|gl| gl.rendernode.clone()) {
            return Some(node);
        }
        let off = gl.is_some_and(|gl| gl.enable.is_some_and(|enable| !enable.is_yes()));
        let node = self.context.found.render_node.as_ref().filter(|_| !off);
        node.map(|node| node.display().to_string())
    }

    /// Where the guest comes from, if it is not to begin anew.
    pub(super) fn incoming(&mut self) {
        if let Some(incoming) = self.context.found.incoming.clone() {
            self.option("-incoming", incoming);
        }
    }
}

fn gl(option: KeyValues, gl: Option<&Gl>, rendernode: Option<String>) -> KeyValues {
    let Some(gl) = gl else { return option };
    let enabled = gl.enable.map(|enable| on_off(enable.is_yes()));
    option.maybe("gl", enabled).maybe("rendernode", rendernode)
}

fn needs_tls(what: &str) -> error::Error {
    unsupported(format!(
        "<graphics type='spice'>: '{what}' is to be secure, but there is no port with TLS"
    ))
}

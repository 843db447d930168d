//! `-chardev`: the host's end of everything that carries bytes.

use super::Role;
use super::line::{KeyValues, Line, incomplete, on_off, unsupported};
use error::Result;
use model::domain::devices::CharSource;
use model::domain::devices::chardev::{CharLog, MouseSide, ProtocolType, Reconnect, SourceMode};
use xml::YesNo;

/// What carries the bytes, for whom.
pub(super) struct Backend<'a> {
    /// The device at the guest's end.
    pub(super) alias: &'a str,
    pub(super) source: &'a CharSource,
    pub(super) log: Option<&'a CharLog>,
    /// The meaning of a SPICE channel: `vdagent`, `usbredir`, `smartcard`.
    pub(super) spice_name: &'static str,
}

/// The name of a device's `-chardev`.
pub(super) fn id(alias: &str) -> String {
    format!("char{alias}")
}

/// Seconds between attempts to connect again.
pub(super) fn pause(reconnect: Option<&Reconnect>) -> Option<u64> {
    let reconnect = reconnect?;
    reconnect.enabled.map(|enabled| match enabled {
        YesNo::Yes => u64::from(reconnect.timeout.unwrap_or(0)),
        YesNo::No => 0,
    })
}

impl Line<'_> {
    /// Adds the seconds between attempts to connect again, which QEMU counts in milliseconds since 9.2.
    pub(super) fn reconnecting(&self, option: KeyValues, pause: Option<u64>) -> KeyValues {
        let milliseconds = "chardev-add/arg-type/backend/+socket/data/reconnect-ms";
        if self.caps.schema(milliseconds) {
            option.maybe("reconnect-ms", pause.map(|seconds| seconds * 1000))
        } else {
            option.maybe("reconnect", pause)
        }
    }

    /// Joins a device to the host's end; the name by which the device refers to it.
    pub(super) fn chardev(&mut self, backend: &Backend<'_>) -> Result<String> {
        let alias = backend.alias;
        let name = id(alias);
        let element = || format!("character device '{alias}'");
        let missing = || incomplete(format!("{} names no source", element()));
        let kind = backend.source.kind();
        let start = |what: &str| KeyValues::new().word(what).set("id", &name);
        let mut option = match backend.source {
            CharSource::Null | CharSource::Vc | CharSource::Stdio => start(kind),
            CharSource::Pty { .. } => start("pty"),
            CharSource::Dev { .. } => {
                let path = backend.source.path().ok_or_else(missing)?;
                let what = if alias.starts_with("parallel") {
                    "parallel"
                } else {
                    "serial"
                };
                start(what).set("path", path)
            }
            CharSource::File { source } => {
                let source = source.as_ref().ok_or_else(missing)?;
                let path = source.path.as_deref().ok_or_else(missing)?;
                match self.descriptor(alias, Role::Output) {
                    Some(number) => {
                        let path = self.fd_set(number, &format!("{alias}-source"));
                        start("file").set("path", path).set("append", "on")
                    }
                    None => start("file")
                        .set("path", path)
                        .maybe("append", source.append.map(|append| on_off(append.is_on()))),
                }
            }
            CharSource::Pipe { .. } => start("pipe").set("path", backend.source.path().ok_or_else(missing)?),
            CharSource::Udp { sources } => {
                let of = |mode| sources.iter().find(|source| source.mode == mode);
                let (to, from) = (of(SourceMode::Connect), of(SourceMode::Bind));
                let to = to.ok_or_else(missing)?;
                let host = from.and_then(|from| from.host.as_deref());
                let service = from.and_then(|from| from.service.as_deref());
                start("udp")
                    .set("host", to.host.as_deref().unwrap_or_default())
                    .set("port", to.service.as_deref().unwrap_or_default())
                    .set("localaddr", host.unwrap_or_default())
                    .set("localport", service.unwrap_or("0"))
            }
            CharSource::Tcp { source, protocol } => {
                let source = source.as_ref().ok_or_else(missing)?;
                let credentials = match source.tls {
                    Some(YesNo::Yes) => Some(self.chardev_tls(&name, source.mode == SourceMode::Bind)?),
                    _ => None,
                };
                let mut option = start("socket")
                    .set("host", source.host.as_deref().unwrap_or_default())
                    .set("port", source.service.as_deref().unwrap_or_default());
                match protocol
                    .as_ref()
                    .map(|protocol| protocol.kind)
                    .unwrap_or_default()
                {
                    ProtocolType::Raw => {}
                    ProtocolType::Telnet => option.put("telnet", "on"),
                    ProtocolType::Telnets | ProtocolType::Tls => {
                        return Err(unsupported(format!(
                            "{}: QEMU speaks only 'raw' and 'telnet'",
                            element()
                        )));
                    }
                }
                let option = if source.mode == SourceMode::Bind {
                    option.set("server", "on").set("wait", "off")
                } else {
                    self.reconnecting(option, pause(source.reconnect.as_ref()))
                };
                option.maybe("tls-creds", credentials)
            }
            CharSource::Unix { source } => {
                let source = source.as_ref().ok_or_else(missing)?;
                let option = start("socket");
                let listening = self
                    .descriptor(alias, Role::Listen)
                    .filter(|_| source.mode == SourceMode::Bind);
                let option = match listening {
                    Some(number) => option.set("fd", number),
                    None => option.set("path", source.path.as_deref().ok_or_else(missing)?),
                };
                if source.mode == SourceMode::Bind {
                    option.set("server", "on").set("wait", "off")
                } else {
                    self.reconnecting(option, pause(source.reconnect.as_ref()))
                }
            }
            CharSource::SpiceVmc => start("spicevmc").set("name", backend.spice_name),
            CharSource::SpicePort { source } => {
                start("spiceport").set("name", &source.as_ref().ok_or_else(missing)?.channel)
            }
            CharSource::Dbus { source } => {
                start("dbus").set("name", &source.as_ref().ok_or_else(missing)?.channel)
            }
            CharSource::QemuVdagent { source } => {
                let mut option = start("qemu-vdagent").set("name", "vdagent");
                if let Some(source) = source {
                    let clipboard = source
                        .clipboard
                        .as_ref()
                        .map(|clipboard| on_off(clipboard.copypaste.is_yes()));
                    let mouse = source
                        .mouse
                        .as_ref()
                        .map(|mouse| on_off(mouse.mode == MouseSide::Client));
                    option = option.maybe("clipboard", clipboard).maybe("mouse", mouse);
                }
                option
            }
            CharSource::Nmdm { .. } => {
                return Err(unsupported(format!("{}: type 'nmdm' is for FreeBSD", element())));
            }
        };
        if let Some(log) = backend.log {
            let path = match self.descriptor(alias, Role::Log) {
                Some(number) => self.fd_set(number, &format!("{alias}-log")),
                None => log.file.clone(),
            };
            option.put("logfile", path);
            let append =
                self.descriptor(alias, Role::Log).is_some() || log.append.is_none_or(|append| append.is_on());
            option.put("logappend", on_off(append));
        }
        self.option("-chardev", option.finish());
        Ok(name)
    }
}

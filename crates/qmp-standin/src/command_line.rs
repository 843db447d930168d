//! QEMU's command line, as far as the stand-in's answers depend on it. Everything else is ignored.

use serde_json::Value;
use std::path::PathBuf;

/// Where a monitor listens or connects to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MonitorAt {
    /// Standard input and output.
    Stdio,
    /// A path to listen at.
    Listen(PathBuf),
    /// A path to connect to.
    Connect(PathBuf),
    /// An inherited descriptor that listens.
    ListenFd(i32),
    /// An inherited descriptor that is connected.
    ConnectedFd(i32),
}

/// What the command line says.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandLine {
    /// The guest's name; empty if it has none.
    pub name: String,
    /// The machine type with its properties.
    pub machine: String,
    /// The guest's UUID.
    pub uuid: String,
    /// Whether to wait for `cont`.
    pub paused: bool,
    /// Whether QEMU stays when the guest has shut down.
    pub stays: bool,
    /// Virtual processors.
    pub cpus: u64,
    /// Memory in bytes.
    pub memory: u64,
    /// Where the pid goes.
    pub pid_file: Option<PathBuf>,
    /// Where the monitors are.
    pub monitors: Vec<MonitorAt>,
    /// Ids and backends (`pty`, ...) of the character devices.
    pub chardevs: Vec<(String, String)>,
    /// Devices: driver, id and drive.
    pub devices: Vec<Device>,
    /// Nodes of the block layer: name, driver and file name.
    pub nodes: Vec<(String, String, String)>,
    /// Ids of the I/O threads.
    pub iothreads: Vec<String>,
    /// The VNC server's display.
    pub vnc: Option<String>,
    /// Whether only the version is asked for.
    pub wants_version: bool,
}

/// A device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The type.
    pub driver: String,
    /// The id; empty if it has none.
    pub id: String,
    /// The node or backend behind it.
    pub drive: Option<String>,
}

impl Default for CommandLine {
    fn default() -> Self {
        Self {
            name: String::new(),
            machine: "pc".to_owned(),
            uuid: "00000000-0000-0000-0000-000000000000".to_owned(),
            paused: false,
            stays: false,
            cpus: 1,
            memory: 128 << 20,
            pid_file: None,
            monitors: Vec::new(),
            chardevs: Vec::new(),
            devices: Vec::new(),
            nodes: Vec::new(),
            iothreads: Vec::new(),
            vnc: None,
            wants_version: false,
        }
    }
}

/// One option's value: `first,key=value,...` or a JSON object.
pub(crate) struct Options(Vec<(String, String)>);

impl Options {
    /// Reads it; a first word without `=` is taken as `first=`.
    pub(crate) fn parse(text: &str, first: &str) -> Self {
        if text.starts_with('{') {
            return Self::of(&serde_json::from_str(text).unwrap_or_default());
        }
        // A doubled comma stands for itself.
        let text = text.replace(",,", "\u{1}");
        let pairs = text
            .split(',')
            .enumerate()
            .map(|(index, part)| match part.split_once('=') {
                Some((key, value)) => (key.to_owned(), value.replace('\u{1}', ",")),
                None if index == 0 => (first.to_owned(), part.replace('\u{1}', ",")),
                None => (part.to_owned(), "on".to_owned()),
            });
        Self(pairs.collect())
    }

    pub(crate) fn of(value: &Value) -> Self {
        let pairs = value.as_object().into_iter().flatten().map(|(key, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (key.clone(), value)
        });
        Self(pairs.collect())
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn owned(&self, key: &str) -> String {
        self.get(key).unwrap_or_default().to_owned()
    }

    fn is(&self, key: &str) -> Option<bool> {
        self.get(key).map(|value| matches!(value, "on" | "yes" | "true"))
    }
}

impl Device {
    pub(crate) fn of(options: &Options) -> Self {
        let (driver, id) = (options.owned("driver"), options.owned("id"));
        Self {
            driver,
            id,
            drive: options.get("drive").map(str::to_owned),
        }
    }
}

impl CommandLine {
    /// Reads the arguments after the program's name.
    pub fn parse<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let mut line = Self::default();
        let mut control_chardevs = Vec::new();
        let mut sockets = Vec::new();
        let mut arguments = arguments.into_iter();
        while let Some(option) = arguments.next() {
            let option = option
                .strip_prefix("--")
                .or_else(|| option.strip_prefix('-'))
                .unwrap_or(option);
            match option {
                "S" => line.paused = true,
                "no-shutdown" => line.stays = true,
                "version" => line.wants_version = true,
                "name" | "machine" | "M" | "uuid" | "smp" | "m" | "pidfile" | "qmp" | "chardev" | "mon"
                | "device" | "blockdev" | "object" | "vnc" => {
                    let value = arguments.next().unwrap_or_default();
                    line.take(option, value, &mut control_chardevs, &mut sockets);
                }
                _ => {}
            }
        }
        for wanted in control_chardevs {
            let at = sockets.iter().find(|(id, _)| *id == wanted);
            line.monitors.extend(at.map(|(_, at)| MonitorAt::clone(at)));
        }
        line
    }

    fn take(
        &mut self,
        option: &str,
        value: &str,
        control_chardevs: &mut Vec<String>,
        sockets: &mut Vec<(String, MonitorAt)>,
    ) {
        match option {
            "name" => self.name = Options::parse(value, "guest").owned("guest"),
            "machine" | "M" => self.machine = value.to_owned(),
            "uuid" => self.uuid = value.to_owned(),
            "smp" => {
                let cpus = Options::parse(value, "cpus")
                    .get("cpus")
                    .and_then(|cpus| cpus.parse().ok());
                self.cpus = cpus.unwrap_or(1);
            }
            "m" => {
                self.memory = Options::parse(value, "size")
                    .get("size")
                    .and_then(bytes)
                    .unwrap_or(self.memory)
            }
            "pidfile" => self.pid_file = Some(PathBuf::from(value)),
            "qmp" if value == "stdio" => self.monitors.push(MonitorAt::Stdio),
            "qmp" => {
                if let Some(rest) = value.strip_prefix("unix:") {
                    self.monitors.extend(socket(&Options::parse(rest, "path")));
                }
            }
            "chardev" => {
                let options = Options::parse(value, "backend");
                let id = options.owned("id");
                if let Some(at) = socket(&options).filter(|_| options.get("backend") == Some("socket")) {
                    sockets.push((id.clone(), at));
                }
                self.chardevs.push((id, options.owned("backend")));
            }
            "mon" => {
                let options = Options::parse(value, "chardev");
                if options.get("mode") == Some("control") {
                    control_chardevs.push(options.owned("chardev"));
                }
            }
            "device" => self.devices.push(Device::of(&Options::parse(value, "driver"))),
            "blockdev" => {
                let options = Options::parse(value, "driver");
                self.nodes.push((
                    options.owned("node-name"),
                    options.owned("driver"),
                    options.owned("filename"),
                ));
            }
            "object" => {
                let options = Options::parse(value, "qom-type");
                if options.get("qom-type") == Some("iothread") {
                    self.iothreads.push(options.owned("id"));
                }
            }
            "vnc" => self.vnc = Some(value.split(',').next().unwrap_or_default().to_owned()),
            _ => {}
        }
    }
}

fn socket(options: &Options) -> Option<MonitorAt> {
    let listens = options.is("server").unwrap_or(false);
    match (
        options.get("fd").and_then(|fd| fd.parse().ok()),
        options.get("path"),
    ) {
        (Some(fd), _) if listens => Some(MonitorAt::ListenFd(fd)),
        (Some(fd), _) => Some(MonitorAt::ConnectedFd(fd)),
        (None, Some(path)) if listens => Some(MonitorAt::Listen(PathBuf::from(path))),
        (None, Some(path)) => Some(MonitorAt::Connect(PathBuf::from(path))),
        (None, None) => None,
    }
}

/// A size with QEMU's suffixes; MiB without.
fn bytes(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let shift = match suffix.to_ascii_lowercase().as_str() {
        "b" => 0,
        "k" => 10,
        "" | "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_shl(shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_managed_command_line_is_understood() {
        let line = CommandLine::parse([
            "-name",
            "guest=vm,,1,debug-threads=on",
            "-S",
            "-machine",
            "pc-q35-10.0,usb=off",
            "-m",
            "size=1048576k",
            "-smp",
            "2,sockets=2",
            "-no-user-config",
            "-chardev",
            "socket,id=charmonitor,fd=22,server=on,wait=off",
            "-mon",
            "chardev=charmonitor,id=monitor,mode=control",
            "-no-shutdown",
            "-blockdev",
            r#"{"driver":"qcow2","node-name":"libvirt-1-format","read-only":false,"file":"libvirt-1-storage"}"#,
            "-device",
            r#"{"driver":"virtio-blk-pci","drive":"libvirt-1-format","id":"virtio-disk0"}"#,
            "-chardev",
            "pty,id=charserial0",
            "-object",
            r#"{"qom-type":"iothread","id":"iothread1"}"#,
        ]);
        assert_eq!(line.name, "vm,1");
        assert_eq!(
            (line.paused, line.stays, line.cpus, line.memory),
            (true, true, 2, 1 << 30)
        );
        assert_eq!(line.monitors, [MonitorAt::ListenFd(22)]);
        assert_eq!(line.devices[0].drive.as_deref(), Some("libvirt-1-format"));
        assert_eq!(line.nodes[0].0, "libvirt-1-format");
        assert_eq!(line.chardevs[1], ("charserial0".to_owned(), "pty".to_owned()));
        assert_eq!(line.iothreads, ["iothread1"]);
        let line = CommandLine::parse(["-qmp", "unix:/run/x,server,nowait", "-machine", "none,accel=tcg"]);
        assert_eq!(line.monitors, [MonitorAt::Listen("/run/x".into())]);
    }
}

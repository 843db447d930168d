//! The state of a guest that does not exist, and the commands that read or change it.

use crate::command_line::{CommandLine, Device, Options};
use rustix::pty::OpenptFlags;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

/// What a command comes to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Events before the answer.
    pub(crate) events: Vec<(&'static str, Value)>,
    /// The answer, or the error's class and description.
    pub(crate) answer: Result<Value, (&'static str, String)>,
    /// Whether QEMU ends after it.
    pub(crate) ends: bool,
}

impl Default for Outcome {
    fn default() -> Self {
        Self {
            events: Vec::new(),
            answer: Ok(json!({})),
            ends: false,
        }
    }
}

impl Outcome {
    fn value(value: Value) -> Self {
        Self {
            answer: Ok(value),
            ..Self::default()
        }
    }

    fn done(events: Vec<(&'static str, Value)>) -> Self {
        Self {
            events,
            ..Self::default()
        }
    }

    fn refused(desc: impl Into<String>) -> Self {
        Self {
            answer: Err(("GenericError", desc.into())),
            ..Self::default()
        }
    }
}

/// The guest.
#[derive(Debug)]
pub(crate) struct Machine {
    line: CommandLine,
    status: &'static str,
    /// Bytes the balloon leaves to the guest.
    memory: u64,
    /// Grows with every question, so that figures differ.
    ticks: u64,
    terminals: BTreeMap<String, (String, OwnedFd)>,
    descriptors: BTreeMap<String, OwnedFd>,
    sets: BTreeMap<i64, Vec<OwnedFd>>,
    properties: BTreeMap<(String, String), Value>,
}

impl Machine {
    pub(crate) fn new(line: CommandLine) -> Self {
        let mut terminals = BTreeMap::new();
        for (id, _) in line.chardevs.iter().filter(|(_, backend)| backend == "pty") {
            terminals.extend(terminal().map(|terminal| (id.clone(), terminal)));
        }
        Self {
            status: if line.paused { "prelaunch" } else { "running" },
            memory: line.memory,
            line,
            ticks: 0,
            terminals,
            descriptors: BTreeMap::new(),
            sets: BTreeMap::new(),
            properties: BTreeMap::new(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.line.name
    }

    /// Executes a command on the guest; nothing if it is none of those.
    pub(crate) fn execute(
        &mut self,
        command: &str,
        arguments: &Value,
        fds: &mut Vec<OwnedFd>,
    ) -> Option<Outcome> {
        let outcome = match command {
            "cont" | "stop" | "quit" | "system_reset" | "system_powerdown" | "system_wakeup" => {
                self.order(command)
            }
            "getfd" | "closefd" | "add-fd" | "remove-fd" => self.descriptor(command, arguments, fds),
            "balloon" => self.balloon(arguments),
            "qom-get" | "qom-set" | "qom-list" => self.object(command, arguments),
            "device_add" => {
                self.line.devices.push(Device::of(&Options::of(arguments)));
                Outcome::default()
            }
            "device_del" => self.unplug(arguments),
            "blockdev-add" => {
                let options = Options::of(arguments);
                let node = (
                    options.owned("node-name"),
                    options.owned("driver"),
                    options.owned("filename"),
                );
                self.line.nodes.push(node);
                Outcome::default()
            }
            "blockdev-del" => {
                let name = arguments.get("node-name").and_then(Value::as_str);
                self.line.nodes.retain(|(node, ..)| Some(node.as_str()) != name);
                Outcome::default()
            }
            "screendump" => screendump(arguments),
            "set_password"
            | "expire_password"
            | "send-key"
            | "input-send-event"
            | "object-add"
            | "object-del"
            | "set-action"
            | "inject-nmi"
            | "migrate-set-capabilities"
            | "migrate-set-parameters"
            | "set_link"
            | "netdev_add"
            | "netdev_del"
            | "chardev-add"
            | "chardev-remove"
            | "block_set_io_throttle"
            | "display-update"
            | "display-reload"
            | "blockdev-open-tray"
            | "blockdev-close-tray"
            | "block-set-write-threshold" => Outcome::default(),
            "human-monitor-command" => Outcome::value(json!("")),
            _ => return self.query(command, arguments).map(Outcome::value),
        };
        Some(outcome)
    }

    fn order(&mut self, command: &str) -> Outcome {
        match command {
            "cont" if self.status == "shutdown" => {
                Outcome::refused("Resetting the Virtual Machine is required")
            }
            "cont" if self.status == "running" => Outcome::default(),
            "cont" => {
                self.status = "running";
                Outcome::done(vec![("RESUME", Value::Null)])
            }
            "stop" if self.status == "running" => {
                self.status = "paused";
                Outcome::done(vec![("STOP", Value::Null)])
            }
            "quit" => {
                let data = json!({ "guest": false, "reason": "host-qmp-quit" });
                Outcome {
                    ends: true,
                    ..Outcome::done(vec![("SHUTDOWN", data)])
                }
            }
            "system_reset" => {
                if self.status == "shutdown" {
                    self.status = "paused";
                }
                Outcome::done(vec![(
                    "RESET",
                    json!({ "guest": false, "reason": "host-qmp-system-reset" }),
                )])
            }
            "system_powerdown" if self.status == "running" => {
                let data = json!({ "guest": true, "reason": "guest-shutdown" });
                let mut events = vec![("POWERDOWN", Value::Null), ("SHUTDOWN", data)];
                if self.line.stays {
                    self.status = "shutdown";
                    events.push(("STOP", Value::Null));
                }
                Outcome {
                    ends: !self.line.stays,
                    ..Outcome::done(events)
                }
            }
            "system_powerdown" => Outcome::done(vec![("POWERDOWN", Value::Null)]),
            "system_wakeup" => Outcome::refused("Unable to wake up: guest is not in suspended state"),
            _ => Outcome::default(),
        }
    }

    fn descriptor(&mut self, command: &str, arguments: &Value, fds: &mut Vec<OwnedFd>) -> Outcome {
        let name = arguments
            .get("fdname")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let set = arguments.get("fdset-id").and_then(Value::as_i64);
        match command {
            "closefd" if self.descriptors.remove(name).is_some() => Outcome::default(),
            "closefd" => Outcome::refused(format!("File descriptor named '{name}' not found")),
            "remove-fd" if set.is_some_and(|set| self.sets.remove(&set).is_some()) => Outcome::default(),
            "remove-fd" => Outcome::refused("File descriptor named 'fdset' not found"),
            _ => {
                let Some(fd) = fds.pop() else {
                    return Outcome::refused("No file descriptor supplied via SCM_RIGHTS");
                };
                if command == "getfd" {
                    self.descriptors.insert(name.to_owned(), fd);
                    return Outcome::default();
                }
                let next = self.sets.last_key_value().map_or(0, |(last, _)| last + 1);
                let set = set.unwrap_or(next);
                let number = std::os::fd::AsRawFd::as_raw_fd(&fd);
                self.sets.entry(set).or_default().push(fd);
                Outcome::value(json!({ "fdset-id": set, "fd": number }))
            }
        }
    }

    fn has_balloon(&self) -> bool {
        self.line
            .devices
            .iter()
            .any(|device| device.driver.starts_with("virtio-balloon"))
    }

    fn balloon(&mut self, arguments: &Value) -> Outcome {
        if !self.has_balloon() {
            return no_balloon();
        }
        let wanted = arguments.get("value").and_then(Value::as_u64).unwrap_or_default();
        self.memory = wanted.min(self.line.memory);
        Outcome::done(vec![("BALLOON_CHANGE", json!({ "actual": self.memory }))])
    }

    fn object(&mut self, command: &str, arguments: &Value) -> Outcome {
        let text = |key: &str| {
            arguments
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (path, property) = (text("path"), text("property"));
        if command == "qom-list" {
            let children = self
                .line
                .devices
                .iter()
                .filter(|device| path == "/machine/peripheral" && !device.id.is_empty());
            let children = children
                .map(|device| json!({ "name": device.id, "type": format!("child<{}>", device.driver) }));
            let own = json!({ "name": "type", "type": "string" });
            return Outcome::value(std::iter::once(own).chain(children).collect());
        }
        let key = (path.clone(), property.clone());
        if command == "qom-set" {
            self.properties
                .insert(key, arguments.get("value").cloned().unwrap_or_default());
            return Outcome::default();
        }
        let missing = || format!("Property '{path}.{property}' not found");
        match (self.properties.get(&key), property.as_str()) {
            (Some(value), _) => Outcome::value(value.clone()),
            (None, "guest-stats") => Outcome::value(json!({
                "last-update": 0,
                "stats": { "stat-free-memory": u64::MAX, "stat-total-memory": u64::MAX, "stat-swap-in": u64::MAX },
            })),
            (None, "guest-stats-polling-interval") => Outcome::value(json!(0)),
            (None, "feature-words" | "unavailable-features") => Outcome::value(json!([])),
            (None, "realized") => Outcome::value(json!(true)),
            (None, _) => Outcome::refused(missing()),
        }
    }

    fn unplug(&mut self, arguments: &Value) -> Outcome {
        let id = arguments.get("id").and_then(Value::as_str).unwrap_or_default();
        let before = self.line.devices.len();
        self.line.devices.retain(|device| device.id != id);
        if self.line.devices.len() == before {
            return Outcome {
                answer: Err(("DeviceNotFound", format!("Device '{id}' not found"))),
                ..Outcome::default()
            };
        }
        let path = format!("/machine/peripheral/{id}");
        Outcome::done(vec![("DEVICE_DELETED", json!({ "device": id, "path": path }))])
    }

    fn query(&mut self, command: &str, arguments: &Value) -> Option<Value> {
        self.ticks += 1;
        Some(match command {
            "query-status" => json!({ "status": self.status, "running": self.status == "running" }),
            "query-name" => json!({ "name": self.line.name }),
            "query-uuid" => json!({ "UUID": self.line.uuid }),
            "query-kvm" => json!({ "enabled": false, "present": false }),
            "query-current-machine" => json!({ "wakeup-suspend-support": true }),
            "query-memory-size-summary" => json!({ "base-memory": self.line.memory, "plugged-memory": 0 }),
            "query-cpus-fast" => (0..self.line.cpus).map(cpu).collect(),
            "query-hotpluggable-cpus" => (0..self.line.cpus)
                .map(|index| {
                    json!({
                        "props": place(index), "vcpus-count": 1, "qom-path": path(index),
                        "type": "qemu64-x86_64-cpu",
                    })
                })
                .collect(),
            "query-iothreads" => {
                let ids = self.line.iothreads.iter();
                ids.map(|id| json!({ "id": id, "thread-id": std::process::id(), "poll-max-ns": 32768 }))
                    .collect()
            }
            "query-chardev" => self
                .line
                .chardevs
                .iter()
                .map(|chardev| self.chardev(chardev))
                .collect(),
            "query-block" => self.drives().map(|device| self.drive(device)).collect(),
            "query-blockstats" if arguments.get("query-nodes") == Some(&json!(true)) => {
                let nodes = self.line.nodes.iter();
                nodes
                    .map(|(name, ..)| json!({ "node-name": name, "stats": self.figures() }))
                    .collect()
            }
            "query-blockstats" => self.drives().map(|device| self.drive_figures(device)).collect(),
            "query-named-block-nodes" => self.line.nodes.iter().map(node).collect(),
            "query-vnc" => match &self.line.vnc {
                Some(display) => vnc(display),
                None => json!({ "enabled": false }),
            },
            "query-spice" => json!({ "enabled": false, "migrated": false, "mouse-mode": "client" }),
            "query-migrate" => json!({}),
            "query-rx-filter"
            | "query-stats"
            | "query-jobs"
            | "query-block-jobs"
            | "query-memory-devices"
            | "query-dirty-rate" => json!([]),
            _ => return None,
        })
    }

    /// The balloon's answer, which may be an error.
    pub(crate) fn query_balloon(&self) -> Outcome {
        if self.has_balloon() {
            Outcome::value(json!({ "actual": self.memory }))
        } else {
            no_balloon()
        }
    }

    fn chardev(&self, (id, backend): &(String, String)) -> Value {
        let filename = match self.terminals.get(id) {
            Some((path, _)) => format!("pty:{path}"),
            None => backend.clone(),
        };
        json!({ "label": id, "filename": filename, "frontend-open": true })
    }

    fn drives(&self) -> impl Iterator<Item = &Device> {
        self.line.devices.iter().filter(|device| device.drive.is_some())
    }

    fn drive(&self, device: &Device) -> Value {
        let node = self
            .line
            .nodes
            .iter()
            .find(|(name, ..)| Some(name) == device.drive.as_ref());
        let mut drive = json!({
            "device": "", "qdev": qdev(device), "type": "unknown", "removable": false, "locked": false,
            "io-status": "ok",
        });
        if let (Some(node), Some(drive)) = (node, drive.as_object_mut()) {
            drive.insert("inserted".to_owned(), self::node(node));
        }
        drive
    }

    fn drive_figures(&self, device: &Device) -> Value {
        json!({ "device": "", "qdev": qdev(device), "node-name": device.drive, "stats": self.figures() })
    }

    fn figures(&self) -> Value {
        let (reads, writes) = (self.ticks, self.ticks / 2);
        json!({
            "rd_bytes": reads * 4096, "wr_bytes": writes * 4096, "rd_operations": reads, "wr_operations": writes,
            "flush_operations": 0, "rd_total_time_ns": reads * 1000, "wr_total_time_ns": writes * 1000,
            "flush_total_time_ns": 0, "wr_highest_offset": writes * 4096,
        })
    }
}

fn no_balloon() -> Outcome {
    let answer = Err((
        "DeviceNotActive",
        "No balloon device has been activated".to_owned(),
    ));
    Outcome {
        answer,
        ..Outcome::default()
    }
}

fn qdev(device: &Device) -> String {
    match device.driver.starts_with("virtio") {
        true => format!("/machine/peripheral/{}/virtio-backend", device.id),
        false => device.id.clone(),
    }
}

fn node((name, driver, file): &(String, String, String)) -> Value {
    json!({
        "node-name": name, "drv": driver, "file": file, "ro": false, "backing_file_depth": 0, "write_threshold": 0,
        "image": { "virtual-size": 1 << 30, "actual-size": 1 << 20, "filename": file, "format": driver },
    })
}

fn path(index: u64) -> String {
    format!("/machine/unattached/device[{index}]")
}

fn place(index: u64) -> Map<String, Value> {
    [("core-id", 0), ("thread-id", 0), ("socket-id", index)]
        .map(|(key, value)| (key.to_owned(), value.into()))
        .into_iter()
        .collect()
}

fn cpu(index: u64) -> Value {
    // All processors are this process, so that figures about the threads can be had from the kernel.
    let thread = std::process::id();
    json!({
        "cpu-index": index, "qom-path": path(index), "thread-id": thread, "props": place(index), "target": "x86_64",
    })
}

fn vnc(display: &str) -> Value {
    let (host, number) = display.rsplit_once(':').unwrap_or((display, "0"));
    let port = number.parse::<u32>().unwrap_or_default().saturating_add(5900);
    json!({
        "enabled": true, "host": host, "service": port.to_string(), "family": "ipv4", "auth": "none", "clients": [],
    })
}

fn screendump(arguments: &Value) -> Outcome {
    let path = arguments
        .get("filename")
        .and_then(Value::as_str)
        .unwrap_or_default();
    match std::fs::write(path, b"P6\n1 1\n255\n\0\0\0") {
        Ok(()) => Outcome::default(),
        Err(err) => Outcome::refused(format!("failed to open file '{path}': {err}")),
    }
}

fn terminal() -> Option<(String, OwnedFd)> {
    let fd = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).ok()?;
    rustix::pty::grantpt(&fd).ok()?;
    rustix::pty::unlockpt(&fd).ok()?;
    let name = rustix::pty::ptsname(&fd, Vec::new()).ok()?;
    Some((name.into_string().ok()?, fd))
}

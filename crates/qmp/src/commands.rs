//! The commands the driver uses, by QEMU's names.
//!
//! Every one takes its deadline last and fails as [`Monitor::execute`] does.

use crate::types::*;
use crate::{Monitor, Result};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Commands without arguments whose answer is read.
macro_rules! queries {
    ($($(#[$doc:meta])* $name:ident, $command:literal -> $answer:ty;)*) => {
        /// What QEMU is asked.
        impl Monitor {
            $($(#[$doc])*
            #[expect(clippy::missing_errors_doc, reason = "the module says it once")]
            pub async fn $name(&self, deadline: Duration) -> Result<$answer> {
                self.execute($command, (), deadline).await
            })*
        }
    };
}

/// Commands without arguments that answer nothing.
macro_rules! orders {
    ($($(#[$doc:meta])* $name:ident, $command:literal;)*) => {
        /// What QEMU is told.
        impl Monitor {
            $($(#[$doc])*
            #[expect(clippy::missing_errors_doc, reason = "the module says it once")]
            pub async fn $name(&self, deadline: Duration) -> Result<()> {
                self.order($command, (), deadline).await
            })*
        }
    };
}

queries! {
    /// The version.
    query_version, "query-version" -> VersionInfo;
    /// Whether the guest runs.
    query_status, "query-status" -> StatusInfo;
    /// All commands.
    query_commands, "query-commands" -> Vec<Named>;
    /// All machine types.
    query_machines, "query-machines" -> Vec<MachineInfo>;
    /// All processor models.
    query_cpu_definitions, "query-cpu-definitions" -> Vec<CpuDefinition>;
    /// The protocol's own description.
    query_qmp_schema, "query-qmp-schema" -> Box<RawValue>;
    /// The drives.
    query_block, "query-block" -> Vec<BlockInfo>;
    /// How much memory the guest has; `DeviceNotActive` without a balloon.
    query_balloon, "query-balloon" -> BalloonInfo;
    /// The virtual processors, without stopping them.
    query_cpus_fast, "query-cpus-fast" -> Vec<CpuInfo>;
    /// The processors that could be plugged in.
    query_hotpluggable_cpus, "query-hotpluggable-cpus" -> Vec<Map<String, Value>>;
    /// The character devices.
    query_chardev, "query-chardev" -> Vec<ChardevInfo>;
    /// The I/O threads.
    query_iothreads, "query-iothreads" -> Vec<IoThreadInfo>;
    /// The VNC server.
    query_vnc, "query-vnc" -> VncInfo;
    /// The SPICE server.
    query_spice, "query-spice" -> SpiceInfo;
}

orders! {
    /// Lets the guest run.
    cont, "cont";
    /// Pauses the guest.
    stop, "stop";
    /// Presses the power button.
    system_powerdown, "system_powerdown";
    /// Presses the reset button.
    system_reset, "system_reset";
    /// Wakes the guest from suspend to memory.
    system_wakeup, "system_wakeup";
    /// Injects a non-maskable interrupt.
    inject_nmi, "inject-nmi";
    /// Ends QEMU. The connection may be gone before the answer.
    quit, "quit";
}

#[expect(clippy::missing_errors_doc, reason = "the module says it once")]
impl Monitor {
    /// Executes a command whose answer says nothing.
    pub async fn order(&self, command: &str, arguments: impl Serialize, deadline: Duration) -> Result<()> {
        self.execute::<IgnoredAny>(command, arguments, deadline)
            .await
            .map(|_| ())
    }

    /// Types that implement `implements`, or all.
    pub async fn qom_list_types(&self, implements: Option<&str>, deadline: Duration) -> Result<Vec<Named>> {
        let arguments = implements.map(|name| json!({ "implements": name }));
        self.execute("qom-list-types", arguments, deadline).await
    }

    /// The properties of a device type.
    pub async fn device_list_properties(&self, typename: &str, deadline: Duration) -> Result<Vec<Property>> {
        self.execute(
            "device-list-properties",
            json!({ "typename": typename }),
            deadline,
        )
        .await
    }

    /// The properties of any object type.
    pub async fn qom_list_properties(&self, typename: &str, deadline: Duration) -> Result<Vec<Property>> {
        self.execute("qom-list-properties", json!({ "typename": typename }), deadline)
            .await
    }

    /// What a processor model consists of; `kind` is `static` or `full`.
    pub async fn query_cpu_model_expansion(
        &self,
        kind: &str,
        model: &str,
        props: Map<String, Value>,
        deadline: Duration,
    ) -> Result<CpuModelExpansion> {
        let arguments = json!({ "type": kind, "model": { "name": model, "props": props } });
        self.execute("query-cpu-model-expansion", arguments, deadline)
            .await
    }

    /// The figures of the drives, or with `nodes` of every named node.
    pub async fn query_blockstats(&self, nodes: bool, deadline: Duration) -> Result<Vec<BlockStats>> {
        self.execute("query-blockstats", json!({ "query-nodes": nodes }), deadline)
            .await
    }

    /// The named nodes, without those behind them.
    pub async fn query_named_block_nodes(&self, deadline: Duration) -> Result<Vec<BlockNode>> {
        self.execute("query-named-block-nodes", json!({ "flat": true }), deadline)
            .await
    }

    /// Asks the guest to have `bytes` of memory.
    pub async fn balloon(&self, bytes: u64, deadline: Duration) -> Result<()> {
        self.order("balloon", json!({ "value": bytes }), deadline).await
    }

    /// An object's property.
    pub async fn qom_get<T: DeserializeOwned>(
        &self,
        path: &str,
        property: &str,
        deadline: Duration,
    ) -> Result<T> {
        self.execute("qom-get", json!({ "path": path, "property": property }), deadline)
            .await
    }

    /// Sets an object's property.
    pub async fn qom_set(
        &self,
        path: &str,
        property: &str,
        value: impl Into<Value>,
        deadline: Duration,
    ) -> Result<()> {
        let value = value.into();
        self.order(
            "qom-set",
            json!({ "path": path, "property": property, "value": value }),
            deadline,
        )
        .await
    }

    /// An object's properties and children.
    pub async fn qom_list(&self, path: &str, deadline: Duration) -> Result<Vec<Property>> {
        self.execute("qom-list", json!({ "path": path }), deadline).await
    }

    /// Makes an object; `properties` hold `qom-type` and `id`.
    pub async fn object_add(&self, properties: Value, deadline: Duration) -> Result<()> {
        self.order("object-add", properties, deadline).await
    }

    /// Ends an object.
    pub async fn object_del(&self, id: &str, deadline: Duration) -> Result<()> {
        self.order("object-del", json!({ "id": id }), deadline).await
    }

    /// Sets the password of `protocol` (`vnc` or `spice`); `connected` is `keep`, `fail` or `disconnect`.
    pub async fn set_password(
        &self,
        protocol: &str,
        password: &str,
        connected: Option<&str>,
        deadline: Duration,
    ) -> Result<()> {
        let mut arguments = json!({ "protocol": protocol, "password": password });
        if let (Some(connected), Some(map)) = (connected, arguments.as_object_mut()) {
            map.insert("connected".to_owned(), connected.into());
        }
        self.order("set_password", arguments, deadline).await
    }

    /// Says until when a password holds: `now`, `never`, `+seconds` or seconds since the epoch.
    pub async fn expire_password(&self, protocol: &str, time: &str, deadline: Duration) -> Result<()> {
        self.order(
            "expire_password",
            json!({ "protocol": protocol, "time": time }),
            deadline,
        )
        .await
    }

    /// Writes the screen of `device` (the primary one if none) into a file, as PPM unless another
    /// format is asked for.
    pub async fn screendump(
        &self,
        filename: &str,
        device: Option<(&str, u32)>,
        format: Option<&str>,
        deadline: Duration,
    ) -> Result<()> {
        let mut arguments = match device {
            Some((device, head)) => json!({ "filename": filename, "device": device, "head": head }),
            None => json!({ "filename": filename }),
        };
        if let (Some(format), Some(map)) = (format, arguments.as_object_mut()) {
            map.insert("format".to_owned(), format.into());
        }
        self.order("screendump", arguments, deadline).await
    }

    /// Presses keys (numbers of QEMU's own set) together for `hold` ms.
    pub async fn send_key(&self, keys: &[u32], hold: Option<u32>, deadline: Duration) -> Result<()> {
        let keys: Vec<Value> = keys
            .iter()
            .map(|key| json!({ "type": "number", "data": key }))
            .collect();
        let mut arguments = json!({ "keys": keys });
        if let (Some(hold), Some(map)) = (hold, arguments.as_object_mut()) {
            map.insert("hold-time".to_owned(), hold.into());
        }
        self.order("send-key", arguments, deadline).await
    }

    /// Feeds input events to the guest.
    pub async fn input_send_event(&self, events: &[Value], deadline: Duration) -> Result<()> {
        self.order("input-send-event", json!({ "events": events }), deadline)
            .await
    }

    /// What a network device filters.
    pub async fn query_rx_filter(&self, device: &str, deadline: Duration) -> Result<Vec<RxFilterInfo>> {
        self.execute("query-rx-filter", json!({ "name": device }), deadline)
            .await
    }

    /// Figures of `target`: `vm` or `vcpu`.
    pub async fn query_stats(&self, target: &str, deadline: Duration) -> Result<Vec<StatsResult>> {
        self.execute("query-stats", json!({ "target": target }), deadline)
            .await
    }

    /// Gives QEMU a descriptor under a name.
    pub async fn getfd(&self, name: &str, fd: OwnedFd, deadline: Duration) -> Result<()> {
        let arguments = json!({ "fdname": name });
        self.execute_with_fd::<IgnoredAny>("getfd", arguments, Some(fd), deadline)
            .await
            .map(|_| ())
    }

    /// Closes a descriptor given by [`getfd`](Self::getfd).
    pub async fn closefd(&self, name: &str, deadline: Duration) -> Result<()> {
        self.order("closefd", json!({ "fdname": name }), deadline).await
    }

    /// Adds a descriptor to a set, or to a new one; it is opened as `/dev/fdset/N`.
    pub async fn add_fd(&self, set: Option<i64>, fd: OwnedFd, deadline: Duration) -> Result<AddedFd> {
        let arguments = set.map(|set| json!({ "fdset-id": set }));
        self.execute_with_fd("add-fd", arguments, Some(fd), deadline)
            .await
    }

    /// Takes a descriptor, or all, out of a set.
    pub async fn remove_fd(&self, set: i64, fd: Option<i64>, deadline: Duration) -> Result<()> {
        let arguments = match fd {
            Some(fd) => json!({ "fdset-id": set, "fd": fd }),
            None => json!({ "fdset-id": set }),
        };
        self.order("remove-fd", arguments, deadline).await
    }

    /// Executes a command of the human monitor and returns what it prints.
    pub async fn human(&self, command_line: &str, deadline: Duration) -> Result<String> {
        self.execute(
            "human-monitor-command",
            json!({ "command-line": command_line }),
            deadline,
        )
        .await
    }
}

//! What the driver tells clients of its own accord.
//!
//! An [`Event`] is what happened, in the driver's own terms; [`Hub`] knows who listens and in which form each hears it:
//! old clients register by event and get the event alone, newer ones get it with the number of their callback.

mod hub;
mod lifecycle;
mod monitor;

pub(crate) use hub::{Form, Hub, Wanted};
pub(crate) use lifecycle::*;
pub(crate) use monitor::{MonitorFilter, MonitorHub, NameFilter};

use protocol::TypedParam;
use protocol::remote::DomainEventGraphicsAddress;
use serde_json::Value;

/// Something that happened to a domain.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    /// Its life changed.
    Lifecycle(Lifecycle),
    /// The guest rebooted.
    Reboot,
    /// The guest set its clock; seconds from UTC.
    RtcChange {
        /// Seconds that the guest's clock differs from the host's.
        offset: i64,
    },
    /// The watchdog barked.
    Watchdog {
        /// What was done, by the header's number.
        action: i32,
    },
    /// The host could not do what the guest asked of a disk.
    IoError {
        /// The disk's source.
        path: String,
        /// The disk's alias.
        alias: String,
        /// What was done, by the header's number.
        action: i32,
        /// Why, where that is known: `enospc`.
        reason: String,
    },
    /// A graphics client came, was let in or went.
    Graphics {
        /// Which of these, by the header's number.
        phase: i32,
        /// The server's end.
        local: DomainEventGraphicsAddress,
        /// The client's end.
        remote: DomainEventGraphicsAddress,
        /// How it proved who it is.
        scheme: String,
    },
    /// What a drive had was dropped at its guest's start because it was not there.
    DiskDropped {
        /// What it was.
        path: Option<String>,
        /// The disk's alias.
        alias: String,
    },
    /// A tray was opened or closed.
    TrayChange {
        /// The drive's alias.
        alias: String,
        /// Whether it is open now.
        opened: bool,
    },
    /// The guest woke up.
    PmWakeup,
    /// The guest went to sleep in memory.
    PmSuspend,
    /// The guest went to sleep on disk.
    PmSuspendDisk,
    /// The balloon changed; KiB that the guest has now.
    BalloonChange {
        /// KiB.
        actual: u64,
    },
    /// A device left the guest.
    DeviceRemoved {
        /// Its alias.
        alias: String,
    },
    /// The guest agent came or went.
    AgentLifecycle {
        /// 1 connected, 2 disconnected.
        state: i32,
        /// 1 domain started, 2 channel.
        reason: i32,
    },
    /// What the guest may use of its host was changed.
    Tunable {
        /// By the header's `VIR_DOMAIN_TUNABLE_` names.
        params: Vec<TypedParam>,
    },
    /// Metadata changed.
    MetadataChange {
        /// 0 description, 1 title, 2 element.
        kind: i32,
        /// The element's namespace.
        uri: Option<String>,
    },
}

/// The number of a watchdog's action (`virDomainEventWatchdogAction`).
pub(crate) fn watchdog_action(name: &Value) -> i32 {
    match name.as_str() {
        Some("pause") => 1,
        Some("reset") => 2,
        Some("poweroff") => 3,
        Some("shutdown") => 4,
        Some("debug") => 5,
        Some("inject-nmi") => 6,
        _ => 0,
    }
}

/// The number of what was done about an I/O error (`virDomainEventIOErrorAction`).
pub(crate) fn io_error_action(name: &Value) -> i32 {
    match name.as_str() {
        Some("stop") => 1,
        Some("report") => 2,
        _ => 0,
    }
}

/// What QEMU tells of a graphics client.
pub(crate) fn graphics(name: &str, data: &Value) -> Option<Event> {
    let phase = match name {
        "VNC_CONNECTED" | "SPICE_CONNECTED" => 0,
        "VNC_INITIALIZED" | "SPICE_INITIALIZED" => 1,
        "VNC_DISCONNECTED" | "SPICE_DISCONNECTED" => 2,
        _ => return None,
    };
    let end = |side: &Value, port: &str| {
        let text = |key: &str| side[key].as_str().unwrap_or_default().to_owned();
        let family = match side["family"].as_str() {
            Some("ipv6") => 1,
            Some("unix") => 2,
            _ => 0,
        };
        DomainEventGraphicsAddress {
            family,
            node: text("host"),
            service: text(port),
        }
    };
    let port = if name.starts_with("VNC") {
        "service"
    } else {
        "port"
    };
    let scheme = data["server"]
        .get("auth")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    Some(Event::Graphics {
        phase,
        local: end(&data["server"], port),
        remote: end(&data["client"], port),
        scheme,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_graphics_client_is_told_with_both_ends() {
        let data = json!({
            "server": { "auth": "vnc", "family": "ipv4", "service": "5900", "host": "127.0.0.1" },
            "client": { "family": "ipv6", "service": "4711", "host": "::1" },
        });
        let Some(Event::Graphics {
            phase,
            local,
            remote,
            scheme,
        }) = graphics("VNC_CONNECTED", &data)
        else {
            panic!()
        };
        assert_eq!(
            (phase, local.service.as_str(), remote.family, scheme.as_str()),
            (0, "5900", 1, "vnc")
        );
        assert_eq!(graphics("VNC_SOMETHING", &data), None);
    }

    #[test]
    fn lies_of_qemu_become_unknown_and_not_a_panic() {
        assert_eq!(watchdog_action(&json!([1])), 0);
        assert_eq!(io_error_action(&Value::Null), 0);
        assert!(graphics("VNC_CONNECTED", &json!("what")).is_some());
    }
}

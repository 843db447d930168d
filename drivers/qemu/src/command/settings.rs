//! What a document asks for that QEMU has no arguments for: commands for its monitor, before the guest runs.

use super::throttle::limits;
use model::domain::Domain;
use model::domain::devices::Disk;
use model::domain::devices::disk::{DiskBus, IoTune};
use model::domain::devices::interface::Link;
use serde_json::{Map, Value, json};

/// One command.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The command's name.
    pub command: &'static str,
    /// Its arguments.
    pub arguments: Value,
}

/// The commands that a live document asks for, to be put to the monitor once it answers and before the guest runs.
pub fn settings(domain: &Domain) -> Vec<Setting> {
    let devices = &domain.devices;
    let mut settings = Vec::new();
    for disk in &devices.disks {
        if let Some(tune) = &disk.io_tune {
            settings.extend(throttle_setting(disk, tune));
        }
    }
    for interface in &devices.interfaces {
        if interface
            .link
            .as_ref()
            .is_some_and(|link| link.state == Link::Down)
            && let Some(alias) = interface.info.alias_name()
        {
            settings.push(Setting {
                command: "set_link",
                arguments: json!({ "name": alias, "up": false }),
            });
        }
    }
    if let Some(balloon) = &devices.memballoon
        && let (Some(stats), Some(alias)) = (&balloon.stats, balloon.info.alias_name())
        && stats.period != 0
    {
        let arguments = json!({
            "path": format!("/machine/peripheral/{alias}"),
            "property": "guest-stats-polling-interval",
            "value": stats.period,
        });
        settings.push(Setting {
            command: "qom-set",
            arguments,
        });
    }
    settings
}

/// The command that limits a disk; `None` of a disk that has no name yet.
pub(crate) fn throttle_setting(disk: &Disk, tune: &IoTune) -> Option<Setting> {
    let alias = disk.info.alias_name()?;
    let device = match disk.target.bus {
        // The drive belongs to a part of the device.
        Some(DiskBus::Virtio) => format!("/machine/peripheral/{alias}/virtio-backend"),
        _ => alias.to_owned(),
    };
    Some(Setting {
        command: "block_set_io_throttle",
        arguments: throttle(tune, device),
    })
}

/// The same limits as of a throttle group, under the names that this command has for them.
fn throttle(tune: &IoTune, device: String) -> Value {
    let mut arguments = Map::new();
    arguments.insert("id".to_owned(), device.into());
    if let Value::Object(limits) = Value::from(limits(tune)) {
        for (key, value) in limits {
            let key = match key.as_str() {
                "iops-size" => "iops_size".to_owned(),
                other => other
                    .replace("-total", "")
                    .replace("-read", "_rd")
                    .replace("-write", "_wr")
                    .replace('-', "_"),
            };
            arguments.insert(key, value);
        }
    }
    if let Some(group) = &tune.group_name {
        arguments.insert("group".to_owned(), group.as_str().into());
    }
    Value::Object(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_the_names_of_the_command() {
        let tune = IoTune {
            total_bytes_sec: Some(5000),
            read_iops_sec_max: Some(7),
            write_bytes_sec_max_length: Some(3),
            ..IoTune::default()
        };
        let arguments = throttle(&tune, "ide0-0-0".to_owned());
        let get = |key: &str| arguments.get(key).and_then(Value::as_u64);
        assert_eq!(
            (get("bps"), get("bps_rd"), get("iops_wr")),
            (Some(5000), Some(0), Some(0))
        );
        assert_eq!(
            (get("iops_rd_max"), get("bps_wr_max_length"), get("iops_size")),
            (Some(7), Some(3), Some(0))
        );
    }
}

//! Limits of a guest's disk, which QEMU keeps.

use super::{changed_definition, invalid};
use crate::command::throttle_setting;
use crate::domain::Owner;
use crate::events::Event;
use crate::flags::Impact;
use crate::lifecycle::{COMMAND_WAIT, monitor_error};
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain as Model;
use model::domain::devices::Disk;
use model::domain::devices::disk::IoTune;
use protocol::TypedParam;

/// Names of limits, with where they are in the document, in the order of the header's constants.
macro_rules! limits {
    ($($name:ident),* $(,)?) => {
        /// The limits by name.
        pub(crate) const LIMITS: &[&str] = &[$(stringify!($name)),*];

        /// One of them.
        pub(crate) fn limit(tune: &IoTune, name: &str) -> Option<u64> {
            match name {
                $(stringify!($name) => tune.$name,)*
                _ => None,
            }
        }

        /// Sets one of them.
        pub(crate) fn set_limit(tune: &mut IoTune, name: &str, value: Option<u64>) {
            match name {
                $(stringify!($name) => tune.$name = value,)*
                _ => {}
            }
        }
    };
}

limits!(
    total_bytes_sec,
    read_bytes_sec,
    write_bytes_sec,
    total_iops_sec,
    read_iops_sec,
    write_iops_sec,
    total_bytes_sec_max,
    read_bytes_sec_max,
    write_bytes_sec_max,
    total_iops_sec_max,
    read_iops_sec_max,
    write_iops_sec_max,
    size_iops_sec,
    total_bytes_sec_max_length,
    read_bytes_sec_max_length,
    write_bytes_sec_max_length,
    total_iops_sec_max_length,
    read_iops_sec_max_length,
    write_iops_sec_max_length,
);

/// The largest of them (`QEMU_BLOCK_IOTUNE_MAX`): QEMU calculates with floating-point numbers.
const MOST: u64 = 1_000_000_000_000_000;

impl Owner {
    /// Sets what `change` has of limits of the disk with that target or source; 0 is none.
    ///
    /// # Errors
    /// [`Code::InvalidArg`] for no such disk or limits that contradict each other, else what QEMU or the disk says.
    pub(crate) async fn set_disk_limits(&mut self, disk: String, change: IoTune, flags: u32) -> Result<()> {
        let state = self.domain.state();
        let impact = Impact::of(flags, state.is_active(), state.is_persistent())?;
        for name in LIMITS {
            if limit(&change, name).is_some_and(|value| value > MOST) {
                let text = format!("block I/O throttle limit value must be no more than {MOST}");
                return Err(Error::new(Code::ArgumentUnsupported, ErrorDomain::Qemu, text));
            }
        }
        check(&change)?;
        let definition = changed_definition(&state, impact, |model| {
            let tune = merged(find(model, &disk)?, &change)?;
            replace(model, &disk, tune);
            Ok(())
        })?;
        if impact.live {
            let live = state.running()?;
            let mut model = live.document.parse()?;
            let target = state.disk_target(&disk).to_owned();
            let found = find(&model, &target)?;
            if !found.has_medium() {
                return Err(invalid(format!(
                    "disk '{disk}' does not currently have a source assigned"
                )));
            }
            let tune = merged(found, &change)?;
            let target = found.target.dev.clone();
            let setting = throttle_setting(found, &tune);
            if let Some(setting) = setting {
                live.monitor()?
                    .execute::<serde::de::IgnoredAny>(setting.command, setting.arguments, COMMAND_WAIT)
                    .await
                    .map_err(monitor_error)?;
            }
            replace(&mut model, &target, tune);
            self.change_live(live, |live| *live = model).await?;
            self.tell(Event::Tunable {
                params: told_of(&target, &change),
            });
        }
        self.replace_definition(definition).await
    }
}

fn find<'a>(model: &'a Model, name: &str) -> Result<&'a Disk> {
    model
        .devices
        .disk_by_name(name)
        .ok_or_else(|| invalid(format!("disk '{name}' not found in domain")))
}

fn replace(model: &mut Model, name: &str, tune: IoTune) {
    let target = model
        .devices
        .disk_by_name(name)
        .map(|disk| disk.target.dev.clone());
    let mut disks = model.devices.disks.iter_mut();
    let tune = Some(tune).filter(|tune| *tune != IoTune::default());
    if let Some(disk) = disks.find(|disk| Some(&disk.target.dev) == target.as_ref()) {
        disk.io_tune = tune;
    }
}

/// Totals exclude limits of one direction.
fn check(change: &IoTune) -> Result<()> {
    let is = |name: &str| limit(change, name).is_some_and(|value| value > 0);
    let of = |kind: &str, end: &str| {
        let total = is(&format!("total_{kind}_sec{end}"));
        let one = is(&format!("read_{kind}_sec{end}")) || is(&format!("write_{kind}_sec{end}"));
        total && one
    };
    for (kind, end, text) in [
        (
            "bytes",
            "",
            "total and read/write of bytes_sec cannot be set at the same time",
        ),
        (
            "iops",
            "",
            "total and read/write of iops_sec cannot be set at the same time",
        ),
        (
            "bytes",
            "_max",
            "total and read/write of bytes_sec_max cannot be set at the same time",
        ),
        (
            "iops",
            "_max",
            "total and read/write of iops_sec_max cannot be set at the same time",
        ),
    ] {
        if of(kind, end) {
            return Err(invalid(text));
        }
    }
    Ok(())
}

/// The limits that a disk then has: whoever sets one of a kind sets all of it, as libvirt has it.
fn merged(disk: &Disk, change: &IoTune) -> Result<IoTune> {
    let mut tune = disk.io_tune.clone().unwrap_or_default();
    let kinds: [&dyn Fn(&str) -> bool; 6] = [
        &|name| name.ends_with("bytes_sec"),
        &|name| name.ends_with("iops_sec") && name != "size_iops_sec",
        &|name| name.ends_with("bytes_sec_max"),
        &|name| name.ends_with("iops_sec_max"),
        &|name| name == "size_iops_sec",
        &|name| name.ends_with("_length"),
    ];
    for is_of_kind in kinds {
        let names = || LIMITS.iter().filter(move |name| is_of_kind(name));
        let own = names().any(|name| limit(change, name).is_some());
        // Lengths are each for itself.
        let together = own && !names().any(|name| name.ends_with("_length"));
        for name in names() {
            match limit(change, name) {
                Some(value) => set_limit(&mut tune, name, Some(value).filter(|value| *value > 0)),
                None if together => set_limit(&mut tune, name, None),
                None => {}
            }
        }
    }
    if let Some(group) = &change.group_name {
        tune.group_name = Some(group.clone()).filter(|group| !group.is_empty());
    }
    for name in LIMITS.iter().filter(|name| name.ends_with("_max")) {
        let base = name.trim_end_matches("_max");
        let length = format!("{name}_length");
        let (most, usual) = (limit(&tune, name).unwrap_or(0), limit(&tune, base).unwrap_or(0));
        if most > 0 && usual == 0 {
            let text = format!("value '{name}' cannot be set if '{base}' is not set");
            return Err(Error::new(Code::ConfigUnsupported, ErrorDomain::Qemu, text));
        }
        if limit(&tune, &length).unwrap_or(0) > 0 && most == 0 {
            let text = format!("value '{length}' cannot be set if '{name}' is not set");
            return Err(Error::new(Code::ConfigUnsupported, ErrorDomain::Qemu, text));
        }
    }
    Ok(tune)
}

/// What clients are told of a change (`VIR_DOMAIN_TUNABLE_BLKDEV_...`).
fn told_of(target: &str, change: &IoTune) -> Vec<TypedParam> {
    let disk = TypedParam::new("blkdeviotune.disk", target);
    let limits = LIMITS.iter().filter_map(|name| {
        let value = limit(change, name)?;
        Some(TypedParam::new(format!("blkdeviotune.{name}"), value))
    });
    let group = change.group_name.as_deref();
    let group = group.map(|group| TypedParam::new("blkdeviotune.group_name", group));
    std::iter::once(disk).chain(limits).chain(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(tune: IoTune) -> Disk {
        let text = "<domain type='qemu'><name>a</name><memory>1024</memory><os><type>hvm</type></os><devices>\
            <disk type='file'><source file='/a'/><target dev='vda'/></disk></devices></domain>";
        let mut model = Model::from_xml(text).unwrap();
        let mut disk = model.devices.disks.remove(0);
        disk.io_tune = Some(tune);
        disk
    }

    #[test]
    fn who_sets_one_limit_of_a_kind_sets_all() {
        let before = IoTune {
            read_bytes_sec: Some(10),
            total_iops_sec: Some(5),
            ..IoTune::default()
        };
        let change = IoTune {
            total_bytes_sec: Some(100),
            ..IoTune::default()
        };
        let tune = merged(&disk(before), &change).unwrap();
        assert_eq!((tune.total_bytes_sec, tune.read_bytes_sec), (Some(100), None));
        assert_eq!(tune.total_iops_sec, Some(5));
    }

    #[test]
    fn contradictions_are_refused() {
        let both = IoTune {
            total_iops_sec: Some(1),
            write_iops_sec: Some(1),
            ..IoTune::default()
        };
        assert!(check(&both).is_err());
        let burst = IoTune {
            read_bytes_sec_max: Some(1),
            ..IoTune::default()
        };
        assert!(merged(&disk(IoTune::default()), &burst).is_err());
    }
}

//! Limits of disks.

use super::line::{Line, Props};
use model::domain::devices::disk::IoTune;

impl Line<'_> {
    /// Groups of limits that several disks share.
    pub(super) fn throttle_groups(&mut self) {
        for group in &self.domain.throttle_groups {
            let name = group.group_name.as_deref().unwrap_or_default();
            self.object(
                Props::object("throttle-group", format!("throttle-{name}")).set("limits", limits(group)),
            );
        }
    }
}

/// Limits as QEMU's monitor and objects name them.
pub(super) fn limits(tune: &IoTune) -> Props {
    let all = [
        ("bps-total", tune.total_bytes_sec),
        ("bps-read", tune.read_bytes_sec),
        ("bps-write", tune.write_bytes_sec),
        ("iops-total", tune.total_iops_sec),
        ("iops-read", tune.read_iops_sec),
        ("iops-write", tune.write_iops_sec),
        ("bps-total-max", tune.total_bytes_sec_max),
        ("bps-read-max", tune.read_bytes_sec_max),
        ("bps-write-max", tune.write_bytes_sec_max),
        ("iops-total-max", tune.total_iops_sec_max),
        ("iops-read-max", tune.read_iops_sec_max),
        ("iops-write-max", tune.write_iops_sec_max),
        ("iops-size", tune.size_iops_sec),
    ];
    let mut props = Props::new();
    for (key, value) in all {
        props.put(key, value.unwrap_or(0));
    }
    let lengths = [
        ("bps-total-max-length", tune.total_bytes_sec_max_length),
        ("bps-read-max-length", tune.read_bytes_sec_max_length),
        ("bps-write-max-length", tune.write_bytes_sec_max_length),
        ("iops-total-max-length", tune.total_iops_sec_max_length),
        ("iops-read-max-length", tune.read_iops_sec_max_length),
        ("iops-write-max-length", tune.write_iops_sec_max_length),
    ];
    lengths
        .into_iter()
        .fold(props, |props, (key, value)| props.maybe(key, value))
}

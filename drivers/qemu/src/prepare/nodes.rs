//! Numbers of disks' block nodes, by which clients and QEMU's events name them: those that the document has stay, the
//! others get the next free ones, the last disk first, as libvirt counts.

use model::domain::Domain;
use model::domain::devices::Disk;

/// Numbers every disk that has a medium.
pub(super) fn number(domain: &mut Domain) {
    let disks = &mut domain.devices.disks;
    let given = |disk: &Disk| disk.source.details().and_then(|details| details.index);
    let mut last = disks.iter().filter_map(given).max().unwrap_or(0);
    for disk in disks.iter_mut().rev().filter(|disk| disk.has_medium()) {
        if let Some(details) = disk.source.details_mut()
            && details.index.is_none()
        {
            last = last.saturating_add(1);
            details.index = Some(last);
        }
    }
}

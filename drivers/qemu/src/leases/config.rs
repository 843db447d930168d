//! `qemu-lockd.conf`: what is leased, and where.

use daemon::config::{FromValue, Value, schema};

schema! {
    /// The configuration of leases.
    pub struct LockdConfig {
        /// Whether every disk that a guest may write to is leased.
        auto_disk_leases: bool = true,
        /// Whether a guest with such disks must name leases of its own; unless set, where disks are not leased by
        /// themselves.
        require_lease_for_disks: Option<bool> = None,
        /// A folder, which other hosts may see too, with a file for each leased disk; unless set, the lock is on the disk
        /// itself.
        file_lockspace_dir: Option<String> = None,
        /// The same for LVM volumes, by their UUIDs. It is not built in.
        lvm_lockspace_dir: Option<NotBuilt> = None,
        /// The same for SCSI disks, by their identifiers. It is not built in.
        scsi_lockspace_dir: Option<NotBuilt> = None,
    }
    elsewhere {
    }
}

impl LockdConfig {
    /// Whether a guest that writes to a disk alone must name its leases.
    pub(crate) fn requires_leases(&self) -> bool {
        self.require_lease_for_disks.unwrap_or(!self.auto_disk_leases)
    }
}

/// What cannot be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotBuilt;

impl FromValue for NotBuilt {
    fn from_value(_: Value) -> Result<Self, String> {
        Err("it is not built into this version; remove it, and set file_lockspace_dir to lease such disks by their \
             paths"
            .to_owned())
    }
}

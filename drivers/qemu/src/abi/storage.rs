//! Disks, their controllers, and shared folders.

use super::{Seen, devices, strip_info};
use error::Result;
use model::domain::devices::controller::ControllerDriver;
use model::domain::devices::disk::DiskDriver;
use model::domain::devices::filesystem::{FilesystemKind, FsDriver};
use model::domain::devices::{Controller, Devices, Disk, DiskSource, Filesystem};

pub(super) fn check(source: &Devices, target: &Devices) -> Result<()> {
    devices(&source.disks, &target.disks)?;
    devices(&source.controllers, &target.controllers)?;
    devices(&source.filesystems, &target.filesystems)
}

impl Seen for Disk {
    const ELEMENT: &'static str = "disk";

    fn strip(&mut self) {
        // The image, and how QEMU reads it.
        self.source = DiskSource::default();
        (self.backing_store, self.mirror, self.auth, self.encryption) = (None, None, None, None);
        (self.rawio, self.sgio, self.snapshot, self.io_tune) = (None, None, None, None);
        (self.backend_domain, self.transient, self.private_data) = (None, None, None);
        self.shareable = false;
        self.throttle_filters.clear();
        self.driver = self.driver.take().map(|driver| DiskDriver {
            virtio: driver.virtio,
            queues: driver.queues,
            queue_size: driver.queue_size,
            ..DiskDriver::default()
        });
        self.driver.take_if(|driver| *driver == DiskDriver::default());
        self.target.tray = None;
        strip_info(&mut self.info);
    }

    fn name(&self) -> Option<String> {
        Some(self.target.dev.clone())
    }
}

impl Seen for Controller {
    const ELEMENT: &'static str = "controller";

    fn strip(&mut self) {
        self.driver = self.driver.take().map(|driver| ControllerDriver {
            virtio: driver.virtio,
            queues: driver.queues,
            max_sectors: driver.max_sectors,
            cmd_per_lun: driver.cmd_per_lun,
            ..ControllerDriver::default()
        });
        self.driver
            .take_if(|driver| *driver == ControllerDriver::default());
        strip_info(&mut self.info);
    }

    fn name(&self) -> Option<String> {
        Some(format!("{} {}", self.bus(), self.index.unwrap_or(0)))
    }
}

impl Seen for Filesystem {
    const ELEMENT: &'static str = "filesystem";

    fn strip(&mut self) {
        self.kind = FilesystemKind::Mount { source: None };
        (self.accessmode, self.multidevs, self.fmode, self.dmode) = (None, None, None, None);
        (self.binary, self.idmap) = (None, None);
        (self.space_hard_limit, self.space_soft_limit) = (None, None);
        self.driver = self.driver.take().map(|driver| FsDriver {
            kind: driver.kind,
            queue: driver.queue,
            virtio: driver.virtio,
            ..FsDriver::default()
        });
        strip_info(&mut self.info);
    }

    fn name(&self) -> Option<String> {
        self.target_dir().map(str::to_owned)
    }
}

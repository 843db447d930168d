//! Disks: their block layers, and the guest's device on top.

use super::Role;
use super::address::{alias, controller, controller_alias, virtio_options};
use super::blockdev::{DiskNumbers, Layer, LayerFlags};
use super::line::{KeyValues, Line, Props, incomplete, unsupported};
use crate::board::Board;
use crate::prepare::aliases::target_index;
use error::Result;
use model::domain::devices::address::DriveAddress;
use model::domain::devices::controller::{ControllerKind, ControllerType, ScsiModel};
use model::domain::devices::disk::{DiskBus, DiskDevice};
use model::domain::devices::disk_source::{DiskSource, StorageFormat, VhostUserSource};
use model::domain::devices::{Address, Disk};
use std::path::Path;

impl Line<'_> {
    /// All disks; floppy drives share one controller.
    pub(super) fn disks(&mut self) -> Result<()> {
        let numbers = super::blockdev::disk_numbers(self.domain);
        let orders = super::boot::BootOrder::of(self.domain);
        self.floppy_controller(&orders.disks);
        for ((disk, numbers), order) in self.domain.devices.disks.iter().zip(&numbers).zip(&orders.disks) {
            self.disk(disk, numbers, *order)?;
        }
        Ok(())
    }

    /// The floppy controller, where it is no part of the machine, and its drives' places in the boot order.
    fn floppy_controller(&mut self, orders: &[Option<u32>]) {
        let drives = self.domain.devices.disks.iter().zip(orders);
        let drives: Vec<_> = drives
            .filter(|(disk, _)| disk.target.bus == Some(DiskBus::Fdc))
            .collect();
        if drives.is_empty() {
            return;
        }
        let order = drives.iter().filter_map(|(disk, order)| {
            let second = matches!(&disk.info.address, Some(Address::Drive(at)) if at.unit != 0);
            order.map(|order| (if second { "bootindexB" } else { "bootindexA" }, order))
        });
        if Board::of(self.domain) == Board::Q35 {
            let props = order.fold(Props::driver("isa-fdc"), |props, (key, order)| {
                props.set(key, order)
            });
            self.device(props);
        } else {
            for (key, order) in order.collect::<Vec<_>>() {
                self.option("-global", format!("isa-fdc.{key}={order}"));
            }
        }
    }

    fn disk(&mut self, disk: &Disk, numbers: &DiskNumbers, order: Option<u32>) -> Result<()> {
        let name = format!("<disk> '{}'", disk.target.dev);
        if self.is_plugged_later(disk) {
            return Ok(());
        }
        if disk.mirror.is_some() {
            return Err(unsupported(format!(
                "{name}: a running <mirror> cannot be started"
            )));
        }
        if let DiskSource::VhostUser { source } = &disk.source {
            let source = source
                .as_ref()
                .ok_or_else(|| incomplete(format!("{name} names no socket")))?;
            return self.vhost_user_disk(disk, source, order);
        }
        if disk.target.bus == Some(DiskBus::Sd) {
            return self.sd_card(disk, &name);
        }
        let top = self.chain(disk, numbers)?;
        let id = alias(&disk.info)?;
        if disk.target.bus == Some(DiskBus::Fdc) {
            return self.floppy(disk, top.as_deref(), id);
        }
        let mut props = self.bus_props(disk, id)?;
        if let Some(top) = &top {
            props.put("drive", top.as_str());
        }
        props.put("id", id);
        if let Some(order) = order {
            props.put("bootindex", order);
        }
        self.identity(disk, &mut props, top.is_some())?;
        self.device(props);
        Ok(())
    }

    /// A disk that another process serves.
    fn vhost_user_disk(&mut self, disk: &Disk, source: &VhostUserSource, order: Option<u32>) -> Result<()> {
        let id = alias(&disk.info)?;
        let chardev = format!("chr-vu-{id}");
        let option = KeyValues::new()
            .word("socket")
            .set("id", &chardev)
            .set("path", &source.path);
        let option = self.reconnecting(option, super::chardev::pause(source.reconnect.as_ref()));
        self.option("-chardev", option.finish());
        let driver = self.virtio_driver(
            "vhost-user-blk",
            &disk.info,
            disk.model,
            "<disk type='vhostuser'>",
        )?;
        let mut props = Props::driver(&driver);
        if let Some(driver) = &disk.driver {
            virtio_options(&mut props, &driver.virtio);
            props = props
                .maybe("num-queues", driver.queues)
                .maybe("queue-size", driver.queue_size);
        }
        self.attach(&mut props, &disk.info)?;
        let props = props
            .set("chardev", chardev)
            .set("id", id)
            .maybe("bootindex", order);
        self.device(props);
        Ok(())
    }

    /// A card in a slot of the board, which only takes what QEMU opens by itself.
    fn sd_card(&mut self, disk: &Disk, name: &str) -> Result<()> {
        let path = match &disk.source {
            DiskSource::File { source } => source.as_ref().and_then(|source| source.file.as_deref()),
            DiskSource::Block { source } => source.as_ref().and_then(|source| source.dev.as_deref()),
            _ => None,
        };
        let format = disk.format().unwrap_or(StorageFormat::Raw);
        let (Some(path), None) = (path, disk.effective_encryption()) else {
            return Err(unsupported(format!(
                "{name}: the bus 'sd' takes files and block devices that are not encrypted"
            )));
        };
        let index = target_index(&disk.target.dev);
        let index = index.ok_or_else(|| incomplete(format!("{name}: not a name of a disk")))?;
        let option = KeyValues::new()
            .set("file", path)
            .set("format", format)
            .set("if", "sd")
            .set("index", index)
            .maybe("readonly", disk.readonly.then_some("on"));
        self.option("-drive", option.finish());
        Ok(())
    }

    /// All layers, the lowest first; the name of the uppermost.
    fn chain(&mut self, disk: &Disk, numbers: &DiskNumbers) -> Result<Option<String>> {
        let Some(&(top_number, top_store)) = numbers.layers.first() else {
            return Ok(None);
        };
        let driver = disk.driver.as_ref();
        let flags = LayerFlags {
            readonly: disk.readonly || disk.device == DiskDevice::Cdrom,
            cache: driver.and_then(|driver| driver.cache),
            io: driver.and_then(|driver| driver.io),
            discard: driver.and_then(|driver| driver.discard),
            detect_zeroes: driver.and_then(|driver| driver.detect_zeroes),
            discard_no_unref: driver
                .and_then(|driver| driver.discard_no_unref)
                .map(|it| it.is_on()),
            cdrom: disk.device == DiskDevice::Cdrom && !self.is_other_block(disk),
            floppy: disk.device == DiskDevice::Floppy,
            node: self.descriptor(alias(&disk.info)?, Role::Node),
        };
        let lower_flags = LayerFlags {
            readonly: true,
            detect_zeroes: None,
            discard_no_unref: None,
            cdrom: false,
            floppy: false,
            ..flags
        };
        let layers: Vec<_> = disk.backing_chain().collect();
        let terminated = super::blockdev::is_terminated(disk);
        let mut below: Option<String> = None;
        for (layer, (number, store)) in layers.iter().zip(numbers.layers.iter().skip(1)).rev() {
            let format = layer.format.as_ref();
            let name = format!("libvirt-{number}");
            let store = store.map(|store| format!("libvirt-{store}"));
            let image = Layer {
                name: &name,
                source: &layer.source,
                format: format.map_or(StorageFormat::Raw, |format| format.kind),
                encryption: layer
                    .source
                    .details()
                    .and_then(|details| details.encryption.as_ref()),
                auth: layer.source.details().and_then(|details| details.auth.as_ref()),
                metadata_cache: format.and_then(|format| format.metadata_cache.as_ref()),
                store: store.as_deref(),
                backing: match &below {
                    Some(below) => Some(Some(below)),
                    None => terminated.then_some(None),
                },
            };
            below = Some(self.layer(&image, &lower_flags)?);
        }
        let name = format!("libvirt-{top_number}");
        let store = top_store.map(|store| format!("libvirt-{store}"));
        let image = Layer {
            name: &name,
            source: &disk.source,
            format: disk.format().unwrap_or(StorageFormat::Raw),
            encryption: disk.effective_encryption(),
            auth: disk.effective_auth(),
            metadata_cache: driver.and_then(|driver| driver.metadata_cache.as_ref()),
            store: store.as_deref(),
            backing: match &below {
                Some(below) => Some(Some(below)),
                None => terminated.then_some(None),
            },
        };
        let mut top = self.layer(&image, &flags)?;
        if driver
            .and_then(|driver| driver.copy_on_read)
            .is_some_and(|it| it.is_on())
            && !flags.readonly
        {
            let name = format!("libvirt-CoR-{}", disk.target.dev);
            let props = Props::driver("copy-on-read")
                .set("node-name", name.as_str())
                .set("file", top)
                .set("discard", "unmap");
            self.blockdev(props);
            top = name;
        }
        for (filter, number) in disk.throttle_filters.iter().zip(&numbers.filters) {
            let name = format!("libvirt-{number}-filter");
            let props = Props::driver("throttle")
                .set("node-name", name.as_str())
                .set("throttle-group", format!("throttle-{}", filter.group))
                .set("file", top);
            self.blockdev(props);
            top = name;
        }
        Ok(Some(top))
    }

    /// Whether a disk is a block device that is no CD drive of the host.
    fn is_other_block(&self, disk: &Disk) -> bool {
        let mut others = self.context.found.other_blocks.iter();
        disk.source_path()
            .is_some_and(|path| others.any(|other| *other == Path::new(path)))
    }

    /// The device's type and its place on its bus.
    fn bus_props(&mut self, disk: &Disk, id: &str) -> Result<Props> {
        let name = format!("<disk> '{}'", disk.target.dev);
        let devices = &self.domain.devices;
        let driver = disk.driver.as_ref();
        let bus = disk
            .target
            .bus
            .ok_or_else(|| incomplete(format!("{name} has no bus")))?;
        let drive = || match &disk.info.address {
            Some(Address::Drive(drive)) => Ok(*drive),
            _ => Err(incomplete(format!("{name} has no drive address"))),
        };
        let cdrom = disk.device == DiskDevice::Cdrom;
        let props = match bus {
            DiskBus::Ide => {
                let at = drive()?;
                let on = match (Board::of(self.domain), at.controller) {
                    // Part of the machine, which names it.
                    (Board::I440fx | Board::Isa, 0) => "ide",
                    _ => controller_alias(devices, ControllerType::Ide, at.controller)?,
                };
                Props::driver(if cdrom { "ide-cd" } else { "ide-hd" })
                    .set("bus", format!("{on}.{}", at.bus))
                    .set("unit", at.unit)
            }
            DiskBus::Sata => {
                let at = drive()?;
                let on = match (Board::of(self.domain), at.controller) {
                    (Board::Q35, 0) => "ide",
                    _ => controller_alias(devices, ControllerType::Sata, at.controller)?,
                };
                Props::driver(if cdrom { "ide-cd" } else { "ide-hd" }).set("bus", format!("{on}.{}", at.unit))
            }
            DiskBus::Scsi => self.scsi_props(disk, &drive()?, id)?,
            DiskBus::Virtio => {
                let model = self.virtio_driver("virtio-blk", &disk.info, disk.model, &name)?;
                let mut props = Props::driver(&model);
                if let Some(driver) = driver {
                    if let Some(thread) = driver.iothread {
                        props.put("iothread", format!("iothread{thread}"));
                    }
                    if let Some(threads) = &driver.iothreads {
                        props.put("iothread-vq-mapping", super::iothread::mapping(threads));
                    }
                    props = props.maybe("ioeventfd", driver.ioeventfd.map(|it| it.is_on()));
                    props = props.maybe("event_idx", driver.event_idx.map(|it| it.is_on()));
                    virtio_options(&mut props, &driver.virtio);
                    props = props
                        .maybe("num-queues", driver.queues)
                        .maybe("queue-size", driver.queue_size);
                }
                self.attach(&mut props, &disk.info)?;
                props
            }
            DiskBus::Usb => {
                let mut props = Props::driver("usb-storage");
                self.attach(&mut props, &disk.info)?;
                props.set("removable", disk.target.removable.is_some_and(|it| it.is_on()))
            }
            DiskBus::Fdc | DiskBus::Sd | DiskBus::Xen | DiskBus::Uml => {
                return Err(unsupported(format!("{name}: this machine has no such bus")));
            }
        };
        if disk.device == DiskDevice::Lun && bus != DiskBus::Scsi {
            return Err(unsupported(format!("{name}: device 'lun' needs the bus 'scsi'")));
        }
        Ok(if disk.shareable {
            props.set("share-rw", true)
        } else {
            props
        })
    }

    fn scsi_props(&self, disk: &Disk, at: &DriveAddress, id: &str) -> Result<Props> {
        let on = controller(&self.domain.devices, ControllerType::Scsi, at.controller)?;
        let driver = match disk.device {
            DiskDevice::Lun => "scsi-block",
            DiskDevice::Cdrom => "scsi-cd",
            _ => "scsi-hd",
        };
        let bus = format!("{}.0", alias(&on.info)?);
        let legacy = matches!(
            on.kind,
            ControllerKind::Scsi {
                model: Some(ScsiModel::LsiLogic | ScsiModel::Am53c974 | ScsiModel::Dc390)
            }
        );
        let mut props = Props::driver(driver).set("bus", bus);
        if legacy {
            if at.target != 0 {
                return Err(unsupported("<address target>: this controller has no targets"));
            }
            props = props.set("scsi-id", at.unit);
        } else {
            props = props
                .set("channel", at.bus)
                .set("scsi-id", at.target)
                .set("lun", at.unit);
        }
        if disk.device != DiskDevice::Lun {
            props.put("device_id", format!("drive-{id}"));
        }
        props = props.maybe("removable", disk.target.removable.map(|it| it.is_on()));
        Ok(props)
    }

    fn floppy(&mut self, disk: &Disk, top: Option<&str>, id: &str) -> Result<()> {
        let Some(Address::Drive(at)) = &disk.info.address else {
            return Err(incomplete("a floppy drive has no drive address"));
        };
        let mut props = Props::driver("floppy")
            .set("unit", at.unit)
            .maybe("drive", top)
            .set("id", id);
        self.identity(disk, &mut props, top.is_some())?;
        self.device(props);
        Ok(())
    }
}

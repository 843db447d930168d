//! What a running guest's devices are called, for those who tell figures: read off the document once.

use crate::lifecycle::volumes::VolumePath;
use model::domain::Domain as Model;
use model::domain::devices::disk_source::BackingLayer;
use model::domain::devices::interface::InterfaceKind;

/// The devices that have figures.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    /// The disks, in the document's order.
    pub disks: Box<[DiskName]>,
    /// The interfaces, in the document's order.
    pub interfaces: Box<[InterfaceName]>,
    /// Whether the kernel's hypervisor runs the guest.
    pub accelerated: bool,
    /// Whether it may have I/O threads.
    pub iothreads: bool,
}

/// An interface's name on the host.
#[derive(Debug, Clone)]
pub(crate) struct InterfaceName {
    /// `vnet0`; empty where there is none.
    pub target: Box<str>,
    /// Whether the host counts as the guest does: a macvtap receives what the guest receives, where other links send it.
    pub counts_as_guest: bool,
}

/// A disk's names.
#[derive(Debug, Clone)]
pub(crate) struct DiskName {
    /// `vda`.
    pub target: Box<str>,
    /// What lies behind it, where that is a path.
    pub source: Option<Box<str>>,
    /// `virtio-disk0`.
    pub alias: Box<str>,
    /// The number of its node.
    pub node: Option<u32>,
    /// The images that it is based on, from the top down.
    pub below: Box<[LayerName]>,
}

/// An image that a disk is based on.
#[derive(Debug, Clone)]
pub(crate) struct LayerName {
    /// Where it lies, where that is a path.
    pub source: Option<Box<str>>,
    /// The number of its node.
    pub node: Option<u32>,
}

impl LayerName {
    fn of(layer: &BackingLayer) -> Self {
        Self {
            source: layer.source.path().map(Into::into),
            node: layer.index,
        }
    }
}

impl Names {
    /// Those of a document.
    pub(crate) fn of(model: &Model) -> Self {
        let disks = model.devices.disks.iter().map(|disk| DiskName {
            target: disk.target.dev.as_str().into(),
            source: disk.source_path().map(Into::into),
            alias: disk.info.alias_name().unwrap_or_default().into(),
            node: disk.source.details().and_then(|details| details.index),
            below: disk.backing_chain().map(LayerName::of).collect(),
        });
        let interfaces = model.devices.interfaces.iter().map(|nic| InterfaceName {
            target: nic.target_dev().unwrap_or_default().into(),
            counts_as_guest: matches!(nic.kind, InterfaceKind::Direct { .. }),
        });
        Self {
            disks: disks.collect(),
            interfaces: interfaces.collect(),
            iothreads: model.iothreads.is_some_and(|count| count > 0) || model.iothread_ids.is_some(),
            accelerated: model.r#type == model::domain::DomainType::Kvm,
        }
    }

    /// The same with the paths of disks that are volumes of pools.
    pub(crate) fn with_volumes(mut self, volumes: &[VolumePath]) -> Self {
        for volume in volumes {
            let mut disks = self.disks.iter_mut();
            if let Some(disk) = disks.find(|disk| *disk.target == *volume.target) {
                disk.source = Some(volume.path.as_str().into());
            }
        }
        self
    }

    /// The disk that a client calls by its target or its source.
    pub(crate) fn disk(&self, name: &str) -> Option<&DiskName> {
        self.disks
            .iter()
            .find(|disk| &*disk.target == name || disk.source.as_deref() == Some(name))
    }
}

//! What a disk's element leaves open, and what only a run can say of it.

use model::domain::devices::Disk;
use model::domain::devices::disk::{DiskBus, DiskCache, DiskDevice, DiskDriver, DiskSnapshot, Tray};
use model::domain::devices::disk_network::{HostTransport, NetworkProtocol, NetworkSource};
use model::domain::devices::disk_source::{BackingStore, DiskSource, EncryptionEngine, StorageFormat};

/// Completes one disk.
pub(super) fn complete(disk: &mut Disk) {
    forget_run(disk);
    if matches!(disk.source, DiskSource::Network { source: None }) {
        // An empty drive is empty in one way only.
        disk.source = DiskSource::default();
    }
    if disk.device == DiskDevice::Cdrom {
        disk.readonly = true;
    }
    let driver = disk.driver.get_or_insert_with(DiskDriver::default);
    driver.name.get_or_insert_with(|| "qemu".to_owned());
    // What a pool's volume is, its pool tells.
    if !matches!(disk.source, DiskSource::Volume { .. }) {
        driver.format.get_or_insert(StorageFormat::Raw);
    }
    driver.cache = driver.cache.filter(|cache| *cache != DiskCache::Default);
    disk.target.tray = disk.target.tray.filter(|tray| *tray != Tray::Closed);
    if disk.target.bus != Some(DiskBus::Usb) {
        disk.target.removable = None;
    }
    if disk.readonly {
        disk.snapshot = disk.snapshot.filter(|snapshot| *snapshot != DiskSnapshot::No);
    } else if matches!(disk.source, DiskSource::VhostUser { .. }) {
        // Only the process that serves it could make one.
        disk.snapshot = Some(DiskSnapshot::No);
    }
    let inner = disk.source.details_mut();
    let inner = inner.and_then(|details| details.encryption.as_mut());
    for encryption in disk.encryption.as_mut().into_iter().chain(inner) {
        encryption.engine.get_or_insert(EncryptionEngine::Qemu);
    }
    if let DiskSource::Network { source: Some(source) } = &mut disk.source {
        network(source);
    }
}

/// Takes away what a run's document says of the run: numbers of block nodes and copies that are being made.
fn forget_run(disk: &mut Disk) {
    disk.mirror = None;
    without_number(&mut disk.source);
    let mut below = disk.backing_store.as_mut();
    while let Some(BackingStore::Layer(layer)) = below {
        layer.index = None;
        without_number(&mut layer.source);
        let encryption = layer
            .source
            .details_mut()
            .and_then(|details| details.encryption.as_mut());
        if let Some(encryption) = encryption {
            encryption.engine.get_or_insert(EncryptionEngine::Qemu);
        }
        below = layer.backing_store.as_mut();
    }
}

fn without_number(source: &mut DiskSource) {
    let Some(details) = source.details_mut() else {
        return;
    };
    details.index = None;
    if let Some(store) = details.data_store.as_deref_mut()
        && let Some(details) = store.source.details_mut()
    {
        details.index = None;
    }
}

fn network(source: &mut NetworkSource) {
    if source.protocol == NetworkProtocol::Iscsi
        && let Some(name) = source.name.as_mut().filter(|name| !name.contains('/'))
    {
        name.push_str("/0");
    }
    let port = u32::from(source.protocol.default_port());
    for host in source.hosts.iter_mut().filter(|_| port != 0) {
        if host
            .transport
            .is_none_or(|transport| transport == HostTransport::Tcp)
            && host.name.is_some()
        {
            host.port.get_or_insert(port);
        }
    }
}

//! Numbers of disks' block nodes, by which clients and QEMU's events name them.

use crate::command::{DiskNumbers, disk_numbers};
use model::domain::Domain;
use model::domain::devices::Disk;
use model::domain::devices::disk_source::{BackingStore, DiskSource};

/// Writes the number of every layer into the document: those that it has stay.
pub fn number(domain: &mut Domain) {
    let numbers = disk_numbers(domain);
    for (disk, numbers) in domain.devices.disks.iter_mut().zip(&numbers) {
        one(disk, numbers);
    }
}

fn one(disk: &mut Disk, numbers: &DiskNumbers) {
    let mut numbers = numbers.layers.iter();
    let Some((own, store)) = numbers.next() else {
        return;
    };
    if let Some(details) = disk.source.details_mut() {
        details.index = Some(*own);
    }
    number_store(&mut disk.source, *store);
    let mut below = disk.backing_store.as_mut();
    while let (Some(BackingStore::Layer(layer)), Some((own, store))) = (below, numbers.next()) {
        layer.index = Some(*own);
        number_store(&mut layer.source, *store);
        below = layer.backing_store.as_mut();
    }
}

/// The file with an image's data.
fn number_store(source: &mut DiskSource, number: Option<u32>) {
    let store = source
        .details_mut()
        .and_then(|details| details.data_store.as_deref_mut());
    if let Some(details) = store.and_then(|store| store.source.details_mut()) {
        details.index = number;
    }
}

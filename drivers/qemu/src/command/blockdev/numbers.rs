//! Numbers of block layers.

use model::domain::Domain;
use model::domain::devices::Disk;
use model::domain::devices::disk::DiskBus;
use model::domain::devices::disk_source::{BackingStore, DiskSource};

/// The numbers of one disk's layers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DiskNumbers {
    /// Of the image and of what is below it, as far as the document tells; and of the file with a layer's data, where
    /// that is another one.
    pub(crate) layers: Vec<(u32, Option<u32>)>,
    /// Of the limits on top.
    pub(crate) filters: Vec<u32>,
}

/// The numbers of all disks, in the document's order: those that the document has, else the next free ones.
pub(crate) fn disk_numbers(domain: &Domain) -> Vec<DiskNumbers> {
    let disks = &domain.devices.disks;
    let below = |disk: &Disk| disk.backing_chain().filter_map(|layer| layer.index).max();
    let mut next = disks
        .iter()
        .flat_map(sources)
        .filter_map(index)
        .chain(disks.iter().filter_map(below))
        .max()
        .unwrap_or(0);
    let mut numbers: Vec<DiskNumbers> = disks
        .iter()
        .rev()
        .map(|disk| {
            let mut free = || {
                next = next.saturating_add(1);
                next
            };
            let mut number = |source: &DiskSource| index(source).unwrap_or_else(&mut free);
            let mut one = |source: &DiskSource, given: Option<u32>| {
                let own = given.unwrap_or_else(|| number(source));
                (own, store(source).map(&mut number))
            };
            let mut layers = Vec::new();
            // QEMU opens cards of the board's slots by itself.
            if !disk.source.is_empty() && disk.target.bus != Some(DiskBus::Sd) {
                layers.push(one(&disk.source, None));
                layers.extend(disk.backing_chain().map(|layer| one(&layer.source, layer.index)));
            }
            DiskNumbers {
                layers,
                filters: disk.throttle_filters.iter().map(|_| free()).collect(),
            }
        })
        .collect();
    numbers.reverse();
    numbers
}

/// All that a disk is read from.
pub(crate) fn sources(disk: &Disk) -> Vec<&DiskSource> {
    let layers = std::iter::once(&disk.source).chain(disk.backing_chain().map(|layer| &layer.source));
    layers
        .flat_map(|source| std::iter::once(source).chain(store(source)))
        .collect()
}

/// Every layer that has a number: what its names begin with, its disk's alias, and its source.
pub(in crate::command) fn named_sources(domain: &Domain) -> Vec<(String, String, &DiskSource)> {
    let mut all = Vec::new();
    for (disk, numbers) in domain.devices.disks.iter().zip(disk_numbers(domain)) {
        let alias = disk.info.alias_name().unwrap_or_default();
        let layers = std::iter::once(&disk.source).chain(disk.backing_chain().map(|layer| &layer.source));
        for (source, (number, _)) in layers.zip(&numbers.layers) {
            all.push((format!("libvirt-{number}"), alias.to_owned(), source));
        }
    }
    all
}

fn store(source: &DiskSource) -> Option<&DiskSource> {
    source
        .details()
        .and_then(|details| details.data_store.as_deref())
        .map(|store| &store.source)
}

fn index(source: &DiskSource) -> Option<u32> {
    source.details().and_then(|details| details.index)
}

/// Whether the chain of a disk is known to its end.
pub(in crate::command) fn is_terminated(disk: &Disk) -> bool {
    let last = disk.backing_chain().last();
    let end = match last {
        Some(layer) => layer.backing_store.as_ref(),
        None => disk.backing_store.as_ref(),
    };
    matches!(end, Some(BackingStore::End))
}

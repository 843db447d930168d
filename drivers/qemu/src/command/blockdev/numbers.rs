//! Numbers of block layers.

use model::domain::Domain;
use model::domain::devices::Disk;
use model::domain::devices::disk_source::{BackingStore, DiskSource};

/// The numbers of one disk's layers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::command) struct DiskNumbers {
    /// Of the image, then of what is below it, as far as the document tells.
    pub(in crate::command) layers: Vec<u32>,
}

/// The numbers of all disks, in the document's order: those that the document has, else the next free ones.
pub(in crate::command) fn disk_numbers(domain: &Domain) -> Vec<DiskNumbers> {
    let disks = &domain.devices.disks;
    let mut next = disks.iter().flat_map(given).flatten().max().unwrap_or(0);
    let mut numbers: Vec<DiskNumbers> = disks
        .iter()
        .rev()
        .map(|disk| {
            let layers = given(disk).into_iter().map(|given| {
                given.unwrap_or_else(|| {
                    next = next.saturating_add(1);
                    next
                })
            });
            DiskNumbers {
                layers: layers.collect(),
            }
        })
        .collect();
    numbers.reverse();
    numbers
}

/// What the document says of each layer; nothing for an empty drive.
fn given(disk: &Disk) -> Vec<Option<u32>> {
    if disk.source.is_empty() {
        return Vec::new();
    }
    let top = disk.source.details().and_then(|details| details.index);
    let mut layers = vec![top];
    layers.extend(
        disk.backing_chain()
            .map(|layer| layer.index.or_else(|| index(&layer.source))),
    );
    layers
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

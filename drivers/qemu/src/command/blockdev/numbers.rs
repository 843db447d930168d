//! Numbers of block layers.

use model::domain::Domain;
use model::domain::devices::Disk;
use model::domain::devices::disk::DiskBus;
use model::domain::devices::disk_source::{BackingStore, DiskSource};
use std::collections::BTreeSet;

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
    let below = |disk: &Disk| -> Vec<u32> { disk.backing_chain().filter_map(|layer| layer.index).collect() };
    let mut taken: BTreeSet<u32> = disks
        .iter()
        .flat_map(sources)
        .filter_map(index)
        .chain(disks.iter().flat_map(below))
        .collect();
    let mut next = taken.last().copied().unwrap_or(0);
    let mut numbers: Vec<DiskNumbers> = disks
        .iter()
        .rev()
        .map(|disk| {
            let mut free = || {
                next = after(next, &mut taken);
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
            // No document has those of limits: they follow the disk's own, so that they are the same whenever they are asked for.
            let own = layers
                .iter()
                .map(|(own, store)| store.map_or(*own, |store| store.max(*own)));
            let mut last = own.max().unwrap_or(next);
            let mut filter = || {
                last = after(last, &mut taken);
                last
            };
            let filters = disk.throttle_filters.iter().map(|_| filter()).collect();
            DiskNumbers { layers, filters }
        })
        .collect();
    numbers.reverse();
    numbers
}

/// The first number after `last` that nothing has; it is taken then.
fn after(last: u32, taken: &mut BTreeSet<u32>) -> u32 {
    let mut number = last.saturating_add(1);
    while number < u32::MAX && taken.contains(&number) {
        number += 1;
    }
    taken.insert(number);
    number
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_the_same_numbers_once_layers_are_numbered() {
        let disk = |name: &str| {
            format!(
                "<disk type='file'><source file='/{name}'/><backingStore type='file'><format type='raw'/>\
                 <source file='/{name}-base'/></backingStore><target dev='{name}'/><throttlefilters>\
                 <throttlefilter group='a'/><throttlefilter group='b'/></throttlefilters></disk>"
            )
        };
        let text = format!(
            "<domain type='qemu'><name>a</name><memory>1</memory><os><type>hvm</type></os><devices>{}{}</devices></domain>",
            disk("vda"),
            disk("vdb")
        );
        let mut domain = Domain::from_xml(&text).unwrap();
        let fresh = disk_numbers(&domain);
        assert_eq!(fresh[1].layers, [(1, None), (2, None)]);
        assert_eq!(fresh[1].filters, [3, 4]);
        assert_eq!(fresh[0].layers, [(5, None), (6, None)]);
        assert_eq!(fresh[0].filters, [7, 8]);
        crate::prepare::number(&mut domain);
        assert_eq!(disk_numbers(&domain), fresh);
    }
}

//! Slots of memory that is plugged in as modules.

use model::domain::devices::address::DimmAddress;
use model::domain::devices::memory::MemoryModel;
use model::domain::devices::{Address, Devices};
use std::collections::BTreeSet;

/// Gives every module the lowest slot that is free.
pub(super) fn slots(devices: &mut Devices) {
    let mut taken: BTreeSet<u32> = devices
        .memories
        .iter()
        .filter_map(|module| match &module.info.address {
            Some(Address::Dimm(at)) => at.slot,
            _ => None,
        })
        .collect();
    for module in &mut devices.memories {
        if !matches!(module.model, MemoryModel::Dimm | MemoryModel::Nvdimm) {
            continue;
        }
        let base = match &module.info.address {
            None => None,
            Some(Address::Dimm(DimmAddress { slot: None, base })) => *base,
            Some(_) => continue,
        };
        let slot = (0..).find(|slot| !taken.contains(slot));
        taken.extend(slot);
        module.info.address = Some(Address::Dimm(DimmAddress { slot, base }));
    }
}

//! The order of disks and controllers in a document: those of a bus stand together, sorted, where the first of them was.

use model::domain::Domain;
use model::domain::devices::controller::{ControllerKind, UsbModel};
use model::domain::devices::{Controller, Devices};
use std::cmp::Ordering;

/// Sorts disks by bus and target.
pub(super) fn disks(domain: &mut Domain) {
    grouped(
        &mut domain.devices.disks,
        |one, other| one.target.bus == other.target.bus,
        |one, other| names(&one.target.dev, &other.target.dev),
    );
}

/// Sorts controllers by kind and number.
pub(super) fn controllers(devices: &mut Devices) {
    // A companion shares its number with the controller it belongs to and stands behind it.
    let key = |one: &Controller| {
        let main = matches!(
            one.kind,
            ControllerKind::Usb {
                model: Some(UsbModel::Ich9Ehci1),
                ..
            }
        );
        (one.index, !main)
    };
    grouped(
        &mut devices.controllers,
        |one, other| one.bus() == other.bus(),
        |one, other| key(one).cmp(&key(other)),
    );
}

/// `vdz` comes before `vdaa`.
fn names(one: &str, other: &str) -> Ordering {
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

/// Puts each item before the first greater one of its group, or else behind the last of its group, or else at the end.
fn grouped<T>(list: &mut Vec<T>, same: impl Fn(&T, &T) -> bool, compare: impl Fn(&T, &T) -> Ordering) {
    let mut sorted: Vec<T> = Vec::with_capacity(list.len());
    for item in list.drain(..) {
        let greater = sorted
            .iter()
            .position(|one| same(one, &item) && compare(one, &item) == Ordering::Greater);
        let last = || sorted.iter().rposition(|one| same(one, &item)).map(|at| at + 1);
        let at = greater.or_else(last).unwrap_or(sorted.len());
        sorted.insert(at, item);
    }
    *list = sorted;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_keep_their_place() {
        let mut list = vec![("b", 2), ("a", 9), ("b", 1), ("c", 1), ("a", 3), ("b", 2)];
        grouped(
            &mut list,
            |one, other| one.0 == other.0,
            |one, other| one.1.cmp(&other.1),
        );
        assert_eq!(list, [("b", 1), ("b", 2), ("b", 2), ("a", 3), ("a", 9), ("c", 1)]);
        assert_eq!(names("vdz", "vdaa"), Ordering::Less);
    }
}

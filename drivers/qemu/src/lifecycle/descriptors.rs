//! What is opened for a guest's devices before its QEMU starts.

use crate::command::{Named, Role};
use std::os::fd::OwnedFd;

/// Opened descriptors, by device.
#[derive(Debug, Default)]
pub(crate) struct Descriptors {
    opened: Vec<(String, Role, Vec<OwnedFd>)>,
}

impl Descriptors {
    /// Adds those of a device.
    pub(super) fn add(&mut self, alias: &str, role: Role, descriptors: Vec<OwnedFd>) {
        self.opened.push((alias.to_owned(), role, descriptors));
    }

    /// Whether the device of that name has any.
    pub(super) fn has(&self, alias: &str) -> bool {
        self.opened.iter().any(|(of, ..)| of == alias)
    }

    /// Numbers them from `first` on: as QEMU is handed them, and as it is told of them.
    pub(super) fn number(self, first: i32) -> (Vec<(OwnedFd, i32)>, Vec<Named>) {
        let mut numbers = first..;
        let (mut handed, mut named) = (Vec::new(), Vec::new());
        for (alias, role, descriptors) in self.opened {
            let pairs: Vec<_> = descriptors.into_iter().zip(numbers.by_ref()).collect();
            named.push(Named {
                alias,
                role,
                numbers: pairs.iter().map(|(_, number)| *number).collect(),
            });
            handed.extend(pairs);
        }
        (handed, named)
    }
}

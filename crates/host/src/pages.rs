//! Changing the host's memory settings: huge pages set aside, and the merging of equal pages.

use crate::Host;
use crate::memory::{out_of_range, page_size};
use error::{Code, Domain, Error, Result};

/// What to do with the pages of one size in each cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allocation {
    /// Set this many aside in addition.
    Add(u64),
    /// Set exactly this many aside.
    Set(u64),
}

/// Settings of page merging; what is absent stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "each name is the kernel's own")]
pub struct KsmSettings {
    pub pages_to_scan: Option<u32>,
    pub sleep_millisecs: Option<u32>,
    pub merge_across_nodes: Option<u32>,
}

impl Host {
    fn write(&self, path: &str, value: u64) -> Result<()> {
        let written = std::fs::OpenOptions::new()
            .write(true)
            .open(self.path(path))
            .and_then(|mut file| {
                use std::io::Write;
                file.write_all(value.to_string().as_bytes())
            });
        written.map_err(|error| {
            let detail = format!("cannot write {value} to '/{path}': {error}");
            Error::new(Code::SystemError, Domain::None, detail).caused_by(error)
        })
    }

    /// Sets huge pages of each size (KiB) aside in `count` cells from cell `start` on. Gives how many pools it changed.
    ///
    /// # Errors
    /// [`Code::InternalError`] when `start` is beyond the last cell, [`Code::OperationFailed`] for a size that the host
    /// does not set aside or when memory does not suffice, [`Code::SystemError`] when the kernel refuses.
    pub fn allocate_pages(&self, wanted: &[(u32, Allocation)], start: u32, count: usize) -> Result<u32> {
        let failed = |detail: String| Error::new(Code::OperationFailed, Domain::None, detail);
        let last = self.last_cell();
        out_of_range(start, last)?;
        let mut changed = 0;
        for cell in (start..=last).take(count) {
            for &(size, allocation) in wanted {
                if size == page_size() {
                    return Err(failed(format!(
                        "pages of {size} KiB are the system's own and not set aside"
                    )));
                }
                let file = format!("{}/hugepages-{size}kB/nr_hugepages", self.hugepages_of(cell));
                let have: u64 = self
                    .value(&file)
                    .ok_or_else(|| failed(format!("page size {size} is not available on node {cell}")))?;
                let target = match allocation {
                    Allocation::Add(more) => have.checked_add(more),
                    Allocation::Set(all) => Some(all),
                };
                let target = target.ok_or_else(|| failed("the number of pages overflows".to_owned()))?;
                self.write(&file, target)?;
                let got: u64 = self.value(&file).unwrap_or(have);
                if got < target {
                    let detail = format!("Unable to allocate {target} pages. Allocated only {got}");
                    return Err(failed(detail));
                }
                changed += 1;
            }
        }
        Ok(changed)
    }

    /// Changes settings of page merging.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`] where the kernel does not have a setting, [`Code::SystemError`] when it refuses.
    pub fn set_ksm(&self, settings: KsmSettings) -> Result<()> {
        let named = [
            ("pages_to_scan", settings.pages_to_scan),
            ("sleep_millisecs", settings.sleep_millisecs),
            ("merge_across_nodes", settings.merge_across_nodes),
        ];
        let wanted: Vec<(String, u32)> = named
            .into_iter()
            .filter_map(|(name, value)| Some((format!("sys/kernel/mm/ksm/{name}"), value?)))
            .collect();
        // Nothing is changed when part of it cannot be.
        if let Some((file, _)) = wanted.iter().find(|(file, _)| !self.path(file).exists()) {
            let detail = format!("the kernel has no '/{file}'");
            return Err(Error::new(Code::OperationInvalid, Domain::None, detail));
        }
        wanted
            .iter()
            .try_for_each(|(file, value)| self.write(file, (*value).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    const POOL: &str = "sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages";

    #[test]
    fn pages_are_added_or_set() {
        let tree = Tree::new(&[(POOL, "2\n")]);
        let host = tree.host();
        assert_eq!(
            host.allocate_pages(&[(2048, Allocation::Add(3))], 0, 1).unwrap(),
            1
        );
        assert_eq!(host.value(POOL), Some(5));
        host.allocate_pages(&[(2048, Allocation::Set(1))], 0, 1).unwrap();
        assert_eq!(
            host.free_pages(&[4096], 0, 1).unwrap_err().code(),
            Code::OperationFailed
        );
        let overflow = host
            .allocate_pages(&[(2048, Allocation::Add(u64::MAX))], 0, 1)
            .unwrap_err();
        assert_eq!(overflow.code(), Code::OperationFailed);
        assert!(
            host.allocate_pages(&[(page_size(), Allocation::Set(1))], 0, 1)
                .is_err()
        );
        assert_eq!(
            host.allocate_pages(&[], 9, 1).unwrap_err().code(),
            Code::InternalError
        );
    }

    #[test]
    fn merging_is_changed_in_whole_or_not_at_all() {
        let tree = Tree::new(&[("sys/kernel/mm/ksm/pages_to_scan", "1")]);
        let host = tree.host();
        let both = KsmSettings {
            pages_to_scan: Some(9),
            sleep_millisecs: Some(9),
            ..KsmSettings::default()
        };
        assert_eq!(host.set_ksm(both).unwrap_err().code(), Code::OperationInvalid);
        assert_eq!(host.ksm().unwrap().pages_to_scan, Some(1));
        host.set_ksm(KsmSettings {
            pages_to_scan: Some(7),
            ..KsmSettings::default()
        })
        .unwrap();
        assert_eq!(host.ksm().unwrap().pages_to_scan, Some(7));
    }
}

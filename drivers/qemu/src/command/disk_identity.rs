//! What the guest can read of a disk, and what becomes of its failures.

use super::line::{Line, Props, incomplete, on_off};
use error::Result;
use model::domain::devices::Disk;
use model::domain::devices::disk::{DiskBus, DiskCache, DiskDevice, ErrorPolicy, GeometryTranslation};

impl Line<'_> {
    /// What the guest can read of the disk itself.
    pub(super) fn identity(&self, disk: &Disk, props: &mut Props, has_medium: bool) -> Result<()> {
        let driver = disk.driver.as_ref();
        if let Some(geometry) = &disk.geometry {
            props.put("cyls", geometry.cyls);
            props.put("heads", geometry.heads);
            props.put("secs", geometry.secs);
            if let Some(translation) = geometry.trans {
                props.put(
                    "bios-chs-trans",
                    match translation {
                        GeometryTranslation::Auto => "auto",
                        GeometryTranslation::None => "none",
                        GeometryTranslation::Lba => "lba",
                    },
                );
            }
        }
        if let Some(sizes) = &disk.block_io {
            let given = [
                ("logical_block_size", sizes.logical_block_size),
                ("physical_block_size", sizes.physical_block_size),
                ("discard_granularity", sizes.discard_granularity),
            ];
            for (key, value) in given {
                if let Some(value) = value {
                    props.put(key, value);
                }
            }
        }
        let write_cache = match driver.and_then(|driver| driver.cache).filter(|_| has_medium) {
            Some(DiskCache::None | DiskCache::WriteBack | DiskCache::Unsafe) => Some(true),
            Some(DiskCache::WriteThrough | DiskCache::DirectSync) => Some(false),
            Some(DiskCache::Default) | None => None,
        };
        if let Some(on) = write_cache.filter(|_| disk.device != DiskDevice::Lun) {
            props.put("write-cache", on_off(on));
        }
        if let Some(policy) = driver
            .and_then(|driver| driver.error_policy)
            .and_then(write_policy)
        {
            props.put("werror", policy);
        }
        if let Some(driver) = driver
            && let Some(policy) = driver.rerror_policy.or(driver.error_policy).and_then(read_policy)
        {
            props.put("rerror", policy);
        }
        if let Some(serial) = &disk.serial {
            // QEMU drops a space that has no backslash before it.
            props.put("serial", serial.replace(' ', "\\ "));
        }
        if let Some(wwn) = &disk.wwn {
            let wwn = u64::from_str_radix(wwn.trim_start_matches("0x"), 16);
            props.put("wwn", wwn.map_err(|_| incomplete("<wwn> is no number"))?);
        }
        if let Some(rate) = disk.target.rotation_rate {
            props.put("rotation_rate", rate);
        }
        if let Some(vendor) = &disk.vendor {
            props.put("vendor", vendor.as_str());
        }
        if let Some(product) = &disk.product {
            let key = if disk.target.bus == Some(DiskBus::Scsi) {
                "product"
            } else {
                "model"
            };
            props.put(key, product.as_str());
        }
        Ok(())
    }
}

fn write_policy(policy: ErrorPolicy) -> Option<&'static str> {
    match policy {
        ErrorPolicy::Default => None,
        ErrorPolicy::Stop => Some("stop"),
        ErrorPolicy::Report => Some("report"),
        ErrorPolicy::Ignore => Some("ignore"),
        ErrorPolicy::Enospace => Some("enospc"),
    }
}

/// Reads need no space: what concerns it is QEMU's default for them.
fn read_policy(policy: ErrorPolicy) -> Option<&'static str> {
    match policy {
        ErrorPolicy::Enospace => None,
        policy => write_policy(policy),
    }
}

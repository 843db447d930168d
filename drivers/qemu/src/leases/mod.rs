//! Leases on a guest's disks: no two guests write to one image.
//!
//! ```text
//!  start:  a process of our own ─ register, acquire, restrict ─► exec QEMU, which inherits the connection
//!  pause:  release        resume: acquire again        end: the connection closes, and virtlockd frees what is left
//! ```
//! As with libvirt a paused guest holds nothing. Leases are acquired before QEMU opens a disk, by the process that
//! becomes QEMU ([`launcher`](crate::launcher)): virtlockd knows a guest by the process at the other end of its connection.

pub(crate) mod config;
mod lockd;

pub(crate) use config::LockdConfig;
pub(crate) use lockd::{Speaker, acquire_all};

use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain as Model;
use model::domain::devices::disk_source::DiskSource;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicBool, Ordering};
use xml::Element;

/// One thing that a guest leases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Element)]
#[xml(element = "lease")]
pub(crate) struct Lease {
    /// The lock space; without one, the resource is the disk itself.
    #[xml(attr)]
    pub space: Option<String>,
    /// The resource's name in it.
    #[xml(attr)]
    pub name: String,
    /// Whether others may have it at the same time.
    #[xml(flag = "shareable")]
    pub shared: bool,
}

/// What a running guest leases.
#[derive(Debug)]
pub(crate) struct Leases {
    /// In the order of the document.
    pub list: Vec<Lease>,
    held: AtomicBool,
}

impl Leases {
    /// `held` tells whether it has them now.
    pub(crate) fn new(list: Vec<Lease>, held: bool) -> Self {
        Self {
            list,
            held: AtomicBool::new(held),
        }
    }

    /// Whether the guest has them now.
    pub(crate) fn held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }

    /// Notes whether it has.
    pub(crate) fn set_held(&self, held: bool) {
        self.held.store(held, Ordering::Release);
    }
}

/// What a live document's guest has to lease.
///
/// # Errors
/// [`Code::ConfigUnsupported`] when the configuration wants leases that the document does not name.
pub(crate) fn of(model: &Model, config: &LockdConfig) -> Result<Vec<Lease>> {
    let mut wanted: Vec<Lease> = Vec::new();
    for device in &model.devices.leases {
        if device.target.offset.is_some_and(|offset| offset != 0) {
            let text = "<lease>: an offset is not possible with this lock manager";
            return Err(Error::new(Code::ConfigUnsupported, ErrorDomain::Locking, text));
        }
        wanted.push(Lease {
            space: Some(device.target.path.clone()),
            name: device.key.clone().unwrap_or_default(),
            shared: false,
        });
    }
    for disk in &model.devices.disks {
        let local = matches!(disk.source, DiskSource::File { .. } | DiskSource::Block { .. });
        let Some(path) = disk.source_path().filter(|_| local && !disk.readonly) else {
            continue;
        };
        if !disk.shareable && config.requires_leases() && wanted.is_empty() {
            return Err(Error::new(
                Code::ConfigUnsupported,
                ErrorDomain::Locking,
                format!(
                    "disk '{}' is for this guest to write to alone, but the domain has no <lease>, and \
                     require_lease_for_disks is set",
                    disk.target.dev
                ),
            ));
        }
        if !config.auto_disk_leases {
            continue;
        }
        let lease = Lease {
            space: config.file_lockspace_dir.clone(),
            name: match config.file_lockspace_dir {
                Some(_) => digest(path),
                None => path.to_owned(),
            },
            shared: disk.shareable,
        };
        if !wanted.contains(&lease) {
            wanted.push(lease);
        }
    }
    Ok(wanted)
}

/// The name of a disk in a folder of leases: the same on every host that knows the disk by that path.
fn digest(path: &str) -> String {
    Sha256::digest(path.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(disks: &str) -> Model {
        let text = format!(
            "<domain type='qemu'><name>a</name><memory>1024</memory><os><type>hvm</type></os><devices>{disks}</devices></domain>"
        );
        Model::from_xml(&text).unwrap()
    }

    fn disk(path: &str, extra: &str) -> String {
        format!("<disk type='file'><source file='{path}'/><target dev='vda'/>{extra}</disk>")
    }

    #[test]
    fn what_a_guest_alone_writes_is_leased() {
        let config = LockdConfig::default();
        let disks = [
            disk("/a", ""),
            disk("/b", "<readonly/>"),
            disk("/c", "<shareable/>"),
            "<disk type='network'><source protocol='nbd'><host name='h'/></source><target dev='vdb'/></disk>"
                .to_owned(),
        ];
        let leases = of(&model(&disks.concat()), &config).unwrap();
        let lease = |name: &str, shared| Lease {
            space: None,
            name: name.to_owned(),
            shared,
        };
        assert_eq!(leases, [lease("/a", false), lease("/c", true)]);
    }

    #[test]
    fn a_lease_of_its_own_stands_for_a_guests_disks() {
        let strict = LockdConfig {
            auto_disk_leases: false,
            ..LockdConfig::default()
        };
        let lease = |offset: &str| {
            format!(
                "<lease><lockspace>s</lockspace><key>k</key><target path='/space'{offset}/></lease>{}",
                disk("/a", "")
            )
        };
        let [found] = of(&model(&lease("")), &strict).unwrap().try_into().unwrap();
        assert_eq!(
            (found.space.as_deref(), found.name.as_str()),
            (Some("/space"), "k")
        );
        let refused = of(&model(&lease(" offset='512'")), &strict).unwrap_err();
        assert_eq!(refused.code(), Code::ConfigUnsupported);
    }

    #[test]
    fn the_configuration_says_where_and_whether() {
        let folder = LockdConfig {
            file_lockspace_dir: Some("/leases".to_owned()),
            ..LockdConfig::default()
        };
        let [lease] = of(&model(&disk("/a", "")), &folder).unwrap().try_into().unwrap();
        assert_eq!(lease.space.as_deref(), Some("/leases"));
        assert_eq!(
            lease.name,
            "6a50dc8584134c7de537c0052ff6d236bf874355e050c90523e0c5ff2a543a28"
        );
        let manual = LockdConfig {
            auto_disk_leases: false,
            ..LockdConfig::default()
        };
        assert_eq!(
            of(&model(&disk("/a", "")), &manual).unwrap_err().code(),
            Code::ConfigUnsupported
        );
        let lax = LockdConfig {
            require_lease_for_disks: Some(false),
            ..manual
        };
        assert_eq!(of(&model(&disk("/a", "")), &lax).unwrap(), []);
    }
}

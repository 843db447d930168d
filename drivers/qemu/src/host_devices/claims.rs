//! Which devices of the host running guests have: none is given to two of them.

use super::refused;
use error::{Code, Result};
use model::domain::Domain as Model;
use model::domain::devices::address::PciAddress;
use model::domain::devices::hostdev::{Hostdev, HostdevKind, ScsiHostdevSource, ScsiProtocol};
use model::domain::devices::interface_source::HostNicAddress;
use model::domain::devices::{Interface, InterfaceKind};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;
use xml::YesNo;

/// Who the driver is to others.
const DRIVER: &str = "QEMU";

/// A device of the host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// Domain, bus, slot and function on PCI.
    Pci(u32, u8, u8, u8),
    /// Bus and device.
    Usb(u32, u32),
    /// Adapter, bus, target and unit.
    Scsi(u32, u32, u32, u64),
    /// A mediated device.
    Mdev(Uuid),
    /// A target of vhost-scsi, by its name.
    Target(String),
}

impl Key {
    /// A function on PCI.
    pub(super) fn pci(address: &PciAddress) -> Self {
        let (domain, bus, slot, function) = address.place();
        Self::Pci(domain, bus, slot, function)
    }

    /// The place of a function on PCI.
    pub(super) fn pci_address(&self) -> Option<PciAddress> {
        match self {
            Self::Pci(domain, bus, slot, function) => Some(PciAddress::new(*domain, *bus, *slot, *function)),
            _ => None,
        }
    }

    /// What an interface has of the host.
    pub(super) fn of_interface(interface: &Interface) -> Option<Self> {
        let InterfaceKind::Hostdev { source } = &interface.kind else {
            return None;
        };
        match source.address.as_ref()? {
            HostNicAddress::Pci(address) => Some(Self::pci(address)),
            HostNicAddress::Usb(at) => Some(Self::Usb(at.bus, at.device)),
        }
    }

    /// What a passed-through device is; `None` for one that is not of this host, or not there.
    pub(super) fn of(hostdev: &Hostdev) -> Option<Self> {
        match &hostdev.kind {
            HostdevKind::Pci { source, .. } => Some(Self::pci(&source.address)),
            HostdevKind::Usb { source } if source.missing == Some(YesNo::Yes) => None,
            HostdevKind::Usb { source } => source.address.map(|at| Self::Usb(at.bus, at.device)),
            HostdevKind::Scsi { source, .. } => Self::of_unit(source),
            HostdevKind::Mdev { source, .. } => Some(Self::Mdev(source.address.uuid)),
            HostdevKind::ScsiHost { source, .. } => source.wwpn.clone().map(Self::Target),
            _ => None,
        }
    }

    /// A unit behind one of the host's adapters.
    pub(super) fn of_unit(source: &ScsiHostdevSource) -> Option<Self> {
        if source.protocol == Some(ScsiProtocol::Iscsi) {
            return None;
        }
        let adapter = source.adapter.as_ref()?.name.strip_prefix("scsi_host")?;
        let at = source.address.as_ref()?;
        Some(Self::Scsi(adapter.parse().ok()?, at.bus, at.target, at.unit))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pci(domain, bus, slot, function) => {
                write!(to, "PCI device {domain:04x}:{bus:02x}:{slot:02x}.{function:x}")
            }
            Self::Usb(bus, device) => write!(to, "USB device {bus:03}:{device:03}"),
            Self::Scsi(adapter, bus, target, unit) => {
                write!(to, "SCSI device {adapter}:{bus}:{target}:{unit}")
            }
            Self::Mdev(uuid) => write!(to, "mediated device {uuid}"),
            Self::Target(name) => write!(to, "SCSI_host device {name}"),
        }
    }
}

/// All that a live document has of the host, and whether other guests may have it at the same time.
pub(super) fn keys(model: &Model) -> Vec<(Key, bool)> {
    let devices = &model.devices;
    let cards = devices.interfaces.iter().filter_map(Key::of_interface);
    let others = devices.hostdevs.iter().filter_map(|hostdev| {
        let shareable = hostdev.shareable && matches!(hostdev.kind, HostdevKind::Scsi { .. });
        Some((Key::of(hostdev)?, shareable))
    });
    cards.map(|key| (key, false)).chain(others).collect()
}

/// Who has a device.
#[derive(Debug)]
struct Holder {
    domain: String,
    shareable: bool,
    guests: usize,
}

/// Who has which device.
#[derive(Debug, Default)]
pub(crate) struct Claims(Mutex<HashMap<Key, Holder>>);

/// A device that nobody else gets while this lives.
#[derive(Debug)]
pub(crate) struct Claim {
    key: Key,
    claims: Arc<Claims>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut all = self.claims.0.lock();
        if let Some(holder) = all.get_mut(&self.key) {
            holder.guests = holder.guests.saturating_sub(1);
            if holder.guests == 0 {
                all.remove(&self.key);
            }
        }
    }
}

impl Claims {
    /// Takes all of the devices for a domain, or none. Those of `beside` must not be another domain's either: a guest that has
    /// one part of an IOMMU group can reach the others.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`] with who has one.
    pub(super) fn take(
        self: &Arc<Self>,
        domain: &str,
        wanted: Vec<(Key, bool)>,
        beside: &[Key],
    ) -> Result<Vec<Claim>> {
        let mut all = self.0.lock();
        let mut seen = HashSet::new();
        for (key, shareable) in &wanted {
            if !seen.insert(key) {
                let text = format!("{key} is in the domain's document twice");
                return Err(refused(Code::XmlError, text));
            }
            match all.get(key) {
                Some(holder) if !(*shareable && holder.shareable) => return Err(holder.refuse(key)),
                _ => {}
            }
        }
        for key in beside {
            if let Some(holder) = all.get(key) {
                return Err(holder.refuse(key));
            }
        }
        Ok(wanted
            .into_iter()
            .map(|(key, shareable)| self.note(&mut all, domain, key, shareable))
            .collect())
    }

    /// Notes what a guest has that ran before this daemon.
    pub(super) fn of_adopted(self: &Arc<Self>, model: &Model) -> Vec<Claim> {
        let mut all = self.0.lock();
        keys(model)
            .into_iter()
            .map(|(key, shareable)| self.note(&mut all, &model.name, key, shareable))
            .collect()
    }

    fn note(
        self: &Arc<Self>,
        all: &mut HashMap<Key, Holder>,
        domain: &str,
        key: Key,
        shareable: bool,
    ) -> Claim {
        let holder = all.entry(key.clone()).or_insert_with(|| Holder {
            domain: domain.to_owned(),
            shareable,
            guests: 0,
        });
        holder.guests += 1;
        Claim {
            key,
            claims: Arc::clone(self),
        }
    }
}

impl Holder {
    fn refuse(&self, key: &Key) -> error::Error {
        let text = match key {
            Key::Scsi(..) => {
                let how = if self.shareable {
                    "shareable"
                } else {
                    "non-shareable"
                };
                format!("{key} is already in use by other domain(s) as '{how}'")
            }
            _ => format!("{key} is in use by driver {DRIVER}, domain {}", self.domain),
        };
        refused(Code::OperationInvalid, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_device_is_given_to_two() {
        let claims = Arc::new(Claims::default());
        let (one, other) = (Key::Pci(0, 1, 0x10, 0), Key::Pci(0, 1, 0x10, 2));
        let held = claims.take("a", vec![(one.clone(), false)], &[]).unwrap();
        let refused = claims
            .take("b", vec![(other.clone(), false), (one.clone(), false)], &[])
            .unwrap_err();
        assert_eq!(refused.code(), Code::OperationInvalid);
        assert_eq!(
            refused.detail(),
            "PCI device 0000:01:10.0 is in use by driver QEMU, domain a"
        );
        // A neighbour in the group is as good as the device.
        let refused = claims
            .take("b", vec![(other.clone(), false)], std::slice::from_ref(&one))
            .unwrap_err();
        assert!(refused.detail().contains("0000:01:10.0"), "{refused}");
        // Nothing of a refused demand is held.
        drop(claims.take("c", vec![(other.clone(), false)], &[]).unwrap());
        let twice = claims.take("c", vec![(other.clone(), false), (other, false)], &[]);
        assert_eq!(twice.unwrap_err().code(), Code::XmlError);
        drop(held);
        claims.take("b", vec![(one, false)], &[]).unwrap();
    }

    #[test]
    fn units_are_shared_by_those_who_all_say_so() {
        let claims = Arc::new(Claims::default());
        let unit = Key::Scsi(2, 0, 3, 1);
        let first = claims.take("a", vec![(unit.clone(), true)], &[]).unwrap();
        let second = claims.take("b", vec![(unit.clone(), true)], &[]).unwrap();
        let refused = claims.take("c", vec![(unit.clone(), false)], &[]).unwrap_err();
        assert_eq!(
            refused.detail(),
            "SCSI device 2:0:3:1 is already in use by other domain(s) as 'shareable'"
        );
        drop(first);
        assert!(claims.take("c", vec![(unit.clone(), false)], &[]).is_err());
        drop(second);
        claims.take("c", vec![(unit, false)], &[]).unwrap();
    }
}

//! How much memory a guest's QEMU may hold in place: devices reach the guest's memory wherever the processor's tables say it is
//! not, so all of it is held for as long as they are the guest's.

use super::passes_by_vfio;
use model::domain::Domain as Model;

/// What QEMU maps for devices beside the guest's memory, in bytes, as libvirt reckons.
const BESIDE: u64 = 1 << 30;

/// Bytes that QEMU has to be able to hold; `u64::MAX` for no limit, `None` where the host's own limit will do.
pub(crate) fn memory_lock(model: &Model) -> Option<u64> {
    if let Some(limit) = model.mem_tune.as_deref().and_then(|tune| tune.hard_limit)
        && (is_locked(model) || passes_by_vfio(model) > 0)
    {
        return Some(limit.bytes());
    }
    if is_locked(model) {
        return Some(u64::MAX);
    }
    let devices = passes_by_vfio(model);
    if devices == 0 {
        return None;
    }
    // With an IOMMU of the guest's own each device has an address space of its own, and holds all of it.
    let spaces = if model.devices.iommu.is_some() { devices } else { 1 };
    let memory = model.memory.size.bytes().saturating_mul(spaces);
    Some(memory.saturating_add(BESIDE))
}

fn is_locked(model: &Model) -> bool {
    model
        .memory_backing
        .as_ref()
        .is_some_and(|backing| backing.locked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(more: &str, devices: &str) -> Option<u64> {
        let text = format!(
            "<domain type='qemu'><name>a</name><memory unit='MiB'>512</memory>{more}<os><type>hvm</type></os>\
             <devices>{devices}</devices></domain>"
        );
        memory_lock(&Model::from_xml(&text).unwrap())
    }

    #[test]
    fn what_devices_reach_can_be_held() {
        let pci = |slot: u32| {
            format!(
                "<hostdev mode='subsystem' type='pci'><source><address domain='0' bus='1' slot='{slot}' function='0'/>\
                 </source></hostdev>"
            )
        };
        let both = format!("{}{}", pci(1), pci(2));
        assert_eq!(lock("", ""), None);
        assert_eq!(lock("", &both), Some((512 << 20) + (1 << 30)));
        let with_iommu = format!("{both}<iommu model='intel'/>");
        assert_eq!(lock("", &with_iommu), Some((1024 << 20) + (1 << 30)));
        let locked = "<memoryBacking><locked/></memoryBacking>";
        assert_eq!(lock(locked, ""), Some(u64::MAX));
        let limit = "<memtune><hard_limit unit='MiB'>700</hard_limit></memtune>";
        assert_eq!(lock(limit, &both), Some(700 << 20));
        assert_eq!(lock(limit, ""), None);
        assert_eq!(lock(&format!("{limit}{locked}"), ""), Some(700 << 20));
        let usb =
            "<hostdev mode='subsystem' type='usb'><source><address bus='1' device='4'/></source></hostdev>";
        assert_eq!(lock("", usb), None);
    }
}

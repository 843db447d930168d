//! What only a document from outside is completed with and held to. A definition that is on disk already is left as it is:
//! another QEMU may be installed since, and the guest's hardware must not change.

use super::validate::unsupported;
use crate::binary::BinaryCaps;
use error::Result;
use model::CpuSet;
use model::domain::cpu::{CellMemory, Numa, NumaCell};
use model::domain::devices::Graphics;
use model::domain::devices::disk_source::DiskSource;
use model::domain::devices::video::{Video, VideoDriverName, VideoType};
use model::domain::security::LaunchSecurity;
use model::domain::{Domain, DomainType};
use model::scaled::Kibibytes;

/// Adds the node that memory can be plugged into, and has the guest's memory be that of its nodes and modules.
pub(super) fn memory(domain: &mut Domain) {
    let modules = domain.devices.memories.iter();
    let modules = modules
        .map(|module| module.target.size.0)
        .fold(0, u64::saturating_add);
    if domain.max_memory.is_some()
        && let Some(initial) = domain.memory.size.0.checked_sub(modules).filter(|size| *size > 0)
    {
        let last = domain.vcpu.maximum.clamp(1, CpuSet::LIMIT) - 1;
        let mut all = CpuSet::default();
        all.insert(0, last);
        let numa = domain.cpu.get_or_insert_default().numa.get_or_insert_default();
        if numa.cells.is_empty() {
            numa.cells.push(NumaCell {
                id: Some(0),
                cpus: Some(all),
                memory: CellMemory(Kibibytes(initial)),
                mem_access: None,
                discard: None,
                distances: Vec::new(),
                caches: Vec::new(),
            });
        }
    }
    let numa = domain.cpu.as_deref().and_then(|cpu| cpu.numa.as_ref());
    let nodes = numa.map_or(0, Numa::total_memory);
    if nodes == 0 {
        return;
    }
    let total = Kibibytes(nodes.saturating_add(modules));
    domain.memory.size = total;
    if let Some(current) = &mut domain.current_memory
        && current.0 > total.0
    {
        *current = total;
    }
}

/// Refuses processors that no guest of QEMU can do without; guests of other hypervisors can.
///
/// # Errors
/// [`error::Code::ConfigUnsupported`] when the first one is offline.
pub(super) fn processors(domain: &Domain) -> Result<()> {
    let mut each = domain.vcpus.iter().flat_map(|all| &all.vcpus);
    if each.any(|one| one.id == 0 && !one.enabled.is_yes()) {
        return Err(unsupported("<vcpus>: processor 0 cannot be offline"));
    }
    Ok(())
}

/// Refuses devices that this QEMU does not have.
///
/// # Errors
/// [`error::Code::ConfigUnsupported`] with the first of them.
pub(super) fn devices(domain: &Domain, caps: &BinaryCaps) -> Result<()> {
    let caches = domain.cpu_tune.as_deref();
    if caches.is_some_and(|tune| !tune.cache_tunes.is_empty() || !tune.memory_tunes.is_empty())
        && domain.r#type != DomainType::Kvm
    {
        return Err(unsupported(
            "<cputune>: <cachetune> and <memorytune> are for guests of type 'kvm'",
        ));
    }
    for server in &domain.devices.graphics {
        if matches!(server, Graphics::Spice(_)) && !caps.has_spice() {
            return Err(unsupported("spice graphics are not supported with this QEMU"));
        }
    }
    domain
        .devices
        .videos
        .iter()
        .try_for_each(|card| video(card, caps))?;
    for disk in &domain.devices.disks {
        if matches!(disk.source, DiskSource::VhostVdpa { .. })
            && !caps.schema("blockdev-add/arg-type/+virtio-blk-vhost-vdpa")
        {
            return Err(unsupported(format!(
                "<disk> '{}': type 'vhostvdpa' is not supported with this QEMU",
                disk.target.dev
            )));
        }
    }
    let (object, name) = match &domain.launch_security {
        None => return Ok(()),
        Some(LaunchSecurity::Sev(_)) => ("sev-guest", "sev"),
        Some(LaunchSecurity::SevSnp(_)) => ("sev-snp-guest", "sev-snp"),
        Some(LaunchSecurity::S390Pv) => ("s390-pv-guest", "s390-pv"),
    };
    // QEMU has the object on every host, and tells which host can.
    let able = object != "sev-guest" || caps.sev.is_some();
    match able && caps.has_device(object) {
        true => Ok(()),
        false => Err(unsupported(format!(
            "<launchSecurity type='{name}'> is not supported with this QEMU"
        ))),
    }
}

fn video(card: &Video, caps: &BinaryCaps) -> Result<()> {
    let Some(model) = &card.model else { return Ok(()) };
    let names: &[&str] = match model.kind {
        VideoType::Vga => &["VGA"],
        VideoType::Cirrus => &["cirrus-vga"],
        VideoType::Vmvga => &["vmware-svga"],
        VideoType::Qxl => &["qxl"],
        VideoType::Virtio => &["virtio-gpu-pci", "virtio-gpu-ccw", "virtio-gpu-device"],
        VideoType::Bochs => &["bochs-display"],
        VideoType::Ramfb => &["ramfb"],
        _ => return Ok(()),
    };
    if !names.iter().any(|name| caps.has_device(name)) {
        return Err(unsupported(format!(
            "<video>: this QEMU has no card of the model '{}'",
            model.kind
        )));
    }
    let foreign = card.driver.as_ref().and_then(|driver| driver.name) == Some(VideoDriverName::VhostUser);
    let accelerated = model.acceleration.as_ref().and_then(|it| it.accel3d);
    let can = ["virtio-gpu-gl-pci", "virtio-vga-gl", "virtio-gpu-gl-device"];
    if accelerated.is_some_and(|it| it.is_yes()) && !foreign && !can.iter().any(|name| caps.has_device(name))
    {
        return Err(unsupported(
            "<video>: 3d acceleration is not supported by this QEMU",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory, what the balloon leaves of it, and the nodes' memory, in KiB.
    fn sizes(document: &str) -> (u64, Option<u64>, Vec<u64>) {
        let text = format!("<domain type='qemu'><name>a</name><os><type>hvm</type></os>{document}</domain>");
        let mut domain = Domain::from_xml(&text).unwrap();
        memory(&mut domain);
        let numa = domain.cpu.as_deref().and_then(|cpu| cpu.numa.as_ref());
        let cells = numa.map_or(&[][..], |numa| &numa.cells);
        (
            domain.memory.size.0,
            domain.current_memory.map(|size| size.0),
            cells.iter().map(|cell| cell.memory.0.0).collect(),
        )
    }

    #[test]
    fn nodes_say_how_much_memory_there_is() {
        let module = "<devices><memory model='dimm'><target><size>1000</size><node>0</node></target></memory></devices>";
        let nodes = "<cpu><numa><cell id='0' cpus='0' memory='3000'/></numa></cpu>";
        assert_eq!(
            sizes(&format!(
                "<memory>9000</memory><currentMemory>8000</currentMemory>{nodes}{module}"
            )),
            (4000, Some(4000), vec![3000])
        );
        assert_eq!(
            sizes(&format!(
                "<memory>1000</memory><currentMemory>500</currentMemory>{nodes}"
            )),
            (3000, Some(500), vec![3000])
        );
        assert_eq!(sizes("<memory>1000</memory>"), (1000, Some(1000), vec![]));
    }

    #[test]
    fn memory_is_plugged_into_a_node() {
        let most = "<maxMemory slots='1'>9000</maxMemory><vcpu>4</vcpu>";
        assert_eq!(
            sizes(&format!("{most}<memory>3000</memory>")),
            (3000, Some(3000), vec![3000])
        );
    }
}

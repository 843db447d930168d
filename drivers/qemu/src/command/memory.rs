//! Memory: how much, where it lies, and the guest's nodes.

use super::options::{CommandBuilder, Properties};
use super::{cannot, machine};
use crate::binary::BinaryCaps;
use error::Result;
use model::domain::Domain;
use model::domain::memory::{MemoryAccessMode, MemorySourceType};

/// The name of the memory's object, which the machine type decides so that guests can move.
pub(super) fn ram_id(domain: &Domain, caps: &BinaryCaps) -> String {
    let machine = domain.os.r#type.machine.as_deref().unwrap_or_default();
    let known = caps.accel(machine::accel(domain)).and_then(|offers| offers.machine(machine));
    known.and_then(|machine| machine.default_ram_id.as_deref()).unwrap_or("pc.ram").to_owned()
}

/// The size, and the object that holds it.
pub(super) fn memory(command: &mut CommandBuilder, domain: &Domain, caps: &BinaryCaps) -> Result<()> {
    let total = domain.memory.size;
    let mut size = format!("size={}k", total.0);
    if let Some(most) = domain.max_memory.as_ref() {
        size.push_str(&format!(",slots={},maxmem={}k", most.slots.unwrap_or(0), most.size.0));
    }
    command.add("-m", size);
    if domain.cpu.as_ref().is_none_or(|cpu| cpu.numa.is_none()) {
        command.json("-object", backend(domain, &ram_id(domain, caps), total.bytes(), None)?);
    }
    let locked = domain.memory_backing.as_ref().is_some_and(|backing| backing.locked);
    command.add("-overcommit", format!("mem-lock={}", if locked { "on" } else { "off" }));
    Ok(())
}

fn backend(domain: &Domain, id: &str, bytes: u64, access: Option<MemoryAccessMode>) -> Result<Properties> {
    let backing = domain.memory_backing.as_deref();
    let access = access.or_else(|| backing.and_then(|backing| backing.access.as_ref()).map(|access| access.mode));
    let share = access == Some(MemoryAccessMode::Shared);
    let source = backing.and_then(|backing| backing.source.as_ref()).map(|source| source.r#type);
    let kind = match source {
        None | Some(MemorySourceType::Anonymous) if share => "memory-backend-memfd",
        None | Some(MemorySourceType::Anonymous) => "memory-backend-ram",
        Some(MemorySourceType::Memfd) => "memory-backend-memfd",
        Some(other) => return Err(cannot(format!("<memoryBacking><source type='{other}'> is not supported yet"))),
    };
    let mut object = Properties::object(kind, id);
    if share {
        object = object.with("share", true);
    }
    if let Some(backing) = backing {
        if backing.discard {
            object = object.with("discard-data", true);
        }
        let at_once = backing.allocation.as_ref().and_then(|one| one.mode)
            == Some(model::domain::memory::AllocationMode::Immediate);
        if at_once {
            object = object.with("prealloc", true);
        }
    }
    Ok(object.with("size", bytes))
}

/// The guest's nodes.
pub(super) fn numa(command: &mut CommandBuilder, domain: &Domain) -> Result<()> {
    let Some(numa) = domain.cpu.as_ref().and_then(|cpu| cpu.numa.as_ref()) else { return Ok(()) };
    for (position, cell) in (0_u32..).zip(&numa.cells) {
        let id = cell.id.unwrap_or(position);
        let name = format!("ram-node{id}");
        command.json("-object", backend(domain, &name, cell.memory.0.bytes(), cell.mem_access)?);
        let mut node = format!("node,nodeid={id}");
        if let Some(cpus) = cell.cpus.as_ref() {
            for (first, last) in cpus.ranges() {
                node.push_str(&if first == last { format!(",cpus={first}") } else { format!(",cpus={first}-{last}") });
            }
        }
        node.push_str(&format!(",memdev={name}"));
        command.add("-numa", node);
    }
    for (position, cell) in (0_u32..).zip(&numa.cells) {
        let from = cell.id.unwrap_or(position);
        for sibling in &cell.distances {
            command.add("-numa", format!("dist,src={from},dst={},val={}", sibling.id, sibling.value));
        }
    }
    if numa.interconnects.is_some() || numa.cells.iter().any(|cell| !cell.caches.is_empty()) {
        return Err(cannot("<numa>: caches and interconnects of cells are not supported yet"));
    }
    Ok(())
}

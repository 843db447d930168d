//! The machine a domain gets: architecture, machine type, and what follows from it.

use super::Facts;
use crate::binary::{Accel, BinaryCaps};
pub(super) use crate::board::Board;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain;
use model::domain::cpu::{CpuCheck, CpuMatch, CpuMode, CpuModel, Fallback};
use model::domain::features::{Gic, GicVersion, HypervMode};
use xml::YesNo;

/// What the choice of devices hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Machine {
    /// How its first PCI bus is made.
    pub board: Board,
    /// The most processors it takes.
    pub max_cpus: u32,
}

fn unsupported(text: String) -> Error {
    Error::new(Code::ConfigUnsupported, ErrorDomain::Qemu, text)
}

/// Settles architecture and machine type, and the elements whose default depends on them.
pub(super) fn complete(domain: &mut Domain, caps: &BinaryCaps, facts: &Facts) -> Result<Machine> {
    let accel = Accel::of(domain.r#type).ok_or_else(|| {
        unsupported(format!(
            "<domain type='{}'>: this daemon runs 'qemu' and 'kvm'",
            domain.r#type
        ))
    })?;
    if domain.os.r#type.kind != "hvm" {
        let kind = &domain.os.r#type.kind;
        return Err(unsupported(format!(
            "<os><type>: '{kind}' is not supported, only 'hvm' is"
        )));
    }
    let emulator = caps.path.display();
    let arch = domain
        .os
        .r#type
        .arch
        .get_or_insert_with(|| caps.arch.clone())
        .clone();
    if !crate::binary::arch::runs(&caps.arch, &arch) {
        return Err(unsupported(format!(
            "Emulator '{emulator}' does not support arch '{arch}'"
        )));
    }
    let Some(offers) = caps.accel(accel) else {
        return Err(unsupported(format!(
            "Emulator '{emulator}' does not support virt type '{}'",
            domain.r#type
        )));
    };
    let machine = match domain.os.r#type.machine.as_deref() {
        Some(name) => offers.machine(name),
        None => offers.default_machine(&arch),
    };
    let wanted = domain.os.r#type.machine.clone().unwrap_or_default();
    let machine = machine.ok_or_else(|| {
        unsupported(format!(
            "<os><type machine='{wanted}'>: emulator '{emulator}' does not support this machine type"
        ))
    })?;
    let name = machine.name.to_string();
    let board = Board::named(&arch, &name);
    if board == Board::Other {
        return Err(unsupported(format!(
            "<os><type machine='{name}'>: the places for devices on this board are not supported yet"
        )));
    }
    domain.os.r#type.machine = Some(name);
    if machine.max_cpus > 0 && domain.vcpu.maximum > machine.max_cpus {
        return Err(unsupported(format!(
            "<vcpu>: {} processors are more than the {} that machine type '{wanted}' takes",
            domain.vcpu.maximum, machine.max_cpus
        )));
    }
    super::validate::machine(domain)?;
    boot(domain);
    features(domain);
    if board == Board::ArmVirt {
        interrupts(domain, accel, caps);
    }
    super::firmware::complete(domain, facts);
    cpu(domain, accel, board, caps);
    domain
        .vcpu
        .placement
        .get_or_insert(model::domain::vcpu::Placement::Static);
    Ok(Machine {
        board,
        max_cpus: machine.max_cpus,
    })
}

/// The disk is booted from where nothing says otherwise.
fn boot(domain: &mut Domain) {
    let mut by_device = false;
    domain
        .devices
        .for_each_info(|_, _, info| by_device |= info.boot.is_some());
    if domain.os.boot.is_empty() && !by_device {
        domain.os.boot.push(model::domain::os::Boot {
            dev: model::domain::os::BootDevice::Disk,
        });
    }
}

/// Features whose kind is left open.
fn features(domain: &mut Domain) {
    if let Some(hyperv) = domain
        .features
        .as_deref_mut()
        .and_then(|features| features.hyperv.as_deref_mut())
    {
        hyperv.mode.get_or_insert(HypervMode::Custom);
    }
    if let Some(menu) = domain.os.boot_menu.as_mut()
        && menu.enable == Some(YesNo::No)
    {
        menu.timeout = None;
    }
}

/// The version of the interrupt controller: emulation has always had the older one; under KVM it is the newest that the
/// kernel has.
fn interrupts(domain: &mut Domain, accel: Accel, caps: &BinaryCaps) {
    let gic = domain
        .features
        .get_or_insert_default()
        .gic
        .get_or_insert(Gic { version: None });
    gic.version.get_or_insert_with(|| match accel {
        Accel::Kvm if caps.gic_versions(accel).next() == Some(3) => GicVersion::V3,
        _ => GicVersion::V2,
    });
}

/// The processor where the document says nothing or half.
fn cpu(domain: &mut Domain, accel: Accel, board: Board, caps: &BinaryCaps) {
    let machine = domain.os.r#type.machine.as_deref().unwrap_or_default();
    let default = caps
        .accel(accel)
        .and_then(|offers| offers.machine(machine))
        .and_then(|machine| machine.default_cpu.clone());
    // QEMU tells the type: `qemu64-x86_64-cpu`, and `qemu32-i386-cpu` for guests of 32 bits.
    let default = default.map(|name| {
        let kinds = ["-x86_64-cpu", "-i386-cpu", "-arm-cpu"];
        let plain = kinds.iter().find_map(|kind| name.strip_suffix(kind));
        plain.unwrap_or(&name).to_owned()
    });
    let named = domain
        .cpu
        .as_deref()
        .is_some_and(|cpu| cpu.mode.is_some() || cpu.model.is_some());
    // The kernel runs ARM's guests on the host's own processor only, which QEMU takes by itself.
    let of_kernel = board.is_arm() && accel == Accel::Kvm;
    if !named
        && !of_kernel
        && let Some(name) = default
    {
        // A topology alone says nothing of the model.
        let cpu = domain.cpu.get_or_insert_default();
        cpu.mode = Some(CpuMode::Custom);
        cpu.r#match = Some(CpuMatch::Exact);
        cpu.check = Some(CpuCheck::None);
        cpu.model = Some(CpuModel {
            fallback: Some(Fallback::Forbid),
            vendor_id: None,
            name: Some(name),
        });
    }
    let Some(cpu) = domain.cpu.as_deref_mut() else {
        return;
    };
    if let Some(numa) = cpu.numa.as_mut() {
        for (cell, id) in numa.cells.iter_mut().zip(0..) {
            cell.id.get_or_insert(id);
        }
        numa.cells.sort_by_key(|cell| cell.id);
    }
    if let Some(topology) = cpu.topology.as_mut() {
        topology.dies.get_or_insert(1);
        topology.clusters.get_or_insert(1);
    }
    if cpu.mode.is_none() && cpu.model.is_some() {
        cpu.mode = Some(CpuMode::Custom);
    }
    match cpu.mode {
        Some(CpuMode::Custom) => {
            cpu.r#match.get_or_insert(CpuMatch::Exact);
            // Emulation gives what it can, and always has.
            cpu.check.get_or_insert(match accel {
                Accel::Tcg => CpuCheck::None,
                Accel::Kvm => CpuCheck::Partial,
            });
            if let Some(model) = cpu.model.as_mut() {
                model.fallback.get_or_insert(Fallback::Allow);
            }
        }
        Some(CpuMode::HostModel) => {
            cpu.check.get_or_insert(CpuCheck::Partial);
            // There is no other model to fall back to.
            cpu.model = cpu.model.take().and_then(|model| {
                let vendor_id = model.vendor_id?;
                Some(CpuModel {
                    fallback: None,
                    vendor_id: Some(vendor_id),
                    name: None,
                })
            });
        }
        Some(CpuMode::HostPassthrough) => {
            cpu.check.get_or_insert(CpuCheck::None);
            if !board.is_arm() {
                cpu.migratable.get_or_insert(xml::OnOff::On);
            }
        }
        Some(CpuMode::Maximum) => {
            cpu.check.get_or_insert(CpuCheck::None);
        }
        None => {}
    }
}

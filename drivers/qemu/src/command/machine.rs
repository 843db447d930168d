//! `-machine`, `-accel` and what belongs to the board as a whole.

use super::line::{KeyValues, Line, incomplete, on_off, unsupported};
use super::{firmware, memory};
use crate::board::{self, Board};
use error::Result;
use model::domain::clock::TimerName;
use model::domain::devices::iommu::IommuModel;
use model::domain::devices::memory::MemoryModel;
use model::domain::devices::sound::SoundModel;
use model::domain::features::IoapicDriver;
use model::domain::security::LaunchSecurity;
use model::domain::{Domain, DomainType};

/// Refuses what no machine of this daemon's has.
pub(super) fn check(domain: &Domain) -> Result<()> {
    let arch = domain.os.r#type.arch.as_deref().unwrap_or_default();
    let (is_arm, is_x86) = (board::is_arm(arch), board::is_x86(arch));
    if !is_arm && !is_x86 {
        return Err(unsupported(format!(
            "<type arch='{arch}'>: guests of this architecture are not supported yet"
        )));
    }
    if !matches!(domain.r#type, DomainType::Qemu | DomainType::Kvm) {
        return Err(unsupported(
            "<domain type>: only 'qemu' and 'kvm' are run by this driver",
        ));
    }
    if let Some(features) = domain.features.as_deref() {
        let foreign = [
            (
                "gic",
                features.gic.is_some() && Board::of(domain) != Board::ArmVirt,
            ),
            ("hpt", features.hpt.is_some()),
            ("htm", features.htm.is_some()),
            ("nested-hv", features.nested_hv.is_some()),
            ("ccf-assist", features.ccf_assist.is_some()),
            ("cfpc", features.cfpc.is_some()),
            ("sbbc", features.sbbc.is_some()),
            ("ibs", features.ibs.is_some()),
            (
                "ras",
                features.ras.is_some() && Board::of(domain) != Board::ArmVirt,
            ),
            ("vmport", is_arm && features.vmport.is_some()),
            ("smm", is_arm && features.smm.is_some()),
            ("ps2", is_arm && features.ps2.is_some()),
            ("ioapic", is_arm && features.ioapic.is_some()),
            ("aia", features.aia.is_some()),
            ("xen", features.xen.is_some()),
            ("privnet", features.privnet),
            ("viridian", features.viridian),
        ];
        if let Some((name, _)) = foreign.into_iter().find(|(_, given)| *given) {
            return Err(unsupported(format!(
                "<features>: <{name}> is not for guests of the architecture {arch}"
            )));
        }
    }
    if domain.bootloader.is_some() {
        return Err(unsupported("<bootloader> is for Xen guests"));
    }
    if domain
        .throttle_groups
        .iter()
        .any(|group| group.group_name.is_none())
    {
        return Err(incomplete("<throttlegroup> has no name"));
    }
    Ok(())
}

impl Line<'_> {
    /// Whether the kernel runs the guest.
    pub(super) fn is_kvm(&self) -> bool {
        self.domain.r#type == DomainType::Kvm
    }

    /// `-machine` and `-accel`.
    pub(super) fn machine(&mut self) -> Result<()> {
        let domain = self.domain;
        let features = domain.features.as_deref();
        let name = domain
            .os
            .r#type
            .machine
            .as_deref()
            .ok_or_else(|| incomplete("the document names no machine"))?;
        let board = Board::of(domain);
        let mut machine = KeyValues::new().word(name).set("usb", "off");
        if let Some(gic) = features.and_then(|features| features.gic.as_ref()) {
            let version = gic
                .version
                .ok_or_else(|| incomplete("<gic>: the version was not chosen"))?;
            machine.put("gic-version", version);
        }
        if let Some(ras) = features.and_then(|features| features.ras) {
            if !self.caps.has_machine_property("ras") {
                return Err(unsupported("<ras>: this QEMU has no such machine property"));
            }
            machine.put("ras", on_off(ras.is_on()));
        }
        if let Some(vmport) = features.and_then(|features| features.vmport) {
            machine.put("vmport", on_off(vmport.is_on()));
        }
        if let Some(smm) = features.and_then(|features| features.smm.as_ref()) {
            machine.put("smm", on_off(smm.switch.is_on()));
        }
        if let Some(ps2) = features.and_then(|features| features.ps2) {
            machine.put("i8042", on_off(ps2.is_on()));
        }
        if let Some(ioapic) = features.and_then(|features| features.ioapic.as_ref()) {
            machine.put(
                "kernel_irqchip",
                match ioapic.driver {
                    IoapicDriver::Kvm => "on",
                    IoapicDriver::Qemu => "split",
                },
            );
        }
        let dump = domain
            .memory
            .dump_core
            .map_or(self.context.dump_guest_core, |dump| dump.is_on());
        machine.put("dump-guest-core", on_off(dump));
        if domain
            .memory_backing
            .as_deref()
            .is_some_and(|backing| backing.no_share_pages)
        {
            machine.put("mem-merge", "off");
        }
        if domain
            .devices
            .memories
            .iter()
            .any(|module| module.model == MemoryModel::Nvdimm)
        {
            machine.put("nvdimm", "on");
        }
        if let Some(backend) = memory::machine_backend(self)? {
            machine.put("memory-backend", backend);
        }
        if domain
            .cpu
            .as_ref()
            .and_then(|cpu| cpu.numa.as_ref())
            .is_some_and(super::numa::uses_hmat)
        {
            machine.put("hmat", "on");
        }
        if let Some(security) = &domain.launch_security {
            match security {
                LaunchSecurity::Sev(_) | LaunchSecurity::SevSnp(_) => {
                    machine.put("confidential-guest-support", "lsec0");
                }
                LaunchSecurity::S390Pv => {
                    return Err(unsupported(
                        "<launchSecurity type='s390-pv'> is for guests of the architecture s390x",
                    ));
                }
            }
        }
        firmware::pflash(self, &mut machine);
        if let Some(sound) = domain
            .devices
            .sounds
            .iter()
            .find(|sound| sound.model == SoundModel::PcSpk)
        {
            machine.put(
                "pcspk-audiodev",
                super::sound::audio_id(domain, sound.audio.as_ref())?,
            );
        }
        if let Some(timers) = domain.clock.as_deref().map(|clock| clock.timers.as_slice())
            && let Some(hpet) = timers.iter().find(|timer| timer.name == TimerName::Hpet)
            && let Some(present) = hpet.present
        {
            if self.caps.has_machine_property("hpet") {
                machine.put("hpet", on_off(present.is_yes()));
            } else if present.is_yes() {
                return Err(unsupported("<timer name='hpet'>: this machine has none"));
            }
        }
        if board.is_pc()
            || board == Board::Microvm
            || self.caps.machine(name).and_then(|machine| machine.acpi) != Some(false)
        {
            machine.put("acpi", on_off(features.is_some_and(|features| features.acpi)));
        }
        if let Some(iommu) = &domain.devices.iommu
            && iommu.model == IommuModel::SmmuV3
        {
            if board != Board::ArmVirt {
                return Err(unsupported(
                    "<iommu model='smmuv3'> is for 'virt' machines of ARM",
                ));
            }
            machine.put("iommu", "smmuv3");
        }
        self.option("-machine", machine.finish());
        self.accel()
    }

    fn accel(&mut self) -> Result<()> {
        let features = self.domain.features.as_deref();
        if self.is_kvm() {
            let mut accel = KeyValues::new().word("kvm");
            let ring = features
                .and_then(|features| features.kvm.as_ref())
                .and_then(|kvm| kvm.dirty_ring.as_ref());
            if let Some(ring) = ring.filter(|ring| ring.switch.is_on()) {
                accel.put("dirty-ring-size", ring.size.unwrap_or(4096));
            }
            self.option("-accel", accel.finish());
        } else {
            let cache = features
                .and_then(|features| features.tcg.as_ref())
                .and_then(|tcg| tcg.tb_cache);
            let accel = KeyValues::new()
                .word("tcg")
                .maybe("tb-size", cache.map(|cache| cache.mebibytes()));
            self.option("-accel", accel.finish());
        }
        Ok(())
    }
}

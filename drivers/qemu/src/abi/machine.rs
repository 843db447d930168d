//! The machine: its type, processors, memory and features.

use super::{refused, same};
use error::Result;
use model::domain::Domain;
use model::domain::clock::Clock;
use model::domain::cpu::Cpu;
use xml::Fields;

pub(super) fn check(source: &Domain, target: &Domain) -> Result<()> {
    let facts = |domain: &Domain| {
        let os = &domain.os.r#type;
        let word = |value: &Option<String>| value.clone().unwrap_or_default();
        [
            ("virtualization type", domain.r#type.to_string()),
            ("name", domain.name.clone()),
            (
                "uuid",
                domain.uuid.map(|uuid| uuid.to_string()).unwrap_or_default(),
            ),
            (
                "hwuuid",
                domain.hw_uuid.map(|uuid| uuid.to_string()).unwrap_or_default(),
            ),
            ("max memory", domain.memory.size.0.to_string()),
            ("vCPU max", domain.vcpu.maximum.to_string()),
            ("OS type", os.kind.clone()),
            ("architecture", word(&os.arch)),
            ("machine type", word(&os.machine)),
        ]
    };
    for ((what, source), (_, target)) in facts(source).into_iter().zip(facts(target)) {
        if source != target {
            return Err(refused(format!(
                "Target domain {what} '{target}' does not match source '{source}'"
            )));
        }
    }
    for (source, target) in elements(source).iter().zip(&elements(target)) {
        same("domain", source, target)?;
    }
    Ok(())
}

/// Elements that are the machine's, as they are written.
fn elements(domain: &Domain) -> Vec<String> {
    fn element<T: Fields>(value: Option<&T>, name: &str) -> String {
        value
            .map(|value| xml::to_string_named(value, name))
            .unwrap_or_default()
    }
    let cpu = domain.cpu.as_deref().map(processor);
    let timers = domain.clock.as_deref().map(timers);
    let mut all = vec![
        element(domain.max_memory.as_ref(), "maxMemory"),
        element(domain.os.smbios.as_ref(), "smbios"),
        element(domain.features.as_deref(), "features"),
        element(cpu.as_ref(), "cpu"),
        element(timers.as_ref(), "clock"),
        element(domain.launch_security.as_ref(), "launchSecurity"),
        element(domain.key_wrap.as_ref(), "keywrap"),
    ];
    all.push(
        domain
            .sysinfo
            .iter()
            .map(|one| element(Some(one), "sysinfo"))
            .collect(),
    );
    all
}

/// The processor as the guest sees it: where it came from does not matter.
fn processor(cpu: &Cpu) -> Cpu {
    let mut cpu = cpu.clone();
    (cpu.check, cpu.migratable, cpu.vendor) = (None, None, None);
    if let Some(model) = cpu.model.as_mut() {
        model.fallback = None;
    }
    // Their order says nothing.
    cpu.features.sort_by(|one, other| one.name.cmp(&other.name));
    if let Some(numa) = cpu.numa.as_mut() {
        for cell in &mut numa.cells {
            (cell.mem_access, cell.discard) = (None, None);
        }
    }
    cpu
}

/// The timers there are; how missed ticks are made up for is the host's.
fn timers(clock: &Clock) -> Clock {
    let mut timers = clock.timers.clone();
    for timer in &mut timers {
        (timer.tickpolicy, timer.track, timer.catchup) = (None, None, None);
    }
    Clock {
        timers,
        ..Clock::default()
    }
}

//! Processors: model, features, topology, and I/O threads.

use super::options::{CommandBuilder, Properties};
use super::{cannot, machine};
use crate::binary::{Accel, BinaryCaps};
use error::Result;
use model::domain::Domain;
use model::domain::clock::TimerName;
use model::domain::cpu::{Cpu, CpuFeaturePolicy, CpuMode, MaxPhysAddrMode};
use model::domain::features::{Hyperv, HypervMode};
use xml::{OnOff, YesNo};

/// Model and features.
pub(super) fn cpu(command: &mut CommandBuilder, domain: &Domain, caps: &BinaryCaps) -> Result<()> {
    let accel = machine::accel(domain);
    let cpu = domain.cpu.as_deref();
    let mut text = match cpu {
        Some(cpu) => model(cpu, accel, caps)?,
        None => String::new(),
    };
    if text.is_empty() {
        // Nothing is said of the model, but maybe of features: they need one to hang on.
        text.push_str("qemu64");
        if extras(domain).is_empty() {
            return Ok(());
        }
    }
    for extra in extras(domain) {
        text.push(',');
        text.push_str(&extra);
    }
    command.add("-cpu", text);
    Ok(())
}

fn model(cpu: &Cpu, accel: Accel, caps: &BinaryCaps) -> Result<String> {
    let mut text = match cpu.mode {
        Some(CpuMode::HostPassthrough) if accel != Accel::Kvm => {
            return Err(cannot("CPU mode 'host-passthrough' for x86_64 qemu domain on x86_64 host is not supported by hypervisor"));
        }
        Some(CpuMode::HostPassthrough) => {
            let mut text = "host".to_owned();
            if let Some(migratable) = cpu.migratable {
                text.push_str(&format!(",migratable={migratable}"));
            }
            text
        }
        Some(CpuMode::Maximum) => "max".to_owned(),
        Some(CpuMode::HostModel) => host_model(accel, caps)?,
        Some(CpuMode::Custom) | None => {
            let name = cpu.model.as_ref().and_then(|model| model.name.as_deref());
            let Some(name) = name else { return Ok(String::new()) };
            let known = caps.accel(accel).and_then(|offers| offers.cpu(name)).is_some();
            if !known {
                return Err(cannot(format!("<cpu><model>: '{name}' is not a model of emulator '{}'", caps.path.display())));
            }
            name.to_owned()
        }
    };
    if let Some(vendor) = cpu.model.as_ref().and_then(|model| model.vendor_id.as_deref()) {
        text.push_str(&format!(",vendor={vendor}"));
    }
    for feature in &cpu.features {
        let state = match feature.policy.unwrap_or(CpuFeaturePolicy::Require) {
            CpuFeaturePolicy::Force | CpuFeaturePolicy::Require => "on",
            CpuFeaturePolicy::Disable | CpuFeaturePolicy::Forbid => "off",
            // What the host has is not asked for here, so it is left to QEMU.
            CpuFeaturePolicy::Optional => continue,
        };
        text.push_str(&format!(",{}={state}", feature.name));
    }
    if let Some(bits) = cpu.max_phys_addr.as_ref() {
        match (bits.mode, bits.bits) {
            (MaxPhysAddrMode::Emulate, Some(bits)) => text.push_str(&format!(",phys-bits={bits}")),
            (MaxPhysAddrMode::Passthrough, _) => text.push_str(",host-phys-bits=on"),
            (MaxPhysAddrMode::Emulate, None) => {}
        }
    }
    if let Some(cache) = cpu.cache.as_ref() {
        use model::domain::cpu::CpuCacheMode;
        match cache.mode {
            CpuCacheMode::Emulate => text.push_str(",l3-cache=on"),
            CpuCacheMode::Passthrough => text.push_str(",host-cache-info=on,l3-cache=off"),
            CpuCacheMode::Disable => text.push_str(",l3-cache=off,host-cache-info=off"),
        }
    }
    Ok(text)
}

/// The richest processor that the host can give a guest, as the binary told it.
fn host_model(accel: Accel, caps: &BinaryCaps) -> Result<String> {
    let best = caps.accel(accel).and_then(|offers| offers.best.as_ref());
    let best = best.ok_or_else(|| cannot("CPU mode 'host-model' is not supported by this emulator"))?;
    Ok(match accel {
        Accel::Kvm => "host".to_owned(),
        Accel::Tcg => {
            let _ = best;
            "max".to_owned()
        }
    })
}

/// What other elements say of the processor.
fn extras(domain: &Domain) -> Vec<String> {
    let mut extras = Vec::new();
    if let Some(clock) = domain.clock.as_deref() {
        for timer in &clock.timers {
            match (timer.name, timer.present) {
                (TimerName::Kvmclock, Some(present)) => extras.push(format!("kvmclock={}", switch(present))),
                (TimerName::HypervClock, Some(YesNo::Yes)) => extras.push("hv-time=on".to_owned()),
                (TimerName::Tsc, _) => extras.extend(timer.frequency.map(|hertz| format!("tsc-frequency={hertz}"))),
                _ => {}
            }
        }
    }
    let Some(features) = domain.features.as_deref() else { return extras };
    if let Some(state) = features.apic.as_ref().and_then(|apic| apic.eoi) {
        extras.push(format!("kvm-pv-eoi={state}"));
    }
    if let Some(state) = features.pvspinlock.as_ref().and_then(|one| one.state) {
        extras.push(format!("kvm-pv-unhalt={state}"));
    }
    if let Some(hyperv) = features.hyperv.as_deref() {
        hyperv_features(hyperv, &mut extras);
    }
    if let Some(kvm) = features.kvm.as_deref() {
        let on = |one: Option<&model::domain::features::Switch>| one.and_then(|one| one.state) == Some(OnOff::On);
        if on(kvm.hidden.as_ref()) {
            extras.push("kvm=off".to_owned());
        }
        if on(kvm.hint_dedicated.as_ref()) {
            extras.push("kvm-hint-dedicated=on".to_owned());
        }
        if on(kvm.poll_control.as_ref()) {
            extras.push("kvm-poll-control=on".to_owned());
        }
    }
    if let Some(pmu) = features.pmu.as_ref().and_then(|pmu| pmu.state) {
        extras.push(format!("pmu={pmu}"));
    }
    extras
}

fn switch(value: YesNo) -> OnOff {
    if value == YesNo::Yes { OnOff::On } else { OnOff::Off }
}

fn hyperv_features(hyperv: &Hyperv, extras: &mut Vec<String>) {
    if hyperv.mode == Some(HypervMode::Passthrough) {
        extras.push("hv-passthrough=on".to_owned());
        return;
    }
    let mut on = |one: Option<OnOff>, name: &str| {
        if one == Some(OnOff::On) {
            extras.push(format!("{name}=on"));
        }
    };
    let state = |one: &Option<model::domain::features::Switch>| one.as_ref().and_then(|one| one.state);
    on(state(&hyperv.relaxed), "hv-relaxed");
    on(state(&hyperv.vapic), "hv-vapic");
    if let Some(spinlocks) = hyperv.spinlocks.as_ref()
        && spinlocks.state == Some(OnOff::On)
    {
        extras.push(format!("hv-spinlocks=0x{:x}", spinlocks.retries.unwrap_or(0xfff)));
    }
    let mut on = |one: Option<OnOff>, name: &str| {
        if one == Some(OnOff::On) {
            extras.push(format!("{name}=on"));
        }
    };
    on(state(&hyperv.vpindex), "hv-vpindex");
    on(state(&hyperv.runtime), "hv-runtime");
    on(state(&hyperv.synic), "hv-synic");
    on(hyperv.stimer.as_ref().and_then(|one| one.state), "hv-stimer");
    on(state(&hyperv.reset), "hv-reset");
    on(state(&hyperv.frequencies), "hv-frequencies");
    on(state(&hyperv.reenlightenment), "hv-reenlightenment");
    on(hyperv.tlbflush.as_ref().and_then(|one| one.state), "hv-tlbflush");
    on(state(&hyperv.ipi), "hv-ipi");
    on(state(&hyperv.evmcs), "hv-evmcs");
    on(state(&hyperv.avic), "hv-avic");
    if let Some(vendor) = hyperv.vendor_id.as_ref()
        && vendor.state == Some(OnOff::On)
        && let Some(value) = vendor.value.as_deref()
    {
        extras.push(format!("hv-vendor-id={value}"));
    }
}

/// Sockets, cores and threads.
pub(super) fn topology(command: &mut CommandBuilder, domain: &Domain) {
    let vcpu = &domain.vcpu;
    let mut text = vcpu.current().to_string();
    if vcpu.current() < vcpu.maximum {
        text.push_str(&format!(",maxcpus={}", vcpu.maximum));
    }
    match domain.cpu.as_ref().and_then(|cpu| cpu.topology.as_ref()) {
        Some(topology) => {
            text.push_str(&format!(",sockets={}", topology.sockets));
            text.push_str(&topology.dies.map(|dies| format!(",dies={dies}")).unwrap_or_default());
            text.push_str(&topology.clusters.map(|clusters| format!(",clusters={clusters}")).unwrap_or_default());
            text.push_str(&format!(",cores={},threads={}", topology.cores, topology.threads));
        }
        None => text.push_str(&format!(",sockets={},cores=1,threads=1", vcpu.maximum)),
    }
    command.add("-smp", text);
}

/// I/O threads.
pub(super) fn iothreads(command: &mut CommandBuilder, domain: &Domain) {
    for id in 1..=domain.iothreads.unwrap_or(0) {
        command.json("-object", Properties::object("iothread", &format!("iothread{id}")));
    }
}

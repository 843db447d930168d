//! `-cpu` and `-smp`: the processors' model, features, and how many there are.

use super::line::{KeyValues, Line, on_off, unsupported};
use crate::board::Board;
use error::Result;
use model::domain::Domain;
use model::domain::clock::{TickPolicy, TimerName};
use model::domain::cpu::{Cpu, CpuCacheMode, CpuFeaturePolicy, CpuMode, MaxPhysAddrMode};
use model::domain::features::{Features, Hyperv, HypervMode, Switch};
use xml::OnOff;

/// How many processors the topology has room for.
pub(super) fn topology_processors(domain: &Domain) -> u32 {
    let topology = domain.cpu.as_ref().and_then(|cpu| cpu.topology.as_ref());
    topology
        .and_then(|topology| topology.processors())
        .unwrap_or(domain.vcpu.maximum)
}

/// For what a live document has no more: `processor::choose` puts the host's own in its place.
fn not_chosen(what: &str) -> error::Error {
    unsupported(format!(
        "<cpu>: {what} depends on a host that nothing is known of"
    ))
}

/// QEMU's name for a feature that libvirt's catalogue calls otherwise.
fn qemu_feature(name: &str) -> std::borrow::Cow<'_, str> {
    match name {
        "cmp_legacy" => "cmp-legacy".into(),
        "ds_cpl" => "ds-cpl".into(),
        "fxsr_opt" => "fxsr-opt".into(),
        "kvm_pv_eoi" => "kvm-pv-eoi".into(),
        "kvm_pv_unhalt" => "kvm-pv-unhalt".into(),
        "lahf_lm" => "lahf-lm".into(),
        "nodeid_msr" => "nodeid-msr".into(),
        "perfctr_core" => "perfctr-core".into(),
        "perfctr_nb" => "perfctr-nb".into(),
        "tsc_adjust" => "tsc-adjust".into(),
        "tsc_scale" => "tsc-scale".into(),
        "vmcb_clean" => "vmcb-clean".into(),
        "pclmuldq" => "pclmulqdq".into(),
        "flushbyasid" => "flushbyasid".into(),
        "pause_filter" => "pause-filter".into(),
        "nrip_save" => "nrip-save".into(),
        "svm_lock" => "svm-lock".into(),
        "hv-crash" => name.into(),
        _ => name.replace('_', "-").into(),
    }
}

impl Line<'_> {
    /// `-cpu`
    pub(super) fn cpu(&mut self) -> Result<()> {
        let cpu = self.domain.cpu.as_deref();
        let features = self.domain.features.as_deref();
        let mut option = KeyValues::new();
        match cpu {
            Some(cpu)
                if cpu.mode.is_some() || cpu.model.as_ref().is_some_and(|model| model.name.is_some()) =>
            {
                option = self.model(cpu, option)?;
            }
            // The board's own.
            _ if Board::of(self.domain).is_arm() => return self.no_processor(),
            _ => option = option.word(default_model(self.domain)),
        }
        if self.domain.os.r#type.arch.as_deref() == Some("armv7l")
            && self.is_kvm()
            && self.caps.arch == "aarch64"
        {
            option.put("aarch64", "off");
        }
        self.timers(&mut option)?;
        if let Some(eoi) = features
            .and_then(|features| features.apic.as_ref())
            .and_then(|apic| apic.eoi)
        {
            option.put("kvm-pv-eoi", on_off(eoi.is_on()));
        }
        if let Some(spinlock) = features.and_then(|features| features.pvspinlock) {
            option.put("kvm-pv-unhalt", on_off(spinlock.is_on()));
        }
        if let Some(features) = features {
            hyperv(features, &mut option)?;
            for panic in &self.domain.devices.panics {
                if panic.model == Some(model::domain::devices::watchdog::PanicModel::HyperV) {
                    option = option.word("hv-crash");
                }
            }
            if let Some(kvm) = features.kvm.as_deref() {
                if kvm.hidden.is_some_and(Switch::is_on) {
                    option.put("kvm", "off");
                }
                if kvm.hint_dedicated.is_some_and(Switch::is_on) {
                    option.put("kvm-hint-dedicated", "on");
                }
                if kvm.poll_control.is_some_and(Switch::is_on) {
                    option.put("kvm-poll-control", "on");
                }
                if kvm.pv_ipi.is_some_and(|ipi| !ipi.is_on()) {
                    option.put("kvm-pv-ipi", "off");
                }
            }
            if let Some(pmu) = features.pmu {
                option.put("pmu", on_off(pmu.is_on()));
            }
            if features.msrs.is_some() && !self.is_kvm() {
                return Err(unsupported(
                    "<msrs>: only the kernel's virtualisation can handle unknown registers",
                ));
            }
        } else if self
            .domain
            .devices
            .panics
            .iter()
            .any(|panic| panic.model == Some(model::domain::devices::watchdog::PanicModel::HyperV))
        {
            option = option.word("hv-crash");
        }
        if let Some(cache) = cpu.and_then(|cpu| cpu.cache.as_ref()) {
            let host =
                cpu.is_some_and(|cpu| matches!(cpu.mode, Some(CpuMode::HostPassthrough | CpuMode::Maximum)));
            match cache.mode {
                CpuCacheMode::Emulate => {
                    option.put("l3-cache", "on");
                    if host {
                        option.put("host-cache-info", "off");
                    }
                }
                CpuCacheMode::Passthrough => {
                    option.put("host-cache-info", "on");
                    option.put("l3-cache", "off");
                }
                CpuCacheMode::Disable => {
                    if host {
                        option.put("host-cache-info", "off");
                    }
                    option.put("l3-cache", "off");
                }
            }
        }
        if let Some(address) = cpu.and_then(|cpu| cpu.max_phys_addr.as_ref()) {
            match address.mode {
                MaxPhysAddrMode::Passthrough => {
                    option.put("host-phys-bits", "on");
                    if let Some(limit) = address.limit {
                        option.put("host-phys-bits-limit", limit);
                    }
                }
                MaxPhysAddrMode::Emulate => match address.bits {
                    Some(bits) => option.put("phys-bits", bits),
                    None => option.put("host-phys-bits", "off"),
                },
            }
        }
        self.option("-cpu", option.finish());
        Ok(())
    }

    /// Refuses features of a processor that nothing is told of.
    fn no_processor(&self) -> Result<()> {
        let mut option = KeyValues::new();
        self.timers(&mut option)?;
        let features = self.domain.features.as_deref();
        if option.is_empty() && features.is_none_or(|features| features.pmu.is_none()) {
            return Ok(());
        }
        Err(unsupported(
            "<cpu>: timers and features of the processor need its model",
        ))
    }

    fn model(&self, cpu: &Cpu, option: KeyValues) -> Result<KeyValues> {
        let mut option = match cpu.mode {
            Some(CpuMode::HostPassthrough) => {
                if !self.is_kvm() {
                    return Err(unsupported(
                        "<cpu mode='host-passthrough'> needs <domain type='kvm'>",
                    ));
                }
                option
                    .word("host")
                    .maybe("migratable", cpu.migratable.map(|it| on_off(it.is_on())))
            }
            Some(CpuMode::Maximum) => option
                .word("max")
                .maybe("migratable", cpu.migratable.map(|it| on_off(it.is_on()))),
            Some(CpuMode::HostModel) => return Err(not_chosen("mode='host-model'")),
            _ => {
                let model = cpu.model.as_ref().and_then(|model| model.name.as_deref());
                let mut option = option.word(model.unwrap_or_else(|| default_model(self.domain)));
                if let Some(vendor) = cpu.model.as_ref().and_then(|model| model.vendor_id.as_deref()) {
                    option.put("vendor", vendor);
                }
                option
            }
        };
        for feature in &cpu.features {
            let on = match feature.policy.unwrap_or(CpuFeaturePolicy::Require) {
                CpuFeaturePolicy::Force | CpuFeaturePolicy::Require => true,
                CpuFeaturePolicy::Disable | CpuFeaturePolicy::Forbid => false,
                CpuFeaturePolicy::Optional => return Err(not_chosen("policy='optional'")),
            };
            let name = qemu_feature(&feature.name);
            // QEMU dropped these names; they can only be off.
            if matches!(
                name.as_ref(),
                "cmt" | "mbm-total" | "mbm-local" | "osxsave" | "ospke" | "pconfig"
            ) {
                continue;
            }
            option.put(&name, on_off(on));
        }
        Ok(option)
    }

    /// Timers that are features of the processor.
    fn timers(&self, option: &mut KeyValues) -> Result<()> {
        let Some(clock) = self.domain.clock.as_deref() else {
            return Ok(());
        };
        for timer in &clock.timers {
            match timer.name {
                TimerName::KvmClock => {
                    if let Some(present) = timer.present {
                        option.put("kvmclock", on_off(present.is_yes()));
                    }
                }
                TimerName::HypervClock if timer.present.is_some_and(|present| present.is_yes()) => {
                    option.put("hv-time", "on");
                }
                TimerName::ArmVtimer => {
                    if !self.is_kvm() {
                        return Err(unsupported("<timer name='armvtimer'> needs <domain type='kvm'>"));
                    }
                    if let Some(TickPolicy::Discard | TickPolicy::Delay) = timer.tickpolicy {
                        let stops = timer.tickpolicy == Some(TickPolicy::Delay);
                        option.put("kvm-no-adjvtime", on_off(!stops));
                    }
                }
                TimerName::Tsc => {
                    if let Some(frequency) = timer.frequency {
                        option.put("tsc-frequency", frequency);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// `-smp`
    pub(super) fn smp(&mut self) -> Result<()> {
        let (vcpu, topology) = (
            &self.domain.vcpu,
            self.domain.cpu.as_ref().and_then(|cpu| cpu.topology.as_ref()),
        );
        let present = match &self.domain.vcpus {
            // Pluggable processors are plugged in once the monitor answers.
            Some(vcpus) => {
                let fixed = vcpus
                    .vcpus
                    .iter()
                    .filter(|one| one.enabled.is_yes() && !one.hotpluggable.is_some_and(|yes| yes.is_yes()));
                u32::try_from(fixed.count()).unwrap_or(u32::MAX)
            }
            None => vcpu.current(),
        };
        let mut smp = KeyValues::new().word(present);
        let most = vcpu.maximum;
        if most != present {
            smp.put("maxcpus", most);
        }
        match topology {
            Some(topology) => {
                smp.put("sockets", topology.sockets);
                smp.put("dies", topology.dies.unwrap_or(1));
                smp.put("clusters", topology.clusters.unwrap_or(1));
                smp.put("cores", topology.cores);
                smp.put("threads", topology.threads);
            }
            None => {
                smp.put("sockets", most);
                smp.put("cores", 1);
                smp.put("threads", 1);
            }
        }
        self.option("-smp", smp.finish());
        Ok(())
    }
}

/// The processor of a guest whose document names none.
fn default_model(domain: &Domain) -> &'static str {
    if domain.os.r#type.arch.as_deref() == Some("i686") {
        "qemu32"
    } else {
        "qemu64"
    }
}

fn hyperv(features: &Features, option: &mut KeyValues) -> Result<()> {
    let Some(hyperv) = features.hyperv.as_deref() else {
        return Ok(());
    };
    if hyperv.mode == Some(HypervMode::Passthrough) {
        option.put("hv-passthrough", "on");
    }
    let Hyperv {
        relaxed,
        vapic,
        vpindex,
        runtime,
        synic,
        reset,
        frequencies,
        ..
    } = hyperv;
    let switch = |option: &mut KeyValues, name: &str, switch: Option<Switch>| {
        if switch.is_some_and(Switch::is_on) {
            option.put(name, "on");
        }
    };
    switch(option, "hv-relaxed", *relaxed);
    switch(option, "hv-vapic", *vapic);
    if let Some(spinlocks) = hyperv
        .spinlocks
        .as_ref()
        .filter(|it| it.switch.state == OnOff::On)
    {
        let retries = spinlocks
            .retries
            .ok_or_else(|| unsupported("<spinlocks> needs retries"))?;
        option.put("hv-spinlocks", format!("{retries:#x}"));
    }
    switch(option, "hv-vpindex", *vpindex);
    switch(option, "hv-runtime", *runtime);
    switch(option, "hv-synic", *synic);
    if let Some(stimer) = &hyperv.stimer {
        switch(option, "hv-stimer", Some(stimer.switch));
        switch(option, "hv-stimer-direct", stimer.direct);
    }
    switch(option, "hv-reset", *reset);
    if let Some(vendor) = hyperv.vendor_id.as_ref().filter(|it| it.switch.is_on()) {
        option.put("hv-vendor-id", vendor.value.as_deref().unwrap_or_default());
    }
    switch(option, "hv-frequencies", *frequencies);
    switch(option, "hv-reenlightenment", hyperv.reenlightenment);
    if let Some(flush) = &hyperv.tlbflush {
        switch(option, "hv-tlbflush", Some(flush.switch));
        switch(option, "hv-tlbflush-direct", flush.direct);
        switch(option, "hv-tlbflush-ext", flush.extended);
    }
    switch(option, "hv-ipi", hyperv.ipi);
    switch(option, "hv-evmcs", hyperv.evmcs);
    switch(option, "hv-avic", hyperv.avic);
    switch(option, "hv-emsr-bitmap", hyperv.emsr_bitmap);
    switch(option, "hv-xmm-input", hyperv.xmm_input);
    Ok(())
}

//! Virtual processors: how many, and which host processors may run them and other threads of a guest.

use super::Call;
use super::cpu_map::{map_of, room, set_of};
use super::guest_vcpus;
use crate::Driver;
use crate::definition::Pinned;
use crate::domain::State;
use crate::flags::{self, Impact};
use daemon::Routes;
use error::{Code, Domain, Error, Result};
use futures_util::FutureExt;
use model::CpuSet;
use model::domain::Domain as Model;
use protocol::remote;
use protocol::remote::procedure as p;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::DomainSetVcpus, _>(set_vcpus);
    routes.on::<p::DomainSetVcpusFlags, _>(set_vcpus_flags);
    routes.on::<p::DomainPinVcpu, _>(pin_vcpu);
    routes.on::<p::DomainPinVcpuFlags, _>(pin_vcpu_flags);
    routes.on::<p::DomainPinEmulator, _>(pin_emulator);
    routes.on::<p::DomainPinIothread, _>(pin_iothread);
    routes.on::<p::DomainGetVcpuPinInfo, _>(vcpu_pins);
    routes.on::<p::DomainGetEmulatorPinInfo, _>(emulator_pin);
    routes.on::<p::DomainSetVcpu, _>(set_vcpu);
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(Code::InvalidArg, Domain::Qemu, text)
}

async fn set_vcpus(call: Call, args: remote::DomainSetVcpusArgs) -> Result<()> {
    change_count(&call, &args.dom, args.nvcpus, flags::AFFECT_LIVE).await
}

/// `VIR_DOMAIN_VCPU_MAXIMUM`, `..._GUEST` and `..._HOTPLUGGABLE`.
const MAXIMUM: u32 = 4;
const GUEST: u32 = 8;
const HOTPLUGGABLE: u32 = 16;

async fn set_vcpus_flags(call: Call, args: remote::DomainSetVcpusFlagsArgs) -> Result<()> {
    let known = flags::AFFECT | MAXIMUM | GUEST | HOTPLUGGABLE;
    flags::check("virDomainSetVcpusFlags", args.flags, known)?;
    change_count(&call, &args.dom, args.nvcpus, args.flags).await
}

async fn change_count(call: &Call, dom: &remote::Domain, count: u32, given: u32) -> Result<()> {
    let domain = call.driver.domains.find(dom)?;
    let name = "virDomainSetVcpusFlags";
    flags::exclusive(
        name,
        given,
        (GUEST, "VIR_DOMAIN_VCPU_GUEST"),
        (MAXIMUM, "VIR_DOMAIN_VCPU_MAXIMUM"),
    )?;
    flags::exclusive(
        name,
        given,
        (GUEST, "VIR_DOMAIN_VCPU_GUEST"),
        (flags::AFFECT_CONFIG, "VIR_DOMAIN_AFFECT_CONFIG"),
    )?;
    if given & GUEST != 0 {
        return guest_vcpus::set_count(call, dom, count).await;
    }
    flags::exclusive(
        name,
        given,
        (HOTPLUGGABLE, "VIR_DOMAIN_VCPU_HOTPLUGGABLE"),
        (MAXIMUM, "VIR_DOMAIN_VCPU_MAXIMUM"),
    )?;
    let hotpluggable = given & HOTPLUGGABLE != 0;
    let count = match u16::try_from(count) {
        Ok(0) | Err(_) => {
            return Err(invalid(format!(
                "{count} is no number of processors a domain can have"
            )));
        }
        Ok(count) => u32::from(count),
    };
    domain
        .run(&call.driver, "changing the number of processors", move |owner| {
            owner
                .set_vcpus(count, given & MAXIMUM != 0, hotpluggable, given)
                .boxed()
        })
        .await
}

async fn set_vcpu(call: Call, args: remote::DomainSetVcpuArgs) -> Result<()> {
    flags::check("virDomainSetVcpu", args.flags, flags::AFFECT)?;
    let domain = call.driver.domains.find(&args.dom)?;
    let refused = || invalid(format!("'{}' is no list of virtual processors", args.cpumap));
    let wanted: CpuSet = args.cpumap.parse().map_err(|_| refused())?;
    let wanted: Vec<u32> = wanted.iter().collect();
    if wanted.is_empty() {
        return Err(refused());
    }
    let plug = match args.state {
        0 => false,
        1 => true,
        other => return Err(invalid(format!("{other} is no state of a virtual processor"))),
    };
    domain
        .run(&call.driver, "switching virtual processors", move |owner| {
            owner.set_vcpu(wanted, plug, args.flags).boxed()
        })
        .await
}

async fn pin_vcpu(call: Call, args: remote::DomainPinVcpuArgs) -> Result<()> {
    pin(
        &call,
        &args.dom,
        Pinned::Vcpu(args.vcpu),
        &args.cpumap,
        flags::AFFECT_LIVE,
    )
    .await
}

async fn pin_vcpu_flags(call: Call, args: remote::DomainPinVcpuFlagsArgs) -> Result<()> {
    flags::check("virDomainPinVcpuFlags", args.flags, flags::AFFECT)?;
    pin(
        &call,
        &args.dom,
        Pinned::Vcpu(args.vcpu),
        &args.cpumap,
        args.flags,
    )
    .await
}

async fn pin_emulator(call: Call, args: remote::DomainPinEmulatorArgs) -> Result<()> {
    flags::check("virDomainPinEmulator", args.flags, flags::AFFECT)?;
    pin(&call, &args.dom, Pinned::Emulator, &args.cpumap, args.flags).await
}

async fn pin_iothread(call: Call, args: remote::DomainPinIothreadArgs) -> Result<()> {
    flags::check("virDomainPinIOThread", args.flags, flags::AFFECT)?;
    if args.iothreads_id == 0 {
        return Err(invalid("invalid value of 0 for iothread_id"));
    }
    pin(
        &call,
        &args.dom,
        Pinned::IoThread(args.iothreads_id),
        &args.cpumap,
        args.flags,
    )
    .await
}

async fn pin(call: &Call, dom: &remote::Domain, pinned: Pinned, map: &[u8], given: u32) -> Result<()> {
    let domain = call.driver.domains.find(dom)?;
    let cpus = set_of(map);
    if cpus.is_empty() {
        return Err(invalid("Empty cpu list for pinning"));
    }
    domain
        .run(&call.driver, "pinning", move |owner| {
            owner.pin(pinned, cpus, given).boxed()
        })
        .await
}

/// The document that the flags mean.
pub(super) fn meant(state: &State, given: u32) -> Result<(Model, Impact)> {
    if given & flags::AFFECT == flags::AFFECT {
        return Err(invalid(
            "the running guest and its definition cannot be asked at once",
        ));
    }
    state.meant(given)
}

/// Where threads run that are not pinned one by one.
pub(super) fn everywhere(call: &Call, model: &Model) -> Vec<u32> {
    match &model.vcpu.cpuset {
        Some(cpus) => cpus.iter().collect(),
        None => call.driver.host.online_cpus().iter().collect(),
    }
}

async fn vcpu_pins(
    call: Call,
    args: remote::DomainGetVcpuPinInfoArgs,
) -> Result<remote::DomainGetVcpuPinInfoRet> {
    flags::check("virDomainGetVcpuPinInfo", args.flags, flags::AFFECT)?;
    let (maps, length) = room(args.ncpumaps, args.maplen)?;
    let state = call.driver.domains.find(&args.dom)?.state();
    let (model, _) = meant(&state, args.flags)?;
    let pins = model.cpu_tune.as_ref().map_or(&[][..], |tune| &tune.vcpu_pins);
    let default = map_of(everywhere(&call, &model), length);
    let count = maps.min(usize::try_from(model.vcpu.maximum).unwrap_or(usize::MAX));
    let mut cpumaps = Vec::with_capacity(count.saturating_mul(length));
    for vcpu in (0..model.vcpu.maximum).take(count) {
        match pins.iter().find(|pin| pin.vcpu == vcpu) {
            Some(pin) => cpumaps.extend(map_of(pin.cpuset.iter(), length)),
            None => cpumaps.extend(&default),
        }
    }
    Ok(remote::DomainGetVcpuPinInfoRet {
        cpumaps,
        num: i32::try_from(count).unwrap_or(i32::MAX),
    })
}

async fn emulator_pin(
    call: Call,
    args: remote::DomainGetEmulatorPinInfoArgs,
) -> Result<remote::DomainGetEmulatorPinInfoRet> {
    flags::check("virDomainGetEmulatorPinInfo", args.flags, flags::AFFECT)?;
    let (_, length) = room(1, args.maplen)?;
    let state = call.driver.domains.find(&args.dom)?.state();
    let (model, _) = meant(&state, args.flags)?;
    let pin = model
        .cpu_tune
        .as_ref()
        .and_then(|tune| tune.emulator_pin.as_ref());
    let cpumaps = match pin {
        Some(pin) => map_of(pin.cpuset.iter(), length),
        None => map_of(everywhere(&call, &model), length),
    };
    Ok(remote::DomainGetEmulatorPinInfoRet { cpumaps, ret: 1 })
}

//! I/O threads: which there are, added, removed and set.

use super::Call;
use super::cpu_map::map_of;
use super::typed_params::{Kind, Params};
use super::vcpu::{everywhere, meant};
use crate::Driver;
use crate::definition::{IoThreadSettings, iothreads};
use crate::flags;
use crate::lifecycle::{COMMAND_WAIT, monitor_error};
use daemon::Routes;
use error::{Code, Domain, Error, Result};
use futures_util::FutureExt;
use protocol::remote;
use protocol::remote::procedure as p;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::DomainGetIothreadInfo, _>(info);
    routes.on::<p::DomainAddIothread, _>(add);
    routes.on::<p::DomainDelIothread, _>(remove);
    routes.on::<p::DomainSetIothreadParams, _>(set);
}

const PARAMETERS: &[(&str, Kind)] = &[
    ("poll_max_ns", Kind::Ullong),
    ("poll_grow", Kind::Ullong),
    ("poll_shrink", Kind::Ullong),
    ("thread_pool_min", Kind::Int),
    ("thread_pool_max", Kind::Int),
];

fn invalid(text: impl Into<String>) -> Error {
    Error::new(Code::InvalidArg, Domain::Qemu, text)
}

fn check_number(number: u32) -> Result<()> {
    if number == 0 {
        return Err(invalid("invalid value of 0 for iothread_id"));
    }
    Ok(())
}

async fn add(call: Call, args: remote::DomainAddIothreadArgs) -> Result<()> {
    flags::check("virDomainAddIOThread", args.flags, flags::AFFECT)?;
    check_number(args.iothread_id)?;
    let domain = call.driver.domains.find(&args.dom)?;
    domain
        .run(&call.driver, "adding an I/O thread", move |owner| {
            owner.add_iothread(args.iothread_id, args.flags).boxed()
        })
        .await
}

async fn remove(call: Call, args: remote::DomainDelIothreadArgs) -> Result<()> {
    flags::check("virDomainDelIOThread", args.flags, flags::AFFECT)?;
    check_number(args.iothread_id)?;
    let domain = call.driver.domains.find(&args.dom)?;
    domain
        .run(&call.driver, "removing an I/O thread", move |owner| {
            owner.remove_iothread(args.iothread_id, args.flags).boxed()
        })
        .await
}

async fn set(call: Call, args: remote::DomainSetIothreadParamsArgs) -> Result<()> {
    flags::check("virDomainSetIOThreadParams", args.flags, flags::AFFECT)?;
    check_number(args.iothread_id)?;
    let domain = call.driver.domains.find(&args.dom)?;
    let params = Params::of(args.params, PARAMETERS)?;
    let workers = |name: &str| {
        let count = params.signed(name).map(|count| {
            u32::try_from(count).map_err(|_| invalid(format!("{name} value {count} must not be negative")))
        });
        count.transpose()
    };
    let (thread_pool_min, thread_pool_max) = (workers("thread_pool_min")?, workers("thread_pool_max")?);
    if let (Some(least), Some(most)) = (thread_pool_min, thread_pool_max)
        && least > most
    {
        return Err(invalid(format!(
            "thread_pool_min value {least} must not be larger than thread_pool_max {most}"
        )));
    }
    let settings = IoThreadSettings {
        poll_max_ns: params.unsigned("poll_max_ns"),
        poll_grow: params.unsigned("poll_grow"),
        poll_shrink: params.unsigned("poll_shrink"),
        thread_pool_min,
        thread_pool_max,
    };
    domain
        .run(&call.driver, "setting an I/O thread", move |owner| {
            owner.set_iothread(args.iothread_id, settings, args.flags).boxed()
        })
        .await
}

async fn info(
    call: Call,
    args: remote::DomainGetIothreadInfoArgs,
) -> Result<remote::DomainGetIothreadInfoRet> {
    flags::check("virDomainGetIOThreadInfo", args.flags, flags::AFFECT)?;
    let state = call.driver.domains.find(&args.dom)?.state();
    let (model, impact) = meant(&state, args.flags)?;
    let length = (call.driver.host.cpu_map().count as usize).div_ceil(8);
    let mut info = Vec::new();
    if impact.live {
        let live = state.running()?;
        let threads = live
            .reached()
            .await?
            .query_iothreads(COMMAND_WAIT)
            .await
            .map_err(monitor_error)?;
        for thread in threads {
            let number = thread
                .id
                .strip_prefix("iothread")
                .and_then(|number| number.parse().ok());
            let Some(iothread_id) = number else { continue };
            let allowed = live.process.affinity(thread.thread_id);
            let allowed = allowed.into_iter().filter_map(|cpu| u32::try_from(cpu).ok());
            info.push(remote::DomainIothreadInfo {
                iothread_id,
                cpumap: map_of(allowed, length),
            });
        }
        info.sort_by_key(|thread| thread.iothread_id);
    } else {
        let pins = model
            .cpu_tune
            .as_ref()
            .map_or(&[][..], |tune| &tune.iothread_pins);
        for iothread_id in iothreads(&model) {
            let cpumap = match pins.iter().find(|pin| pin.iothread == iothread_id) {
                Some(pin) => map_of(pin.cpuset.iter(), length),
                None => map_of(everywhere(&call, &model), length),
            };
            info.push(remote::DomainIothreadInfo { iothread_id, cpumap });
        }
    }
    let ret = u32::try_from(info.len()).unwrap_or(u32::MAX);
    Ok(remote::DomainGetIothreadInfoRet { info, ret })
}

//! Processor time.

use super::super::Call;
use super::super::reply_room::fitting;
use super::super::typed_params::{Kind, Params};
use super::{Asked, asked};
use crate::Driver;
use crate::definition::iothreads;
use crate::definition::tune::groups_with;
use crate::flags;
use crate::groups::{Threads, told};
use cgroup::{Bandwidth, Controller};
use daemon::Routes;
use error::Result;
use futures_util::FutureExt;
use model::domain::Domain as Model;
use model::domain::tune::CpuTune;
use protocol::remote::procedure as p;
use protocol::{TypedParam, remote};

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::DomainGetSchedulerType, _>(scheduler_type);
    routes.on::<p::DomainGetSchedulerParameters, _>(get);
    routes.on::<p::DomainGetSchedulerParametersFlags, _>(get_flags);
    routes.on::<p::DomainSetSchedulerParameters, _>(set);
    routes.on::<p::DomainSetSchedulerParametersFlags, _>(set_flags);
}

/// The parameters of the scheduler, with their types.
const PARAMETERS: &[(&str, Kind)] = &[
    ("cpu_shares", Kind::Ullong),
    ("vcpu_period", Kind::Ullong),
    ("vcpu_quota", Kind::Llong),
    ("emulator_period", Kind::Ullong),
    ("emulator_quota", Kind::Llong),
    ("global_period", Kind::Ullong),
    ("global_quota", Kind::Llong),
    ("iothread_period", Kind::Ullong),
    ("iothread_quota", Kind::Llong),
];

const WHAT: Option<&str> = Some("CPU tuning");

async fn scheduler_type(
    call: Call,
    args: remote::DomainGetSchedulerTypeArgs,
) -> Result<remote::DomainGetSchedulerTypeRet> {
    call.driver.domains.find(&args.dom)?;
    Ok(remote::DomainGetSchedulerTypeRet {
        r#type: "posix".to_owned(),
        nparams: i32::try_from(PARAMETERS.len()).unwrap_or(i32::MAX),
    })
}

async fn get(
    call: Call,
    args: remote::DomainGetSchedulerParametersArgs,
) -> Result<remote::DomainGetSchedulerParametersRet> {
    let asked = asked(&call, &args.dom, "virDomainGetSchedulerParameters", 0, WHAT)?;
    let (params, _) = fitting(times(&asked)?, args.nparams);
    Ok(remote::DomainGetSchedulerParametersRet { params })
}

async fn get_flags(
    call: Call,
    args: remote::DomainGetSchedulerParametersFlagsArgs,
) -> Result<remote::DomainGetSchedulerParametersFlagsRet> {
    let name = "virDomainGetSchedulerParametersFlags";
    let asked = asked(&call, &args.dom, name, args.flags, WHAT)?;
    let (params, _) = fitting(times(&asked)?, args.nparams);
    Ok(remote::DomainGetSchedulerParametersFlagsRet { params })
}

fn times(asked: &Asked) -> Result<Vec<TypedParam>> {
    let tune = match &asked.live {
        None => asked.model.cpu_tune.as_deref().cloned().unwrap_or_default(),
        Some(live) => in_force(live, &asked.model)?,
    };
    let period = |name: &str, value: Option<u64>| TypedParam::new(name, value.unwrap_or(0));
    let quota = |name: &str, value: Option<i64>| TypedParam::new(name, value.unwrap_or(0));
    Ok(vec![
        period("cpu_shares", tune.shares),
        period("vcpu_period", tune.period),
        quota("vcpu_quota", tune.quota),
        period("emulator_period", tune.emulator_period),
        quota("emulator_quota", tune.emulator_quota),
        period("global_period", tune.global_period),
        quota("global_quota", tune.global_quota),
        period("iothread_period", tune.iothread_period),
        quota("iothread_quota", tune.iothread_quota),
    ])
}

/// What the guest's groups hold it to; the first of threads of a kind stands for all.
fn in_force(live: &crate::domain::Live, model: &Model) -> Result<CpuTune> {
    let groups = groups_with(live, Controller::Cpu)?;
    let whole = groups.whole().cpu_bandwidth().map_err(told)?;
    let vcpu = groups.bandwidth(Threads::Vcpu(0))?;
    let emulator = groups.bandwidth(Threads::Emulator)?;
    let thread = match iothreads(model).first() {
        Some(first) => groups.bandwidth(Threads::IoThread(*first))?,
        None => None,
    };
    let (period, quota) = split(vcpu);
    let (emulator_period, emulator_quota) = split(emulator);
    let (iothread_period, iothread_quota) = split(thread);
    Ok(CpuTune {
        shares: Some(groups.shares()?),
        period,
        quota,
        global_period: Some(whole.period),
        global_quota: Some(whole.quota),
        emulator_period,
        emulator_quota,
        iothread_period,
        iothread_quota,
        ..CpuTune::default()
    })
}

fn split(found: Option<Bandwidth>) -> (Option<u64>, Option<i64>) {
    (found.map(|found| found.period), found.map(|found| found.quota))
}

async fn set(call: Call, args: remote::DomainSetSchedulerParametersArgs) -> Result<()> {
    change(&call, &args.dom, args.params, 0).await
}

async fn set_flags(call: Call, args: remote::DomainSetSchedulerParametersFlagsArgs) -> Result<()> {
    flags::check("virDomainSetSchedulerParametersFlags", args.flags, flags::AFFECT)?;
    change(&call, &args.dom, args.params, args.flags).await
}

async fn change(call: &Call, dom: &remote::Domain, params: Vec<TypedParam>, given: u32) -> Result<()> {
    let domain = call.driver.domains.find(dom)?;
    let params = Params::of(params, PARAMETERS)?;
    let change = CpuTune {
        shares: params.unsigned("cpu_shares"),
        period: params.unsigned("vcpu_period"),
        quota: params.signed("vcpu_quota"),
        global_period: params.unsigned("global_period"),
        global_quota: params.signed("global_quota"),
        emulator_period: params.unsigned("emulator_period"),
        emulator_quota: params.signed("emulator_quota"),
        iothread_period: params.unsigned("iothread_period"),
        iothread_quota: params.signed("iothread_quota"),
        ..CpuTune::default()
    };
    domain
        .run(&call.driver, "limiting processor time", move |owner| {
            owner.set_processor_time(change, given).boxed()
        })
        .await
}

//! Limits of memory.

use super::super::Call;
use super::super::reply_room::fitting;
use super::super::typed_params::{Kind, Params};
use super::asked;
use crate::Driver;
use crate::definition::tune::{UNLIMITED, groups_with};
use crate::flags;
use crate::groups::told;
use cgroup::Controller;
use daemon::Routes;
use error::Result;
use futures_util::FutureExt;
use model::domain::memory::MemTune;
use model::scaled::Kibibytes;
use protocol::remote::procedure as p;
use protocol::{TypedParam, remote};

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::DomainGetMemoryParameters, _>(get);
    routes.on::<p::DomainSetMemoryParameters, _>(set);
}

/// In KiB.
const PARAMETERS: &[(&str, Kind)] = &[
    ("hard_limit", Kind::Ullong),
    ("soft_limit", Kind::Ullong),
    ("swap_hard_limit", Kind::Ullong),
];

async fn get(
    call: Call,
    args: remote::DomainGetMemoryParametersArgs,
) -> Result<remote::DomainGetMemoryParametersRet> {
    let name = "virDomainGetMemoryParameters";
    let asked = asked(&call, &args.dom, name, args.flags, Some("Memory tuning"))?;
    let limits = match &asked.live {
        None => {
            let tune = asked.model.mem_tune.as_deref().cloned().unwrap_or_default();
            [tune.hard_limit, tune.soft_limit, tune.swap_hard_limit].map(|limit| limit.map(|limit| limit.0))
        }
        Some(live) => {
            let group = groups_with(live, Controller::Memory)?.whole();
            let with_swap = match group.memory_and_swap_limit() {
                // Some kernels do not count swap.
                Err(cgroup::Error::NotSupported(..)) => None,
                limit => limit.map_err(told)?,
            };
            let hard = group.memory_limit().map_err(told)?;
            let soft = group.memory_soft_limit().map_err(told)?;
            [hard, soft, with_swap].map(|limit| limit.map(|bytes| bytes / 1024))
        }
    };
    let all = PARAMETERS
        .iter()
        .zip(limits)
        .map(|((name, _), limit)| TypedParam::new(*name, limit.unwrap_or(UNLIMITED)));
    let (params, nparams) = fitting(all.collect(), args.nparams);
    Ok(remote::DomainGetMemoryParametersRet { params, nparams })
}

async fn set(call: Call, args: remote::DomainSetMemoryParametersArgs) -> Result<()> {
    flags::check("virDomainSetMemoryParameters", args.flags, flags::AFFECT)?;
    let domain = call.driver.domains.find(&args.dom)?;
    let params = Params::of(args.params, PARAMETERS)?;
    let limit = |name: &str| params.unsigned(name).map(|kib| Kibibytes(kib.min(UNLIMITED)));
    let change = MemTune {
        hard_limit: limit("hard_limit"),
        soft_limit: limit("soft_limit"),
        swap_hard_limit: limit("swap_hard_limit"),
        min_guarantee: None,
    };
    domain
        .run(&call.driver, "limiting memory", move |owner| {
            owner.set_memory_limits(change, args.flags).boxed()
        })
        .await
}

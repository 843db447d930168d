//! Limits: workers and clients of a server.

use super::{Call, no_flags, unsigned};
use crate::server::ClientLimits;
use crate::workers::Limits;
use error::Result;
use protocol::TypedParam;
use protocol::admin as wire;

pub(super) async fn get_threadpool(
    ctx: Call,
    args: wire::ServerGetThreadpoolParametersArgs,
) -> Result<wire::ServerGetThreadpoolParametersRet> {
    no_flags(args.flags, 0)?;
    let numbers = ctx.driver.server(&args.srv.name)?.workers.numbers();
    let params = vec![
        TypedParam::new("minWorkers", numbers.limits.min),
        TypedParam::new("maxWorkers", numbers.limits.max),
        TypedParam::new("nWorkers", numbers.current),
        TypedParam::new("freeWorkers", numbers.free),
        TypedParam::new("prioWorkers", numbers.limits.priority),
        TypedParam::new("jobQueueDepth", numbers.queued),
    ];
    Ok(wire::ServerGetThreadpoolParametersRet { params })
}

pub(super) async fn set_threadpool(ctx: Call, args: wire::ServerSetThreadpoolParametersArgs) -> Result<()> {
    no_flags(args.flags, 0)?;
    let workers = &ctx.driver.server(&args.srv.name)?.workers;
    let values = unsigned(&args.params, &["minWorkers", "maxWorkers", "prioWorkers"])?;
    let now = workers.numbers().limits;
    let value = |at: usize, now| values.get(at).copied().flatten().unwrap_or(now);
    workers.set_limits(Limits {
        min: value(0, now.min),
        max: value(1, now.max),
        priority: value(2, now.priority),
    })
}

pub(super) async fn get_clients(
    ctx: Call,
    args: wire::ServerGetClientLimitsArgs,
) -> Result<wire::ServerGetClientLimitsRet> {
    no_flags(args.flags, 0)?;
    let numbers = ctx.driver.server(&args.srv.name)?.numbers();
    let params = vec![
        TypedParam::new("nclients_max", numbers.limits.max),
        TypedParam::new("nclients", numbers.connected),
        TypedParam::new("nclients_unauth_max", numbers.limits.max_anonymous),
        TypedParam::new("nclients_unauth", numbers.anonymous),
    ];
    Ok(wire::ServerGetClientLimitsRet { params })
}

pub(super) async fn set_clients(ctx: Call, args: wire::ServerSetClientLimitsArgs) -> Result<()> {
    no_flags(args.flags, 0)?;
    let server = ctx.driver.server(&args.srv.name)?;
    let values = unsigned(&args.params, &["nclients_max", "nclients_unauth_max"])?;
    let now = server.numbers().limits;
    let value = |at: usize, now| values.get(at).copied().flatten().unwrap_or(now);
    server.set_limits(ClientLimits {
        max: value(0, now.max),
        max_anonymous: value(1, now.max_anonymous),
    })
}

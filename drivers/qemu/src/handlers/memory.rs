//! How much memory a domain may use.

use super::Call;
use crate::Driver;
use crate::flags;
use daemon::Routes;
use error::{Code, Domain, Error, Result};
use futures_util::FutureExt;
use protocol::remote;
use protocol::remote::procedure as p;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::DomainSetMemory, _>(set_memory);
    routes.on::<p::DomainSetMemoryFlags, _>(set_memory_flags);
    routes.on::<p::DomainSetMaxMemory, _>(set_max_memory);
    routes.on::<p::DomainSetMemoryStatsPeriod, _>(set_stats_period);
}

/// `VIR_DOMAIN_MEM_MAXIMUM`.
const MAXIMUM: u32 = 4;

async fn set_memory(call: Call, args: remote::DomainSetMemoryArgs) -> Result<()> {
    set(&call, &args.dom, args.memory, flags::AFFECT_LIVE).await
}

async fn set_max_memory(call: Call, args: remote::DomainSetMaxMemoryArgs) -> Result<()> {
    set(&call, &args.dom, args.memory, MAXIMUM).await
}

async fn set_memory_flags(call: Call, args: remote::DomainSetMemoryFlagsArgs) -> Result<()> {
    flags::check("virDomainSetMemoryFlags", args.flags, flags::AFFECT | MAXIMUM)?;
    set(&call, &args.dom, args.memory, args.flags).await
}

async fn set(call: &Call, dom: &remote::Domain, kib: u64, flags: u32) -> Result<()> {
    let domain = call.driver.domains.find(dom)?;
    if kib == 0 {
        let text = "memory must not be zero";
        return Err(Error::new(Code::InvalidArg, Domain::Domain, text));
    }
    domain
        .run(&call.driver, "changing memory", move |owner| {
            async move {
                match flags & MAXIMUM {
                    0 => owner.set_memory(kib, flags).await,
                    _ => owner.set_max_memory(kib, flags).await,
                }
            }
            .boxed()
        })
        .await
}

async fn set_stats_period(call: Call, args: remote::DomainSetMemoryStatsPeriodArgs) -> Result<()> {
    flags::check("virDomainSetMemoryStatsPeriod", args.flags, flags::AFFECT)?;
    let domain = call.driver.domains.find(&args.dom)?;
    let period = u32::try_from(args.period).map_err(|_| {
        let text = format!("period {} must not be negative", args.period);
        Error::new(Code::InvalidArg, Domain::Domain, text)
    })?;
    domain
        .run(
            &call.driver,
            "changing the memory statistics' period",
            move |owner| owner.set_memory_stats_period(period, args.flags).boxed(),
        )
        .await
}

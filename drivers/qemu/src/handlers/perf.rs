//! Events of the host's processors that are counted for a guest: which the document names. Counting is not built in, so that no
//! running guest has any.

use super::Call;
use super::typed_params::{Kind, Params};
use crate::Driver;
use crate::flags::{self, Impact};
use daemon::Routes;
use error::{Code, Domain, Error, Result};
use futures_util::FutureExt;
use model::domain::lifecycle::PerfEventName;
use protocol::remote::procedure as p;
use protocol::{TypedParam, remote};
use xml::YesNo;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::DomainGetPerfEvents, _>(get);
    routes.on::<p::DomainSetPerfEvents, _>(set);
}

async fn get(call: Call, args: remote::DomainGetPerfEventsArgs) -> Result<remote::DomainGetPerfEventsRet> {
    flags::check(
        "virDomainGetPerfEvents",
        args.flags,
        flags::AFFECT | flags::STRING_OKAY,
    )?;
    let state = call.driver.domains.find(&args.dom)?.state();
    let (model, _) = state.meant(args.flags)?;
    let enabled = |name: PerfEventName| {
        let events = model.perf.iter().flat_map(|perf| &perf.events);
        events
            .filter(|event| event.name == name)
            .any(|event| event.enabled == YesNo::Yes)
    };
    let params = PerfEventName::ALL
        .iter()
        .map(|name| TypedParam::new(name.as_str(), enabled(*name)))
        .collect();
    Ok(remote::DomainGetPerfEventsRet { params })
}

async fn set(call: Call, args: remote::DomainSetPerfEventsArgs) -> Result<()> {
    flags::check("virDomainSetPerfEvents", args.flags, flags::AFFECT)?;
    let domain = call.driver.domains.find(&args.dom)?;
    let known: Vec<(&str, Kind)> = PerfEventName::ALL
        .iter()
        .map(|name| (name.as_str(), Kind::Boolean))
        .collect();
    let params = Params::of(args.params, &known)?;
    let wanted: Vec<(PerfEventName, bool)> = PerfEventName::ALL
        .iter()
        .filter_map(|name| Some((*name, params.boolean(name.as_str())?)))
        .collect();
    let state = domain.state();
    let impact = Impact::of(args.flags, state.is_active(), state.is_persistent())?;
    if impact.live
        && let Some((name, _)) = wanted.iter().find(|(_, wanted)| *wanted)
    {
        let text = format!(
            "events of running guests, such as '{}', are not counted yet",
            name.as_str()
        );
        return Err(Error::new(Code::NoSupport, Domain::Qemu, text));
    }
    domain
        .run(&call.driver, "choosing events", move |owner| {
            owner.set_perf_events(wanted, args.flags).boxed()
        })
        .await
}

//! Which domains there are: lists, counts and look-ups.

use super::Call;
use crate::Driver;
use crate::domain::{Domain, RunState, State};
use crate::flags;
use daemon::Routes;
use daemon::lists::{self, Filter};
use error::Result;
use protocol::remote;
use protocol::remote::procedure as p;
use uuid::Uuid;

/// The filters of `virConnectListAllDomains`.
const FILTER: Filter<State> = Filter(&[
    &[(1, State::is_active), (2, |state| !state.is_active())],
    &[(4, State::is_persistent), (8, |state| !state.is_persistent())],
    &[
        (16, |state| matches!(state.run, RunState::Running(_))),
        (32, |state| matches!(state.run, RunState::Paused(_))),
        (64, |state| matches!(state.run, RunState::Shutoff(_))),
        (128, |state| {
            !matches!(
                state.run,
                RunState::Running(_) | RunState::Paused(_) | RunState::Shutoff(_)
            )
        }),
    ],
    &[
        (256, |state| state.managed_save),
        (512, |state| !state.managed_save),
    ],
    &[
        (1024, |state| state.autostart.always),
        (2048, |state| !state.autostart.always),
    ],
    // There are no snapshots and no checkpoints yet, so no domain has one.
    &[(4096, |_| false), (8192, |_| true)],
    &[(16384, |_| false), (32768, |_| true)],
]);

/// The domains that pass the filter bits.
///
/// # Errors
/// When a bit is unknown.
pub(super) fn filtered(call: &Call, name: &str, bits: u32) -> Result<Vec<std::sync::Arc<Domain>>> {
    flags::check(name, bits, FILTER.known())?;
    let mut domains = call.driver.domains.all();
    if bits != 0 {
        domains.retain(|domain| FILTER.passes(&domain.state(), bits));
    }
    Ok(domains)
}

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::ConnectListAllDomains, _>(list_all);
    routes.on::<p::ConnectListDomains, _>(list_ids);
    routes.on::<p::ConnectNumOfDomains, _>(count_active);
    routes.on::<p::ConnectListDefinedDomains, _>(list_defined);
    routes.on::<p::ConnectNumOfDefinedDomains, _>(count_defined);
    routes.on::<p::DomainLookupById, _>(by_id);
    routes.on::<p::DomainLookupByUuid, _>(by_uuid);
    routes.on::<p::DomainLookupByName, _>(by_name);
}

async fn list_all(
    call: Call,
    args: remote::ConnectListAllDomainsArgs,
) -> Result<remote::ConnectListAllDomainsRet> {
    let found = filtered(&call, "virConnectListAllDomains", args.flags)?;
    let (domains, ret) = lists::answer(&found, args.need_results, |domain| domain.reference());
    Ok(remote::ConnectListAllDomainsRet { domains, ret })
}

async fn list_ids(call: Call, args: remote::ConnectListDomainsArgs) -> Result<remote::ConnectListDomainsRet> {
    let room = lists::room("maxids", args.maxids, remote::limits::DOMAIN_LIST_MAX)?;
    let ids = call
        .driver
        .domains
        .all()
        .into_iter()
        .map(|domain| domain.state().id())
        .filter(|id| *id >= 0);
    Ok(remote::ConnectListDomainsRet {
        ids: ids.take(room).collect(),
    })
}

async fn count_active(call: Call, (): ()) -> Result<remote::ConnectNumOfDomainsRet> {
    Ok(remote::ConnectNumOfDomainsRet {
        num: count(&call, State::is_active),
    })
}

async fn list_defined(
    call: Call,
    args: remote::ConnectListDefinedDomainsArgs,
) -> Result<remote::ConnectListDefinedDomainsRet> {
    let room = lists::room("maxnames", args.maxnames, remote::limits::DOMAIN_LIST_MAX)?;
    let states = call.driver.domains.all().into_iter().map(|domain| domain.state());
    let names = states
        .filter(|state| !state.is_active())
        .map(|state| state.name.to_string());
    Ok(remote::ConnectListDefinedDomainsRet {
        names: names.take(room).collect(),
    })
}

async fn count_defined(call: Call, (): ()) -> Result<remote::ConnectNumOfDefinedDomainsRet> {
    Ok(remote::ConnectNumOfDefinedDomainsRet {
        num: count(&call, |state| !state.is_active()),
    })
}

fn count(call: &Call, test: impl Fn(&State) -> bool) -> i32 {
    let found = call
        .driver
        .domains
        .all()
        .iter()
        .filter(|domain| test(&domain.state()))
        .count();
    lists::count(found)
}

async fn by_id(call: Call, args: remote::DomainLookupByIdArgs) -> Result<remote::DomainLookupByIdRet> {
    Ok(remote::DomainLookupByIdRet {
        dom: call.driver.domains.by_id(args.id)?.reference(),
    })
}

async fn by_uuid(call: Call, args: remote::DomainLookupByUuidArgs) -> Result<remote::DomainLookupByUuidRet> {
    Ok(remote::DomainLookupByUuidRet {
        dom: call
            .driver
            .domains
            .by_uuid(Uuid::from_bytes(args.uuid))?
            .reference(),
    })
}

async fn by_name(call: Call, args: remote::DomainLookupByNameArgs) -> Result<remote::DomainLookupByNameRet> {
    Ok(remote::DomainLookupByNameRet {
        dom: call.driver.domains.by_name(&args.name)?.reference(),
    })
}

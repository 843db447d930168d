//! Which networks there are: lists, counts and look-ups.

use super::{Call, check_flags};
use crate::Driver;
use crate::network::{Network, State};
use daemon::Routes;
use daemon::lists::{self, Filter};
use error::Result;
use protocol::remote;
use protocol::remote::limits::NETWORK_LIST_MAX;
use protocol::remote::procedure as p;
use std::sync::Arc;
use uuid::Uuid;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::ConnectListAllNetworks, _>(list_all);
    routes.on::<p::ConnectListNetworks, _>(list_active);
    routes.on::<p::ConnectNumOfNetworks, _>(count_active);
    routes.on::<p::ConnectListDefinedNetworks, _>(list_defined);
    routes.on::<p::ConnectNumOfDefinedNetworks, _>(count_defined);
    routes.on::<p::NetworkLookupByName, _>(by_name);
    routes.on::<p::NetworkLookupByUuid, _>(by_uuid);
}

/// The filters of `virConnectListAllNetworks`.
const FILTER: Filter<State> = Filter(&[
    &[(1, |state| !state.active), (2, |state| state.active)],
    &[(4, |state| state.persistent), (8, |state| !state.persistent)],
    &[(16, |state| state.autostart), (32, |state| !state.autostart)],
]);

async fn list_all(
    call: Call,
    args: remote::ConnectListAllNetworksArgs,
) -> Result<remote::ConnectListAllNetworksRet> {
    check_flags("virConnectListAllNetworks", args.flags, FILTER.known())?;
    let mut found = call.driver.networks.all();
    found.retain(|network| FILTER.passes(&network.state(), args.flags));
    let (nets, ret) = lists::answer(&found, args.need_results, |network| network.reference());
    Ok(remote::ConnectListAllNetworksRet { nets, ret })
}

fn networks(call: &Call, active: bool) -> Vec<Arc<Network>> {
    let mut networks = call.driver.networks.all();
    networks.retain(|network| network.state().active == active);
    networks
}

fn names(call: &Call, active: bool, wanted: i32) -> Result<Vec<String>> {
    let room = lists::room("maxnames", wanted, NETWORK_LIST_MAX)?;
    let networks = networks(call, active);
    let names = networks.iter().take(room).map(|network| network.name.clone());
    Ok(names.collect())
}

async fn list_active(
    call: Call,
    args: remote::ConnectListNetworksArgs,
) -> Result<remote::ConnectListNetworksRet> {
    Ok(remote::ConnectListNetworksRet {
        names: names(&call, true, args.maxnames)?,
    })
}

async fn count_active(call: Call, (): ()) -> Result<remote::ConnectNumOfNetworksRet> {
    Ok(remote::ConnectNumOfNetworksRet {
        num: lists::count(networks(&call, true).len()),
    })
}

async fn list_defined(
    call: Call,
    args: remote::ConnectListDefinedNetworksArgs,
) -> Result<remote::ConnectListDefinedNetworksRet> {
    Ok(remote::ConnectListDefinedNetworksRet {
        names: names(&call, false, args.maxnames)?,
    })
}

async fn count_defined(call: Call, (): ()) -> Result<remote::ConnectNumOfDefinedNetworksRet> {
    Ok(remote::ConnectNumOfDefinedNetworksRet {
        num: lists::count(networks(&call, false).len()),
    })
}

async fn by_name(
    call: Call,
    args: remote::NetworkLookupByNameArgs,
) -> Result<remote::NetworkLookupByNameRet> {
    Ok(remote::NetworkLookupByNameRet {
        net: call.driver.networks.by_name(&args.name)?.reference(),
    })
}

async fn by_uuid(
    call: Call,
    args: remote::NetworkLookupByUuidArgs,
) -> Result<remote::NetworkLookupByUuidRet> {
    let network = call.driver.networks.by_uuid(Uuid::from_bytes(args.uuid))?;
    Ok(remote::NetworkLookupByUuidRet {
        net: network.reference(),
    })
}

//! Who wants to hear what happens to networks.

use super::Call;
use crate::Driver;
use daemon::Routes;
use error::Result;
use protocol::remote;
use protocol::remote::procedure as p;
use uuid::Uuid;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::ConnectNetworkEventRegisterAny, _>(register);
    routes.on::<p::ConnectNetworkEventDeregisterAny, _>(deregister);
}

async fn register(
    call: Call,
    args: remote::ConnectNetworkEventRegisterAnyArgs,
) -> Result<remote::ConnectNetworkEventRegisterAnyRet> {
    let network = args.net.map(|network| Uuid::from_bytes(network.uuid));
    let callback_id = call
        .driver
        .events
        .register(&call.session, args.event_id, network)?;
    Ok(remote::ConnectNetworkEventRegisterAnyRet { callback_id })
}

async fn deregister(call: Call, args: remote::ConnectNetworkEventDeregisterAnyArgs) -> Result<()> {
    call.driver.events.deregister(&call.session, args.callback_id)
}

//! Who wants to hear what happens to pools.

use super::Call;
use crate::Driver;
use daemon::Routes;
use error::Result;
use protocol::remote;
use protocol::remote::procedure as p;
use uuid::Uuid;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::ConnectStoragePoolEventRegisterAny, _>(register);
    routes.on::<p::ConnectStoragePoolEventDeregisterAny, _>(deregister);
}

async fn register(
    call: Call,
    args: remote::ConnectStoragePoolEventRegisterAnyArgs,
) -> Result<remote::ConnectStoragePoolEventRegisterAnyRet> {
    let pool = args.pool.map(|pool| Uuid::from_bytes(pool.uuid));
    let callback_id = call.driver.events.register(&call.session, args.event_id, pool)?;
    Ok(remote::ConnectStoragePoolEventRegisterAnyRet { callback_id })
}

async fn deregister(call: Call, args: remote::ConnectStoragePoolEventDeregisterAnyArgs) -> Result<()> {
    call.driver.events.deregister(&call.session, args.callback_id)
}

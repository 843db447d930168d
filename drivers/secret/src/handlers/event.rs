//! Who wants to hear what happens to secrets.

use super::Call;
use crate::Driver;
use daemon::Routes;
use error::Result;
use protocol::remote;
use protocol::remote::procedure as p;
use uuid::Uuid;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::ConnectSecretEventRegisterAny, _>(register);
    routes.on::<p::ConnectSecretEventDeregisterAny, _>(deregister);
}

async fn register(
    call: Call,
    args: remote::ConnectSecretEventRegisterAnyArgs,
) -> Result<remote::ConnectSecretEventRegisterAnyRet> {
    let secret = args.secret.map(|secret| Uuid::from_bytes(secret.uuid));
    let callback_id = call
        .driver
        .events
        .register(&call.session, args.event_id, secret)?;
    Ok(remote::ConnectSecretEventRegisterAnyRet { callback_id })
}

async fn deregister(call: Call, args: remote::ConnectSecretEventDeregisterAnyArgs) -> Result<()> {
    call.driver.events.deregister(&call.session, args.callback_id)
}

//! Values: set, and told to whom they may be told.

use super::{Call, check_flags};
use crate::Driver;
use daemon::Routes;
use error::Result;
use protocol::remote;
use protocol::remote::procedure as p;
use uuid::Uuid;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::SecretSetValue, _>(set);
    routes.on::<p::SecretGetValue, _>(get);
}

async fn set(call: Call, args: remote::SecretSetValueArgs) -> Result<()> {
    check_flags("virSecretSetValue", args.flags, 0)?;
    let uuid = Uuid::from_bytes(args.secret.uuid);
    call.driver.set_value(uuid, args.value).await
}

async fn get(call: Call, args: remote::SecretGetValueArgs) -> Result<remote::SecretGetValueRet> {
    check_flags("virSecretGetValue", args.flags, 0)?;
    let secret = call.driver.secrets.find(&args.secret)?;
    Ok(remote::SecretGetValueRet {
        value: secret.told_value(call.session.caller().system)?,
    })
}

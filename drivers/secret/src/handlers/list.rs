//! Which secrets there are: lists, counts and look-ups.

use super::{Call, check_flags};
use crate::Driver;
use crate::secret::Secret;
use daemon::Routes;
use daemon::lists::{self, Filter};
use error::Result;
use protocol::remote;
use protocol::remote::limits::SECRET_LIST_MAX;
use protocol::remote::procedure as p;
use uuid::Uuid;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::ConnectListAllSecrets, _>(list_all);
    routes.on::<p::ConnectListSecrets, _>(list_uuids);
    routes.on::<p::ConnectNumOfSecrets, _>(count);
    routes.on::<p::SecretLookupByUuid, _>(by_uuid);
    routes.on::<p::SecretLookupByUsage, _>(by_usage);
}

/// The filters of `virConnectListAllSecrets`.
const FILTER: Filter<Secret> = Filter(&[
    &[(1, Secret::is_ephemeral), (2, |secret| !secret.is_ephemeral())],
    &[(4, Secret::is_private), (8, |secret| !secret.is_private())],
]);

async fn list_all(
    call: Call,
    args: remote::ConnectListAllSecretsArgs,
) -> Result<remote::ConnectListAllSecretsRet> {
    check_flags("virConnectListAllSecrets", args.flags, FILTER.known())?;
    let mut found = call.driver.secrets.all();
    found.retain(|secret| FILTER.passes(secret, args.flags));
    let (secrets, ret) = lists::answer(&found, args.need_results, |secret| secret.reference());
    Ok(remote::ConnectListAllSecretsRet { secrets, ret })
}

async fn list_uuids(
    call: Call,
    args: remote::ConnectListSecretsArgs,
) -> Result<remote::ConnectListSecretsRet> {
    let room = lists::room("maxuuids", args.maxuuids, SECRET_LIST_MAX)?;
    let secrets = call.driver.secrets.all();
    Ok(remote::ConnectListSecretsRet {
        uuids: secrets
            .iter()
            .take(room)
            .map(|secret| secret.uuid.to_string())
            .collect(),
    })
}

async fn count(call: Call, (): ()) -> Result<remote::ConnectNumOfSecretsRet> {
    Ok(remote::ConnectNumOfSecretsRet {
        num: lists::count(call.driver.secrets.count()),
    })
}

async fn by_uuid(call: Call, args: remote::SecretLookupByUuidArgs) -> Result<remote::SecretLookupByUuidRet> {
    let secret = call.driver.secrets.by_uuid(Uuid::from_bytes(args.uuid))?;
    Ok(remote::SecretLookupByUuidRet {
        secret: secret.reference(),
    })
}

async fn by_usage(
    call: Call,
    args: remote::SecretLookupByUsageArgs,
) -> Result<remote::SecretLookupByUsageRet> {
    let secret = call.driver.secrets.by_usage(args.usage_type, &args.usage_id)?;
    Ok(remote::SecretLookupByUsageRet {
        secret: secret.reference(),
    })
}

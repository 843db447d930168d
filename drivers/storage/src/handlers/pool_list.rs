//! Which pools there are: lists, counts and look-ups.

use super::{Call, check_flags, pool_of};
use crate::Driver;
use crate::pool::{Pool, State};
use daemon::Routes;
use daemon::lists::{self, Filter};
use error::Result;
use model::storage::PoolKind;
use protocol::remote;
use protocol::remote::limits::STORAGE_POOL_LIST_MAX;
use protocol::remote::procedure as p;
use std::sync::Arc;
use uuid::Uuid;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::ConnectListAllStoragePools, _>(list_all);
    routes.on::<p::ConnectListStoragePools, _>(list_active);
    routes.on::<p::ConnectNumOfStoragePools, _>(count_active);
    routes.on::<p::ConnectListDefinedStoragePools, _>(list_defined);
    routes.on::<p::ConnectNumOfDefinedStoragePools, _>(count_defined);
    routes.on::<p::StoragePoolLookupByName, _>(by_name);
    routes.on::<p::StoragePoolLookupByUuid, _>(by_uuid);
    routes.on::<p::StoragePoolLookupByVolume, _>(by_volume);
    routes.on::<p::StoragePoolLookupByTargetPath, _>(by_target);
}

macro_rules! kinds {
    ($($bit:literal $kind:ident),+) => {
        &[$((1 << $bit, |state| state.document.kind == PoolKind::$kind)),+]
    };
}

/// The filters of `virConnectListAllStoragePools`.
const FILTER: Filter<State> = Filter(&[
    &[(1, |state| !state.active), (2, |state| state.active)],
    &[(4, |state| state.persistent), (8, |state| !state.persistent)],
    &[(16, |state| state.autostart), (32, |state| !state.autostart)],
    kinds![
        6 Dir, 7 Fs, 8 Netfs, 9 Logical, 10 Disk, 11 Iscsi, 12 Scsi, 13 Mpath, 14 Rbd, 15 Sheepdog, 16 Gluster,
        17 Zfs, 18 Vstorage, 19 IscsiDirect
    ],
]);

async fn list_all(
    call: Call,
    args: remote::ConnectListAllStoragePoolsArgs,
) -> Result<remote::ConnectListAllStoragePoolsRet> {
    check_flags("virConnectListAllStoragePools", args.flags, FILTER.known())?;
    let mut found = call.driver.pools.all();
    found.retain(|pool| FILTER.passes(&pool.state(), args.flags));
    let (pools, ret) = lists::answer(&found, args.need_results, |pool| pool.reference());
    Ok(remote::ConnectListAllStoragePoolsRet { pools, ret })
}

fn pools(call: &Call, active: bool) -> Vec<Arc<Pool>> {
    let mut pools = call.driver.pools.all();
    pools.retain(|pool| pool.state().active == active);
    pools
}

fn names(call: &Call, active: bool, wanted: i32) -> Result<Vec<String>> {
    let room = lists::room("maxnames", wanted, STORAGE_POOL_LIST_MAX)?;
    let pools = pools(call, active);
    Ok(pools.iter().take(room).map(|pool| pool.name.clone()).collect())
}

async fn list_active(
    call: Call,
    args: remote::ConnectListStoragePoolsArgs,
) -> Result<remote::ConnectListStoragePoolsRet> {
    Ok(remote::ConnectListStoragePoolsRet {
        names: names(&call, true, args.maxnames)?,
    })
}

async fn count_active(call: Call, (): ()) -> Result<remote::ConnectNumOfStoragePoolsRet> {
    Ok(remote::ConnectNumOfStoragePoolsRet {
        num: lists::count(pools(&call, true).len()),
    })
}

async fn list_defined(
    call: Call,
    args: remote::ConnectListDefinedStoragePoolsArgs,
) -> Result<remote::ConnectListDefinedStoragePoolsRet> {
    Ok(remote::ConnectListDefinedStoragePoolsRet {
        names: names(&call, false, args.maxnames)?,
    })
}

async fn count_defined(call: Call, (): ()) -> Result<remote::ConnectNumOfDefinedStoragePoolsRet> {
    Ok(remote::ConnectNumOfDefinedStoragePoolsRet {
        num: lists::count(pools(&call, false).len()),
    })
}

async fn by_name(
    call: Call,
    args: remote::StoragePoolLookupByNameArgs,
) -> Result<remote::StoragePoolLookupByNameRet> {
    Ok(remote::StoragePoolLookupByNameRet {
        pool: call.driver.pools.by_name(&args.name)?.reference(),
    })
}

async fn by_uuid(
    call: Call,
    args: remote::StoragePoolLookupByUuidArgs,
) -> Result<remote::StoragePoolLookupByUuidRet> {
    Ok(remote::StoragePoolLookupByUuidRet {
        pool: call
            .driver
            .pools
            .by_uuid(Uuid::from_bytes(args.uuid))?
            .reference(),
    })
}

async fn by_volume(
    call: Call,
    args: remote::StoragePoolLookupByVolumeArgs,
) -> Result<remote::StoragePoolLookupByVolumeRet> {
    Ok(remote::StoragePoolLookupByVolumeRet {
        pool: pool_of(&call, &args.vol)?.reference(),
    })
}

async fn by_target(
    call: Call,
    args: remote::StoragePoolLookupByTargetPathArgs,
) -> Result<remote::StoragePoolLookupByTargetPathRet> {
    Ok(remote::StoragePoolLookupByTargetPathRet {
        pool: call.driver.pools.by_target(&args.path)?.reference(),
    })
}

//! Which volumes there are: lists, counts and look-ups.

use super::{Call, check_flags, reference_in, volume_reference};
use crate::Driver;
use crate::failure::refused;
use crate::volume::change::no_volume;
use daemon::Routes;
use daemon::lists;
use error::{Code, Result};
use model::storage::tidy_path;
use protocol::remote;
use protocol::remote::limits::STORAGE_VOL_LIST_MAX;
use protocol::remote::procedure as p;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::StoragePoolListAllVolumes, _>(list_all);
    routes.on::<p::StoragePoolListVolumes, _>(list_names);
    routes.on::<p::StoragePoolNumOfVolumes, _>(count);
    routes.on::<p::StorageVolLookupByName, _>(by_name);
    routes.on::<p::StorageVolLookupByKey, _>(by_key);
    routes.on::<p::StorageVolLookupByPath, _>(by_path);
}

async fn list_all(
    call: Call,
    args: remote::StoragePoolListAllVolumesArgs,
) -> Result<remote::StoragePoolListAllVolumesRet> {
    check_flags("virStoragePoolListAllVolumes", args.flags, 0)?;
    let pool = call.driver.pools.find(&args.pool)?;
    let state = pool.known().await?;
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    if args.need_results == 0 {
        return Ok(remote::StoragePoolListAllVolumesRet {
            vols: Vec::new(),
            ret: number(pool.volumes.count()),
        });
    }
    let vols = pool.volumes.each(|volume| reference_in(&state.document, volume));
    let ret = number(vols.len());
    Ok(remote::StoragePoolListAllVolumesRet { vols, ret })
}

async fn list_names(
    call: Call,
    args: remote::StoragePoolListVolumesArgs,
) -> Result<remote::StoragePoolListVolumesRet> {
    let room = lists::room("maxnames", args.maxnames, STORAGE_VOL_LIST_MAX)?;
    let pool = call.driver.pools.find(&args.pool)?;
    pool.known().await?;
    let names = pool.volumes.each(|volume| volume.name.to_string());
    Ok(remote::StoragePoolListVolumesRet {
        names: names.into_iter().take(room).collect(),
    })
}

async fn count(
    call: Call,
    args: remote::StoragePoolNumOfVolumesArgs,
) -> Result<remote::StoragePoolNumOfVolumesRet> {
    let pool = call.driver.pools.find(&args.pool)?;
    pool.known().await?;
    Ok(remote::StoragePoolNumOfVolumesRet {
        num: lists::count(pool.volumes.count()),
    })
}

async fn by_name(
    call: Call,
    args: remote::StorageVolLookupByNameArgs,
) -> Result<remote::StorageVolLookupByNameRet> {
    let pool = call.driver.pools.find(&args.pool)?;
    pool.known().await?;
    let volume = pool
        .volumes
        .get(&args.name)
        .ok_or_else(|| no_volume(&args.name))?;
    Ok(remote::StorageVolLookupByNameRet {
        vol: volume_reference(&pool, &volume),
    })
}

async fn by_key(
    call: Call,
    args: remote::StorageVolLookupByKeyArgs,
) -> Result<remote::StorageVolLookupByKeyRet> {
    let found = call.driver.pools.all().into_iter().find_map(|pool| {
        let volume = pool.volume_with_key(&args.key)?;
        Some(volume_reference(&pool, &volume))
    });
    let vol = found.ok_or_else(|| {
        let text = format!("no storage vol with matching key {}", args.key);
        refused(Code::NoStorageVol, text)
    })?;
    Ok(remote::StorageVolLookupByKeyRet { vol })
}

async fn by_path(
    call: Call,
    args: remote::StorageVolLookupByPathArgs,
) -> Result<remote::StorageVolLookupByPathRet> {
    let tidy = tidy_path(&args.path);
    for pool in call.driver.pools.all() {
        if pool.may_have(&tidy) {
            pool.known().await?;
        }
    }
    let found = call.driver.pools.all().into_iter().find_map(|pool| {
        let volume = pool.volume_at(&tidy)?;
        Some(volume_reference(&pool, &volume))
    });
    let vol = found.ok_or_else(|| {
        let text = format!("no storage vol with matching path '{}'", args.path);
        refused(Code::NoStorageVol, text)
    })?;
    Ok(remote::StorageVolLookupByPathRet { vol })
}

//! What a pool is, as published.

use super::{Call, check_flags};
use crate::Driver;
use daemon::Routes;
use error::Result;
use protocol::remote;
use protocol::remote::procedure as p;
use xdr::UChar;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::StoragePoolGetInfo, _>(info);
    routes.on::<p::StoragePoolGetXmlDesc, _>(xml_desc);
    routes.on::<p::StoragePoolGetAutostart, _>(autostart);
    routes.on::<p::StoragePoolIsActive, _>(is_active);
    routes.on::<p::StoragePoolIsPersistent, _>(is_persistent);
}

/// `VIR_STORAGE_XML_INACTIVE`.
const INACTIVE_XML: u32 = 1;

/// `VIR_STORAGE_POOL_INACTIVE`.
const INACTIVE: u8 = 0;
/// `VIR_STORAGE_POOL_RUNNING`.
const RUNNING: u8 = 2;
/// `VIR_STORAGE_POOL_INACCESSIBLE`: its storage does not answer, and its figures are the last known ones.
const INACCESSIBLE: u8 = 4;

async fn info(call: Call, args: remote::StoragePoolGetInfoArgs) -> Result<remote::StoragePoolGetInfoRet> {
    let pool = call.driver.pools.find(&args.pool)?;
    // A daemon that has just started looks what there is; that it does not answer is told, too.
    let _ = pool.known().await;
    let state = pool.state();
    let number = match state.active {
        true if pool.is_accessible(&call.driver.host) => RUNNING,
        true => INACCESSIBLE,
        false => INACTIVE,
    };
    let figures = if state.active {
        state.room.figures
    } else {
        Default::default()
    };
    Ok(remote::StoragePoolGetInfoRet {
        state: UChar(number),
        capacity: figures.capacity,
        allocation: figures.allocation,
        available: figures.available,
    })
}

async fn xml_desc(
    call: Call,
    args: remote::StoragePoolGetXmlDescArgs,
) -> Result<remote::StoragePoolGetXmlDescRet> {
    check_flags("virStoragePoolGetXMLDesc", args.flags, INACTIVE_XML)?;
    let pool = call.driver.pools.find(&args.pool)?;
    Ok(remote::StoragePoolGetXmlDescRet {
        xml: pool.describe(args.flags & INACTIVE_XML != 0),
    })
}

async fn autostart(
    call: Call,
    args: remote::StoragePoolGetAutostartArgs,
) -> Result<remote::StoragePoolGetAutostartRet> {
    Ok(remote::StoragePoolGetAutostartRet {
        autostart: call.driver.pools.find(&args.pool)?.state().autostart.into(),
    })
}

async fn is_active(
    call: Call,
    args: remote::StoragePoolIsActiveArgs,
) -> Result<remote::StoragePoolIsActiveRet> {
    Ok(remote::StoragePoolIsActiveRet {
        active: call.driver.pools.find(&args.pool)?.state().active.into(),
    })
}

async fn is_persistent(
    call: Call,
    args: remote::StoragePoolIsPersistentArgs,
) -> Result<remote::StoragePoolIsPersistentRet> {
    Ok(remote::StoragePoolIsPersistentRet {
        persistent: call.driver.pools.find(&args.pool)?.state().persistent.into(),
    })
}

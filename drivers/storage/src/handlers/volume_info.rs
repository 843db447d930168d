//! What a volume is: looked at anew where its storage answers at once.

use super::{Call, check_flags, pool_of};
use crate::Driver;
use crate::volume::Volume;
use crate::volume::change::no_volume;
use daemon::Routes;
use error::Result;
use protocol::remote;
use protocol::remote::procedure as p;
use std::sync::Arc;
use xdr::UChar;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::StorageVolGetInfo, _>(info);
    routes.on::<p::StorageVolGetInfoFlags, _>(info_flags);
    routes.on::<p::StorageVolGetXmlDesc, _>(xml_desc);
    routes.on::<p::StorageVolGetPath, _>(path);
}

/// `VIR_STORAGE_VOL_GET_PHYSICAL`.
const PHYSICAL: u32 = 1;

async fn look(call: &Call, reference: &remote::StorageVol) -> Result<Arc<Volume>> {
    let pool = pool_of(call, reference)?;
    call.driver.look_at(&pool, &reference.name).await
}

async fn info(call: Call, args: remote::StorageVolGetInfoArgs) -> Result<remote::StorageVolGetInfoRet> {
    let volume = look(&call, &args.vol).await?;
    Ok(remote::StorageVolGetInfoRet {
        r#type: UChar(volume.kind.number()),
        capacity: volume.capacity,
        allocation: volume.allocation,
    })
}

async fn info_flags(
    call: Call,
    args: remote::StorageVolGetInfoFlagsArgs,
) -> Result<remote::StorageVolGetInfoFlagsRet> {
    check_flags("virStorageVolGetInfoFlags", args.flags, PHYSICAL)?;
    let volume = look(&call, &args.vol).await?;
    Ok(remote::StorageVolGetInfoFlagsRet {
        r#type: UChar(volume.kind.number()),
        capacity: volume.capacity,
        allocation: if args.flags & PHYSICAL == 0 {
            volume.allocation
        } else {
            volume.physical.unwrap_or(0)
        },
    })
}

async fn xml_desc(
    call: Call,
    args: remote::StorageVolGetXmlDescArgs,
) -> Result<remote::StorageVolGetXmlDescRet> {
    check_flags("virStorageVolGetXMLDesc", args.flags, 0)?;
    let pool = pool_of(&call, &args.vol)?;
    let volume = call.driver.look_at(&pool, &args.vol.name).await?;
    Ok(remote::StorageVolGetXmlDescRet {
        xml: volume.document(&pool.state().document).to_xml(),
    })
}

async fn path(call: Call, args: remote::StorageVolGetPathArgs) -> Result<remote::StorageVolGetPathRet> {
    let pool = pool_of(&call, &args.vol)?;
    pool.known().await?;
    let volume = pool
        .volumes
        .get(&args.vol.name)
        .ok_or_else(|| no_volume(&args.vol.name))?;
    Ok(remote::StorageVolGetPathRet {
        name: volume.path(&pool.state().document),
    })
}

//! Pools come, start, stop and go.

use super::{Call, check_exclusive, check_flags};
use crate::Driver;
use crate::backend::Overwrite;
use daemon::Routes;
use error::Result;
use protocol::remote;
use protocol::remote::procedure as p;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::StoragePoolDefineXml, _>(define);
    routes.on::<p::StoragePoolCreateXml, _>(create_xml);
    routes.on::<p::StoragePoolCreate, _>(create);
    routes.on::<p::StoragePoolBuild, _>(build);
    routes.on::<p::StoragePoolRefresh, _>(refresh);
    routes.on::<p::StoragePoolDestroy, _>(destroy);
    routes.on::<p::StoragePoolDelete, _>(delete);
    routes.on::<p::StoragePoolUndefine, _>(undefine);
    routes.on::<p::StoragePoolSetAutostart, _>(set_autostart);
}

/// `VIR_STORAGE_POOL_DEFINE_VALIDATE`.
const VALIDATE: u32 = 1;

/// `virStoragePoolCreateFlags`.
mod create_flag {
    pub(super) const BUILD: u32 = 1;
    pub(super) const OVERWRITE: u32 = 2;
    pub(super) const NO_OVERWRITE: u32 = 4;
}

/// `virStoragePoolBuildFlags`; repairing and extending are for no kind of pool.
mod build_flag {
    pub(super) const NO_OVERWRITE: u32 = 4;
    pub(super) const OVERWRITE: u32 = 8;
}

/// Whether and how a start makes the storage first.
fn with_build(call: &str, flags: u32) -> Result<Option<Overwrite>> {
    use create_flag::{BUILD, NO_OVERWRITE, OVERWRITE};
    check_flags(call, flags, BUILD | OVERWRITE | NO_OVERWRITE)?;
    check_exclusive(call, flags, OVERWRITE, NO_OVERWRITE)?;
    Ok(match flags {
        _ if flags & OVERWRITE != 0 => Some(Overwrite::Yes),
        _ if flags & NO_OVERWRITE != 0 => Some(Overwrite::No),
        _ if flags & BUILD != 0 => Some(Overwrite::Unsaid),
        _ => None,
    })
}

async fn define(
    call: Call,
    args: remote::StoragePoolDefineXmlArgs,
) -> Result<remote::StoragePoolDefineXmlRet> {
    check_flags("virStoragePoolDefineXML", args.flags, VALIDATE)?;
    let pool = call.driver.define(&args.xml, args.flags & VALIDATE != 0).await?;
    Ok(remote::StoragePoolDefineXmlRet {
        pool: pool.reference(),
    })
}

async fn create_xml(
    call: Call,
    args: remote::StoragePoolCreateXmlArgs,
) -> Result<remote::StoragePoolCreateXmlRet> {
    let build = with_build("virStoragePoolCreateXML", args.flags)?;
    let pool = call.driver.create(&args.xml, build).await?;
    Ok(remote::StoragePoolCreateXmlRet {
        pool: pool.reference(),
    })
}

async fn create(call: Call, args: remote::StoragePoolCreateArgs) -> Result<()> {
    let build = with_build("virStoragePoolCreate", args.flags)?;
    let pool = call.driver.pools.find(&args.pool)?;
    call.driver.start(&pool, build).await
}

async fn build(call: Call, args: remote::StoragePoolBuildArgs) -> Result<()> {
    use build_flag::{NO_OVERWRITE, OVERWRITE};
    check_flags("virStoragePoolBuild", args.flags, NO_OVERWRITE | OVERWRITE)?;
    check_exclusive("virStoragePoolBuild", args.flags, NO_OVERWRITE, OVERWRITE)?;
    let overwrite = match args.flags {
        OVERWRITE => Overwrite::Yes,
        NO_OVERWRITE => Overwrite::No,
        _ => Overwrite::Unsaid,
    };
    let pool = call.driver.pools.find(&args.pool)?;
    call.driver.build(&pool, overwrite).await
}

async fn refresh(call: Call, args: remote::StoragePoolRefreshArgs) -> Result<()> {
    check_flags("virStoragePoolRefresh", args.flags, 0)?;
    let pool = call.driver.pools.find(&args.pool)?;
    call.driver.refresh(&pool).await
}

async fn destroy(call: Call, args: remote::StoragePoolDestroyArgs) -> Result<()> {
    let pool = call.driver.pools.find(&args.pool)?;
    call.driver.stop(&pool).await
}

async fn delete(call: Call, args: remote::StoragePoolDeleteArgs) -> Result<()> {
    // Overwriting what is deleted is for no kind of pool.
    check_flags("virStoragePoolDelete", args.flags, 0)?;
    let pool = call.driver.pools.find(&args.pool)?;
    call.driver.delete(&pool).await
}

async fn undefine(call: Call, args: remote::StoragePoolUndefineArgs) -> Result<()> {
    let pool = call.driver.pools.find(&args.pool)?;
    call.driver.undefine(&pool).await
}

async fn set_autostart(call: Call, args: remote::StoragePoolSetAutostartArgs) -> Result<()> {
    let pool = call.driver.pools.find(&args.pool)?;
    call.driver.set_autostart(&pool, args.autostart != 0).await
}

//! Volumes are made, changed, removed, and their content passed on.

use super::{Call, check_flags, pool_of, volume_reference};
use crate::Driver;
use crate::volume::change::{Removal, ResizeWish};
use crate::volume::create::Options;
use crate::volume::transfer::Part;
use daemon::Routes;
use error::Result;
use protocol::remote;
use protocol::remote::procedure as p;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on::<p::StorageVolCreateXml, _>(create);
    routes.on::<p::StorageVolCreateXmlFrom, _>(create_from);
    routes.on::<p::StorageVolDelete, _>(delete);
    routes.on::<p::StorageVolWipe, _>(wipe);
    routes.on::<p::StorageVolWipePattern, _>(wipe_pattern);
    routes.on::<p::StorageVolResize, _>(resize);
    routes.on::<p::StorageVolUpload, _>(upload);
    routes.on::<p::StorageVolDownload, _>(download);
}

/// `virStorageVolCreateFlags`.
mod create_flag {
    pub(super) const PREALLOC_METADATA: u32 = 1;
    pub(super) const REFLINK: u32 = 2;
    pub(super) const VALIDATE: u32 = 4;
}

/// `virStorageVolDeleteFlags`.
mod delete_flag {
    pub(super) const ZEROED: u32 = 1;
    pub(super) const WITH_SNAPSHOTS: u32 = 2;
}

/// `virStorageVolResizeFlags`.
mod resize_flag {
    pub(super) const ALLOCATE: u32 = 1;
    pub(super) const DELTA: u32 = 2;
    pub(super) const SHRINK: u32 = 4;
}

/// `VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM`, and the same of downloads.
const SPARSE: u32 = 1;

async fn create(call: Call, args: remote::StorageVolCreateXmlArgs) -> Result<remote::StorageVolCreateXmlRet> {
    use create_flag::{PREALLOC_METADATA, VALIDATE};
    check_flags("virStorageVolCreateXML", args.flags, PREALLOC_METADATA | VALIDATE)?;
    let options = Options {
        preallocate: args.flags & PREALLOC_METADATA != 0,
        reflink: false,
        validate: args.flags & VALIDATE != 0,
    };
    let pool = call.driver.pools.find(&args.pool)?;
    let volume = call.driver.create_volume(&pool, &args.xml, options, None).await?;
    Ok(remote::StorageVolCreateXmlRet {
        vol: volume_reference(&pool, &volume),
    })
}

async fn create_from(
    call: Call,
    args: remote::StorageVolCreateXmlFromArgs,
) -> Result<remote::StorageVolCreateXmlFromRet> {
    use create_flag::{PREALLOC_METADATA, REFLINK, VALIDATE};
    let known = PREALLOC_METADATA | REFLINK | VALIDATE;
    check_flags("virStorageVolCreateXMLFrom", args.flags, known)?;
    let options = Options {
        preallocate: args.flags & PREALLOC_METADATA != 0,
        reflink: args.flags & REFLINK != 0,
        validate: args.flags & VALIDATE != 0,
    };
    let pool = call.driver.pools.find(&args.pool)?;
    let from = pool_of(&call, &args.clonevol)?;
    let source = Some((from, args.clonevol.name));
    let volume = call
        .driver
        .create_volume(&pool, &args.xml, options, source)
        .await?;
    Ok(remote::StorageVolCreateXmlFromRet {
        vol: volume_reference(&pool, &volume),
    })
}

async fn delete(call: Call, args: remote::StorageVolDeleteArgs) -> Result<()> {
    use delete_flag::{WITH_SNAPSHOTS, ZEROED};
    check_flags("virStorageVolDelete", args.flags, ZEROED | WITH_SNAPSHOTS)?;
    let wish = Removal {
        zeroed: args.flags & ZEROED != 0,
        with_snapshots: args.flags & WITH_SNAPSHOTS != 0,
    };
    let pool = pool_of(&call, &args.vol)?;
    call.driver.delete_volume(&pool, &args.vol.name, wish).await
}

async fn wipe(call: Call, args: remote::StorageVolWipeArgs) -> Result<()> {
    check_flags("virStorageVolWipe", args.flags, 0)?;
    let pool = pool_of(&call, &args.vol)?;
    call.driver.wipe_volume(&pool, &args.vol.name, 0).await
}

async fn wipe_pattern(call: Call, args: remote::StorageVolWipePatternArgs) -> Result<()> {
    check_flags("virStorageVolWipePattern", args.flags, 0)?;
    let pool = pool_of(&call, &args.vol)?;
    call.driver
        .wipe_volume(&pool, &args.vol.name, args.algorithm)
        .await
}

async fn resize(call: Call, args: remote::StorageVolResizeArgs) -> Result<()> {
    use resize_flag::{ALLOCATE, DELTA, SHRINK};
    check_flags("virStorageVolResize", args.flags, ALLOCATE | DELTA | SHRINK)?;
    let wish = ResizeWish {
        capacity: args.capacity,
        allocate: args.flags & ALLOCATE != 0,
        delta: args.flags & DELTA != 0,
        shrink: args.flags & SHRINK != 0,
    };
    let pool = pool_of(&call, &args.vol)?;
    call.driver.resize_volume(&pool, &args.vol.name, wish).await
}

async fn upload(call: Call, args: remote::StorageVolUploadArgs) -> Result<()> {
    check_flags("virStorageVolUpload", args.flags, SPARSE)?;
    let pool = pool_of(&call, &args.vol)?;
    let part = Part {
        offset: args.offset,
        length: args.length,
        sparse: args.flags & SPARSE != 0,
    };
    let stream = call.open_stream()?;
    call.driver.upload(&pool, &args.vol.name, part, stream).await
}

async fn download(call: Call, args: remote::StorageVolDownloadArgs) -> Result<()> {
    check_flags("virStorageVolDownload", args.flags, SPARSE)?;
    let pool = pool_of(&call, &args.vol)?;
    let part = Part {
        offset: args.offset,
        length: args.length,
        sparse: args.flags & SPARSE != 0,
    };
    let stream = call.open_stream()?;
    call.driver.download(&pool, &args.vol.name, part, stream).await
}

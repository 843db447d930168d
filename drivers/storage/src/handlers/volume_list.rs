//! Which volumes there are: lists, counts and look-ups.

use super::{Call, check_flags, volume_reference};
use crate::Driver;
use crate::failure::refused;
use crate::pool::{Pool, State};
use crate::volume::Volume;
use crate::volume::change::no_volume;
use daemon::Routes;
use daemon::lists;
use error::{Code, Result};
use model::storage::{Pool as Document, tidy_path};
use protocol::remote;
use protocol::remote::limits::STORAGE_VOL_LIST_MAX;
use protocol::remote::procedure as p;
use std::sync::Arc;
use xdr::Encode;

pub(super) fn routes(routes: &mut Routes<Driver>) {
    routes.on_encoding::<p::StoragePoolListAllVolumes, _, _, _>(list_all);
    routes.on::<p::StoragePoolListVolumes, _>(list_names);
    routes.on::<p::StoragePoolNumOfVolumes, _>(count);
    routes.on::<p::StorageVolLookupByName, _>(by_name);
    routes.on::<p::StorageVolLookupByKey, _>(by_key);
    routes.on::<p::StorageVolLookupByPath, _>(by_path);
}

async fn list_all(call: Call, args: remote::StoragePoolListAllVolumesArgs) -> Result<AllVolumes> {
    check_flags("virStoragePoolListAllVolumes", args.flags, 0)?;
    let pool = call.driver.pools.find(&args.pool)?;
    let state = pool.known().await?;
    Ok(AllVolumes {
        pool,
        state,
        are_wanted: args.need_results != 0,
    })
}

/// All volumes of a pool and their number, or that alone, as a [`remote::StoragePoolListAllVolumesRet`] travels. Most of the time
/// that a list of ten thousand took was to make its names, and to drop them again.
struct AllVolumes {
    pool: Arc<Pool>,
    state: Arc<State>,
    are_wanted: bool,
}

impl Encode for AllVolumes {
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), xdr::Error> {
        if !self.are_wanted {
            xdr::put_count(0, STORAGE_VOL_LIST_MAX, out)?;
            return self
                .pool
                .volumes
                .count()
                .try_into()
                .unwrap_or(u32::MAX)
                .encode(out);
        }
        self.pool
            .volumes
            .with_all(|volumes| encode_all(&self.state.document, volumes, out))
    }
}

/// References to volumes of the pool of that document, and their number.
fn encode_all(
    pool: &Document,
    volumes: &mut dyn ExactSizeIterator<Item = &Volume>,
    out: &mut Vec<u8>,
) -> Result<(), xdr::Error> {
    let count = volumes.len();
    xdr::put_count(count, STORAGE_VOL_LIST_MAX, out)?;
    for volume in volumes {
        xdr::put_text(&[&pool.name], out)?;
        xdr::put_text(&[&volume.name], out)?;
        volume.with_key(pool, |key| xdr::put_text(key, out))?;
    }
    u32::try_from(count).unwrap_or(u32::MAX).encode(out)
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

#[cfg(test)]
mod tests {
    use super::super::reference_in;
    use super::*;
    use crate::volume::Device;
    use model::storage::VolumeKind;

    #[test]
    fn a_list_travels_as_its_type_does() {
        for folder in ["/srv/images", "/"] {
            let text =
                format!("<pool type='dir'><name>p</name><target><path>{folder}</path></target></pool>");
            let pool = Document::from_xml(&text).unwrap();
            let device = Volume {
                device: Some(Box::new(Device {
                    path: "/dev/sda".to_owned(),
                    key: "0123".to_owned(),
                    lasting: None,
                    parts: Vec::new(),
                })),
                ..Volume::named("unit:0:0:1", VolumeKind::Block)
            };
            let all = [
                Volume::named("a", VolumeKind::File),
                device,
                Volume::named("ärger", VolumeKind::File),
            ];
            let mut written = Vec::new();
            encode_all(&pool, &mut all.iter(), &mut written).unwrap();
            let told = remote::StoragePoolListAllVolumesRet {
                vols: all.iter().map(|volume| reference_in(&pool, volume)).collect(),
                ret: 3,
            };
            assert_eq!(written, xdr::to_bytes(&told).unwrap());
        }
    }
}

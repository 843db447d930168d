//! Disks that are volumes of pools: where they lie is asked of virtstoraged when the guest starts.
//!
//! ```text
//!  <source pool= volume=> ─ resolve ─► <source file=> for everything that opens it
//!                         ◄─ document ─ for the live document
//! ```

mod translate;

use crate::Driver;
use crate::domain::Document;
use crate::images::{Dropped, drop_source, is_optional};
use client::Client;
use daemon::connection::Connection;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain as Model;
use model::domain::devices::disk_source::{DiskSource, SourceDetails, StorageFormat, VolumeSource};
use model::storage::Pool;
use neighbours::Family;
use protocol::remote::procedure::{
    StoragePoolGetXmlDesc, StoragePoolIsActive, StoragePoolLookupByName, StorageVolGetInfo,
    StorageVolGetPath, StorageVolLookupByName,
};
use protocol::remote::{
    StoragePoolGetXmlDescArgs, StoragePoolIsActiveArgs, StoragePoolLookupByNameArgs, StorageVolGetInfoArgs,
    StorageVolGetPathArgs, StorageVolLookupByNameArgs,
};
use std::sync::Arc;
use translate::translate;
use xml::Element;

/// Where the volume of a running guest's disk lies, as the status document keeps it.
#[derive(Debug, Clone, PartialEq, Element)]
#[xml(element = "volume")]
pub(crate) struct VolumePath {
    /// The disk's target: `vda`.
    #[xml(attr)]
    pub target: String,
    /// The path on the host.
    #[xml(attr)]
    pub path: String,
}

/// The disks of one guest that are volumes, as its definition names them.
#[derive(Debug, Default)]
pub(crate) struct Volumes(Vec<(VolumePath, VolumeSource)>);

impl Volumes {
    /// Puts the places of volumes into a document, and tells which disks go without. A disk whose format nobody gave is
    /// raw: what its header looks like a guest may have written.
    ///
    /// # Errors
    /// Which disk's volume is not there, and why; virtstoraged is not there.
    pub(crate) async fn resolve(driver: &Driver, model: &mut Model) -> Result<(Self, Vec<Dropped>)> {
        let mut volumes = Self::default();
        let mut dropped = Vec::new();
        let is_one = |source: &DiskSource| matches!(source, DiskSource::Volume { source: Some(_) });
        if !model.devices.disks.iter().any(|disk| is_one(&disk.source)) {
            return Ok((volumes, dropped));
        }
        let client = connect(driver).await?;
        let mut kept = Vec::with_capacity(model.devices.disks.len());
        for mut disk in std::mem::take(&mut model.devices.disks) {
            let DiskSource::Volume { source: Some(volume) } = &disk.source else {
                kept.push(disk);
                continue;
            };
            let volume = volume.clone();
            match place(&client, &volume).await {
                Ok(source) => {
                    let path = VolumePath {
                        target: disk.target.dev.clone(),
                        path: source.path().unwrap_or_default().to_owned(),
                    };
                    disk.source = source;
                    let driver = disk.driver.get_or_insert_default();
                    driver.format.get_or_insert(StorageFormat::Raw);
                    volumes.0.push((path, volume));
                    kept.push(disk);
                }
                Err(err) if is_optional(&disk) => {
                    let (without, disk) = drop_source(disk, &err);
                    dropped.push(without);
                    kept.extend(disk);
                }
                Err(err) => return Err(err.context(format!("disk '{}'", disk.target.dev))),
            }
        }
        model.devices.disks = kept;
        Ok((volumes, dropped))
    }

    /// The document that clients see: it names the volumes.
    pub(crate) fn document(&self, model: &Model) -> Arc<Document> {
        if self.0.is_empty() {
            return Document::of(model);
        }
        let mut model = model.clone();
        for disk in &mut model.devices.disks {
            let named = self.0.iter().find(|(path, _)| path.target == disk.target.dev);
            let (Some((_, volume)), Some(details)) = (named, disk.source.details()) else {
                continue;
            };
            disk.source = DiskSource::Volume {
                source: Some(VolumeSource {
                    // Who logs in is the pool's to say.
                    details: SourceDetails {
                        auth: volume.details.auth.clone(),
                        ..details.clone()
                    },
                    ..volume.clone()
                }),
            };
        }
        Document::of(&model)
    }

    /// Where they lie, those that are somewhere on this host.
    pub(crate) fn paths(&self) -> Arc<[VolumePath]> {
        let paths = self.0.iter().map(|(path, _)| path);
        paths.filter(|path| !path.path.is_empty()).cloned().collect()
    }
}

/// Where one volume of a shut-off guest lies.
///
/// # Errors
/// As [`Volumes::resolve`].
pub(crate) async fn find(driver: &Driver, volume: &VolumeSource) -> Result<Option<String>> {
    let source = place(&connect(driver).await?, volume).await?;
    Ok(source.path().map(str::to_owned))
}

async fn connect(driver: &Driver) -> Result<Client> {
    let client = neighbours::connect(driver.instance(), Family::Storage).await;
    client.map_err(|err| err.context("disks of type 'volume' need virtstoraged"))
}

/// The source that a volume is to QEMU.
async fn place(client: &Client, volume: &VolumeSource) -> Result<DiskSource> {
    let found = ask(client, volume).await;
    let found = found.map_err(|err| {
        err.context(format_args!(
            "volume '{}' of storage pool '{}'",
            volume.volume, volume.pool
        ))
    })?;
    translate(&found.pool, volume, found.kind, found.path)
}

/// What virtstoraged tells of a volume.
struct Found {
    pool: Pool,
    /// The number of the volume's kind.
    kind: u8,
    path: String,
}

async fn ask(client: &Client, volume: &VolumeSource) -> Result<Found> {
    let name = volume.pool.clone();
    let args = StoragePoolLookupByNameArgs { name };
    let pool = client.call::<StoragePoolLookupByName>(&args).await?.pool;
    let args = StoragePoolIsActiveArgs { pool: pool.clone() };
    if client.call::<StoragePoolIsActive>(&args).await?.active == 0 {
        let text = "the pool is not active; `virsh pool-start` starts it";
        return Err(Error::new(Code::ConfigUnsupported, ErrorDomain::Qemu, text));
    }
    let args = StoragePoolGetXmlDescArgs {
        pool: pool.clone(),
        flags: 0,
    };
    let document = client.call::<StoragePoolGetXmlDesc>(&args).await?.xml;
    let name = volume.volume.clone();
    let args = StorageVolLookupByNameArgs { pool, name };
    let vol = client.call::<StorageVolLookupByName>(&args).await?.vol;
    let args = StorageVolGetInfoArgs { vol: vol.clone() };
    let kind = client.call::<StorageVolGetInfo>(&args).await?.r#type;
    let args = StorageVolGetPathArgs { vol };
    Ok(Found {
        pool: Pool::from_xml(&document)?,
        kind: kind.0,
        path: client.call::<StorageVolGetPath>(&args).await?.name,
    })
}

//! `rbd`: images of a Ceph pool, by Ceph's own programs. Guests' QEMU opens them by itself; this machine has no devices for them.

mod answers;
mod cluster;
mod wipe;

use super::{Backend, Needed, Place, Room, Scan, Volumes};
use crate::failure::{argument, invalid, refused};
use crate::files::{Algorithm, Figures};
use crate::keys::Passphrase;
use crate::volume::change::Resize;
use crate::volume::new::{NewVolume, Source};
use crate::volume::{Device, Volume};
use cluster::Cluster;
use error::{Code, Result};
use model::storage::{PoolKind, RefreshAllocation, VolumeKind};
use tool::{Cancel, find};
use uuid::Uuid;

#[derive(Debug)]
pub(super) struct Rbd;

/// How the names of snapshots begin that a new image shares its content by, as libvirt's do.
const SNAPSHOT: &str = "libvirt-";

/// What Ceph calls the pool.
fn pool(place: &Place) -> Result<&str> {
    let name = place.pool.source().and_then(|source| source.name.as_deref());
    word("pool", name.unwrap_or(&place.pool.name))
}

/// A name that stands for itself, where Ceph's programs take `pool/image@snapshot`.
fn word<'a>(what: &str, name: &'a str) -> Result<&'a str> {
    if name.is_empty()
        || name.starts_with('-')
        || name.contains(['/', '@'])
        || name.contains(char::is_control)
    {
        return Err(argument(format!("'{name}' cannot be the name of a Ceph {what}")));
    }
    Ok(name)
}

/// Pool and image in one word.
fn full(place: &Place, image: &str) -> Result<String> {
    Ok(format!("{}/{}", pool(place)?, word("image", image)?))
}

/// An image as a volume.
fn volume(pool: &str, image: answers::Image, taken: Option<u64>) -> Volume {
    let path = format!("{pool}/{}", image.name);
    Volume {
        format: Some("raw"),
        capacity: image.size,
        allocation: taken.unwrap_or(image.size),
        device: Some(Box::new(Device {
            key: path.clone(),
            path,
            lasting: None,
            parts: Vec::new(),
        })),
        ..Volume::named(&image.name, VolumeKind::Network)
    }
}

impl Backend for Rbd {
    fn is_usable(&self) -> bool {
        find("rbd").is_some() && find("rados").is_some()
    }

    fn is_active(&self, _place: &Place, _cancel: &Cancel) -> Result<bool> {
        // There is nothing here that could be gone.
        Ok(true)
    }

    fn secret(&self) -> Needed {
        Needed::Always
    }

    fn volumes(&self) -> &'static dyn Volumes {
        &Rbd
    }
}

impl Volumes for Rbd {
    fn scan(&self, place: &Place, cancel: &Cancel) -> Result<Scan> {
        let (pool, cluster) = (pool(place)?, Cluster::open(place)?);
        let told = cluster
            .rbd(&["ls", "--long", "--format", "json", pool])
            .run(cancel)?;
        let images = answers::images(&told)?;
        let refresh = place.pool.refresh.as_ref();
        let volumes = refresh.and_then(|refresh| refresh.volume.as_ref());
        let is_capacity =
            volumes.is_some_and(|volumes| volumes.allocation == Some(RefreshAllocation::Capacity));
        let mut taken = match is_capacity || images.is_empty() {
            true => Default::default(),
            false => {
                let told = cluster
                    .rbd(&["du", "--format", "json", "--pool", pool])
                    .run(cancel)?;
                answers::taken(&told)?
            }
        };
        let volumes = images.into_iter().map(|image| {
            let bytes = taken.remove(&image.name);
            volume(pool, image, bytes)
        });
        Ok(Scan {
            volumes: volumes.collect(),
            room: figures(&cluster, pool, cancel)?.into(),
            permissions: None,
        })
    }

    fn room(&self, place: &Place, cancel: &Cancel) -> Result<Room> {
        figures(&Cluster::open(place)?, pool(place)?, cancel).map(Room::from)
    }

    fn check(&self, new: &NewVolume) -> Result<()> {
        let name = &new.document.name;
        word("image", name)?;
        let unsupported = |text: &str| {
            Err(refused(
                Code::ConfigUnsupported,
                format!("volume '{name}': {text}"),
            ))
        };
        if new.format() != "raw" {
            return unsupported("only RAW volumes are supported by RBD pools");
        }
        if new.preallocate {
            return Err(argument(format!(
                "volume '{name}': images of RBD pools have nothing that could have room at once"
            )));
        }
        if new.document.target.encryption.is_some() {
            // libvirt has guests' QEMU encrypt them.
            return unsupported("storage pool does not support encrypted volumes");
        }
        if new.document.backing.is_some() {
            return unsupported("an image of an RBD pool is based on another one where it is made from that");
        }
        Ok(())
    }

    fn create(&self, place: &Place, new: &NewVolume, _begun: &dyn Fn(&str), cancel: &Cancel) -> Result<()> {
        let cluster = Cluster::open(place)?;
        let image = full(place, &new.document.name)?;
        let capacity = new.capacity().unwrap_or(0);
        let Some(source) = &new.source else {
            let size = bytes(capacity);
            let words = [
                "create",
                "--no-progress",
                "--image-format",
                "2",
                "--size",
                &size,
                &image,
            ];
            return cluster.rbd(&words).run(cancel).map(drop);
        };
        clone(&cluster, place, source, &image, cancel)?;
        if capacity <= source.volume.capacity {
            return Ok(());
        }
        let larger = resize(&cluster, &image, capacity, false).run(cancel);
        if larger.is_err() {
            // Nothing is left of one that fails.
            let _ = cluster
                .rbd(&["rm", "--no-progress", &image])
                .run(&Cancel::default());
        }
        larger.map(drop)
    }

    fn before_removal(
        &self,
        place: &Place,
        volume: &Volume,
        with_snapshots: bool,
        cancel: &Cancel,
    ) -> Result<()> {
        let image = full(place, &volume.name)?;
        let cluster = Cluster::open(place)?;
        let told = cluster
            .rbd(&["snap", "ls", "--format", "json", &image])
            .run(cancel)?;
        for snapshot in answers::snapshots(&told)? {
            if !with_snapshots {
                return Err(refused(
                    Code::SystemError,
                    format!("failed to remove volume '{image}': the image has snapshots"),
                ));
            }
            let full = format!("{image}@{}", snapshot.name);
            let failed = |what: &str, err: error::Error| {
                let text = format!("failed to {what} snapshot '{full}': {}", err.detail());
                refused(Code::SystemError, text)
            };
            if snapshot.is_protected {
                cluster
                    .rbd(&["snap", "unprotect", &full])
                    .run(cancel)
                    .map_err(|err| failed("unprotect", err))?;
            }
            cluster
                .rbd(&["snap", "rm", "--no-progress", &full])
                .run(cancel)
                .map_err(|err| failed("remove", err))?;
        }
        Ok(())
    }

    fn remove(&self, place: &Place, volume: &Volume, cancel: &Cancel) -> Result<()> {
        let image = full(place, &volume.name)?;
        let cluster = Cluster::open(place)?;
        cluster
            .rbd(&["rm", "--no-progress", &image])
            .run(cancel)
            .map(drop)
    }

    fn wipe(&self, place: &Place, volume: &Volume, algorithm: Algorithm, cancel: &Cancel) -> Result<()> {
        wipe::wipe(place, volume, algorithm, cancel)
    }

    fn resize(
        &self,
        place: &Place,
        volume: &Volume,
        to: Resize,
        _passphrase: Option<&Passphrase>,
        cancel: &Cancel,
    ) -> Result<()> {
        if to.allocate {
            return Err(argument(format!(
                "volume '{}': images of RBD pools cannot be given their room at once",
                volume.name
            )));
        }
        let image = full(place, &volume.name)?;
        let cluster = Cluster::open(place)?;
        resize(&cluster, &image, to.capacity, to.shrink)
            .run(cancel)
            .map(drop)
    }
}

/// A size, as no unit of Ceph's own.
fn bytes(size: u64) -> String {
    format!("{size}B")
}

fn resize(cluster: &Cluster, image: &str, capacity: u64, shrink: bool) -> tool::Tool {
    cluster
        .rbd(&["resize", "--no-progress", "--size", &bytes(capacity)])
        .with(shrink.then_some("--allow-shrink"))
        .with([image])
}

/// The sizes of the cluster, and what the pool takes of them.
fn figures(cluster: &Cluster, pool: &str, cancel: &Cancel) -> Result<Figures> {
    let told = cluster
        .rados(&["--pool", pool, "df", "--format", "json"])
        .run(cancel)?;
    answers::figures(&told, pool)
}

/// Makes an image that shares another one's content until either changes it.
fn clone(cluster: &Cluster, place: &Place, source: &Source, image: &str, cancel: &Cancel) -> Result<()> {
    if source.place.pool.kind != PoolKind::Rbd || pool(&source.place)? != pool(place)? {
        return Err(invalid(
            "images of RBD pools are made from images of the same pool only",
        ));
    }
    let of = full(place, &source.volume.name)?;
    let snapshot = format!("{of}@{SNAPSHOT}{}", Uuid::new_v4().simple());
    cluster
        .rbd(&["snap", "create", "--no-progress", &snapshot])
        .run(cancel)?;
    let cloned = cluster
        .rbd(&["snap", "protect", &snapshot])
        .run(cancel)
        .and_then(|_| cluster.rbd(&["clone", &snapshot, image]).run(cancel));
    if cloned.is_err() {
        let undo = Cancel::default();
        for words in [
            &["snap", "unprotect", &snapshot][..],
            &["snap", "rm", "--no-progress", &snapshot],
        ] {
            let _ = cluster.rbd(words).run(&undo);
        }
    }
    cloned.map(drop)
}

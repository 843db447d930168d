//! Volumes are looked at, changed and removed.

use super::Volume;
use crate::Driver;
use crate::backend::{Place, Volumes};
use crate::failure::{argument, refused};
use crate::files::Algorithm;
use crate::pool::{Held, Pool};
use error::{Code, Error, Result};
use model::storage::{MAX_SIZE, VolumeKind};
use std::sync::Arc;
use tool::Cancel;

/// What a client hears of a volume that there is not.
pub(crate) fn no_volume(name: &str) -> Error {
    let text = format!("no storage vol with matching name '{name}'");
    refused(Code::NoStorageVol, text)
}

/// A size that a volume shall have, which was held against what it has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resize {
    /// Bytes.
    pub capacity: u64,
    /// Whether it has room on the disk at once.
    pub allocate: bool,
    /// Whether it becomes smaller.
    pub shrink: bool,
}

/// How a client wants a volume to be removed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Removal {
    /// Overwritten before.
    pub zeroed: bool,
    /// And all states of it that are kept beside it.
    pub with_snapshots: bool,
}

/// How a client wants a volume to be resized.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResizeWish {
    /// Bytes, or with `delta` how many more, or with `shrink` less.
    pub capacity: u64,
    pub allocate: bool,
    pub delta: bool,
    pub shrink: bool,
}

impl ResizeWish {
    /// Holds it against the volume and what is free.
    fn of(self, volume: &Volume, available: u64) -> Result<Resize> {
        let too_large = || {
            refused(
                Code::Overflow,
                format!("volume '{}': capacity too large", volume.name),
            )
        };
        let capacity = match (self.delta, self.shrink) {
            (true, true) => volume.capacity.saturating_sub(self.capacity),
            (true, false) => volume.capacity.checked_add(self.capacity).ok_or_else(too_large)?,
            (false, _) => self.capacity,
        };
        if capacity > MAX_SIZE {
            return Err(too_large());
        }
        if capacity < volume.allocation && volume.format == Some("raw") {
            return Err(argument("can't shrink capacity below existing allocation"));
        }
        if capacity < volume.capacity && !self.shrink {
            return Err(argument(
                "Can't shrink capacity below current capacity unless shrink flag explicitly specified",
            ));
        }
        if self.allocate && !volume.is_plain() {
            return Err(refused(
                Code::OperationUnsupported,
                format!(
                    "volume '{}': only raw volumes that are not encrypted can be given their room at once when they are resized",
                    volume.name
                ),
            ));
        }
        if self.allocate && capacity.saturating_sub(volume.allocation) > available {
            return Err(refused(
                Code::OperationFailed,
                format!(
                    "not enough space left in the storage pool for volume '{}'",
                    volume.name
                ),
            ));
        }
        Ok(Resize {
            capacity,
            allocate: self.allocate,
            shrink: capacity < volume.capacity,
        })
    }
}

impl Driver {
    /// A volume as it is now, or as it was last seen where that takes too long.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`] for a pool that is not active, [`Code::NoStorageVol`], also for one that somebody else removed.
    pub(crate) async fn look_at(&self, pool: &Arc<Pool>, name: &str) -> Result<Arc<Volume>> {
        pool.known().await?;
        let known = pool.volumes.get(name).ok_or_else(|| no_volume(name))?;
        let (backend, place) = pool.storage(&self.host)?;
        let (own, name) = (Arc::clone(pool), name.to_owned());
        if let Some(unfinished) = known.unfinished.clone() {
            // How much of it is there is all that changes.
            let taken = pool
                .threads
                .glance(move |_| Ok(backend.volumes().written(&place, &unfinished)))
                .await;
            return Ok(Arc::new(Volume {
                allocation: taken.flatten().unwrap_or(known.allocation),
                ..Volume::clone(&known)
            }));
        }
        let before = Arc::clone(&known);
        let looked = pool.threads.glance(move |_| {
            let mut volume = backend.volumes().look(&place, &before)?;
            if let Some(volume) = &mut volume {
                own.volumes.complete(volume);
            }
            if let Some(volume) = &volume
                && own
                    .volumes
                    .get(&name)
                    .is_some_and(|known| known.unfinished.is_none())
            {
                own.volumes.put(volume.clone());
            }
            Ok(volume)
        });
        match looked.await {
            Some(Some(volume)) => Ok(Arc::new(volume)),
            Some(None) => {
                let path = known.path(&pool.state().document);
                let text = format!("no storage vol with matching path '{path}'");
                Err(refused(Code::NoStorageVol, text))
            }
            None => Ok(known),
        }
    }

    /// Does something to a volume that nobody else may use meanwhile, and looks at it again.
    async fn change<T: Send + 'static>(
        &self,
        pool: &Arc<Pool>,
        name: &str,
        work: impl FnOnce(&dyn Volumes, &Place, &Volume, &Cancel) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        pool.known().await?;
        let (backend, place) = pool.storage(&self.host)?;
        let hold = pool.hold(name, Held::Changed)?;
        let volume = pool.volumes.get(name).ok_or_else(|| no_volume(name))?;
        let own = Arc::clone(pool);
        pool.threads
            .job(move |cancel| {
                let _hold = hold;
                let done = work(backend.volumes(), &place, &volume, cancel);
                let looked = own.look_again(backend, &place, &volume.name, cancel);
                let done = done?;
                looked.map(|()| done)
            })
            .await
    }

    /// Removes a volume.
    ///
    /// # Errors
    /// [`Code::NoStorageVol`], [`Code::OperationInvalid`] while it is used, [`Code::InvalidArg`] for snapshots of what has none, what
    /// the storage says.
    pub(crate) async fn delete_volume(&self, pool: &Arc<Pool>, name: &str, wish: Removal) -> Result<()> {
        let own = Arc::clone(pool);
        self.change(pool, name, move |volumes, place, volume, cancel| {
            volumes.before_removal(place, volume, wish.with_snapshots, cancel)?;
            if wish.zeroed && volume.kind != VolumeKind::Dir {
                volumes.wipe(place, volume, Algorithm::Zero, cancel)?;
            }
            volumes.remove(place, volume, cancel)?;
            own.forget_encryption(place, volume)
        })
        .await
    }

    /// Overwrites a volume's content.
    ///
    /// # Errors
    /// As [`Self::delete_volume`]; [`Code::InvalidArg`] for an algorithm that there is not.
    pub(crate) async fn wipe_volume(&self, pool: &Arc<Pool>, name: &str, algorithm: u32) -> Result<()> {
        let algorithm = Algorithm::of(algorithm)?;
        let own = Arc::clone(pool);
        self.change(pool, name, move |volumes, place, volume, cancel| {
            volumes.wipe(place, volume, algorithm, cancel)?;
            own.forget_encryption(place, volume)
        })
        .await
    }

    /// Gives a volume another size.
    ///
    /// # Errors
    /// As [`Self::delete_volume`]; [`Code::InvalidArg`] where something would be lost that nobody said may be.
    pub(crate) async fn resize_volume(&self, pool: &Arc<Pool>, name: &str, wish: ResizeWish) -> Result<()> {
        pool.known().await?;
        let known = pool.volumes.get(name).ok_or_else(|| no_volume(name))?;
        let passphrase = match &known.encryption {
            Some(encryption) => {
                let path = known.path(&pool.state().document);
                Some(self.passphrase(name, &path, encryption).await?)
            }
            None => None,
        };
        self.change(pool, name, move |volumes, place, known, cancel| {
            // What it was when it was last seen may be long ago.
            let volume = volumes
                .look(place, known)?
                .ok_or_else(|| no_volume(&known.name))?;
            if volume.encryption.is_some() != passphrase.is_some() {
                let text = format!("volume '{}' was replaced; refresh its pool", volume.name);
                return Err(refused(Code::OperationFailed, text));
            }
            let available = volumes.room(place, cancel)?.figures.available;
            let to = wish.of(&volume, available)?;
            volumes.resize(place, &volume, to, passphrase.as_ref(), cancel)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(format: &'static str, capacity: u64, allocation: u64) -> Volume {
        Volume {
            format: Some(format),
            capacity,
            allocation,
            ..Volume::named("v", VolumeKind::File)
        }
    }

    #[test]
    fn a_size_is_held_against_what_would_be_lost() {
        let wish = |capacity, flags: u32| ResizeWish {
            capacity,
            allocate: flags & 1 != 0,
            delta: flags & 2 != 0,
            shrink: flags & 4 != 0,
        };
        let raw = volume("raw", 100, 50);
        let size = |wish: ResizeWish, volume: &Volume| wish.of(volume, 1000).map(|to| to.capacity);
        assert_eq!(size(wish(200, 0), &raw).unwrap(), 200);
        assert_eq!(size(wish(10, 2), &raw).unwrap(), 110);
        assert_eq!(size(wish(10, 2 | 4), &raw).unwrap(), 90);
        assert_eq!(size(wish(10, 4), &volume("qcow2", 100, 50)).unwrap(), 10);
        for (refused, code) in [
            (wish(60, 0), Code::InvalidArg),
            (wish(10, 4), Code::InvalidArg),
            (wish(2000, 1), Code::OperationFailed),
            (wish(u64::MAX, 2), Code::Overflow),
            (wish(1 << 63, 0), Code::Overflow),
        ] {
            assert_eq!(size(refused, &raw).unwrap_err().code(), code, "{refused:?}");
        }
    }
}

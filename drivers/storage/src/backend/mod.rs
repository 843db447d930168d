//! What a pool of each kind is on the host: a file a kind.
//!
//! A new kind is one file with a type that is a [`Backend`], which is the pool: how it is made, started, stopped; and its line in
//! [`of`]. Where its volumes are files of the pool's folder its [`Backend::volumes`] are [`Files`]; else the file has its own
//! [`Volumes`], of which all but what tells what is there may be left out: a client hears then that such pools do not do that.
//! What two pools of a kind cannot both be made of stands in `claims.rs`, and what documents say of it in the model; nothing
//! else knows kinds apart.

#[cfg(test)]
mod argv_golden;
mod dir;
mod disk;
mod disk_volumes;
mod files;
mod fs;
mod gluster;
mod iscsi;
mod iscsi_direct;
mod logical;
mod logical_volumes;
mod lun;
mod mount;
mod mpath;
mod netfs;
mod rbd;
mod scsi;
mod volumes;
mod vstorage;
mod zfs;

pub(crate) use files::Files;
use volumes::unable;
pub(crate) use volumes::{Seen, Volumes};

use crate::failure::{invalid, refused, system, unsupported};
use crate::files::{Figures, Folder, Unfinished};
use crate::journal::Journal;
use crate::sysfs::Sysfs;
use crate::turns::Turns;
use crate::volume::Volume;
use daemon::durable;
use error::{Code, Result};
use model::storage::{FreeExtent, Permissions, Pool, PoolKind, PoolSource, PoolSources};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tool::Cancel;
use uuid::Uuid;
use xdr::SecretBytes;

/// What all pools of a daemon share.
#[derive(Debug)]
pub(crate) struct Host {
    /// Files that are being made.
    pub unfinished: Unfinished,
    /// What is being made where nothing of it can say so.
    pub journal: Journal,
    /// Where it lies how encrypted volumes are opened.
    encryptions: PathBuf,
    /// Who changes which table of partitions.
    pub tables: Turns,
    /// What the kernel tells of devices.
    pub sysfs: Sysfs,
    /// The daemon's folder for what a boot wipes.
    pub run: PathBuf,
}

/// What a backend works with.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The pool's document.
    pub pool: Arc<Pool>,
    /// What all pools share.
    pub host: Arc<Host>,
    /// What the pool's `<auth>` proves itself with, where its kind asked for it.
    pub secret: Option<Arc<SecretBytes>>,
}

impl Host {
    /// What the pools of an instance share; `kept` is the driver's folder for what outlives the host's boot, `run` the one for what
    /// does not.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn new(instance: &str, kept: &Path, run: PathBuf) -> Result<Self> {
        let encryptions = kept.join("encryptions");
        durable::create_folder(&encryptions, 0o700)
            .and_then(|()| durable::remove_left_overs(&encryptions, "xml"))
            .map_err(|err| system(format!("cannot prepare '{}'", encryptions.display()), err))?;
        Ok(Self {
            unfinished: Unfinished::new(instance),
            journal: Journal::open(&kept.join("unfinished"))?,
            encryptions,
            tables: Turns::default(),
            sysfs: Sysfs::default(),
            run,
        })
    }

    /// The document about how encrypted volumes of a pool are opened.
    pub(crate) fn encryptions_of(&self, pool: Uuid) -> PathBuf {
        self.encryptions.join(format!("{pool}.xml"))
    }
}

impl Place {
    /// Where the pool's volumes are.
    ///
    /// # Errors
    /// [`error::Code::OperationInvalid`] for a pool that is nowhere.
    pub(crate) fn path(&self) -> Result<&Path> {
        let nowhere = || invalid(format!("storage pool '{}' has no target path", self.pool.name));
        self.pool.path().map(Path::new).ok_or_else(nowhere)
    }

    /// That folder, open.
    ///
    /// # Errors
    /// It is not there.
    pub(crate) fn folder(&self) -> Result<Folder> {
        Folder::open(self.path()?)
    }
}

/// What may be lost when a pool is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overwrite {
    /// Nobody said.
    Unsaid,
    /// Nothing.
    No,
    /// Whatever is there.
    Yes,
}

/// When a pool's secret is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needed {
    /// Once it was started nobody asks for it.
    AtStart,
    /// Whenever its storage is touched.
    Always,
}

/// What a pool has room for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Room {
    pub figures: Figures,
    /// The parts of its device where a volume could be, where a volume cannot be in several of them.
    pub free: Vec<FreeExtent>,
}

impl From<Figures> for Room {
    fn from(figures: Figures) -> Self {
        let free = Vec::new();
        Self { figures, free }
    }
}

/// What a pool has.
#[derive(Debug)]
pub(crate) struct Scan {
    pub volumes: Vec<Volume>,
    pub room: Room,
    /// Those of its folder.
    pub permissions: Option<Permissions>,
}

/// A kind of pool. Everything here blocks, and is called on the threads of one pool only.
pub(crate) trait Backend: std::fmt::Debug + Sync {
    /// Whether the host has the programs that pools of this kind need.
    fn is_usable(&self) -> bool;

    /// Whether the storage is there as a start leaves it.
    fn is_active(&self, place: &Place, cancel: &Cancel) -> Result<bool>;

    /// Whether the kernel knows that the storage of an active pool does not answer. Nothing of it is asked, and nothing waits.
    fn is_lost(&self, _place: &Place) -> bool {
        false
    }

    /// Makes the storage that a start needs.
    fn build(&self, place: &Place, _overwrite: Overwrite, _cancel: &Cancel) -> Result<()> {
        Err(unable(place, "building"))
    }

    /// Makes the storage usable.
    fn start(&self, _place: &Place, _cancel: &Cancel) -> Result<()> {
        Ok(())
    }

    /// Undoes what a start did; `hangs` says that the storage does not answer.
    fn stop(&self, _place: &Place, _hangs: bool, _cancel: &Cancel) -> Result<()> {
        Ok(())
    }

    /// Undoes what a build did.
    fn delete(&self, place: &Place, _cancel: &Cancel) -> Result<()> {
        Err(unable(place, "deletion"))
    }

    /// What pools of this kind could be made of.
    fn sources(&self, _given: Option<&PoolSource>, _cancel: &Cancel) -> Result<PoolSources> {
        Err(unsupported("pools of this type cannot be searched for"))
    }

    /// When the pool's secret is needed.
    fn secret(&self) -> Needed {
        Needed::AtStart
    }

    /// How volumes of such pools are made and used.
    fn volumes(&self) -> &'static dyn Volumes;
}

/// The backend of a kind.
///
/// # Errors
/// [`error::Code::NoSupport`] where it is not built.
pub(crate) fn of(kind: PoolKind) -> Result<&'static dyn Backend> {
    match kind {
        PoolKind::Dir => Ok(&dir::Dir),
        PoolKind::Fs => Ok(&fs::Fs),
        PoolKind::Netfs => Ok(&netfs::Netfs),
        PoolKind::Logical => Ok(&logical::Logical),
        PoolKind::Disk => Ok(&disk::Disk),
        PoolKind::Iscsi => Ok(&iscsi::Iscsi),
        PoolKind::IscsiDirect => Ok(&iscsi_direct::IscsiDirect),
        PoolKind::Scsi => Ok(&scsi::Scsi),
        PoolKind::Mpath => Ok(&mpath::Mpath),
        PoolKind::Rbd => Ok(&rbd::Rbd),
        PoolKind::Gluster => Ok(&gluster::Gluster),
        PoolKind::Zfs => Ok(&zfs::Zfs),
        PoolKind::Vstorage => Ok(&vstorage::Vstorage),
        // libvirt has none any more, and keeps the word.
        PoolKind::Sheepdog => Err(unsupported("storage pools of type 'sheepdog' are not built")),
    }
}

/// The kind of that name, as clients give it apart from a document.
///
/// # Errors
/// [`error::Code::InternalError`], which is what stock daemons say.
pub(crate) fn kind_of(word: &str) -> Result<PoolKind> {
    let kind = PoolKind::ALL.iter().copied().find(|kind| kind.as_str() == word);
    kind.ok_or_else(|| refused(Code::InternalError, format!("unknown storage pool type {word}")))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What a backend works with for a pool of that document.
    pub(crate) fn place(document: &str) -> Place {
        place_of(Pool::from_xml(document).unwrap())
    }

    /// The same of a document that is read already.
    pub(crate) fn place_of(pool: Pool) -> Place {
        // It is empty, and goes at the end of this: nothing is kept of such pools.
        let kept = tempfile::tempdir().unwrap();
        Place {
            pool: Arc::new(pool),
            host: Arc::new(Host::new("x", kept.path(), kept.path().to_owned()).unwrap()),
            secret: None,
        }
    }
}

//! A volume that shall be made, and what can be said of it before anything is touched.

use super::Volume;
use crate::backend::{Backend, Place};
use crate::failure::{argument, refused, unsupported};
use crate::keys::Passphrase;
use error::{Code, Domain, Error, Result};
use model::storage::{MAX_SIZE, Permissions, PoolKind, Volume as Document, VolumeKind};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

/// A volume that shall be made.
#[derive(Debug)]
pub(crate) struct NewVolume {
    /// The kind of the pool that it is made in.
    pub pool: PoolKind,
    /// What it shall be.
    pub document: Document,
    /// What it shall hold.
    pub source: Option<Source>,
    /// What it is encrypted with.
    pub passphrase: Option<Passphrase>,
    /// Whether what tells where things are has room at once.
    pub preallocate: bool,
    /// Whether it shall share its blocks with its source.
    pub reflink: bool,
}

/// Another volume that is copied.
#[derive(Debug)]
pub(crate) struct Source {
    pub place: Place,
    pub backend: &'static dyn Backend,
    pub volume: Arc<Volume>,
    /// What it is encrypted with.
    pub passphrase: Option<Passphrase>,
}

impl Source {
    /// Its content, and where programs find it.
    ///
    /// # Errors
    /// What its storage says.
    pub(crate) fn content(&self) -> Result<(File, PathBuf)> {
        self.backend.volumes().content(&self.place, &self.volume, false)
    }

    /// The word of the format that its content is written in.
    pub(crate) fn format(&self) -> &str {
        image_format(self.place.pool.kind, self.volume.format)
    }
}

/// What the content of a volume is written as: where pools are disks, a volume's format is a kind of partition.
fn image_format(pool: PoolKind, word: Option<&str>) -> &str {
    match pool {
        PoolKind::Disk => "raw",
        _ => word.unwrap_or("raw"),
    }
}

impl NewVolume {
    /// Bytes that a guest shall see.
    pub(crate) fn capacity(&self) -> Option<u64> {
        let given = self.document.capacity.map(|size| size.0);
        match &self.source {
            // Nothing of the source shall be lost.
            Some(source) => Some(given.unwrap_or(0).max(source.volume.capacity)),
            None => given,
        }
    }

    /// The word of the format that its content is written in.
    pub(crate) fn format(&self) -> &str {
        image_format(self.pool, self.document.format())
    }

    /// Who may do what with it.
    pub(crate) fn permissions(&self) -> Permissions {
        self.document.target.permissions.clone().unwrap_or_default()
    }

    /// Whether its bytes are the guest's, so that nobody has to know a format.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.format(), "raw" | "none")
            && self.document.target.encryption.is_none()
            && self.source.as_ref().is_none_or(|source| {
                matches!(source.format(), "raw" | "none" | "iso") && source.volume.encryption.is_none()
            })
    }

    /// Refuses what cannot be made, whatever the storage.
    ///
    /// # Errors
    /// [`Code::ConfigUnsupported`] and others, with the volume's name.
    pub(super) fn check(&self) -> Result<()> {
        let document = &self.document;
        if self.format() == "ploop" {
            return Err(unsupported(format!(
                "volume '{}': volumes of the format 'ploop' are not made here",
                document.name
            )));
        }
        let wrong = |text: &str| {
            Err(refused(
                Code::ConfigUnsupported,
                format!("volume '{}': {text}", document.name),
            ))
        };
        if let Some(encryption) = &document.target.encryption {
            if document.kind == Some(VolumeKind::Dir) {
                return wrong("directories cannot be encrypted");
            }
            crate::keys::check(&document.name, self.format(), encryption)?;
        }
        if let Some(source) = &self.source
            && (source.volume.kind == VolumeKind::Dir || document.kind == Some(VolumeKind::Dir))
        {
            return wrong("directories cannot be cloned");
        }
        let qcow2 = self.format() == "qcow2";
        if self.preallocate && !qcow2 {
            return wrong("metadata preallocation only available with qcow2");
        }
        if self.preallocate && document.backing.is_some() {
            return wrong("metadata preallocation conflicts with backing store");
        }
        let target = &document.target;
        let of_qcow2 = target.cluster_size.is_some() || target.features.is_some() || target.compat.is_some();
        // They mean nothing for what has no header, and in documents of other volumes that are cloned into another format.
        let has_header = !matches!(self.format(), "raw" | "none" | "iso" | "dir");
        if of_qcow2 && has_header && !qcow2 && self.source.is_none() {
            return wrong("compat, clusterSize and features are only for format qcow2");
        }
        let lazy = target
            .features
            .as_ref()
            .is_some_and(|features| features.lazy_refcounts);
        if lazy && target.compat.as_deref() == Some("0.10") {
            return wrong("lazy_refcounts not supported with compat level 0.10");
        }
        if self.reflink && (self.source.is_none() || !self.is_plain()) {
            return Err(argument(format!(
                "volume '{}': only a raw volume can share its blocks with another",
                document.name
            )));
        }
        if self.capacity().is_none() && document.backing.is_none() && self.format() != "dir" {
            let text = "missing capacity element";
            return Err(Error::new(Code::XmlError, Domain::Storage, text));
        }
        if self.capacity().is_some_and(|capacity| capacity > MAX_SIZE) {
            return Err(refused(
                Code::Overflow,
                format!("volume '{}' is too large", document.name),
            ));
        }
        Ok(())
    }
}

//! By which secrets the encrypted volumes of a pool are opened: their headers do not say it, documents do.
//!
//! What was said when a volume was made is kept on disk, a document for each pool, so that refreshes and daemons to come know
//! it. It is there before the volume is acknowledged, and goes when the volume is removed or wiped, or its pool is forgotten.

use crate::failure::system;
use crate::volume::Volume;
use arc_swap::ArcSwap;
use daemon::durable;
use error::{Error, Result};
use model::domain::devices::disk_source::{Encryption, EncryptionFormat};
use model::storage::VolumeKind;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use xml::Element;

type ByVolume = BTreeMap<String, Encryption>;

/// What is known of a pool's encrypted volumes.
#[derive(Debug, Default)]
pub(crate) struct Encryptions {
    known: ArcSwap<ByVolume>,
    /// Whether the document was read; held by whoever changes it.
    read: Mutex<bool>,
}

/// The document.
#[derive(Debug, Element)]
#[xml(element = "encryptions")]
struct Document {
    #[xml(children = "volume")]
    volumes: Vec<Known>,
}

/// A volume of it.
#[derive(Debug, Element)]
#[xml(element = "volume")]
struct Known {
    /// What the pool tells it by.
    #[xml(attr)]
    id: String,
    #[xml(child)]
    encryption: Encryption,
}

fn is_luks(format: EncryptionFormat) -> bool {
    use EncryptionFormat::{Luks, Luks2, LuksAny};
    matches!(format, Luks | Luks2 | LuksAny)
}

fn unread(path: &Path, err: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    system(
        format!("cannot read '{}'", path.display()),
        io::Error::new(io::ErrorKind::InvalidData, err),
    )
}

fn read(path: &Path) -> Result<ByVolume> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(ByVolume::new()),
        Err(err) => return Err(unread(path, err)),
    };
    let document: Document = model::read(&text).map_err(|err| unread(path, err))?;
    let volumes = document.volumes.into_iter();
    Ok(volumes.map(|known| (known.id, known.encryption)).collect())
}

impl Encryptions {
    /// Completes a volume as its storage tells it. Of a device that a guest may have encrypted by itself nobody has said how
    /// it is opened, and it is none of ours.
    pub(super) fn complete(&self, volume: &mut Volume) {
        let known = self.known.load();
        let known = known.get(volume.identity());
        match (&mut volume.encryption, known) {
            (Some(now), Some(known))
                if now.format == known.format || is_luks(now.format) && is_luks(known.format) =>
            {
                now.secrets.clone_from(&known.secrets);
            }
            (encryption, _) if volume.kind == VolumeKind::Block => *encryption = None,
            _ => {}
        }
    }

    /// Reads the document at `path`, once. Blocks on the disk.
    pub(crate) fn load(&self, path: &Path) {
        let mut is_read = self.read.lock();
        if *is_read {
            return;
        }
        match read(path) {
            Ok(known) => self.known.store(Arc::new(known)),
            // The volumes are there all the same, and their secrets may be found by their paths.
            Err(err) => tracing::error!(%err, "which secrets open the volumes of a pool is not known"),
        }
        *is_read = true;
    }

    /// Changes what is known, on disk first.
    fn change(&self, path: &Path, change: impl FnOnce(&mut ByVolume)) -> Result<()> {
        let _changing = self.read.lock();
        let before = self.known.load_full();
        let mut known = ByVolume::clone(&before);
        change(&mut known);
        if known == *before {
            return Ok(());
        }
        let failed = |err| system(format!("cannot write '{}'", path.display()), err);
        if known.is_empty() {
            durable::remove(path).map_err(failed)?;
        } else {
            let volumes = known.iter().map(|(id, encryption)| Known {
                id: id.clone(),
                encryption: encryption.clone(),
            });
            let document = Document {
                volumes: volumes.collect(),
            };
            durable::replace(path, xml::to_string(&document).as_bytes()).map_err(failed)?;
        }
        self.known.store(Arc::new(known));
        Ok(())
    }

    /// Notes how a volume is opened. Blocks on the disk.
    ///
    /// # Errors
    /// [`error::Code::SystemError`].
    pub(crate) fn note(&self, path: &Path, volume: &Volume, encryption: &Encryption) -> Result<()> {
        // How it was made is of no use to whoever opens it.
        let encryption = Encryption {
            cipher: None,
            ivgen: None,
            ..encryption.clone()
        };
        self.change(path, |known| {
            known.insert(volume.identity().to_owned(), encryption);
        })
    }

    /// Forgets a volume that is gone. Blocks on the disk.
    ///
    /// # Errors
    /// [`error::Code::SystemError`].
    pub(crate) fn forget(&self, path: &Path, volume: &Volume) -> Result<()> {
        self.change(path, |known| {
            known.remove(volume.identity());
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luks(uuid: Option<&str>) -> Encryption {
        let secret = uuid.map(|uuid| format!("<secret type='passphrase' uuid='{uuid}'/>"));
        let secret = secret.unwrap_or_default();
        xml::from_str(&format!("<encryption format='luks'>{secret}</encryption>")).unwrap()
    }

    fn volume(name: &str, kind: VolumeKind) -> Volume {
        Volume {
            encryption: Some(Box::new(luks(None))),
            ..Volume::named(name, kind)
        }
    }

    #[test]
    fn what_opens_a_volume_is_known_to_the_next_daemon() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pool.xml");
        let said = luks(Some("0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f"));
        let encryptions = Encryptions::default();
        encryptions.load(&path);
        let plain = volume("a<b>&'c", VolumeKind::File);
        encryptions.note(&path, &plain, &said).unwrap();
        encryptions
            .note(&path, &volume("other", VolumeKind::Block), &said)
            .unwrap();
        let next = Encryptions::default();
        next.load(&path);
        let completed = |mut volume: Volume| {
            next.complete(&mut volume);
            volume.encryption.map(|encryption| encryption.secrets.len())
        };
        assert_eq!(completed(plain.clone()), Some(1));
        assert_eq!(completed(volume("unsaid", VolumeKind::File)), Some(0));
        // A guest has encrypted its disk.
        assert_eq!(completed(volume("unsaid", VolumeKind::Block)), None);
        assert_eq!(completed(volume("other", VolumeKind::Block)), Some(1));
        next.forget(&path, &plain).unwrap();
        assert_eq!(completed(plain.clone()), Some(0));
        next.forget(&path, &volume("other", VolumeKind::Block)).unwrap();
        assert_eq!(completed(volume("other", VolumeKind::Block)), None);
        assert!(!path.exists());
    }

    #[test]
    fn a_document_that_is_broken_costs_no_more_than_itself() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pool.xml");
        std::fs::write(&path, "<encryptions><volume").unwrap();
        let encryptions = Encryptions::default();
        encryptions.load(&path);
        let mut volume = volume("a", VolumeKind::File);
        encryptions.complete(&mut volume);
        assert!(volume.encryption.is_some());
    }
}

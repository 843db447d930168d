//! Volumes are made: of nothing, or of another volume.

use super::new::{NewVolume, Source};
use super::{Volume, path_in};
use crate::Driver;
use crate::backend::{Backend, Place, Seen};
use crate::failure::refused;
use crate::pool::{Held, Pool};
use error::{Code, Result};
use model::domain::devices::disk_source::Encryption;
use model::storage::{Volume as Document, VolumeKind, check_volume_name};
use std::sync::Arc;
use tool::Cancel;

/// How a volume is made.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Options {
    pub preallocate: bool,
    pub reflink: bool,
    pub validate: bool,
}

impl Driver {
    /// Makes a volume.
    ///
    /// # Errors
    /// What is wrong with the document; [`Code::StorageVolExist`]; what the storage says.
    pub(crate) async fn create_volume(
        &self,
        pool: &Arc<Pool>,
        text: &str,
        options: Options,
        source: Option<(Arc<Pool>, String)>,
    ) -> Result<Arc<Volume>> {
        if options.validate {
            daemon::schema_check::check("storagevol", text).await?;
        }
        let state = pool.known().await?;
        let document = Document::from_xml(text, state.document.kind)?;
        check_volume_name(&document.name)?;
        let name = document.name.clone();
        let (backend, place) = pool.storage(&self.host)?;
        let hold = pool.hold(&name, Held::Made)?;
        if pool.volumes.get(&name).is_some() {
            // The two codes are libvirt's.
            let code = match &source {
                Some(_) => Code::InternalError,
                None => Code::StorageVolExist,
            };
            return Err(refused(code, format!("storage volume '{name}' exists already")));
        }
        let mut source_hold = None;
        let source = match source {
            Some((from, name)) => {
                from.known().await?;
                let volume = from
                    .volumes
                    .get(&name)
                    .ok_or_else(|| super::change::no_volume(&name))?;
                source_hold = Some(from.hold(&name, Held::Read)?);
                let (backend, place) = from.storage(&self.host)?;
                Some(Source {
                    place,
                    backend,
                    volume,
                    passphrase: None,
                })
            }
            None => None,
        };
        let mut new = NewVolume {
            pool: state.document.kind,
            document,
            source,
            passphrase: None,
            preallocate: options.preallocate,
            reflink: options.reflink,
        };
        // What no pool of the kind can make is told first, as libvirt does.
        backend.volumes().check(&new)?;
        new.check()?;
        if let Some(encryption) = &new.document.target.encryption {
            let path = path_in(&place.pool, &name);
            new.passphrase = Some(self.passphrase(&name, &path, encryption).await?);
        }
        if let Some(source) = &mut new.source
            && let Some(encryption) = &source.volume.encryption
        {
            let path = source.volume.path(&source.place.pool);
            source.passphrase = Some(self.passphrase(&source.volume.name, &path, encryption).await?);
        }
        let own = Arc::clone(pool);
        let made_name = name.clone();
        let work = move |cancel: &Cancel| {
            // They are in use until this thread comes back, whoever waits for it.
            let _holds = (hold, source_hold);
            let made = own.make(backend, &place, &new, cancel);
            if made.is_err() {
                own.volumes.forget(&made_name);
            }
            made
        };
        pool.threads.job(work).await?;
        pool.volumes
            .get(&name)
            .ok_or_else(|| super::change::no_volume(&name))
    }
}

impl Pool {
    /// Makes a volume and publishes it.
    fn make(&self, backend: &dyn Backend, place: &Place, new: &NewVolume, cancel: &Cancel) -> Result<()> {
        let name = &*new.document.name;
        let begun = |file: &str| {
            let kind = new.document.kind.unwrap_or(VolumeKind::File);
            self.volumes.put(Volume {
                format: crate::capabilities::volume_format(
                    place.pool.kind,
                    new.document.format().unwrap_or("raw"),
                ),
                capacity: new.capacity().unwrap_or(0),
                encryption: new.document.target.encryption.clone().map(Box::new),
                unfinished: Some(file.into()),
                ..Volume::named(name, kind)
            });
        };
        let encryption = new.document.target.encryption.as_ref();
        // A file is told from others by its name, which it takes when it is whole: how it is opened is known before.
        let known_before = encryption.filter(|_| place.pool.kind.has_files());
        let (known, path) = (&self.volumes.encryptions, place.host.encryptions_of(self.uuid));
        let file = Volume::named(name, VolumeKind::File);
        if let Some(encryption) = known_before {
            known.note(&path, &file, encryption)?;
        }
        let made = backend.volumes().create(place, new, &begun, cancel);
        if let (Err(_), Some(_)) = (&made, known_before) {
            known.forget(&path, &file)?;
        }
        made?;
        self.look_again(backend, place, name, cancel)?;
        match encryption {
            Some(encryption) if known_before.is_none() => self.note(backend, place, name, encryption, cancel),
            _ => Ok(()),
        }
    }

    /// Notes how a volume that was made is opened; one of which that cannot be noted is not to be.
    fn note(
        &self,
        backend: &dyn Backend,
        place: &Place,
        name: &str,
        encryption: &Encryption,
        cancel: &Cancel,
    ) -> Result<()> {
        let Some(made) = self.volumes.get(name) else {
            return Ok(());
        };
        let path = place.host.encryptions_of(self.uuid);
        if let Err(err) = self.volumes.encryptions.note(&path, &made, encryption) {
            backend.volumes().remove(place, &made, cancel)?;
            self.look_again(backend, place, name, cancel)?;
            return Err(err);
        }
        self.volumes.put(Volume {
            encryption: Some(Box::new(encryption.clone())),
            ..Volume::clone(&made)
        });
        Ok(())
    }

    /// Looks at what a change of a volume may have changed.
    ///
    /// # Errors
    /// What the storage says.
    pub(crate) fn look_again(
        &self,
        backend: &dyn Backend,
        place: &Place,
        name: &str,
        cancel: &Cancel,
    ) -> Result<()> {
        let look = self.volumes.look_begins();
        let room = match backend.volumes().look_again(place, name, cancel)? {
            Seen::One(volume, room) => {
                match *volume {
                    Some(volume) => self.volumes.put(volume),
                    None => self.volumes.forget(name),
                }
                room
            }
            Seen::All(scan) => {
                self.volumes.seen(look, scan.volumes, Some(name));
                scan.room
            }
        };
        self.update(|state| state.room.clone_from(&room));
        Ok(())
    }
}

//! How volumes of a kind of pool are made and used.

use super::{Place, Room, Scan};
use crate::failure::{argument, unsupported};
use crate::files::{Algorithm, wipe};
use crate::keys::Passphrase;
use crate::volume::Volume;
use crate::volume::change::Resize;
use crate::volume::new::NewVolume;
use error::{Error, Result};
use std::fs::File;
use std::path::PathBuf;
use tool::Cancel;

/// What is seen after a change.
#[derive(Debug)]
pub(crate) enum Seen {
    /// The volume that was changed, and what is free now: no other one can have changed with it.
    One(Box<Option<Volume>>, Room),
    /// Everything.
    All(Scan),
}

/// How volumes of a kind of pool are made and used. Everything here blocks, and is called on the threads of one pool only,
/// for several volumes side by side.
///
/// What libvirt does not do for every kind is refused unless a kind has it.
pub(crate) trait Volumes: std::fmt::Debug + Sync {
    /// Everything the pool has; removes what earlier daemons left unfinished.
    fn scan(&self, place: &Place, cancel: &Cancel) -> Result<Scan>;

    /// What the pool has room for now.
    fn room(&self, place: &Place, cancel: &Cancel) -> Result<Room>;

    /// A volume as it is now, or as it was last seen where telling that would take a program; `None` when it is gone.
    fn look(&self, _place: &Place, known: &Volume) -> Result<Option<Volume>> {
        Ok(Some(known.clone()))
    }

    /// What there is after a change of the volume of that name.
    fn look_again(&self, place: &Place, _name: &str, cancel: &Cancel) -> Result<Seen> {
        self.scan(place, cancel).map(Seen::All)
    }

    /// Refuses, before anything is touched, what no pool of the kind can make.
    fn check(&self, _new: &NewVolume) -> Result<()> {
        Ok(())
    }

    /// Makes a volume; nothing is left of one that fails. `begun` hears a word for it as long as it is unfinished, which is what
    /// [`Volumes::written`] understands.
    fn create(&self, place: &Place, _new: &NewVolume, _begun: &dyn Fn(&str), _cancel: &Cancel) -> Result<()> {
        Err(unable(place, "making volumes"))
    }

    /// How many bytes an unfinished volume takes so far, where that is known.
    fn written(&self, _place: &Place, _unfinished: &str) -> Option<u64> {
        None
    }

    /// Refuses, before anything is touched, to remove a volume that cannot be removed. Where `with_snapshots` says so, removes all
    /// states of it that are kept beside it, which only some kinds have.
    fn before_removal(
        &self,
        place: &Place,
        _volume: &Volume,
        with_snapshots: bool,
        _cancel: &Cancel,
    ) -> Result<()> {
        if with_snapshots {
            let kind = place.pool.kind.as_str();
            return Err(argument(format!(
                "volumes of pools of type '{kind}' have no snapshots that could be removed"
            )));
        }
        Ok(())
    }

    /// Removes a volume.
    fn remove(&self, place: &Place, _volume: &Volume, _cancel: &Cancel) -> Result<()> {
        Err(unable(place, "removing volumes"))
    }

    /// Gives a volume another size; an encrypted one is opened with `passphrase`.
    fn resize(
        &self,
        place: &Place,
        _volume: &Volume,
        _to: Resize,
        _passphrase: Option<&Passphrase>,
        _cancel: &Cancel,
    ) -> Result<()> {
        Err(unable(place, "changing of volume capacity"))
    }

    /// A volume's content, to be read or written, and where programs find it.
    fn content(&self, place: &Place, _volume: &Volume, _write: bool) -> Result<(File, PathBuf)> {
        Err(unable(place, "access to the content of volumes"))
    }

    /// Overwrites a volume's content.
    fn wipe(&self, place: &Place, volume: &Volume, algorithm: Algorithm, cancel: &Cancel) -> Result<()> {
        let (file, path) = self.content(place, volume, true)?;
        wipe(&file, &path, algorithm, cancel)
    }
}

/// What a client hears of something that pools of a kind do not do.
pub(super) fn unable(place: &Place, what: &str) -> Error {
    let (kind, name) = (place.pool.kind.as_str(), &place.pool.name);
    unsupported(format!(
        "storage pool '{name}' of type '{kind}' does not support {what}"
    ))
}

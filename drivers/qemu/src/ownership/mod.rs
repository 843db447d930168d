//! Files of guests change hands: they are the guests' user's while a guest runs, and their former owner's again afterwards.
//!
//! Whose a file was stands at the file itself, with how many guests use it, in extended attributes that libvirt writes the same:
//! ```text
//!  trusted.libvirt.security.dac            +1000:+1000     whose it was
//!  trusted.libvirt.security.ref_dac        2               how many guests it belongs to
//!  trusted.libvirt.security.timestamp_dac  1795790541      the host's boot; what is older counts no more
//! ```
//! File systems without such attributes forget it: what lies there is root's afterwards, as with libvirt.

mod attributes;
mod files;
mod label;

pub(crate) use files::Owned;
pub(crate) use label::{identity, parse, tell};

use error::{Code, Domain as ErrorDomain, Error, Result};
use parking_lot::Mutex;
use rustix::io::Errno;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

/// A user and a group.
pub(crate) type Identity = (u32, u32);

/// Looks and changes belong together.
static TURN: Mutex<()> = Mutex::new(());

fn refused(path: &Path, err: std::io::Error) -> Error {
    let text = format!("unable to change the owner of '{}': {err}", path.display());
    Error::new(Code::SystemError, ErrorDomain::Security, text).caused_by(err)
}

/// Gives a file to the user of a guest; whose it was is noted where `remember` says so.
///
/// # Errors
/// [`Code::OperationInvalid`] for a file that is another user's because another guest uses it, else what the kernel says.
pub(crate) fn give(path: &Path, to: Identity, remember: bool) -> Result<()> {
    let _turn = TURN.lock();
    let file = match std::fs::metadata(path) {
        Ok(file) => file,
        // Who needs it will say so.
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(err) => return Err(refused(path, err)),
    };
    let now = (file.uid(), file.gid());
    if remember {
        let users = attributes::add_user(path, now).map_err(|err| refused(path, err.into()))?;
        if users.is_some_and(|users| users > 1) && now != to {
            attributes::remove_user(path).map_err(|err| refused(path, err.into()))?;
            let text = format!(
                "Setting different DAC user or group on {} which is already in use",
                path.display()
            );
            return Err(Error::new(Code::OperationInvalid, ErrorDomain::Security, text));
        }
    }
    match change(path, now, to) {
        Ok(()) => Ok(()),
        Err(err) => {
            if remember {
                let _ = attributes::remove_user(path);
            }
            Err(refused(path, err))
        }
    }
}

/// Gives a file back to whose it was, once no guest uses it any more.
///
/// # Errors
/// What the kernel says.
pub(crate) fn take_back(path: &Path, remember: bool) -> Result<()> {
    /// Whose a file is of which nothing is known.
    const ROOT: Identity = (0, 0);
    let _turn = TURN.lock();
    let file = match std::fs::metadata(path) {
        Ok(file) => file,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(err) => return Err(refused(path, err)),
    };
    let to = if remember {
        match attributes::remove_user(path).map_err(|err| refused(path, err.into()))? {
            attributes::Left::Others => return Ok(()),
            attributes::Left::Nobody(Some(owner)) => owner,
            // It was never given away, or nobody noted it.
            attributes::Left::Nobody(None) => return Ok(()),
            attributes::Left::Unknown => ROOT,
        }
    } else {
        ROOT
    };
    change(path, (file.uid(), file.gid()), to).map_err(|err| refused(path, err))
}

fn change(path: &Path, now: Identity, to: Identity) -> std::io::Result<()> {
    if now == to {
        return Ok(());
    }
    match chown(path, Some(to.0), Some(to.1)) {
        // Nothing can be changed there, and whoever may read it may.
        Err(err)
            if [Errno::ROFS, Errno::OPNOTSUPP]
                .map(|no| Some(no.raw_os_error()))
                .contains(&err.raw_os_error()) =>
        {
            tracing::debug!(path = %path.display(), %err, "a file does not change hands");
            Ok(())
        }
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_goes_back_to_whose_it_was_after_its_last_guest() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("NOT RUN: only root can give files away");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        std::fs::write(&path, "x").unwrap();
        chown(&path, Some(1234), Some(1235)).unwrap();
        let owner = || {
            let file = std::fs::metadata(&path).unwrap();
            (file.uid(), file.gid())
        };
        give(&path, (777, 778), true).unwrap();
        assert_eq!(owner(), (777, 778));
        if attributes::remembered(&path).is_none() {
            eprintln!("NOT RUN: no extended attributes here");
            return;
        }
        give(&path, (777, 778), true).unwrap();
        let other = give(&path, (9, 9), true).unwrap_err();
        assert_eq!(other.code(), Code::OperationInvalid);
        take_back(&path, true).unwrap();
        assert_eq!(owner(), (777, 778));
        take_back(&path, true).unwrap();
        assert_eq!(owner(), (1234, 1235));
        assert_eq!(attributes::remembered(&path), None);
        // Who gives it back once more changes nothing.
        take_back(&path, true).unwrap();
        assert_eq!(owner(), (1234, 1235));
        assert!(give(&dir.path().join("none"), (1, 1), true).is_ok());
    }
}

//! Files that are being made: under a name that no volume has, until they are whole.
//!
//! The name says which instance of the driver makes it. What the driver finds under its own name and does not know of was
//! being made when a daemon died, and goes.

use super::Folder;
use crate::failure::system;
use error::Result;
use model::storage::Permissions;
use parking_lot::Mutex;
use rustix::fs::{self, FallocateFlags, Mode, OFlags};
use rustix::io::Errno;
use std::collections::HashSet;
use std::fs::{File, Permissions as Bits};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt, fchown};
use std::path::PathBuf;

/// What the names of unfinished files begin with.
const BEGIN: &str = ".ferrovirt-";

/// The unfinished files of an instance of the driver.
#[derive(Debug)]
pub(crate) struct Unfinished {
    begin: String,
    /// What those are marked with that are no files, and can be marked.
    mark: String,
    /// Those of this daemon.
    names: Mutex<HashSet<String>>,
}

/// What marks begin with.
const MARK: &str = "ferrovirt-unfinished-";

/// Something of this daemon that is being made, and is no file, until the value goes.
#[derive(Debug)]
pub(crate) struct Marked<'a> {
    unfinished: &'a Unfinished,
    name: String,
}

impl Unfinished {
    /// `instance` tells this instance of the driver from all others, on other hosts, too.
    pub(crate) fn new(instance: &str) -> Self {
        Self {
            begin: format!("{BEGIN}{instance}."),
            mark: format!("{MARK}{instance}"),
            names: Mutex::default(),
        }
    }

    /// Whether a file is unfinished, whoever makes it: no volume yet.
    pub(crate) fn is_any(name: &str) -> bool {
        name.starts_with(BEGIN)
    }

    /// The mark of this instance.
    pub(crate) fn mark(&self) -> &str {
        &self.mark
    }

    /// Whether something with such marks is unfinished, whoever makes it: no volume yet.
    pub(crate) fn marks_any(mark: &str) -> bool {
        mark.starts_with(MARK)
    }

    /// Begins to make something that is no file, under a name that nothing else on the host has.
    pub(crate) fn begin(&self, name: String) -> Marked<'_> {
        self.names.lock().insert(name.clone());
        Marked {
            unfinished: self,
            name,
        }
    }

    /// Whether this daemon makes it.
    pub(crate) fn is_own(&self, name: &str) -> bool {
        self.names.lock().contains(name)
    }

    /// Removes what daemons before this one left in a folder.
    pub(crate) fn clean(&self, folder: &Folder) -> Result<()> {
        for name in folder.names()? {
            if name.starts_with(&self.begin) && !self.names.lock().contains(&name) {
                tracing::info!(
                    name,
                    "removing a volume that was being made when the daemon ended"
                );
                folder.remove(&name)?;
            }
        }
        Ok(())
    }
}

impl Drop for Marked<'_> {
    fn drop(&mut self) {
        self.unfinished.names.lock().remove(&self.name);
    }
}

/// A file or folder that is being made. It is removed with the value unless it was finished.
#[derive(Debug)]
pub(crate) struct Making<'a> {
    folder: &'a Folder,
    unfinished: &'a Unfinished,
    name: String,
    finished: bool,
}

impl<'a> Making<'a> {
    /// Chooses a name; nothing is made yet.
    pub(crate) fn new(folder: &'a Folder, unfinished: &'a Unfinished) -> Self {
        let name = format!("{}{}", unfinished.begin, uuid::Uuid::new_v4().simple());
        unfinished.names.lock().insert(name.clone());
        Self {
            folder,
            unfinished,
            name,
            finished: false,
        }
    }

    /// What it is called for now.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where it is for now.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path(&self.name)
    }

    /// Makes an empty file that only its owner may read.
    ///
    /// # Errors
    /// [`error::Code::SystemError`].
    pub(crate) fn file(&self) -> Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        fs::openat(self.folder.fd(), &*self.name, flags, Mode::from_raw_mode(0o600))
            .map(File::from)
            .map_err(|err| self.folder.failed("create", &self.name, err))
    }

    /// Makes an empty folder that only its owner may enter.
    ///
    /// # Errors
    /// [`error::Code::SystemError`].
    pub(crate) fn directory(&self) -> Result<()> {
        fs::mkdirat(self.folder.fd(), &*self.name, Mode::from_raw_mode(0o700))
            .map_err(|err| self.folder.failed("create", &self.name, err))
    }

    /// Puts what was made on disk and gives it its name for good. Its label is what the system gives it, as at libvirt, which tells
    /// labels and sets none.
    ///
    /// # Errors
    /// [`error::Code::OperationInvalid`] where the name is taken, [`error::Code::SystemError`].
    pub(crate) fn finish(mut self, name: &str, permissions: &Permissions, mode: u32) -> Result<()> {
        let failed = |err: io::Error| {
            system(
                format!("cannot finish '{}'", self.folder.path(name).display()),
                err,
            )
        };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = fs::openat(self.folder.fd(), &*self.name, flags, Mode::empty())
            .map(File::from)
            .map_err(|err| failed(err.into()))?;
        if permissions.owner.is_some() || permissions.group.is_some() {
            fchown(&file, permissions.owner, permissions.group)
                .map_err(|err| system(format!("cannot give volume '{name}' to its owner and group"), err))?;
        }
        let mode = permissions.mode.map_or(mode, |mode| mode.0);
        file.set_permissions(Bits::from_mode(mode)).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        self.folder.rename(&self.name, name)?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        if !self.finished
            && self.folder.has(&self.name)
            && let Err(err) = self.folder.remove(&self.name)
        {
            tracing::warn!(%err, "a volume that was given up stays as a left-over until the next refresh");
        }
        self.unfinished.names.lock().remove(&self.name);
    }
}

/// Gives a stretch of a file room on the disk.
///
/// # Errors
/// What the disk says: that it is full.
pub(crate) fn allocate(file: &File, offset: u64, length: u64) -> io::Result<()> {
    if length == 0 {
        return Ok(());
    }
    match fs::fallocate(file, FallocateFlags::KEEP_SIZE, offset, length) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
            // A byte in each block makes the file system find room for it.
            let end = offset.saturating_add(length);
            let block = vec![0; 64 << 10];
            let mut at = offset;
            while at < end {
                let step = (end - at).min(block.len() as u64);
                let zeroes = block
                    .get(..usize::try_from(step).unwrap_or(0))
                    .unwrap_or_default();
                file.write_all_at(zeroes, at)?;
                at += step;
            }
            Ok(())
        }
        Err(err) => Err(err.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_up_is_gone_and_what_others_make_stays() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let (own, other) = (Unfinished::new("own"), Unfinished::new("other"));
        let making = Making::new(&folder, &own);
        making.file().unwrap();
        let foreign = Making::new(&folder, &other);
        foreign.file().unwrap();
        own.clean(&folder).unwrap();
        assert_eq!(folder.names().unwrap().len(), 2, "neither is a left-over");
        assert!(
            folder
                .names()
                .unwrap()
                .iter()
                .all(|name| Unfinished::is_any(name))
        );
        Unfinished::new("own").clean(&folder).unwrap();
        assert_eq!(
            folder.names().unwrap(),
            [foreign.name()],
            "the next daemon knows of none"
        );
        drop((making, foreign));
        assert_eq!(folder.names().unwrap(), [""; 0]);
        let making = Making::new(&folder, &own);
        making.file().unwrap();
        making.finish("a.img", &Permissions::default(), 0o600).unwrap();
        assert_eq!(folder.names().unwrap(), ["a.img"]);
        let making = Making::new(&folder, &own);
        making.file().unwrap();
        assert!(making.finish("a.img", &Permissions::default(), 0o600).is_err());
        assert_eq!(folder.names().unwrap(), ["a.img"]);
    }
}

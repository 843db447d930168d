//! The folder of a pool: files in it are reached from its descriptor, so that no name leads out of it.

use crate::failure::{invalid, refused, system};
use cap_std::fs::{OpenOptions, OpenOptionsExt};
use error::{Code, Error, Result};
use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// A folder that is open.
#[derive(Debug)]
pub(crate) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

/// Something in a folder.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    /// What it was when the folder was read; unknown where the file system does not say.
    pub(super) kind: FileType,
}

/// How many bytes a file system has, and how many of them are taken and free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Figures {
    pub capacity: u64,
    pub allocation: u64,
    pub available: u64,
}

impl Folder {
    /// Opens a folder.
    ///
    /// # Errors
    /// [`Code::SystemError`] with the path.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::open(path, flags, Mode::empty())
            .map_err(|err| system(format!("cannot open directory '{}'", path.display()), err))?;
        Ok(Self {
            fd,
            path: path.to_owned(),
        })
    }

    /// Where a file of that name is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    pub(super) fn failed(&self, what: &str, name: &str, err: Errno) -> error::Error {
        system(format!("cannot {what} '{}'", self.path(name).display()), err)
    }

    /// What the file system says of itself.
    ///
    /// # Errors
    /// [`Code::SystemError`].
    pub(crate) fn figures(&self) -> Result<Figures> {
        let found = fs::fstatvfs(&self.fd)
            .map_err(|err| system(format!("cannot tell the size of '{}'", self.path.display()), err))?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        let (capacity, available) = (bytes(found.f_blocks), bytes(found.f_bfree));
        Ok(Figures {
            capacity,
            allocation: capacity.saturating_sub(available),
            available,
        })
    }

    /// What the file system says of the folder.
    ///
    /// # Errors
    /// [`Code::SystemError`].
    pub(crate) fn facts(&self) -> Result<crate::volume::FileFacts> {
        let file = self
            .fd
            .try_clone()
            .and_then(|fd| File::from(fd).metadata())
            .map_err(|err| system(format!("cannot look at '{}'", self.path.display()), err))?;
        Ok((&file).into())
    }

    /// The names of what is in it, as far as they can be told to clients.
    ///
    /// # Errors
    /// [`Code::SystemError`].
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let entries = self.entries()?;
        Ok(entries.into_iter().map(|entry| entry.name).collect())
    }

    /// The same, with what the folder itself says that they are.
    ///
    /// # Errors
    /// As [`Self::names`].
    pub(super) fn entries(&self) -> Result<Vec<Entry>> {
        let unread = |err| system(format!("cannot read directory '{}'", self.path.display()), err);
        let mut entries = Vec::new();
        for entry in Dir::read_from(&self.fd).map_err(unread)? {
            let entry = entry.map_err(unread)?;
            match entry.file_name().to_str() {
                Ok("." | "..") => {}
                Ok(name) if !name.contains(char::is_control) => entries.push(Entry {
                    name: name.to_owned(),
                    kind: entry.file_type(),
                }),
                _ => tracing::debug!(name = ?entry.file_name(), "no name that a volume can have"),
            }
        }
        Ok(entries)
    }

    /// Opens the content of a file. Links are followed as long as they stay within the folder.
    ///
    /// # Errors
    /// [`Code::NoStorageVol`] where it is gone, [`Code::OperationDenied`] where a link leads out, [`Code::SystemError`].
    pub(crate) fn content(&self, name: &str, write: bool) -> Result<File> {
        // A pipe in the place of a file must keep nobody waiting.
        let flags = OFlags::NOCTTY | OFlags::NONBLOCK;
        let mut options = OpenOptions::new();
        options.read(true).write(write);
        options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
        let opened = self
            .fd
            .try_clone()
            .and_then(|fd| cap_std::fs::Dir::from_std_file(fd.into()).open_with(name, &options));
        let file = opened.map_err(|err| match err.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOENT) => refused(
                Code::NoStorageVol,
                format!("'{}' is not there any more", self.path(name).display()),
            ),
            Some(Errno::XDEV | Errno::LOOP) => self.leads_out(name),
            // What is found without the kernel's help has no number.
            None if err.kind() == std::io::ErrorKind::PermissionDenied => self.leads_out(name),
            Some(Errno::ISDIR) => invalid(format!("'{}' is a directory", self.path(name).display())),
            _ => system(format!("cannot open '{}'", self.path(name).display()), err),
        })?;
        Ok(file.into_std())
    }

    fn leads_out(&self, name: &str) -> Error {
        let path = self.path(name);
        let text = format!(
            "'{}' is a link that leads out of its pool, and is not followed",
            path.display()
        );
        refused(Code::OperationDenied, text)
    }

    /// Whether something of that name is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Gives a file its final name for good, unless that is taken.
    ///
    /// # Errors
    /// [`Code::OperationInvalid`] where it is; [`Code::SystemError`].
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<()> {
        let renamed = match fs::renameat_with(&self.fd, from, &self.fd, to, RenameFlags::NOREPLACE) {
            // Not every file system can do that in one step, NFS for one.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                fs::linkat(&self.fd, from, &self.fd, to, AtFlags::empty())
                    .and_then(|()| fs::unlinkat(&self.fd, from, AtFlags::empty()))
            }
            outcome => outcome,
        };
        match renamed {
            Ok(()) => self.sync(),
            Err(Errno::EXIST) => Err(invalid(format!(
                "volume target path '{}' already exists",
                self.path(to).display()
            ))),
            Err(err) => Err(self.failed("create", to, err)),
        }
    }

    /// Removes a file, or a folder that is empty. A link is removed itself. No daemon finds it again; after a failure of power within
    /// moments it may be there, and whole: whoever does something next that must not come before waits for the disk by
    /// [`Self::sync`].
    ///
    /// # Errors
    /// [`Code::SystemError`].
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        let removed = match fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) => fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR),
            outcome => outcome,
        };
        match removed {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(err) => Err(self.failed("remove", name, err)),
        }
    }

    /// Puts on disk for good which names are in it.
    ///
    /// # Errors
    /// [`Code::SystemError`].
    pub(crate) fn sync(&self) -> Result<()> {
        match fs::fsync(&self.fd) {
            // A file system without that is as durable as it gets.
            Ok(()) | Err(Errno::INVAL | Errno::NOTSUP) => Ok(()),
            Err(err) => Err(system(format!("cannot sync '{}'", self.path.display()), err)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pool");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(dir.path().join("outside"), "x").unwrap();
        std::fs::write(path.join("inside"), "x").unwrap();
        for (link, target) in [("good", "inside"), ("bad", "../outside"), ("abs", "/etc/passwd")] {
            std::os::unix::fs::symlink(target, path.join(link)).unwrap();
        }
        let folder = Folder::open(&path).unwrap();
        assert!(folder.content("good", true).is_ok());
        for bad in ["bad", "abs", "../outside"] {
            assert_eq!(
                folder.content(bad, false).unwrap_err().code(),
                Code::OperationDenied,
                "{bad}"
            );
        }
        assert_eq!(
            folder.content("gone", false).unwrap_err().code(),
            Code::NoStorageVol
        );
        folder.remove("abs").unwrap();
        assert!(Path::new("/etc/passwd").exists());
        let error = Folder::open(&dir.path().join("no")).unwrap_err();
        assert!(error.to_string().contains("cannot open directory"), "{error}");
    }

    #[test]
    fn a_name_that_is_taken_is_not_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "a").unwrap();
        std::fs::write(dir.path().join("b"), "b").unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        assert_eq!(
            folder.rename("a", "b").unwrap_err().code(),
            Code::OperationInvalid
        );
        folder.rename("a", "c").unwrap();
        assert_eq!(std::fs::read(dir.path().join("b")).unwrap(), b"b");
        assert!(!folder.has("a") && folder.has("c"));
    }
}

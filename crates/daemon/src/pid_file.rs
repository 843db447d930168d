//! The pid file: who runs, and a lock that keeps a second instance away.
//!
//! The lock is on the file's first byte, where libvirt's own daemons have theirs, so that the two never serve the same
//! sockets at once. It belongs to the open file: it ends with the process, whatever ends it, but not when the process
//! hands the file to the program that takes its place. A file that is left over locks nobody out.

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A locked pid file; dropping it removes the file.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    file: File,
}

/// Why the pid file is not ours.
#[derive(Debug, thiserror::Error)]
pub enum PidFileError {
    /// Another instance holds it.
    #[error("{} is held by {owner}: stop it first", path.display())]
    Held {
        /// The file.
        path: PathBuf,
        /// The program that holds it, and its pid.
        owner: String,
    },
    /// It cannot be written.
    #[error("cannot write the pid file {}: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl PidFile {
    /// Locks the file and writes this process's id into it.
    ///
    /// # Errors
    /// Another process holds it, or it cannot be written.
    pub fn acquire(path: &Path) -> Result<Self, PidFileError> {
        let unwritable = |source: io::Error| PidFileError::Unwritable {
            path: path.to_owned(),
            source,
        };
        loop {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o644)
                .open(path)
                .map_err(unwritable)?;
            match lock(&file) {
                Ok(_) => {}
                Err(Errno::EAGAIN | Errno::EACCES) => {
                    let mut owner = String::new();
                    // An unreadable owner is as good as an unknown one.
                    let _ = Read::by_ref(&mut file).take(32).read_to_string(&mut owner);
                    return Err(PidFileError::Held {
                        path: path.to_owned(),
                        owner: describe(owner.trim()),
                    });
                }
                Err(failure) => return Err(unwritable(failure.into())),
            }
            // The former owner removes the file before it lets the lock go: then this is a lock on nothing.
            let ours = file.metadata().map_err(unwritable)?;
            if !path
                .metadata()
                .is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()))
            {
                continue;
            }
            let mut pid = Self {
                path: path.to_owned(),
                file,
            };
            pid.write().map_err(unwritable)?;
            return Ok(pid);
        }
    }

    /// The file that the program before in this process had locked.
    pub(crate) fn inherited(path: &Path, file: OwnedFd) -> Self {
        Self {
            path: path.to_owned(),
            file: file.into(),
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn write(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        writeln!(self.file, "{}", std::process::id())
    }
}

impl AsFd for PidFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A process as an administrator knows it; how much of it can be found out is a matter of luck.
fn describe(pid: &str) -> String {
    let Ok(pid) = pid.parse::<u32>() else {
        return "a process of unknown number".to_owned();
    };
    match std::fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => format!("{} (process {pid})", name.trim_end()),
        Err(_) => format!("process {pid}"),
    }
}

fn lock(file: &File) -> nix::Result<libc::c_int> {
    let first_byte = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_OFD_SETLK(&first_byte))
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // A left-over is harmless.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_the_pid_and_goes_with_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.pid");
        std::fs::write(&path, "99999999 left over by a crash\n").unwrap();
        let pid = PidFile::acquire(&path).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            format!("{}\n", std::process::id())
        );
        drop(pid);
        assert!(!path.exists());
    }

    #[test]
    fn whoever_comes_second_hears_who_was_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.pid");
        let _first = PidFile::acquire(&path).unwrap();
        let failure = PidFile::acquire(&path).unwrap_err().to_string();
        let own = std::fs::read_to_string("/proc/self/comm").unwrap();
        let named = format!("{} (process {})", own.trim_end(), std::process::id());
        assert!(failure.contains(&named), "{failure}");
        assert_eq!(describe(""), "a process of unknown number");
    }

    #[test]
    fn a_folder_that_is_not_there_is_told() {
        let failure = PidFile::acquire(Path::new("/nonexistent/a.pid")).unwrap_err();
        assert!(failure.to_string().contains("/nonexistent/a.pid"), "{failure}");
    }
}

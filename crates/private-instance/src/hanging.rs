//! A file system whose server can be stopped, and then answers nobody.

use crate::wait_until;
use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How often it is looked whether it is there.
const PAUSE: Duration = Duration::from_millis(5);

/// How much it has room for, in bytes.
const SIZE: u64 = 16 << 20;

/// An ext4 file system in a file, which FUSE serves. It is not mounted any more when the value is gone.
#[derive(Debug)]
pub struct Hanging {
    server: Child,
    folder: PathBuf,
}

impl Hanging {
    /// Makes and mounts one below `root`.
    ///
    /// # Errors
    /// `fuse2fs` or `mkfs.ext4` is not installed, or fails.
    pub fn below(root: &Path) -> Result<Self> {
        let (image, folder) = (root.join("fuse.img"), root.join("fuse"));
        File::create(&image)?.set_len(SIZE)?;
        fs::create_dir(&folder)?;
        let mut make = Command::new("mkfs.ext4");
        make.args(["-q", "-F", "-O", "^has_journal"]).arg(&image);
        ensure!(make.status().context("mkfs.ext4")?.success(), "{make:?}");
        let server = Command::new("fuse2fs")
            .args([&image, &folder])
            .args(["-f", "-o", "fakeroot"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("fuse2fs")?;
        let hanging = Self { server, folder };
        let mark = hanging.folder.join("lost+found");
        wait_until("the file system", PAUSE, || Ok(mark.exists().then_some(())))?;
        Ok(hanging)
    }

    /// Where it is mounted.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The process that serves it.
    pub fn pid(&self) -> u32 {
        self.server.id()
    }

    /// From now on it answers nobody.
    ///
    /// # Errors
    /// Its server has ended.
    pub fn stop(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// From now on it answers again, also those who have waited.
    ///
    /// # Errors
    /// Its server has ended.
    pub fn go_on(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.server), signal).context("fuse2fs has ended")
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}

//! A disk of a test's own: a loop device over a sparse file.
#![allow(
    clippy::print_stderr,
    reason = "who reads the tests' words is to see what was not run"
)]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A loop device, which is detached with the value.
#[derive(Debug)]
pub struct LoopDevice {
    /// Where it is.
    pub path: String,
    image: PathBuf,
}

impl LoopDevice {
    /// A disk of that many bytes, of a file in `folder`; `None` where the host has no loop devices for this user, which is told.
    ///
    /// # Panics
    /// When the file cannot be made.
    pub fn new(folder: &Path, name: &str, size: u64) -> Option<Self> {
        let image = folder.join(name);
        File::create(&image)
            .and_then(|file| file.set_len(size))
            .expect("the disk's file");
        let attached = Command::new("losetup")
            .args(["--find", "--show"])
            .arg(&image)
            .output();
        match attached {
            Ok(output) if output.status.success() => Some(Self {
                path: String::from_utf8_lossy(&output.stdout).trim().to_owned(),
                image,
            }),
            failed => {
                eprintln!("NOT RUN: no loop device for a disk: {failed:?}");
                None
            }
        }
    }

    /// What the kernel calls it, without its folder.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The path of the partition with that number.
    pub fn partition(&self, number: u32) -> String {
        format!("{}p{number}", self.path)
    }

    /// What lies on the disk at a place, past the kernel's memory of any partition.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn read(&self, at: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let file = File::open(&self.image).expect("the disk's file");
        file.read_exact_at(&mut bytes, at).expect("the disk's content");
        bytes
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["--detach", &self.path]).status();
    }
}

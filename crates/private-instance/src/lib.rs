//! A private instance: any number of this project's daemons with everything they have below one directory, which ends
//! with the value that stands for it.
//!
//! `FERROVIRT_ROOT=DIR` has a daemon look below `DIR` for what it otherwise looks for below `/`, so that daemons with
//! the same `DIR` find each other as on a host. Tests, the benchmark and the demo start them here; what a user does by
//! hand is the same.
//!
//! ```text
//! /tmp/fvXXXXXX/            Instance::folder, for files of whoever made it
//!     root/                 FERROVIRT_ROOT
//!         etc/libvirt/      Instance::path("/etc/libvirt")
//!         run/libvirt/virtqemud-sock
//!     virtqemud.log         what the daemon says
//! ```

mod daemon;
mod hanging;
mod process;
mod realm;

pub use daemon::Daemon;
pub use hanging::Hanging;
pub use process::wait_until;
pub use realm::Realm;

use anyhow::{Context, Result};
use rustix::process::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long anything may take that is waited for. Generous, as machines are noisy: what is waited for is whether, not
/// when.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The environment variable that tells a daemon its root.
const ROOT_VARIABLE: &str = "FERROVIRT_ROOT";

/// A directory for daemons. What still runs below it is killed with the value, and the directory removed.
#[derive(Debug)]
pub struct Instance {
    folder: tempfile::TempDir,
    programs: PathBuf,
}

impl Instance {
    /// An empty directory in `parent`, whose path has to be short: sockets below it must stay within 108 bytes. The
    /// daemons' programs lie in `programs`.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn below(parent: &Path, programs: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("fv").tempdir_in(parent);
        let folder = folder.with_context(|| format!("no temporary folder in {}", parent.display()))?;
        fs::create_dir(folder.path().join("root")).context("cannot make the root of the instance")?;
        Ok(Self {
            folder,
            programs: programs.to_owned(),
        })
    }

    /// The directory that everything lies below.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file of the instance, by its absolute path on a host.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }

    /// The daemon of that name, such as `virtqemud`, not yet started.
    pub fn daemon(&self, name: &str) -> Daemon {
        Daemon::new(name, &self.programs.join(name), self.folder())
    }

    /// Writes the configuration file of that name below `/etc/libvirt`, such as `qemu.conf`.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn configure(&self, file: &str, text: &str) -> Result<()> {
        let folder = self.path("/etc/libvirt");
        fs::create_dir_all(&folder)
            .and_then(|()| fs::write(folder.join(file), text))
            .with_context(|| format!("cannot write {file}"))
    }

    /// The processes of the instance's guests: those whose home lies below it.
    pub fn guests(&self) -> Vec<u32> {
        process::with_variable("HOME", self.folder())
    }

    fn root(&self) -> PathBuf {
        root_below(self.folder())
    }
}

fn root_below(folder: &Path) -> PathBuf {
    folder.join("root")
}

/// Kills what runs below an instance's directory, as the end of the [`Instance`] does.
pub fn end_processes(folder: &Path) {
    // Daemons first: one of them might be starting a guest.
    for variable in [ROOT_VARIABLE, "HOME"] {
        for pid in process::with_variable(variable, folder) {
            let _ = process::signal(pid, Signal::KILL);
        }
    }
}

/// Removes the control groups of guests that no daemon was left to remove: a private instance has a partition of its own.
fn remove_groups(folder: &Path) {
    let name = root_below(folder).display().to_string();
    let partition = format!("machine/{}.partition", name.trim_matches('/').replace('/', "-"));
    let group = cgroup::Hierarchy::find(&cgroup::Controller::ALL).group(Path::new(&partition));
    if group.exists() {
        // What is in one still is told by whoever looks for left-overs.
        let _ = group.remove();
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        end_processes(self.folder());
        remove_groups(self.folder());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn what_still_runs_below_it_ends_with_it() {
        let instance = Instance::below(Path::new("/tmp"), Path::new("/bin")).unwrap();
        let folder = instance.folder().to_owned();
        let mut daemon = instance.daemon("sleep").with(["1000"]);
        daemon.spawn().unwrap();
        let mut guest = Command::new("sleep")
            .arg("1000")
            .env("HOME", instance.path("/var/lib/libvirt/qemu/domain-1-vm"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        assert_eq!(instance.guests(), [guest.id()]);
        drop(instance);
        guest.wait().unwrap();
        assert!(!daemon.stop().unwrap().success());
        assert!(!folder.exists());
    }
}

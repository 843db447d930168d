//! A group: made, entered and removed in all trees at once.

use crate::{Controller, Error, Hierarchy, Result};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the kernel may take until a group whose last process has ended can be removed.
const EMPTYING: Duration = Duration::from_secs(2);

/// A path in every tree of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    hierarchy: Hierarchy,
    path: PathBuf,
    /// Whether it holds threads: then only some controllers have it.
    threads: bool,
}

fn system(what: &'static str, path: &Path, source: std::io::Error) -> Error {
    Error::System {
        what,
        path: path.to_owned(),
        source,
    }
}

impl Group {
    pub(crate) fn new(hierarchy: Hierarchy, path: PathBuf) -> Self {
        Self {
            hierarchy,
            path,
            threads: false,
        }
    }

    /// Its path, without a slash at the beginning.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The trees it is in.
    pub fn hierarchy(&self) -> &Hierarchy {
        &self.hierarchy
    }

    /// The group that this one is in.
    pub fn parent(&self) -> Option<Self> {
        let path = self.path.parent()?.to_owned();
        Some(Self::new(self.hierarchy.clone(), path))
    }

    /// A group for processes in this one. It is not made.
    pub fn child(&self, name: &str) -> Self {
        Self::new(self.hierarchy.clone(), self.path.join(name))
    }

    /// A group in this one for some threads of a process that is in this one. It is not made.
    pub fn of_threads(&self, name: &str) -> Self {
        Self {
            threads: true,
            ..self.child(name)
        }
    }

    /// Whether a tree has it.
    pub fn exists(&self) -> bool {
        self.folders().any(|folder| folder.is_dir())
    }

    /// Where it is in each tree.
    fn folders(&self) -> impl Iterator<Item = PathBuf> {
        let separate = self
            .hierarchy
            .separate()
            .filter(|(controller, _)| !self.threads || controller.is_threaded())
            .map(|(_, root)| root.join(&self.path));
        let unified = self.hierarchy.unified().map(|root| root.join(&self.path));
        let mut all: Vec<PathBuf> = separate.chain(unified).collect();
        all.sort();
        all.dedup();
        all.into_iter()
    }

    /// Makes it, and what it lies in. It may be there.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn create(&self) -> Result<()> {
        for (controller, root) in self.hierarchy.separate() {
            if self.threads && !controller.is_threaded() {
                continue;
            }
            let mut folder = root.to_owned();
            for part in &self.path {
                let above = folder.clone();
                folder.push(part);
                if make(&folder)? && controller == Controller::CpuSet {
                    // A new group may use nothing, and so takes no process.
                    for file in ["cpuset.cpus", "cpuset.mems"] {
                        write(&folder.join(file), read(&above.join(file))?.trim())?;
                    }
                }
            }
        }
        let Some(root) = self.hierarchy.unified() else {
            return Ok(());
        };
        let mut folder = root.to_owned();
        for part in &self.path {
            self.enable(&folder);
            folder.push(part);
            make(&folder)?;
        }
        if self.threads {
            let kind = folder.join("cgroup.type");
            if read(&kind)?.trim() != "threaded" {
                write(&kind, "threaded")?;
            }
            // Now that what it lies in is a domain of threads, it may distribute what threads can be given.
            if let Some(parent) = folder.parent() {
                self.enable(parent);
            }
        }
        Ok(())
    }

    /// Has the groups in `folder` controlled, as far as that is possible: what is not shows when it is used.
    ///
    /// One with processes would become a domain of threads by it, and the groups in it could take no process: it is done when
    /// [`Group::create`] is called again once they have moved. The tree's root, which has no type, may have both.
    fn enable(&self, folder: &Path) {
        let holds_processes = || {
            let inside = read(&folder.join("cgroup.procs")).unwrap_or_default();
            !inside.trim().is_empty() && folder.join("cgroup.type").exists()
        };
        if !self.threads && holds_processes() {
            return;
        }
        let there = read(&folder.join("cgroup.controllers")).unwrap_or_default();
        let file = folder.join("cgroup.subtree_control");
        let on = read(&file).unwrap_or_default();
        for controller in self.hierarchy.unified_controllers() {
            let Some(name) = controller.unified_name() else {
                continue;
            };
            let possible = there.split_whitespace().any(|one| one == name);
            let needed = !on.split_whitespace().any(|one| one == name);
            if possible && needed && (!self.threads || controller.is_threaded()) {
                let _ = write(&file, &format!("+{name}"));
            }
        }
    }

    /// Moves a process into it, with all its threads.
    ///
    /// # Errors
    /// The kernel refuses: there is no such process, or none can be in this group.
    pub fn add_process(&self, pid: u32) -> Result<()> {
        self.enter(&["cgroup.procs"], pid)
    }

    /// Moves one thread into it.
    ///
    /// # Errors
    /// The kernel refuses: there is no such thread, or its process is not where this group is.
    pub fn add_thread(&self, thread: u32) -> Result<()> {
        self.enter(&["cgroup.threads", "tasks"], thread)
    }

    fn enter(&self, files: &[&str], number: u32) -> Result<()> {
        for folder in self.folders() {
            let file = files
                .iter()
                .map(|name| folder.join(name))
                .find(|file| file.exists());
            let file = file.unwrap_or_else(|| folder.join(files.first().copied().unwrap_or_default()));
            write(&file, &number.to_string())?;
        }
        Ok(())
    }

    /// Removes it with all groups in it, which must be empty. It may be gone.
    ///
    /// # Errors
    /// A process is still in one of them.
    pub fn remove(&self) -> Result<()> {
        let until = Instant::now() + EMPTYING;
        for folder in self.folders() {
            remove(&folder, until)?;
        }
        Ok(())
    }

    /// Removes it if nothing is in it.
    pub fn remove_if_empty(&self) {
        for folder in self.folders() {
            let _ = fs::remove_dir(folder);
        }
    }

    /// A file of it, with a name for each version.
    ///
    /// # Errors
    /// [`Error::NoController`], or [`Error::NotSupported`] where that version has no such file.
    pub(crate) fn file(
        &self,
        controller: Controller,
        (separate, unified): (&str, &str),
        what: &'static str,
    ) -> Result<PathBuf> {
        let found = self.hierarchy.separate().find(|(one, _)| *one == controller);
        let (root, name) = match (found, self.hierarchy.unified()) {
            (Some((_, root)), _) => (root, separate),
            (None, Some(root)) if self.hierarchy.is_unified(controller) => (root, unified),
            _ => return Err(Error::NoController(controller)),
        };
        let path = root.join(&self.path).join(name);
        if name.is_empty() || !path.exists() {
            return Err(Error::NotSupported(what, controller));
        }
        Ok(path)
    }

    /// The host's processors that threads in it may use, as a list.
    ///
    /// # Errors
    /// The kernel refuses, or has no such controller.
    pub fn set_processors(&self, list: &str) -> Result<()> {
        let names = ("cpuset.cpus", "cpuset.cpus");
        write(
            &self.file(Controller::CpuSet, names, "a set of processors")?,
            list,
        )
    }

    /// The host's nodes that memory comes from, as a list.
    ///
    /// # Errors
    /// The kernel refuses, or has no such controller.
    pub fn set_memory_nodes(&self, list: &str) -> Result<()> {
        let names = ("cpuset.mems", "cpuset.mems");
        let file = self.file(Controller::CpuSet, names, "a set of nodes")?;
        // Pages follow; version 2 always has it so.
        let migrate = file.with_file_name("cpuset.memory_migrate");
        if migrate.exists() {
            write(&migrate, "1")?;
        }
        write(&file, list)
    }

    /// The nodes as [`Group::set_memory_nodes`] set them.
    ///
    /// # Errors
    /// The kernel refuses, or has no such controller.
    pub fn memory_nodes(&self) -> Result<String> {
        let names = ("cpuset.mems", "cpuset.mems");
        let text = read(&self.file(Controller::CpuSet, names, "a set of nodes")?)?;
        Ok(text.trim().to_owned())
    }
}

/// Makes a folder; whether it was not there.
fn make(folder: &Path) -> Result<bool> {
    match fs::create_dir(folder) {
        Ok(()) => Ok(true),
        Err(err) if err.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(err) => Err(system("make the control group", folder, err)),
    }
}

fn remove(folder: &Path, until: Instant) -> Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(()),
        Err(err) => return Err(system("list", folder, err)),
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path(), until)?;
        }
    }
    loop {
        match fs::remove_dir(folder) {
            Ok(()) => return Ok(()),
            Err(err) if err.kind() == ErrorKind::NotFound => return Ok(()),
            // A process that has ended leaves its groups a moment later, and nothing tells when.
            Err(err) if err.kind() == ErrorKind::ResourceBusy && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(err) => return Err(system("remove the control group", folder, err)),
        }
    }
}

pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|err| system("read", path, err))
}

pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|err| system("write to", path, err))
}

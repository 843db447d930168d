//! What guests may use of their host: control groups, threads, limits of disks, processors that come and go.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test"
)]

mod limits;
mod owners;
mod refusals;
mod threads;

use end_to_end::Instance;
use std::fs;
use std::path::PathBuf;

/// The groups of a guest, of one controller of the host.
struct Groups {
    /// Where its emulator's threads are.
    emulator: PathBuf,
    /// Whether that is version 2.
    unified: bool,
}

impl Groups {
    /// Those of the only guest; `None` where the host has no such controller, which is told.
    fn of(instance: &Instance, controller: &str) -> Option<Self> {
        let [pid] = instance.guests().try_into().unwrap();
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let found = mounts.lines().find_map(|line| {
            let (mount, kind) = line.split_once(" - ")?;
            let place = mount.split(' ').nth(4)?;
            let mut kind = kind.split(' ');
            let unified = match kind.next()? {
                "cgroup" => kind
                    .nth(1)?
                    .split(',')
                    .any(|one| one == controller)
                    .then_some(false)?,
                "cgroup2" => {
                    let name = if controller == "blkio" { "io" } else { controller };
                    let there = fs::read_to_string(format!("{place}/cgroup.controllers")).ok()?;
                    there.split_whitespace().any(|one| one == name).then_some(true)?
                }
                _ => return None,
            };
            let group = text.lines().find_map(|line| {
                let mut fields = line.splitn(3, ':').skip(1);
                let controllers = fields.next()?;
                let path = fields.next()?;
                let ours = if unified {
                    controllers.is_empty()
                } else {
                    controllers.split(',').any(|one| one == controller)
                };
                ours.then(|| path.to_owned())
            })?;
            let emulator = PathBuf::from(format!("{place}{group}"));
            Some(Self { emulator, unified })
        });
        if found.is_none() {
            eprintln!("NOT RUN: no {controller} controller on this host");
        }
        found
    }

    /// What a file of the whole guest's group says.
    fn whole(&self, separate: &str, unified: &str) -> String {
        let folder = match self.emulator.ends_with("emulator") {
            true => self.emulator.parent().unwrap(),
            false => &self.emulator,
        };
        read(folder.join(if self.unified { unified } else { separate }))
    }

    /// What a file of some threads' group says.
    fn threads(&self, name: &str, separate: &str, unified: &str) -> String {
        let folder = self.emulator.with_file_name(name);
        read(folder.join(if self.unified { unified } else { separate }))
    }
}

fn read(path: PathBuf) -> String {
    let text = fs::read_to_string(&path);
    text.unwrap_or_else(|err| panic!("{}: {err}", path.display()))
        .trim()
        .to_owned()
}

/// A parameter that virsh shows.
fn shown(text: &str, name: &str) -> String {
    let line = text
        .lines()
        .find(|line| line.split(':').next().is_some_and(|one| one.trim() == name));
    let line = line.unwrap_or_else(|| panic!("no {name}: {text}"));
    line.split_once(':').unwrap().1.trim().to_owned()
}

/// The groups of this instance's guests that are left anywhere.
fn left_groups(instance: &Instance) -> Vec<PathBuf> {
    let partition = format!(
        "machine/{}.partition",
        instance
            .path("/")
            .display()
            .to_string()
            .trim_matches('/')
            .replace('/', "-")
    );
    let trees = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
    let trees = trees
        .map(|entry| entry.path())
        .chain([PathBuf::from("/sys/fs/cgroup")]);
    trees
        .map(|tree| tree.join(&partition))
        .filter(|group| group.exists())
        .collect()
}

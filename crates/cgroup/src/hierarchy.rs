//! Which controllers there are, and where.

use crate::Group;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

/// A controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Controller {
    /// Shares of processors, and limits of their time.
    Cpu,
    /// Processor time used. Version 2 counts it without a controller.
    CpuAcct,
    /// Which processors and nodes of memory are used.
    CpuSet,
    /// Memory.
    Memory,
    /// Block devices.
    Block,
    /// Which device nodes may be opened. Version 2 has programs for that, and no files.
    Devices,
}

impl Controller {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Cpu,
        Self::CpuAcct,
        Self::CpuSet,
        Self::Memory,
        Self::Block,
        Self::Devices,
    ];

    /// Its name in version 1, which is also what users call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::CpuAcct => "cpuacct",
            Self::CpuSet => "cpuset",
            Self::Memory => "memory",
            Self::Block => "blkio",
            Self::Devices => "devices",
        }
    }

    /// Its name in version 2, where it has one there.
    pub fn unified_name(self) -> Option<&'static str> {
        match self {
            Self::CpuAcct | Self::Devices => None,
            Self::Block => Some("io"),
            other => Some(other.name()),
        }
    }

    /// The one of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|controller| controller.name() == name)
    }

    /// Whether threads of one process may be in different groups of it.
    pub(crate) fn is_threaded(self) -> bool {
        matches!(self, Self::Cpu | Self::CpuAcct | Self::CpuSet)
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The trees of groups of this host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hierarchy {
    /// Where each controller of version 1 is mounted.
    separate: BTreeMap<Controller, PathBuf>,
    /// Where version 2 is mounted, and what it controls.
    unified: Option<(PathBuf, BTreeSet<Controller>)>,
}

impl Hierarchy {
    /// What the kernel says is mounted, of the controllers that may be used.
    pub fn find(allowed: &[Controller]) -> Self {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        Self::of(&mounts, allowed, &|mount| {
            std::fs::read_to_string(mount.join("cgroup.controllers")).unwrap_or_default()
        })
    }

    /// The same of the text of a `/proc/PID/mountinfo` (proc_pid_mountinfo(5)).
    pub(crate) fn of(mounts: &str, allowed: &[Controller], controllers: &dyn Fn(&Path) -> String) -> Self {
        let mut found = Self::default();
        for line in mounts.lines() {
            let Some((mount, kind)) = line.split_once(" - ") else {
                continue;
            };
            let Some(place) = mount.split(' ').nth(4).map(unescaped) else {
                continue;
            };
            let mut kind = kind.split(' ');
            match kind.next() {
                Some("cgroup") => {
                    let options = kind.nth(1).unwrap_or_default();
                    for controller in options.split(',').filter_map(Controller::of_name) {
                        if allowed.contains(&controller) {
                            found.separate.entry(controller).or_insert_with(|| place.clone());
                        }
                    }
                }
                Some("cgroup2") if found.unified.is_none() => {
                    let text = controllers(&place);
                    let there: BTreeSet<&str> = text.split_whitespace().collect();
                    let mut known: BTreeSet<Controller> = Controller::ALL
                        .into_iter()
                        .filter(|one| one.unified_name().is_some_and(|name| there.contains(name)))
                        .collect();
                    if known.contains(&Controller::Cpu) {
                        known.insert(Controller::CpuAcct);
                    }
                    known.retain(|controller| allowed.contains(controller));
                    found.unified = Some((place, known));
                }
                _ => {}
            }
        }
        if let Some((_, known)) = &mut found.unified {
            known.retain(|controller| !found.separate.contains_key(controller));
        }
        found
    }

    /// Whether there is a controller at all.
    pub fn is_empty(&self) -> bool {
        self.separate.is_empty() && self.unified_controllers().next().is_none()
    }

    /// Whether there is this one.
    pub fn has(&self, controller: Controller) -> bool {
        self.separate.contains_key(&controller) || self.is_unified(controller)
    }

    /// Whether version 2 has it.
    pub fn is_unified(&self, controller: Controller) -> bool {
        self.unified_controllers().any(|one| one == controller)
    }

    /// The group that a process is in, of one of the controllers here; `None` where it has ended or there are none.
    pub fn group_of(&self, pid: u32) -> Option<Group> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        self.group_in(&text)
    }

    fn group_in(&self, text: &str) -> Option<Group> {
        let unified = self.unified_controllers().next().is_some();
        text.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':');
            let controllers = fields.nth(1)?;
            let path = fields.next()?.trim_start_matches('/');
            let ours = if controllers.is_empty() {
                unified
            } else {
                let mut names = controllers.split(',').filter_map(Controller::of_name);
                names.any(|controller| self.separate.contains_key(&controller))
            };
            ours.then(|| self.group(Path::new(path)))
        })
    }

    /// The group of that path, which begins at the root of every tree. It is not made.
    pub fn group(&self, path: &Path) -> Group {
        Group::new(self.clone(), path.to_owned())
    }

    /// The roots of the trees of version 1, each once, with its controllers.
    pub(crate) fn separate(&self) -> impl Iterator<Item = (Controller, &Path)> {
        self.separate.iter().map(|(one, place)| (*one, place.as_path()))
    }

    /// The root of version 2, where it controls something.
    pub(crate) fn unified(&self) -> Option<&Path> {
        let (place, controllers) = self.unified.as_ref()?;
        (!controllers.is_empty()).then_some(place)
    }

    /// What version 2 controls.
    pub(crate) fn unified_controllers(&self) -> impl Iterator<Item = Controller> {
        self.unified
            .iter()
            .flat_map(|(_, controllers)| controllers.iter().copied())
    }
}

/// A path as mountinfo writes it: some bytes as `\` and three octal digits.
fn unescaped(text: &str) -> PathBuf {
    let mut path = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        path.push_str(before);
        let byte = after
            .get(..3)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match byte {
            Some(byte) => path.push(char::from(byte)),
            None => path.push('\\'),
        }
        rest = byte.map_or(after, |_| after.get(3..).unwrap_or_default());
    }
    path.push_str(rest);
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &str = "\
30 23 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
33 30 0:29 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
34 30 0:30 / /sys/fs/cgroup/uni\\040fied rw,relatime - cgroup2 cgroup2 rw
";

    fn hierarchy(controllers: &str) -> Hierarchy {
        Hierarchy::of(BOTH, &Controller::ALL, &|_| controllers.to_owned())
    }

    #[test]
    fn each_controller_is_where_it_is_mounted() {
        let found = hierarchy("cpuset io memory");
        assert_eq!(
            found.separate[&Controller::CpuAcct],
            Path::new("/sys/fs/cgroup/cpu,cpuacct")
        );
        assert_eq!(found.unified(), Some(Path::new("/sys/fs/cgroup/uni fied")));
        assert!(found.has(Controller::Memory) && !found.is_unified(Controller::Memory));
        assert!(found.is_unified(Controller::Block));
        assert!(!found.has(Controller::Devices));
    }

    #[test]
    fn what_may_not_be_used_is_not_there() {
        let found = Hierarchy::of(BOTH, &[Controller::Memory], &|_| "io".to_owned());
        assert!(found.has(Controller::Memory) && !found.has(Controller::Cpu));
        assert_eq!(found.unified(), None);
        assert!(Hierarchy::of("", &Controller::ALL, &|_| String::new()).is_empty());
    }

    #[test]
    fn a_process_tells_its_group() {
        let text = "2:memory:/machine/a\n1:name=systemd:/b\n0::/c\n";
        assert_eq!(
            hierarchy("").group_in(text).unwrap().path(),
            Path::new("machine/a")
        );
        let unified = Hierarchy::of(
            "34 30 0:30 / /cg rw - cgroup2 cgroup2 rw",
            &Controller::ALL,
            &|_| "cpu".to_owned(),
        );
        assert_eq!(unified.group_in(text).unwrap().path(), Path::new("c"));
    }
}

//! What a daemon takes away from itself before it serves anybody: power, system calls and places that its work does not need.
//!
//! systemd's units do the same from outside; this holds wherever a daemon is started. Each part that the kernel does not have is
//! told in the log, and the daemon goes on without it.
//!
//! All of this is inherited by the program that takes over in the same process (`succession.rs`): it can do with less but
//! never with more. So what holds is among the notes, and a program that needs more says so in its rehearsal.

mod capabilities;
mod paths;
mod seccomp;
mod syscalls;

pub use capabilities::Capabilities;
pub use paths::Places;
pub use rustix::thread::CapabilitySet;

use crate::Layout;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a daemon needs.
#[derive(Debug, Clone, Copy)]
pub struct Needs {
    /// root's powers.
    pub capabilities: Capabilities,
    /// Whether its children are programs of this host that stand on their own, as guests are: then they must not inherit what
    /// suits the daemon, and neither privileges nor system calls nor places are taken away.
    pub children: bool,
    /// The files it works with, where they can be told; without it they may lie anywhere.
    pub places: Option<fn(&Layout) -> Places>,
}

impl Needs {
    /// Nothing is taken away.
    pub const EVERYTHING: Self = Self {
        capabilities: Capabilities::AllBut(CapabilitySet::empty()),
        children: true,
        places: None,
    };
}

/// What holds in this process, for the program that takes over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Confinement {
    /// Bits of the capabilities that it may have.
    capabilities: u64,
    /// The system calls it may make, where that is restricted.
    syscalls: Option<Vec<i64>>,
    /// The files it may use, where that is restricted.
    places: Option<Places>,
}

impl Confinement {
    /// What a daemon wants to have left; `known` are other places that its configuration and its command line name.
    pub(crate) fn wanted(needs: &Needs, layout: &Layout, known: impl FnOnce(Places) -> Places) -> Self {
        Self {
            capabilities: needs.capabilities.kept().bits(),
            syscalls: (!needs.children).then(syscalls::allowed),
            places: needs.places.filter(|_| !needs.children).map(|places| {
                let places = places(layout).and_read(COMMON.iter().map(PathBuf::from));
                known(places)
            }),
        }
    }

    /// Takes everything else away, as far as `held`, what an earlier program took, has left it; gives what holds then. The
    /// process must have one thread.
    pub(crate) fn apply(self, held: Option<&Self>) -> Self {
        capabilities::keep(self.capabilities);
        let places_held = held.and_then(|held| held.places.as_ref());
        let places = match &self.places {
            Some(places) if places_held != Some(places) => {
                let enforced = paths::restrict(places);
                enforced.then(|| places.clone()).or(places_held.cloned())
            }
            _ => places_held.cloned(),
        };
        // Last, as it takes away what the others are done with.
        let syscalls_held = held.and_then(|held| held.syscalls.as_ref());
        let syscalls = match &self.syscalls {
            Some(syscalls) if syscalls_held != Some(syscalls) => {
                let enforced = seccomp::restrict(syscalls);
                enforced.then(|| syscalls.clone()).or(syscalls_held.cloned())
            }
            _ => syscalls_held.cloned(),
        };
        Self {
            capabilities: self.capabilities & held.map_or(u64::MAX, |held| held.capabilities),
            syscalls,
            places,
        }
    }

    /// Whether a program that wants `self` can work where `held` holds.
    ///
    /// # Errors
    /// What it lacks.
    pub(crate) fn fits(&self, held: &Self) -> Result<(), String> {
        let mut lacking = Vec::new();
        if self.capabilities & !held.capabilities != 0 {
            let more = CapabilitySet::from_bits_retain(self.capabilities & !held.capabilities);
            lacking.push(format!("capabilities {more:?}"));
        }
        if let Some(held) = &held.syscalls {
            match &self.syscalls {
                None => lacking.push("all system calls".to_owned()),
                Some(wanted) => {
                    let more: Vec<_> = wanted.iter().filter(|call| !held.contains(call)).collect();
                    if !more.is_empty() {
                        lacking.push(format!("system calls {more:?}"));
                    }
                }
            }
        }
        if let Some(held) = &held.places {
            match &self.places {
                None => lacking.push("all files".to_owned()),
                Some(wanted) => lacking.extend(wanted.beyond(held)),
            }
        }
        if lacking.is_empty() {
            return Ok(());
        }
        Err(format!(
            "it needs what the running program has given away for good, so the daemon has to be restarted: {}",
            lacking.join(", ")
        ))
    }
}

/// What every daemon reads: its libraries, the host's names, what the kernel tells. Whatever lies there and is nobody's business
/// is kept from it by its unit.
const COMMON: &[&str] = &[
    "/usr",
    "/bin",
    "/lib",
    "/lib64",
    "/etc",
    "/proc",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
    "/sys/kernel/mm",
    "/dev/null",
    "/dev/random",
    "/dev/urandom",
    "/dev/zero",
    "/run/nscd",
    "/run/systemd/resolve",
    "/run/systemd/userdb",
    "/var/lib/sss",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mode;
    use std::path::Path;

    fn wanted(capabilities: CapabilitySet, places: Option<fn(&Layout) -> Places>) -> Confinement {
        let needs = Needs {
            capabilities: Capabilities::Only(capabilities),
            children: false,
            places,
        };
        let layout = Layout::below(Mode::System, Path::new("/x"));
        Confinement::wanted(&needs, &layout, |places| places)
    }

    #[test]
    fn a_program_that_needs_more_says_what() {
        let few = wanted(
            CapabilitySet::empty(),
            Some(|layout| Places::default().and_write([layout.run_dir().to_owned()])),
        );
        let more = wanted(CapabilitySet::DAC_OVERRIDE, None);
        assert_eq!(few.fits(&few), Ok(()));
        assert_eq!(few.fits(&more), Ok(()));
        let lacks = more.fits(&few).unwrap_err();
        assert!(
            lacks.contains("DAC_OVERRIDE") && lacks.contains("all files"),
            "{lacks}"
        );
        let mut narrow = more.clone();
        narrow.syscalls.as_mut().unwrap().pop();
        assert!(more.fits(&narrow).unwrap_err().contains("system calls ["));
        assert_eq!(narrow.fits(&more), Ok(()));
        let elsewhere = wanted(
            CapabilitySet::empty(),
            Some(|_| Places::default().and_write(["/x/run/libvirt/below".into(), "/y".into()])),
        );
        let lacks = elsewhere.fits(&few).unwrap_err();
        assert!(lacks.contains("/y") && !lacks.contains("below"), "{lacks}");
    }
}

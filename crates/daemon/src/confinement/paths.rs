//! Places in the file system that a daemon uses, and Landlock, which keeps it from all others.

use crate::durable;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus,
};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The newest rights that are asked for; a kernel that has fewer enforces those.
const RIGHTS: ABI = ABI::V5;

/// Folders and files, each with everything below it.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// To be read, and for programs in them to be run.
    read: Vec<PathBuf>,
    /// To be written as well; folders, made where they are missing.
    write: Vec<PathBuf>,
    /// Folders whose files may be removed.
    remove: Vec<PathBuf>,
}

impl Places {
    /// With these to be read, where they are.
    #[must_use]
    pub fn and_read(mut self, places: impl IntoIterator<Item = PathBuf>) -> Self {
        self.read.extend(places);
        self
    }

    /// With these to be written.
    #[must_use]
    pub fn and_write(mut self, folders: impl IntoIterator<Item = PathBuf>) -> Self {
        self.write.extend(folders);
        self
    }

    /// With these for their files to be removed.
    #[must_use]
    pub(crate) fn and_remove(mut self, folders: impl IntoIterator<Item = PathBuf>) -> Self {
        self.remove.extend(folders);
        self
    }

    /// What of it `held` does not give.
    pub(super) fn beyond(&self, held: &Self) -> Vec<String> {
        let below = |path: &Path, folders: &[PathBuf]| folders.iter().any(|folder| path.starts_with(folder));
        let read = self
            .read
            .iter()
            .filter(|path| path.exists() && !below(path, &held.read) && !below(path, &held.write));
        let write = self.write.iter().filter(|path| !below(path, &held.write));
        let remove = self
            .remove
            .iter()
            .filter(|path| !below(path, &held.remove) && !below(path, &held.write));
        read.map(|path| format!("reading {}", path.display()))
            .chain(write.map(|path| format!("writing {}", path.display())))
            .chain(remove.map(|path| format!("removing files of {}", path.display())))
            .collect()
    }
}

/// Keeps the process, and all that it becomes, to these places, and from opening connections over TCP, be it to others or for
/// others. Whether it is kept to them now.
pub(super) fn restrict(places: &Places) -> bool {
    match try_restrict(places) {
        Ok(RulesetStatus::FullyEnforced) => true,
        Ok(RulesetStatus::PartiallyEnforced) => {
            tracing::info!(
                "the kernel's Landlock is older than what is asked of it; what it has is in force"
            );
            true
        }
        Ok(RulesetStatus::NotEnforced) => {
            tracing::warn!("the kernel has no Landlock: files are not kept from this daemon");
            false
        }
        Err(failure) => {
            tracing::warn!(%failure, "Landlock cannot be used: files are not kept from this daemon");
            false
        }
    }
}

fn try_restrict(places: &Places) -> Result<RulesetStatus, RulesetError> {
    let all = AccessFs::from_all(RIGHTS);
    let mut rules = Ruleset::default()
        .set_compatibility(landlock::CompatLevel::BestEffort)
        .handle_access(all)?
        .handle_access(AccessNet::from_all(RIGHTS))?
        .create()?;
    let read = AccessFs::from_read(RIGHTS);
    // A device in a folder of theirs would be somebody else's.
    let write = all & !(AccessFs::MakeBlock | AccessFs::MakeChar | AccessFs::IoctlDev | AccessFs::Execute);
    let remove: BitFlags<AccessFs> = AccessFs::RemoveFile.into();
    for folder in &places.write {
        if let Err(failure) = durable::create_folder(folder, 0o700) {
            tracing::warn!(folder = %folder.display(), %failure, "a folder cannot be made");
        }
    }
    // Where everybody writes.
    let devices = [PathBuf::from("/dev/null")];
    let device = AccessFs::ReadFile | AccessFs::WriteFile;
    let groups = [
        (&places.read[..], read),
        (&places.write[..], write),
        (&places.remove[..], remove),
        (&devices[..], device),
    ];
    for (paths, access) in groups {
        for path in paths {
            // What is missing gives nothing.
            let Ok(opened) = PathFd::new(path) else { continue };
            let access = if path.is_dir() {
                access
            } else {
                access & AccessFs::from_file(RIGHTS)
            };
            rules = rules.add_rule(PathBeneath::new(opened, access))?;
        }
    }
    Ok(rules.restrict_self()?.ruleset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_below_needs_no_place_of_its_own() {
        let held = Places::default()
            .and_read(["/etc".into()])
            .and_write(["/run/libvirt".into()])
            .and_remove(["/run".into()]);
        let inside = Places::default()
            .and_read([
                "/etc/passwd".into(),
                "/run/libvirt".into(),
                "/no/such/place".into(),
            ])
            .and_write(["/run/libvirt/secrets".into()])
            .and_remove(["/run/libvirt".into()]);
        assert_eq!(inside.beyond(&held), Vec::<String>::new());
        let outside = Places::default()
            .and_read(["/usr".into()])
            .and_write(["/etc".into()])
            .and_remove(["/etc".into()]);
        assert_eq!(
            outside.beyond(&held),
            ["reading /usr", "writing /etc", "removing files of /etc"]
        );
    }
}

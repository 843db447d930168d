//! Throws old logs away: `max_age_days`.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How deep below the root is looked.
const DEPTH: usize = 16;

/// Removes every file below `root` that was not changed for `age`, and for which `in_use` is false. Links are not
/// followed. Blocks on the disk.
pub(crate) fn clean(root: &Path, age: Duration, in_use: &dyn Fn(&Path) -> bool) {
    let Some(before) = SystemTime::now().checked_sub(age) else {
        return;
    };
    clean_folder(root, before, in_use, DEPTH);
}

fn clean_folder(folder: &Path, before: SystemTime, in_use: &dyn Fn(&Path) -> bool, depth: usize) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(failure) => {
            tracing::warn!(folder = %folder.display(), %failure, "old logs cannot be looked for");
            return;
        }
    };
    for entry in entries.flatten() {
        let path = entry.path();
        // Of the entry itself, not of what a link leads to.
        let Ok(status) = entry.metadata() else { continue };
        if status.is_dir() && depth > 0 {
            clean_folder(&path, before, in_use, depth - 1);
        } else if status.is_file()
            && status.modified().is_ok_and(|changed| changed < before)
            && !in_use(&path)
        {
            match fs::remove_file(&path) {
                Ok(()) => tracing::info!(path = %path.display(), "an old log was removed"),
                Err(failure) => {
                    tracing::warn!(path = %path.display(), %failure, "an old log cannot be removed");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn only_old_files_that_nobody_uses_go() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("qemu")).unwrap();
        let outside = tempfile::NamedTempFile::new().unwrap();
        let old = SystemTime::now() - Duration::from_secs(1000);
        for name in ["old", "used", "new", "qemu/old"] {
            let file = File::create(dir.path().join(name)).unwrap();
            if name != "new" {
                file.set_modified(old).unwrap();
            }
        }
        outside.as_file().set_modified(old).unwrap();
        std::os::unix::fs::symlink(outside.path(), dir.path().join("link")).unwrap();
        clean(dir.path(), Duration::from_secs(500), &|path| {
            path.ends_with("used")
        });
        let left = |name: &str| fs::symlink_metadata(dir.path().join(name)).is_ok();
        assert!(!left("old") && !left("qemu/old"));
        assert!(left("used") && left("new") && left("link") && outside.path().exists());
    }
}

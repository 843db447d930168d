//! A pool of a folder, for tests of volumes.

use crate::Instance;
use std::fs;
use std::path::PathBuf;

/// A running virtstoraged with one active pool of type `dir`, which is called `p`.
///
/// # Panics
/// When it does not get that far.
pub fn storage() -> Instance {
    let instance = Instance::start_all(&["virtstoraged"]);
    add_pool(&instance, "p");
    instance
}

/// Defines and starts one more pool of a folder, which is made.
///
/// # Panics
/// When it is refused.
pub fn add_pool(instance: &Instance, name: &str) {
    let folder = pool_folder(instance, name).display().to_string();
    instance.virsh(&["pool-define-as", name, "dir", "--target", &folder]);
    instance.virsh(&["pool-build", name]);
    instance.virsh(&["pool-start", name]);
}

/// The folder of such a pool.
pub fn pool_folder(instance: &Instance, name: &str) -> PathBuf {
    instance.root().join("pools").join(name)
}

/// The names of everything in the folder of such a pool, hidden or not.
///
/// # Panics
/// When it cannot be read.
pub fn files_of_pool(instance: &Instance, name: &str) -> Vec<String> {
    let entries = fs::read_dir(pool_folder(instance, name)).expect("the pool's folder");
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The names of a pool's volumes, as a client is told.
///
/// # Panics
/// When it is told none.
pub fn volumes_of_pool(instance: &Instance, name: &str) -> Vec<String> {
    let listed = instance.virsh(&["vol-list", name]);
    let lines = listed.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| line.split_whitespace().next().unwrap_or_default().to_owned())
        .collect()
}

//! Stock virt-install has disks made by the storage daemon, over its connection to virtqemud.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, pool_folder, virt_install};

/// Installs a guest on a disk that is made for it.
fn install(instance: &Instance, name: &str, disk: &str) {
    virt_install(
        instance,
        name,
        &["--network", "user", "--graphics", "none", "--disk", disk],
    );
}

#[test]
fn virt_install_makes_disks_in_pools_and_at_paths() {
    let instance = Instance::start_all(&["virtqemud", "virtstoraged"]);
    let folder = pool_folder(&instance, "default");
    let target = folder.display().to_string();
    // Calls about storage go over the one connection.
    instance.virsh(&["pool-define-as", "default", "dir", "--target", &target]);
    instance.virsh(&["pool-build", "default"]);
    instance.virsh(&["pool-start", "default"]);
    install(&instance, "pooled", "pool=default,size=1");
    assert!(
        instance
            .virsh(&["domblklist", "pooled"])
            .contains(&format!("{target}/pooled"))
    );
    // Its folder is made into a pool.
    let other = pool_folder(&instance, "elsewhere");
    std::fs::create_dir(&other).unwrap();
    let path = other.join("disk.qcow2").display().to_string();
    install(&instance, "placed", &format!("path={path},size=1"));
    assert!(instance.virsh(&["domblklist", "placed"]).contains(&path));
    let pools = instance.virsh(&["pool-list", "--name"]);
    assert!(
        pools.contains("default") && pools.contains("elsewhere"),
        "{pools}"
    );
    let info = instance.virsh(&["vol-info", &path, "--bytes"]);
    assert!(info.contains("Capacity:       1073741824 bytes"), "{info}");
    for name in ["pooled", "placed"] {
        assert_eq!(instance.virsh(&["domstate", name]).trim(), "running");
        instance.virsh(&["destroy", name]);
        instance.virsh(&["undefine", name, "--remove-all-storage"]);
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

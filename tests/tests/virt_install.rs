//! Stock virt-install.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, disk, virt_install};

/// Imports a disk with virt-install.
///
/// The disk is given as what stands in the document. With `path=` virt-install drops the path where storage pools are not
/// supported, and otherwise defines a pool of the file's folder: that takes a storage daemon.
fn import(instance: &Instance, name: &str, more: &[&str]) {
    let disk = disk(instance, &format!("{name}.qcow2"));
    let disk = format!("type=file,source.file={disk},driver.type=qcow2");
    virt_install(
        instance,
        name,
        &[&["--network", "user", "--disk", &disk], more].concat(),
    );
}

#[test]
fn a_disk_is_imported_on_pc_and_on_q35() {
    let instance = Instance::start();
    import(&instance, "modern", &["--machine", "q35", "--graphics", "vnc"]);
    import(&instance, "old", &["--machine", "pc", "--graphics", "none"]);
    for name in ["modern", "old"] {
        assert_eq!(instance.virsh(&["domstate", name]).trim(), "running");
        assert!(
            instance
                .virsh(&["domblklist", name])
                .contains(&format!("{name}.qcow2"))
        );
        instance.virsh(&["destroy", name]);
        instance.virsh(&["undefine", name]);
    }
}

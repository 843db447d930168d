//! Disks that forget what a guest wrote.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, idle_domain, qemu_img};
use std::path::{Path, PathBuf};

/// A guest with a transient disk from `image`.
fn guest(instance: &Instance, name: &str, image: &str, transient: &str) -> String {
    let path = instance.root().join(image);
    let disk = format!(
        "<devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{}'/>\
         <target dev='vda' bus='virtio'/>{transient}</disk>",
        path.display()
    );
    idle_domain(name).replace("<devices>", &disk)
}

/// What a guest's run keeps beside the image.
fn overlay(instance: &Instance, image: &str, guest: &str) -> PathBuf {
    instance.root().join(format!("{image}.TRANSIENT-{guest}"))
}

/// Writes a sector of sevens as the guest would, by QEMU's own means, whose words go into the guest's log.
fn write(instance: &Instance, name: &str) {
    let command = "qemu-io -d virtio-disk0/virtio-backend \"write -P 7 0 512\"";
    instance.virsh(&["qemu-monitor-command", name, "--hmp", command]);
}

/// Whether a file holds what [`write`] writes.
fn has_written(path: &Path) -> bool {
    let bytes = std::fs::read(path).unwrap();
    bytes.windows(512).any(|window| window == [7; 512])
}

#[test]
fn what_a_guest_writes_goes_with_its_run() {
    let mut instance = Instance::start();
    qemu_img(&instance, "create -f qcow2 base.qcow2 8M");
    let image = instance.root().join("base.qcow2");
    let before = std::fs::read(&image).unwrap();
    instance.define(
        "forgets",
        &guest(&instance, "forgets", "base.qcow2", "<transient/>"),
    );
    let overlay = overlay(&instance, "base.qcow2", "forgets");
    for _ in 0..2 {
        instance.virsh(&["start", "forgets", "--paused"]);
        assert!(!has_written(&overlay));
        write(&instance, "forgets");
        assert!(has_written(&overlay));
        let live = instance.virsh(&["dumpxml", "forgets"]);
        assert!(live.contains("base.qcow2.TRANSIENT-forgets"), "{live}");
        assert!(live.contains("<transient/>"), "{live}");
        // The next daemon knows it, too.
        instance.kill();
        instance.restart();
        instance.virsh(&["destroy", "forgets"]);
        assert!(!overlay.exists());
        assert_eq!(std::fs::read(&image).unwrap(), before);
    }
    let inactive = instance.virsh(&["dumpxml", "forgets"]);
    assert!(!inactive.contains("TRANSIENT-"), "{inactive}");
}

#[test]
fn guests_share_an_image_and_write_apart() {
    let instance = Instance::start();
    qemu_img(&instance, "create -f qcow2 base.qcow2 8M");
    let shared = "<transient shareBacking='yes'/>";
    for name in ["one", "two"] {
        instance.define(name, &guest(&instance, name, "base.qcow2", shared));
        instance.virsh(&["start", name, "--paused"]);
    }
    write(&instance, "one");
    assert!(has_written(&overlay(&instance, "base.qcow2", "one")));
    assert!(!has_written(&overlay(&instance, "base.qcow2", "two")));
    assert!(!has_written(&instance.root().join("base.qcow2")));
    for name in ["one", "two"] {
        instance.virsh(&["destroy", name]);
        assert!(!overlay(&instance, "base.qcow2", name).exists());
    }
}

#[test]
fn what_cannot_be_forgotten_is_refused() {
    let instance = Instance::start();
    qemu_img(&instance, "create -f qcow2 base.qcow2 8M");
    let document = guest(&instance, "refused", "base.qcow2", "<transient/>");
    instance.define("refused", &document);
    let overlay = overlay(&instance, "base.qcow2", "refused");
    std::fs::write(&overlay, "somebody else's").unwrap();
    let said = instance.virsh_fails(&["start", "refused"]);
    assert!(said.contains("exists already"), "{said}");
    assert_eq!(std::fs::read(&overlay).unwrap(), b"somebody else's");
    std::fs::remove_file(&overlay).unwrap();
    instance.virsh(&["undefine", "refused"]);
    instance.define(
        "refused",
        &document.replace("<transient/>", "<transient/><readonly/>"),
    );
    let said = instance.virsh_fails(&["start", "refused"]);
    assert!(said.contains("cannot be transient"), "{said}");
    assert!(!overlay.exists());
}

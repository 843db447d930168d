//! One user's own daemon: `qemu:///session`.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Outcome, User, idle_domain};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[test]
fn a_user_runs_guests_of_his_own() {
    let mut user = User::new();
    user.start("virtqemud");
    let virsh = |arguments: &[&str]| user.virsh("qemu:///session?mode=direct", arguments);
    assert!(virsh(&["uri"]).starts_with("qemu:///session"));
    let document = user.file("vm.xml", &idle_domain("own"));
    virsh(&["define", document.to_str().unwrap()]);
    assert!(user.home().join(".config/libvirt/qemu/own.xml").exists());
    virsh(&["start", "own"]);
    assert_eq!(virsh(&["domstate", "own"]).trim(), "running");
    virsh(&["destroy", "own"]);
    virsh(&["undefine", "own"]);
}

#[test]
fn a_user_imports_a_disk_with_virt_install() {
    let mut user = User::new();
    user.start("virtqemud");
    let disk = user.home().join("disk.qcow2");
    let mut qemu_img = user.command(Path::new("qemu-img"));
    qemu_img
        .args(["create", "-q", "-f", "qcow2"])
        .arg(&disk)
        .arg("64M");
    let made = Outcome::of(&mut qemu_img);
    assert!(made.success, "{}", made.stderr);
    let mut install = user.command(Path::new("virt-install"));
    install.args(["--connect", "qemu:///session?mode=direct", "--name", "imported"]);
    install.args([
        "--memory",
        "64",
        "--vcpus",
        "1",
        "--virt-type",
        "qemu",
        "--import",
    ]);
    install.args(["--osinfo", "generic", "--noautoconsole", "--network", "user"]);
    let source = format!("type=file,source.file={},driver.type=qcow2", disk.display());
    let outcome = Outcome::of(install.args(["--graphics", "none", "--disk", &source]));
    assert!(outcome.success, "{}{}", outcome.stdout, outcome.stderr);
    let virsh = |arguments: &[&str]| user.virsh("qemu:///session?mode=direct", arguments);
    assert_eq!(virsh(&["domstate", "imported"]).trim(), "running");
    assert!(virsh(&["domblklist", "imported"]).contains("disk.qcow2"));
    virsh(&["destroy", "imported"]);
    virsh(&["undefine", "imported"]);
}

#[test]
fn an_image_that_the_user_may_not_read_is_named() {
    let mut user = User::new();
    user.start("virtqemud");
    let image = user.file("hidden.raw", "");
    std::fs::set_permissions(&image, std::fs::Permissions::from_mode(0o000)).unwrap();
    let disk = format!(
        "<devices><disk type='file' device='disk'><source file='{}'/><target dev='vda' bus='virtio'/></disk>",
        image.display()
    );
    let document = user.file("vm.xml", &idle_domain("blind").replace("<devices>", &disk));
    let mut command = user.command(Path::new("virsh"));
    command.args(["-q", "-c", "qemu:///session?mode=direct", "create"]);
    let outcome = Outcome::of(command.arg(&document));
    assert!(!outcome.success);
    for part in ["disk 'vda'", "hidden.raw': Permission denied"] {
        assert!(outcome.stderr.contains(part), "{}", outcome.stderr);
    }
}

#[test]
fn a_users_daemons_know_each_other() {
    const UUID: &str = "11111111-2222-3333-4444-555555555555";
    let mut user = User::new();
    user.start("virtqemud");
    user.start("virtsecretd");
    let virsh = |arguments: &[&str]| user.virsh("qemu:///session?mode=direct", arguments);
    let secret = format!("<secret private='no'><uuid>{UUID}</uuid></secret>");
    let secret = user.file("secret.xml", &secret);
    virsh(&["secret-define", secret.to_str().unwrap()]);
    assert!(virsh(&["secret-list"]).contains(UUID));
    assert!(
        user.home()
            .join(format!(".config/libvirt/secrets/{UUID}.xml"))
            .exists()
    );
}

//! One user's own daemon: `qemu:///session`.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{User, idle_domain};

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

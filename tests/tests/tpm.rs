//! Emulated TPMs.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, idle_domain};

const UUID: &str = "12345678-9abc-4def-8123-456789abcdef";

#[test]
fn a_tpm_keeps_its_state_from_run_to_run_and_goes_with_the_definition() {
    let mut instance = Instance::start();
    let document = idle_domain("sealed")
        .replace("</name>", &format!("</name><uuid>{UUID}</uuid>"))
        .replace(
            "<serial type='pty'/>",
            "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>",
        );
    instance.define("sealed", &document);
    let state = instance.path(&format!("/var/lib/libvirt/swtpm/{UUID}/tpm2"));
    instance.virsh(&["start", "sealed"]);
    let made = std::fs::metadata(state.join("tpm2-00.permall")).unwrap().len();
    assert!(made > 0);
    assert_eq!(instance.guests().len(), 2, "QEMU and swtpm");

    instance.kill();
    instance.restart();
    assert_eq!(instance.virsh(&["domstate", "sealed"]).trim(), "running");
    instance.virsh(&["destroy", "sealed"]);
    assert_eq!(instance.left_overs(), Vec::<String>::new());

    instance.virsh(&["start", "sealed"]);
    instance.virsh(&["destroy", "sealed"]);
    instance.virsh(&["undefine", "sealed", "--keep-tpm"]);
    assert!(state.exists());
    instance.define("sealed", &document);
    instance.virsh(&["undefine", "sealed"]);
    assert!(!state.exists());

    instance.define("sealed", &document);
    instance.virsh(&["start", "sealed"]);
    instance.virsh(&["undefine", "sealed", "--keep-tpm"]);
    instance.kill();
    instance.restart();
    instance.virsh(&["destroy", "sealed"]);
    assert!(state.exists());

    instance.define("sealed", &document);
    instance.virsh(&["start", "sealed"]);
    instance.virsh(&["undefine", "sealed"]);
    assert!(state.exists());
    instance.virsh(&["destroy", "sealed"]);
    assert!(!state.exists());

    // A start that fails behind the making of the TPM leaves none.
    let broken = document.replace(
        "<devices>",
        "<devices><disk type='file' device='disk'><source file='/nowhere.img'/><target dev='vda'/></disk>",
    );
    let file = instance.file("broken.xml", &broken);
    instance.virsh_fails(&["create", &file]);
    assert!(!state.exists());

    let file = instance.file("fleeting.xml", &document);
    instance.virsh(&["create", &file]);
    assert!(state.exists());
    instance.virsh(&["destroy", "sealed"]);
    assert!(!state.exists());
    assert_eq!(instance.left_overs(), Vec::<String>::new());
}

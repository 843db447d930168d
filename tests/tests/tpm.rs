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
    // Whoever hears of the failure may start again at once: swtpm is gone too.
    assert_eq!(instance.left_overs(), Vec::<String>::new());
    assert!(!state.exists());

    let file = instance.file("fleeting.xml", &document);
    instance.virsh(&["create", &file]);
    assert!(state.exists());
    instance.virsh(&["destroy", "sealed"]);
    assert!(!state.exists());
    assert_eq!(instance.left_overs(), Vec::<String>::new());
}

/// The document of a guest with such a TPM.
fn with_backend(attributes: &str, children: &str) -> String {
    let backend =
        format!("<tpm model='tpm-crb'><backend type='emulator'{attributes}>{children}</backend></tpm>");
    idle_domain("odd")
        .replace("</name>", &format!("</name><uuid>{UUID}</uuid>"))
        .replace("<serial type='pty'/>", &backend)
}

#[test]
fn banks_and_places_are_as_the_document_says() {
    let instance = Instance::start();
    let banks = "<active_pcr_banks><sha256/><sha384/></active_pcr_banks>";
    instance.define("odd", &with_backend(" version='2.0' debug='5'", banks));
    instance.virsh(&["start", "odd"]);
    let log = instance.path("/var/log/libvirt/qemu/odd-swtpm.log");
    assert!(std::fs::metadata(log).unwrap().len() > 0);
    instance.virsh(&["destroy", "odd"]);
    // Other banks, the same TPM.
    let banks = "<active_pcr_banks><sha1/></active_pcr_banks>";
    instance.define("odd", &with_backend(" version='2.0'", banks));
    instance.virsh(&["start", "odd"]);
    instance.virsh(&["destroy", "odd"]);
    instance.virsh(&["undefine", "odd"]);

    for (kind, name) in [("dir", "own-folder"), ("file", "own-file")] {
        let place = instance.root().join(name);
        let source = format!("<source type='{kind}' path='{}'/>", place.display());
        instance.define("odd", &with_backend(" version='2.0'", &source));
        for _ in 0..2 {
            instance.virsh(&["start", "odd"]);
            instance.virsh(&["destroy", "odd"]);
        }
        // It is the user's own.
        instance.virsh(&["undefine", "odd"]);
        assert!(place.exists(), "{kind}");
    }

    let encrypted = format!("<encryption secret='{UUID}'/>");
    for (attributes, children, text) in [
        (
            " version='1.2'",
            "<active_pcr_banks><sha1/></active_pcr_banks>",
            "version 2.0",
        ),
        (" version='2.0'", encrypted.as_str(), "virtsecretd"),
        (
            " version='2.0'",
            "<source type='dir' path='/a,b'/>",
            "without commas",
        ),
    ] {
        let file = instance.file("refused.xml", &with_backend(attributes, children));
        let refused = instance.virsh_fails(&["create", &file]);
        assert!(refused.contains(text), "{children}: {refused}");
    }
    assert_eq!(instance.left_overs(), Vec::<String>::new());
}

#[test]
fn a_tpm_is_encrypted_with_a_secret() {
    const SECRET: &str = "11111111-2222-3333-4444-555555555555";
    let mut instance = Instance::start_all(&["virtqemud", "virtsecretd"]);
    let secret = format!(
        "<secret private='yes'><uuid>{SECRET}</uuid><usage type='vtpm'><name>tpm of odd</name></usage></secret>"
    );
    let file = instance.file("secret.xml", &secret);
    instance.virsh(&["secret-define", &file]);
    instance.virsh(&["secret-set-value", SECRET, "--base64", "b3BlbiBzZXNhbWU="]);
    let document = with_backend(" version='2.0'", &format!("<encryption secret='{SECRET}'/>"));
    instance.define("odd", &document);
    for _ in 0..2 {
        instance.virsh(&["start", "odd"]);
        instance.virsh(&["destroy", "odd"]);
    }
    // Another secret opens it no more, and neither does none.
    instance.virsh(&["secret-set-value", SECRET, "--base64", "b3RoZXI="]);
    instance.virsh_fails(&["start", "odd"]);
    instance.define("odd", &with_backend(" version='2.0'", ""));
    instance.virsh_fails(&["start", "odd"]);
    assert_eq!(instance.left_overs(), Vec::<String>::new());

    instance.define("odd", &document);
    instance.virsh(&["secret-set-value", SECRET, "--base64", "b3BlbiBzZXNhbWU="]);
    instance.virsh(&["start", "odd"]);
    // The next daemon needs no secret to go on.
    instance.daemon_mut("virtsecretd").kill();
    instance.kill();
    instance.restart();
    assert_eq!(instance.virsh(&["domstate", "odd"]).trim(), "running");
    instance.virsh(&["destroy", "odd"]);
    let refused = instance.virsh_fails(&["start", "odd"]);
    assert!(
        refused.contains("systemctl start virtsecretd.socket"),
        "{refused}"
    );
}

//! UEFI guests: firmware that the host chooses, and their variables.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, idle_domain};

fn uefi(name: &str, os: &str) -> String {
    idle_domain(name)
        .replace("<os>", "<os firmware='efi'>")
        .replace("machine='pc'", "machine='q35'")
        .replace("</os>", &format!("{os}</os>"))
        .replace(
            "<memory unit='MiB'>32</memory>",
            "<memory unit='MiB'>128</memory>",
        )
}

#[test]
fn firmware_is_chosen_written_down_and_kept() {
    let mut instance = Instance::start();
    let no_keys = "<firmware><feature enabled='no' name='secure-boot'/></firmware>";
    instance.define("plain", &uefi("plain", no_keys));
    let document = instance.virsh(&["dumpxml", "plain"]);
    let variables = instance.path("/var/lib/libvirt/qemu/nvram/plain_VARS.fd");
    for line in [
        "<os firmware='efi'>",
        "<feature enabled='no' name='enrolled-keys'/>",
        "<feature enabled='no' name='secure-boot'/>",
        "<loader readonly='yes' type='pflash' format='raw'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>",
        &format!(
            "<nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd' templateFormat='raw' format='raw'>{}</nvram>",
            variables.display()
        ),
    ] {
        assert!(document.contains(line), "{line}\n{document}");
    }
    // Defined again as it came back, it is the same.
    instance.define("plain", &document);
    assert_eq!(instance.virsh(&["dumpxml", "plain"]), document);

    instance.virsh(&["start", "plain", "--paused"]);
    let fresh = std::fs::read(&variables).unwrap();
    instance.kill();
    instance.restart();
    instance.virsh(&["destroy", "plain"]);
    std::fs::write(&variables, vec![0; fresh.len()]).unwrap();
    instance.virsh(&["start", "plain", "--paused", "--reset-nvram"]);
    instance.virsh(&["destroy", "plain"]);
    assert_eq!(std::fs::read(&variables).unwrap().len(), fresh.len());
    assert!(std::fs::read(&variables).unwrap().iter().any(|byte| *byte != 0));
    let refused = instance.virsh_fails(&["undefine", "plain"]);
    assert!(refused.contains("nvram"), "{refused}");
    instance.virsh(&["undefine", "plain", "--nvram"]);
    assert!(!variables.exists());

    // What enforces Secure Boot brings what protects it.
    instance.define("sealed", &uefi("sealed", "<loader secure='yes'/>"));
    let document = instance.virsh(&["dumpxml", "sealed"]);
    assert!(document.contains("<smm state='on'/>"), "{document}");
    assert!(
        document.contains("<feature enabled='yes' name='secure-boot'/>"),
        "{document}"
    );
    instance.virsh(&["start", "sealed", "--paused"]);
    instance.virsh(&["destroy", "sealed"]);
    instance.virsh(&["undefine", "sealed", "--nvram"]);
    assert_eq!(instance.left_overs(), Vec::<String>::new());
}

#[test]
fn firmware_that_nobody_has_is_refused() {
    let instance = Instance::start();
    for (os, text) in [
        ("<loader format='qcow2'/>", "Unable to find 'efi' firmware"),
        ("<loader readonly='no'/>", "Unable to find 'efi' firmware"),
        (
            "<loader stateless='yes'/><nvram>/x</nvram>",
            "NVRAM is not permitted",
        ),
    ] {
        let file = instance.file("refused.xml", &uefi("refused", os));
        let refused = instance.virsh_fails(&["define", &file]);
        assert!(refused.contains(text), "{os}: {refused}");
    }
    let without = uefi("refused", "").replace("<acpi/>", "");
    let file = instance.file("refused.xml", &without);
    let refused = instance.virsh_fails(&["define", &file]);
    assert!(refused.contains("UEFI requires ACPI"), "{refused}");
}

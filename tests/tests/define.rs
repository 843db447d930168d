//! Definitions through stock virsh: made, read back, changed, removed.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, idle_domain};
use std::path::Path;

#[test]
fn a_definition_is_kept_and_read_back() {
    let mut instance = Instance::start();
    instance.define("vm", &idle_domain("vm"));
    let uuid = instance.virsh(&["domuuid", "vm"]);
    let document = instance.virsh(&["dumpxml", "vm", "--inactive"]);
    assert!(
        document.contains(&format!("<uuid>{}</uuid>", uuid.trim())),
        "{document}"
    );
    assert!(instance.path("/etc/libvirt/qemu/vm.xml").exists());
    // What comes back may go in again, and changes nothing.
    instance.define("again", &document);
    assert_eq!(instance.virsh(&["dumpxml", "vm", "--inactive"]), document);

    instance.virsh(&["autostart", "vm"]);
    assert!(instance.path("/etc/libvirt/qemu/autostart/vm.xml").is_symlink());
    instance.kill();
    instance.restart();
    assert_eq!(instance.virsh(&["dumpxml", "vm", "--inactive"]), document);
    assert!(
        instance
            .virsh(&["dominfo", "vm"])
            .contains("Autostart:      enable")
    );
    instance.virsh(&["autostart", "vm", "--disable"]);
    assert!(!instance.path("/etc/libvirt/qemu/autostart/vm.xml").is_symlink());

    instance.virsh(&["domrename", "vm", "renamed"]);
    assert_eq!(instance.virsh(&["domuuid", "renamed"]), uuid);
    assert!(
        instance
            .virsh_fails(&["domuuid", "vm"])
            .contains("failed to get domain 'vm'")
    );
    instance.virsh(&["undefine", "renamed"]);
    assert_eq!(instance.virsh(&["list", "--all", "--name"]).trim(), "");
    assert!(!instance.path("/etc/libvirt/qemu/renamed.xml").exists());
}

#[test]
fn what_is_written_validates_against_the_schema() {
    let instance = Instance::start();
    let schema = Path::new("/usr/share/libvirt/schemas/domain.rng");
    assert!(schema.exists(), "package libvirt-common is missing");
    instance.define("vm", &idle_domain("vm"));
    let q35 = idle_domain("modern").replace("machine='pc'", "machine='q35'").replace(
        "<serial type='pty'/>",
        "<serial type='pty'/><interface type='user'><model type='virtio'/></interface><graphics type='vnc'/>\
         <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>\
         <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
    );
    instance.define("modern", &q35);
    instance.virsh(&["start", "vm"]);
    for (name, view) in [
        ("vm", "--inactive"),
        ("vm", "--security-info"),
        ("modern", "--inactive"),
        ("vm", "--migratable"),
    ] {
        let document = instance.virsh(&["dumpxml", name, view]);
        let file = instance.file("document.xml", &document);
        let outcome = std::process::Command::new("xmllint")
            .args(["--noout", "--relaxng", schema.to_str().unwrap(), &file])
            .output()
            .unwrap();
        assert!(
            outcome.status.success(),
            "{name} {view}: {}\n{document}",
            String::from_utf8_lossy(&outcome.stderr)
        );
    }
}

#[test]
fn metadata_title_and_description_are_kept() {
    let instance = Instance::start();
    instance.define("vm", &idle_domain("vm"));
    instance.virsh(&["desc", "vm", "--config", "what it is for"]);
    instance.virsh(&["desc", "vm", "--config", "--title", "short"]);
    assert_eq!(
        instance.virsh(&["desc", "vm", "--config"]).trim(),
        "what it is for"
    );
    assert_eq!(instance.virsh(&["desc", "vm", "--title"]).trim(), "short");
    instance.virsh(&[
        "metadata",
        "vm",
        "urn:app",
        "--key",
        "app",
        "--set",
        "<note level='2'>x</note>",
        "--config",
    ]);
    assert_eq!(
        instance.virsh(&["metadata", "vm", "urn:app"]).trim(),
        "<note level='2'>x</note>"
    );
    instance.virsh(&["metadata", "vm", "urn:app", "--remove", "--config"]);
    // Older clients complain of what is not there, newer ones say nothing.
    assert_eq!(
        instance.try_virsh(&["metadata", "vm", "urn:app"]).stdout.trim(),
        ""
    );
}

#[test]
fn passwords_are_told_only_to_who_may_see_them() {
    let instance = Instance::start();
    let document = idle_domain("vm").replace("<serial", "<graphics type='vnc' passwd='hush'/><serial");
    instance.define("vm", &document);
    assert!(!instance.virsh(&["dumpxml", "vm"]).contains("hush"));
    assert!(
        instance
            .virsh(&["dumpxml", "vm", "--security-info"])
            .contains("passwd='hush'")
    );
    let read_only = std::process::Command::new("virsh")
        .args([
            "-q",
            "-c",
            &instance.read_only_uri(),
            "dumpxml",
            "vm",
            "--security-info",
        ])
        .output()
        .unwrap();
    assert!(!read_only.status.success());
}

#[test]
fn lists_are_filtered() {
    let instance = Instance::start();
    for name in ["one", "two", "three"] {
        instance.define(name, &idle_domain(name));
    }
    instance.virsh(&["start", "two"]);
    instance.virsh(&["autostart", "three"]);
    let names = |arguments: &[&str]| {
        let mut all = vec!["list", "--name"];
        all.extend(arguments);
        let text = instance.virsh(&all);
        let mut names: Vec<String> = text
            .lines()
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(&[]), ["two"]);
    assert_eq!(names(&["--all"]), ["one", "three", "two"]);
    assert_eq!(names(&["--inactive"]), ["one", "three"]);
    assert_eq!(names(&["--all", "--autostart"]), ["three"]);
    assert_eq!(names(&["--all", "--state-running"]), ["two"]);
    instance.virsh(&["destroy", "two"]);
}

#[test]
fn cookies_are_for_those_who_may_see_secrets() {
    let instance = Instance::start();
    let disk = "<devices><disk type='network' device='cdrom'><source protocol='https' name='a.iso'>\
                <host name='example.org' port='443'/><cookies><cookie name='session'>abcdef</cookie></cookies></source>\
                <target dev='hda' bus='ide'/><readonly/></disk>";
    instance.define("vm", &idle_domain("vm").replace("<devices>", disk));
    let shown = instance.virsh(&["dumpxml", "vm"]);
    assert!(shown.contains("example.org"), "{shown}");
    assert!(!shown.contains("cookie") && !shown.contains("abcdef"), "{shown}");
    let secure = instance.virsh(&["dumpxml", "vm", "--security-info"]);
    assert!(
        secure.contains("<cookie name='session'>abcdef</cookie>"),
        "{secure}"
    );
}

#[test]
fn nodes_say_how_much_memory_a_new_definition_has() {
    let instance = Instance::start();
    let nodes = "<vcpu>2</vcpu><cpu><numa><cell id='0' cpus='0' memory='64' unit='MiB'/>\
                 <cell id='1' cpus='1' memory='64' unit='MiB'/></numa></cpu>";
    instance.define("vm", &idle_domain("vm").replace("<vcpu>1</vcpu>", nodes));
    let shown = instance.virsh(&["dumpxml", "vm"]);
    assert!(shown.contains("<memory unit='KiB'>131072</memory>"), "{shown}");
}

#[test]
fn devices_that_this_qemu_does_not_have_are_refused() {
    let instance = Instance::start();
    let card = "<devices><video><model type='qxl'/></video>";
    let file = instance.file("vm.xml", &idle_domain("vm").replace("<devices>", card));
    let offered = instance
        .virsh(&["domcapabilities"])
        .contains("<value>qxl</value>");
    if offered {
        instance.virsh(&["define", &file]);
    } else {
        let said = instance.virsh_fails(&["define", &file]);
        assert!(
            said.contains("this QEMU has no card of the model 'qxl'"),
            "{said}"
        );
    }
}

//! Encrypted volumes: made, copied and resized with keys that are virtsecretd's.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, Outcome, add_pool, files_of_pool, idle_domain, pool_folder};
use std::fs;
use std::process::Command;

const UUID: &str = "11111111-2222-3333-4444-555555555555";
const PASSWORD: &str = "open sesame";
/// The same in base64.
const SET_TO: &str = "b3BlbiBzZXNhbWU=";

/// A host with an active pool `p` and a private secret for one of its volumes.
fn host(daemons: &[&str]) -> Instance {
    let instance = Instance::start_all(daemons);
    add_pool(&instance, "p");
    let path = pool_folder(&instance, "p").join("1 whole").display().to_string();
    let secret = format!(
        "<secret private='yes'><uuid>{UUID}</uuid><usage type='volume'><volume>{path}</volume></usage></secret>"
    );
    let file = instance.file("secret.xml", &secret);
    instance.virsh(&["secret-define", &file]);
    instance.virsh(&["secret-set-value", UUID, "--base64", SET_TO]);
    instance
}

fn document(name: &str, format: &str, more: &str) -> String {
    format!(
        "<volume><name>{name}</name><capacity unit='M'>4</capacity><target><format type='{format}'/>\
         <encryption format='luks'><secret type='passphrase' uuid='{UUID}'/>{more}</encryption></target></volume>"
    )
}

fn make(instance: &Instance, name: &str, format: &str, more: &str) {
    let file = instance.file("volume.xml", &document(name, format, more));
    instance.virsh(&["vol-create", "p", &file]);
}

fn copy(instance: &Instance, document: &str, from: &str) {
    let file = instance.file("volume.xml", document);
    instance.virsh(&["vol-create-from", "p", &file, from, "--inputpool", "p"]);
}

/// Whether stock qemu-img reads the same in a volume, opened with a password, as in the volume `plain`.
fn same_as_plain(instance: &Instance, name: &str, format: &str, password: &str) -> Outcome {
    let folder = pool_folder(instance, "p");
    let (driver, key) = match format {
        "qcow2" => ("qcow2", "encrypt.key-secret"),
        _ => ("luks", "key-secret"),
    };
    let secret = format!("secret,id=key,data={password}");
    let path = |name: &str| folder.join(name).display().to_string();
    let opened = format!("driver={driver},{key}=key,file.filename={}", path(name));
    let plain = format!("driver=raw,file.filename={}", path("plain"));
    Outcome::of(Command::new("qemu-img").args([
        "compare",
        "--object",
        &secret,
        "--image-opts",
        &opened,
        &plain,
    ]))
}

fn capacity(instance: &Instance, name: &str) -> u64 {
    let info = instance.virsh(&["vol-info", name, "--pool", "p", "--bytes"]);
    let line = info.lines().find(|line| line.starts_with("Capacity:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_daemon_with_all_drivers_opens_them_as_well() {
    let instance = host(&["libvirtd"]);
    make(&instance, "1 whole", "raw", "");
    instance.virsh(&["vol-resize", "1 whole", "8M", "--pool", "p"]);
    runs_a_guest(&instance);
}

#[test]
fn encrypted_volumes_are_made_copied_and_resized() {
    let instance = host(&["virtqemud", "virtstoraged", "virtsecretd"]);
    let cipher =
        "<cipher name='aes' size='256' mode='cbc' hash='sha256'/><ivgen name='essiv' hash='sha256'/>";
    make(&instance, "empty", "raw", cipher);
    assert_eq!(capacity(&instance, "empty"), 4 << 20);
    let told = instance.virsh(&["vol-dumpxml", "empty", "p"]);
    assert!(
        told.contains("<encryption format='luks'>") && told.contains(UUID),
        "{told}"
    );

    // From what is not encrypted to what is, of both kinds, and back.
    let content = instance.file("content", &"a".repeat(4 << 20));
    instance.virsh(&["vol-create-as", "p", "plain", "4M"]);
    instance.virsh(&["vol-upload", "plain", &content, "--pool", "p"]);
    copy(&instance, &document("1 whole", "raw", ""), "plain");
    copy(&instance, &document("inside", "qcow2", ""), "1 whole");
    for (name, format) in [("1 whole", "raw"), ("inside", "qcow2")] {
        let same = same_as_plain(&instance, name, format, PASSWORD);
        assert!(same.success, "{}{}", same.stdout, same.stderr);
    }
    let other = same_as_plain(&instance, "inside", "qcow2", "something else");
    assert!(other.stderr.contains("Invalid password"), "{}", other.stderr);
    let back =
        "<volume><name>back</name><capacity>0</capacity><target><format type='raw'/></target></volume>";
    copy(&instance, back, "inside");
    let folder = pool_folder(&instance, "p");
    assert!(
        fs::read(folder.join("back"))
            .unwrap()
            .iter()
            .all(|byte| *byte == b'a')
    );

    for (name, size) in [("1 whole", 8 << 20), ("inside", 16 << 20)] {
        instance.virsh(&["vol-resize", name, &size.to_string(), "--pool", "p"]);
        assert_eq!(capacity(&instance, name), size, "{name}");
    }
    let refused = instance.virsh_fails(&["vol-resize", "inside", "1M", "--pool", "p"]);
    assert!(refused.contains("shrink"), "{refused}");

    runs_a_guest(&instance);
    // Nothing of the keys is left, on disk or in what a boot wipes.
    let keys = instance.path("/run/libvirt/storage/keys");
    assert_eq!(fs::read_dir(&keys).unwrap().count(), 0);
    let names = ["1 whole", "back", "empty", "inside", "plain"];
    assert_eq!(files_of_pool(&instance, "p"), names);
}

/// A guest opens a volume with the same secret.
fn runs_a_guest(instance: &Instance) {
    let disk = format!(
        "<devices><disk type='volume' device='disk'><driver name='qemu' type='raw'/><source pool='p' volume='1 whole'>\
         <encryption format='luks'><secret type='passphrase' uuid='{UUID}'/></encryption></source>\
         <target dev='vda' bus='virtio'/></disk>"
    );
    instance.define("vm", &idle_domain("vm").replace("<devices>", &disk));
    instance.virsh(&["start", "vm", "--paused"]);
    let told = instance.virsh(&["domblkinfo", "vm", "vda"]);
    assert!(told.lines().next().unwrap().ends_with(" 8388608"), "{told}");
    instance.virsh(&["destroy", "vm"]);
}

#[test]
fn the_secret_of_a_volume_is_found_by_its_path_and_its_absence_is_told() {
    let mut instance = host(&["virtqemud", "virtstoraged", "virtsecretd"]);
    make(&instance, "1 whole", "raw", "");
    make(&instance, "other", "raw", "");
    instance.daemon_mut("virtstoraged").kill();
    let left_over = instance.path("/run/libvirt/storage/keys/key-left");
    fs::write(&left_over, PASSWORD).unwrap();
    // As on a host that has never had these volumes: headers do not say which secret it was.
    fs::remove_dir_all(instance.path("/var/lib/libvirt/storage/encryptions")).unwrap();
    instance.daemon_mut("virtstoraged").restart();
    instance.virsh(&["vol-resize", "1 whole", "8M", "--pool", "p"]);
    assert!(!left_over.exists(), "what a daemon left that died");
    assert_eq!(capacity(&instance, "1 whole"), 8 << 20);
    let refused = instance.virsh_fails(&["vol-resize", "other", "8M", "--pool", "p"]);
    assert!(refused.contains("volume 'other' needs its secret"), "{refused}");
    instance.daemon_mut("virtsecretd").kill();
    let file = instance.file("volume.xml", &document("new", "raw", ""));
    let refused = instance.virsh_fails(&["vol-create", "p", &file]);
    assert!(
        refused.contains("volume 'new' needs its secret") && refused.contains("virtsecretd"),
        "{refused}"
    );
    assert_eq!(files_of_pool(&instance, "p"), ["1 whole", "other"]);
}

//! Guests on encrypted images, whose keys are virtsecretd's.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, idle_domain, python, qemu_img_with, wait_for};
use std::fs;
use std::os::unix::fs::PermissionsExt;

const UUID: &str = "11111111-2222-3333-4444-555555555555";
const PASSWORD: &str = "open sesame";

/// A host with a private secret for images.
fn host() -> Instance {
    host_of(&["virtqemud", "virtsecretd"])
}

fn host_of(daemons: &[&str]) -> Instance {
    let instance = Instance::start_all(daemons);
    let secret = format!(
        "<secret private='yes'><uuid>{UUID}</uuid><usage type='volume'><volume>/images</volume></usage></secret>"
    );
    let file = instance.file("secret.xml", &secret);
    // Over the one connection, as a user does.
    instance.virsh(&["secret-define", &file]);
    set(&instance, PASSWORD);
    instance
}

fn set(instance: &Instance, password: &str) {
    let script = "import libvirt, sys\n\
                  secret = libvirt.open(sys.argv[1]).secretLookupByUUIDString(sys.argv[2])\n\
                  secret.setValue(sys.argv[3].encode())";
    let outcome = python(script, &[&instance.uri(), UUID, password]);
    assert!(outcome.success, "{}", outcome.stderr);
}

/// An encrypted image whose first bytes are all "a".
fn image(instance: &Instance, name: &str, format: &str) -> String {
    let plain = instance.file("plain", &"a".repeat(1 << 20));
    let secret = format!("secret,id=key,data={PASSWORD}");
    let options = match format {
        "luks" => "key-secret=key,iter-time=10",
        _ => "encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10",
    };
    qemu_img_with(
        instance,
        &[
            "convert", "--object", &secret, "-f", "raw", "-O", format, "-o", options, &plain, name,
        ],
    );
    instance.root().join(name).display().to_string()
}

fn domain(name: &str, format: &str, image: &str, secret: &str) -> String {
    let disk = format!(
        "<devices><disk type='file' device='disk'><driver name='qemu' type='{format}'/><source file='{image}'>\
         <encryption format='luks'><secret type='passphrase' {secret}/></encryption></source>\
         <target dev='vda' bus='virtio'/></disk>"
    );
    idle_domain(name).replace("<devices>", &disk)
}

/// Has QEMU read what a guest would, and compare it.
fn sees_the_image(instance: &Instance, name: &str) {
    let nodes = r#"{"execute":"query-block"}"#;
    let told = instance.virsh(&["qemu-monitor-command", name, nodes]);
    let (_, rest) = told.split_once(r#""node-name":""#).unwrap();
    let node = rest.split('"').next().unwrap();
    let command = format!("qemu-io {node} \"read -P 0x61 0 4096\"");
    instance.virsh(&["qemu-monitor-command", name, "--hmp", &command]);
    // It says so where the guest's log is.
    let log = instance.path(&format!("/var/log/libvirt/qemu/{name}.log"));
    let said = wait_for("what was read", || {
        let said = fs::read_to_string(&log).unwrap();
        said.contains("read 4096/4096 bytes").then_some(said)
    });
    assert!(!said.contains("Pattern verification failed"), "{said}");
    fs::write(&log, "").unwrap();
}

#[test]
fn guests_see_what_is_in_encrypted_images() {
    see_encrypted_images(&["virtqemud", "virtsecretd"]);
}

#[test]
fn guests_of_a_daemon_with_all_drivers_see_them_as_well() {
    see_encrypted_images(&["libvirtd"]);
}

fn see_encrypted_images(daemons: &[&str]) {
    let mut instance = host_of(daemons);
    let by_uuid = format!("uuid='{UUID}'");
    for (name, format, document, secret) in [
        ("whole", "luks", "raw", by_uuid.as_str()),
        ("inside", "qcow2", "qcow2", "usage='/images'"),
    ] {
        let image = image(&instance, &format!("{name}.img"), format);
        instance.define(name, &domain(name, document, &image, secret));
        instance.virsh(&["start", name, "--paused"]);
        sees_the_image(&instance, name);
    }
    for pid in instance.guests() {
        let arguments = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
        assert!(
            arguments.contains("masterKey0") && !arguments.contains(PASSWORD),
            "{arguments}"
        );
    }
    let runs = fs::read_dir(instance.path("/var/lib/libvirt/qemu"))
        .unwrap()
        .flatten();
    let keys: Vec<_> = runs
        .map(|run| run.path().join("master-key.aes"))
        .filter(|key| key.exists())
        .collect();
    assert_eq!(keys.len(), 2);
    for key in keys {
        assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // The next daemon needs no secret to go on.
    for daemon in daemons {
        instance.daemon_mut(daemon).kill();
    }
    instance.restart();
    sees_the_image(&instance, "whole");
    instance.virsh(&["destroy", "whole"]);
    instance.virsh(&["destroy", "inside"]);
    assert_eq!(instance.left_overs(), [""; 0]);
}

#[test]
fn what_is_missing_is_told_and_costs_only_that_guest() {
    let mut instance = host();
    let image = image(&instance, "whole.img", "luks");
    let by_uuid = format!("uuid='{UUID}'");
    instance.define("vm", &domain("vm", "raw", &image, &by_uuid));
    let unknown = UUID.replace('1', "2");
    instance.define(
        "lost",
        &domain("lost", "raw", &image, &format!("uuid='{unknown}'")),
    );
    instance.define("other", &domain("other", "raw", &image, "usage='/elsewhere'"));

    let refused = instance.virsh_fails(&["start", "lost"]);
    assert!(
        refused.contains("virtio-disk0") && refused.contains(&unknown),
        "{refused}"
    );
    let refused = instance.virsh_fails(&["start", "other"]);
    assert!(
        refused.contains("secret for the volume '/elsewhere'"),
        "{refused}"
    );

    set(&instance, "something else");
    let refused = instance.virsh_fails(&["start", "vm"]);
    assert!(refused.contains("Invalid password"), "{refused}");

    instance.daemon_mut("virtsecretd").kill();
    let refused = instance.virsh_fails(&["start", "vm"]);
    assert!(
        refused.contains("systemctl start virtsecretd.socket"),
        "{refused}"
    );
    assert_eq!(instance.virsh(&["domstate", "vm"]).trim(), "shut off");
    assert_eq!(instance.left_overs(), [""; 0]);

    instance.daemon_mut("virtsecretd").restart();
    set(&instance, PASSWORD);
    instance.virsh(&["start", "vm", "--paused"]);
    sees_the_image(&instance, "vm");
}

//! Guests whose disks are volumes of pools.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, add_pool, idle_domain, pool_folder};
use std::fs;

/// A guest with such disks that nobody boots.
fn with_disks(name: &str, disks: &str) -> String {
    idle_domain(name).replace("<devices>", &format!("<devices>{disks}"))
}

fn disk(source: &str, device: &str, format: &str, target: &str) -> String {
    let bus = if device == "cdrom" { "sata" } else { "virtio" };
    format!(
        "<disk type='volume' device='{device}'><driver name='qemu'{format}/><source {source}/>\
         <target dev='{target}' bus='{bus}'/></disk>"
    )
}

#[test]
fn a_guest_starts_from_volumes() {
    start_from_volumes(&["virtqemud", "virtstoraged", "virtsecretd"]);
}

#[test]
fn a_guest_of_a_daemon_with_all_drivers_does_as_well() {
    start_from_volumes(&["libvirtd"]);
}

fn start_from_volumes(daemons: &[&str]) {
    let mut instance = Instance::start_all(daemons);
    add_pool(&instance, "p");
    instance.virsh(&["vol-create-as", "p", "base", "8M", "--format", "qcow2"]);
    let layered = ["vol-create-as", "p", "top", "8M", "--format", "qcow2"];
    let layers = ["--backing-vol", "base", "--backing-vol-format", "qcow2"];
    instance.virsh(&[&layered[..], &layers].concat());
    instance.virsh(&["vol-create-as", "p", "plain", "4M"]);
    let disks = disk("pool='p' volume='top'", "disk", " type='qcow2'", "vda")
        + &disk("pool='p' volume='plain'", "disk", "", "vdb");
    instance.define("pooled", &with_disks("pooled", &disks));

    // It knows of its volumes before it runs.
    let figures = |instance: &Instance, target: &str| {
        let told = instance.virsh(&["domblkinfo", "pooled", target]);
        told.lines().next().unwrap().trim().to_owned()
    };
    assert!(figures(&instance, "vda").ends_with(" 8388608"));
    assert!(figures(&instance, "vdb").ends_with(" 4194304"));
    instance.virsh(&["start", "pooled", "--paused"]);

    let document = instance.virsh(&["dumpxml", "pooled"]);
    for part in [
        "<disk type='volume' device='disk'>",
        "<source pool='p' volume='top' index='2'/>",
        "<source pool='p' volume='plain' index='1'/>",
    ] {
        assert!(document.contains(part), "{part}: {document}");
    }
    let folder = pool_folder(&instance, "p").display().to_string();
    // What it is based on is nobody's volume to the guest.
    assert!(
        document.contains(&format!("<source file='{folder}/base'/>")),
        "{document}"
    );
    let inactive = instance.virsh(&["dumpxml", "pooled", "--inactive"]);
    assert!(
        inactive.contains("<source pool='p' volume='top'/>") && !inactive.contains(&folder),
        "{inactive}"
    );
    let pid = instance.guests().first().copied().unwrap();
    let arguments = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    for name in ["top", "base", "plain"] {
        let named = format!("\"filename\":\"{folder}/{name}\"");
        assert!(arguments.contains(&named), "{named}: {arguments}");
    }
    tells_figures(&instance, &folder);
    // The next daemon needs no pool to go on.
    for daemon in daemons {
        instance.daemon_mut(daemon).kill();
    }
    instance.restart();
    tells_figures(&instance, &folder);
    instance.virsh(&["destroy", "pooled"]);
}

fn tells_figures(instance: &Instance, folder: &str) {
    let list = instance.virsh(&["domblklist", "pooled"]);
    assert!(list.contains("top") && list.contains("plain"), "{list}");
    for name in ["vda".to_owned(), format!("{folder}/top")] {
        let told = instance.virsh(&["domblkinfo", "pooled", &name]);
        assert!(told.lines().next().unwrap().ends_with(" 8388608"), "{told}");
        instance.virsh(&["domblkstat", "pooled", &name]);
    }
    let told = instance.virsh(&["domstats", "pooled", "--block"]);
    assert!(told.contains(&format!("block.0.path={folder}/top")), "{told}");
    assert!(told.contains(&format!("block.1.path={folder}/plain")), "{told}");
}

#[test]
fn what_is_not_there_is_named() {
    let instance = Instance::start_all(&["virtqemud", "virtstoraged"]);
    add_pool(&instance, "p");
    let define = |source: &str, device: &str| {
        instance.define("pooled", &with_disks("pooled", &disk(source, device, "", "sda")));
    };
    let refused = |source: &str, words: &[&str]| {
        define(source, "disk");
        let said = instance.virsh_fails(&["start", "pooled", "--paused"]);
        instance.virsh(&["undefine", "pooled"]);
        for word in words {
            assert!(said.contains(word), "{word}: {said}");
        }
    };
    let gone = "pool='p' volume='gone'";
    refused(gone, &["disk 'sda'", "'gone'", "'p'", "no storage vol"]);
    refused("pool='none' volume='v'", &["'none'", "no storage pool"]);
    instance.virsh(&["vol-create-as", "p", "there", "1M"]);
    refused("pool='p' volume='there' mode='direct'", &["disk 'sda'", "mode"]);
    // A drive that may be empty is.
    define(&format!("{gone} startupPolicy='optional'"), "cdrom");
    instance.virsh(&["start", "pooled", "--paused"]);
    let document = instance.virsh(&["dumpxml", "pooled"]);
    assert!(!document.contains("volume='gone'"), "{document}");
    instance.virsh(&["destroy", "pooled"]);
    instance.virsh(&["undefine", "pooled"]);
    instance.virsh(&["pool-destroy", "p"]);
    refused(gone, &["'p'", "not active"]);
}

#[test]
fn without_virtstoraged_its_absence_is_named() {
    let instance = Instance::start();
    instance.define(
        "pooled",
        &with_disks("pooled", &disk("pool='p' volume='v'", "disk", "", "vda")),
    );
    let said = instance.virsh_fails(&["start", "pooled", "--paused"]);
    assert!(said.contains("virtstoraged"), "{said}");
}

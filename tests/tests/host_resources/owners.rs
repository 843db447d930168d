//! Files of guests that run as another user.

use end_to_end::{Instance, disk, idle_domain, mode, wait_for};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

/// A user that no host has.
const USER: u32 = 64_123;
const GROUP: u32 = 64_124;

fn owner(path: &str) -> (u32, u32) {
    let file = fs::metadata(path).unwrap();
    (file.uid(), file.gid())
}

/// A daemon whose guests are that user's, who may look into the test's folder.
fn instance(more: &str) -> Instance {
    let instance = Instance::wrapped(&[], &format!("user = \"+{USER}\"\ngroup = \"+{GROUP}\"\n{more}"));
    fs::set_permissions(instance.root(), fs::Permissions::from_mode(0o755)).unwrap();
    instance
}

fn define(instance: &Instance, name: &str, disks: &[(&str, &str)]) {
    let mut devices = "<devices>".to_owned();
    for (at, (path, more)) in disks.iter().enumerate() {
        let letter = char::from(b'a' + u8::try_from(at).unwrap());
        devices += &format!(
            "<disk type='file'><driver name='qemu' type='qcow2'/><source file='{path}'/>\
             <target dev='vd{letter}' bus='virtio'/>{more}</disk>"
        );
    }
    instance.define(name, &idle_domain(name).replace("<devices>", &devices));
}

#[test]
fn files_change_hands_and_go_back() {
    if mode() != "system" {
        eprintln!("NOT RUN: only root can give files away");
        return;
    }
    let mut instance = instance("");
    let own = disk(&instance, "own.qcow2");
    let shared = disk(&instance, "shared.qcow2");
    chown(&own, Some(1001), Some(1002)).unwrap();
    define(&instance, "a", &[(&own, ""), (&shared, "<readonly/>")]);
    instance.virsh(&["start", "a", "--paused"]);
    assert_eq!(owner(&own), (USER, GROUP));
    assert_eq!(owner(&shared), (USER, GROUP));
    let [pid] = instance.guests().try_into().unwrap();
    let process = fs::metadata(format!("/proc/{pid}")).unwrap();
    assert_eq!((process.uid(), process.gid()), (USER, GROUP));
    // The next daemon knows whose they were.
    instance.kill();
    instance.restart();
    instance.virsh(&["destroy", "a"]);
    assert_eq!(owner(&own), (1001, 1002));
    assert_eq!(owner(&shared), (USER, GROUP));
    // A guest that ends while no daemon is there gives them back, too.
    instance.virsh(&["start", "a", "--paused"]);
    assert_eq!(owner(&own), (USER, GROUP));
    instance.kill();
    let [pid] = instance.guests().try_into().unwrap();
    let guest = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(guest, rustix::process::Signal::KILL).unwrap();
    wait_for("the guest's end", || instance.guests().is_empty().then_some(()));
    instance.restart();
    // Who answers has looked for guests.
    assert_eq!(instance.virsh(&["domstate", "a"]).trim(), "shut off");
    assert_eq!(owner(&own), (1001, 1002));
    // As does a start that fails.
    let broken = idle_domain("b").replace(
        "<devices>",
        &format!(
            "<devices><disk type='file'><driver name='qemu' type='qcow2'/><source file='{own}'/><target dev='vda' bus='virtio'/>\
             </disk><serial type='tcp'><source mode='connect' host='127.0.0.1' service='1'/></serial>"
        ),
    );
    instance.define("b", &broken);
    instance.virsh_fails(&["start", "b"]);
    assert_eq!(owner(&own), (1001, 1002));
}

#[test]
fn owners_stay_where_they_are_told_to() {
    if mode() != "system" {
        return;
    }
    let instance = instance("dynamic_ownership = 0");
    let image = disk(&instance, "a.qcow2");
    fs::set_permissions(&image, fs::Permissions::from_mode(0o666)).unwrap();
    define(&instance, "a", &[(&image, "")]);
    instance.virsh(&["start", "a", "--paused"]);
    assert_eq!(owner(&image), (0, 0));
    instance.virsh(&["destroy", "a"]);
    assert!(Path::new(&image).exists());
}

#[test]
fn a_guest_is_whose_its_document_says() {
    /// Another user that no host has.
    const OTHER: (u32, u32) = (64_125, 64_126);
    if mode() != "system" {
        return;
    }
    let instance = instance("");
    let (image, given) = (disk(&instance, "a.qcow2"), disk(&instance, "b.qcow2"));
    chown(&image, Some(1001), Some(1002)).unwrap();
    let label = format!("<label>+{}:+{}</label>", OTHER.0, OTHER.1);
    let device = format!(
        "<disk type='file'><driver name='qemu' type='qcow2'/><source file='{given}'>\
         <seclabel model='dac' relabel='yes'><label>+{USER}:+{GROUP}</label></seclabel></source>\
         <target dev='vdb' bus='virtio'/></disk>"
    );
    fs::set_permissions(&given, fs::Permissions::from_mode(0o666)).unwrap();
    let document = |relabel: &str| {
        let fixed =
            format!("<seclabel type='static' model='dac' relabel='{relabel}'>{label}</seclabel></domain>");
        let devices = format!(
            "<devices>{device}<disk type='file'><driver name='qemu' type='qcow2'/><source file='{image}'/>\
             <target dev='vda' bus='virtio'/></disk>"
        );
        let document = idle_domain("labelled").replace("<devices>", &devices);
        document.replace("</domain>", &fixed)
    };
    instance.define("labelled", &document("yes"));
    instance.virsh(&["start", "labelled", "--paused"]);
    let [pid] = instance.guests().try_into().unwrap();
    let process = fs::metadata(format!("/proc/{pid}")).unwrap();
    assert_eq!((process.uid(), process.gid()), OTHER);
    assert_eq!(owner(&image), OTHER);
    assert_eq!(owner(&given), (USER, GROUP));
    let live = instance.virsh(&["dumpxml", "labelled"]);
    assert!(live.contains(&label.replace("label>", "imagelabel>")), "{live}");
    instance.virsh(&["destroy", "labelled"]);
    assert_eq!(owner(&image), (1001, 1002));
    // Owners that stay keep the guest from its disk.
    instance.virsh(&["undefine", "labelled"]);
    instance.define("labelled", &document("no"));
    let said = instance.virsh_fails(&["start", "labelled", "--paused"]);
    assert!(said.contains("Permission denied"), "{said}");
    assert_eq!(owner(&image), (1001, 1002));
    instance.virsh(&["undefine", "labelled"]);
    instance.define(
        "labelled",
        &document("yes").replace(&label, "<label>nobody-of-that-name:root</label>"),
    );
    let said = instance.virsh_fails(&["start", "labelled", "--paused"]);
    assert!(said.contains("there is no user 'nobody-of-that-name'"), "{said}");
}

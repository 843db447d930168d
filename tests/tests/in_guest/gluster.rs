//! `gluster` pools on a real Gluster volume, of this guest.

use crate::host::{run, try_run};
use crate::pools::{Pool, Units, crash, info, storage, storage_fails, volumes};
use std::fs;

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn files_of_a_real_gluster_volume_are_volumes() {
    let _server = Units::start(&["glusterd.service"]);
    // It serves nothing at a loopback address.
    try_run("ip", &["address", "add", "192.0.2.1/32", "dev", "lo"]);
    fs::create_dir_all("/srv/brick").unwrap();
    let gluster = |words: &[&str]| run("gluster", &[&["--mode=script"], words].concat());
    gluster(&["volume", "create", "images", "192.0.2.1:/srv/brick", "force"]);
    gluster(&["volume", "start", "images"]);
    let found = storage(&["find-storage-pool-sources-as", "gluster", "192.0.2.1"]);
    assert!(found.contains("<name>images</name>"), "{found}");
    let pool = "<pool type='gluster'><name>gluster</name><source><host name='192.0.2.1'/><dir path='/'/>\
                <name>images</name></source></pool>";
    fs::write("/tmp/gluster.xml", pool).unwrap();
    storage(&["pool-define", "/tmp/gluster.xml", "--validate"]);
    let pool = Pool("gluster");
    storage(&["pool-start", "gluster"]);
    // Volumes are made by others there.
    let complaint = storage_fails(&["vol-create-as", "gluster", "a", "1M"]);
    assert!(complaint.contains("does not support"), "{complaint}");
    let mounted = "/run/libvirt/storage/gluster/gluster";
    let image = format!("{mounted}/a.qcow2");
    run("qemu-img", &["create", "-q", "-f", "qcow2", &image, "16M"]);
    fs::create_dir(format!("{mounted}/folder")).unwrap();
    storage(&["pool-refresh", "gluster"]);
    assert_eq!(volumes("gluster"), ["a.qcow2", "folder"]);
    let xml = storage(&["vol-dumpxml", "--pool", "gluster", "a.qcow2"]);
    for part in [
        "<volume type='network'>",
        "<key>gluster://192.0.2.1/images/a.qcow2</key>",
        "<capacity unit='bytes'>16777216</capacity>",
        "<format type='qcow2'/>",
    ] {
        assert!(xml.contains(part), "{part} is not in {xml}");
    }
    // The mount is a program of its own, and outlives the daemon.
    crash();
    assert_eq!(info(&storage(&["pool-info", "gluster"]), "State"), "running");
    storage(&["vol-delete", "--pool", "gluster", "a.qcow2"]);
    assert!(!fs::exists(&image).unwrap());
    drop(pool);

    // The same files by a mount that everybody sees, where volumes can be made.
    let found = storage(&["find-storage-pool-sources-as", "netfs", "192.0.2.1"]);
    assert!(
        found.contains("<dir path='images'/>") && found.contains("<format type='glusterfs'/>"),
        "{found}"
    );
    let define = ["pool-define-as", "mounted", "netfs", "--target", "/srv/gluster"];
    let source = [
        "--source-host",
        "192.0.2.1",
        "--source-path",
        "images",
        "--source-format",
        "glusterfs",
    ];
    storage(&[&define[..], &source].concat());
    let pool = Pool("mounted");
    storage(&["pool-build", "mounted"]);
    storage(&["pool-start", "mounted"]);
    storage(&["vol-create-as", "mounted", "b.qcow2", "16M", "--format", "qcow2"]);
    assert_eq!(volumes("mounted"), ["b.qcow2", "folder"]);
    crash();
    assert_eq!(info(&storage(&["pool-info", "mounted"]), "State"), "running");
    storage(&["vol-delete", "--pool", "mounted", "b.qcow2"]);
    drop(pool);
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains("/srv/gluster"), "{mounts}");
    assert!(!fs::read_to_string("/proc/self/mounts").unwrap().contains(mounted));
    gluster(&["volume", "stop", "images"]);
    gluster(&["volume", "delete", "images"]);
}

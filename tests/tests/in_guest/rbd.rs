//! `rbd` pools on a real Ceph cluster: one monitor and one store in memory, on this guest.

use crate::host::{Host, run, try_run, wait_for};
use crate::pools::{Pool, crash, info, storage, storage_fails, volumes};
use std::fs::{self, File};
use std::process::{Child, Command, Stdio};

const FOLDER: &str = "/srv/ceph";

/// Who virtstoraged is to the cluster.
const SECRET: &str = "2a5b08e4-3dca-4ff9-9a1d-40389758d081";

/// A cluster, until the value goes.
struct Ceph(Vec<Child>);

fn ceph(words: &[&str]) -> String {
    run("ceph", &[&["--connect-timeout", "60"], words].concat())
}

impl Ceph {
    fn start() -> Self {
        Host::get();
        let _ = fs::remove_dir_all(FOLDER);
        for folder in ["mon", "osd", "mgr"] {
            fs::create_dir_all(format!("{FOLDER}/{folder}")).unwrap();
        }
        let fsid = "e2062a2c-038e-49c1-a90d-5e5b0afb93b7";
        let address = "[v2:127.0.0.1:3300,v1:127.0.0.1:6789]";
        let configuration = format!(
            "[global]\nfsid = {fsid}\nmon_initial_members = a\nmon_host = {address}\npublic_addr = 127.0.0.1\n\
             keyring = {FOLDER}/keyring\nlog_file = {FOLDER}/$name.log\nrun_dir = {FOLDER}\n\
             admin_socket = {FOLDER}/$name.asok\npid_file = {FOLDER}/$name.pid\nosd_pool_default_size = 1\n\
             osd_pool_default_min_size = 1\nosd_crush_chooseleaf_type = 0\nmon_allow_pool_size_one = true\n\
             [mon.a]\nmon_data = {FOLDER}/mon\n[mgr.x]\nmgr_data = {FOLDER}/mgr\n\
             [osd.0]\nosd_data = {FOLDER}/osd\nosd_objectstore = memstore\nmemstore_device_bytes = 268435456\n"
        );
        fs::create_dir_all("/etc/ceph").unwrap();
        fs::write("/etc/ceph/ceph.conf", configuration).unwrap();
        let keyring = format!("{FOLDER}/keyring");
        let new_key = |create: &[&str], name: &str, powers: &[&str]| {
            let powers: Vec<_> = powers
                .iter()
                .flat_map(|power| power.split_once(' '))
                .flat_map(|(who, what)| ["--cap", who, what])
                .collect();
            run(
                "ceph-authtool",
                &[&[keyring.as_str()], create, &["--gen-key", "-n", name], &powers].concat(),
            );
        };
        new_key(&["--create-keyring"], "mon.", &["mon allow *"]);
        let all = ["mon allow *", "osd allow *", "mgr allow *"];
        new_key(&[], "client.admin", &all);
        let map = format!("{FOLDER}/map");
        run(
            "monmaptool",
            &["--create", "--addv", "a", address, "--fsid", fsid, &map],
        );
        run(
            "ceph-mon",
            &["--mkfs", "-i", "a", "--monmap", &map, "--keyring", &keyring],
        );
        let mut cluster = Self(Vec::new());
        cluster.spawn("ceph-mon", "a");
        let uuid = "59ea2d2e-ed49-4c6d-977f-a18d4d1a2e1a";
        ceph(&["osd", "new", uuid, "0"]);
        new_key(
            &[],
            "osd.0",
            &["mon allow profile osd", "osd allow *", "mgr allow profile osd"],
        );
        new_key(
            &[],
            "mgr.x",
            &["mon allow profile mgr", "osd allow *", "mds allow *"],
        );
        ceph(&["auth", "import", "-i", &keyring]);
        run("ceph-osd", &["-i", "0", "--mkfs", "--osd-uuid", uuid]);
        cluster.spawn("ceph-osd", "0");
        // It counts what there is.
        cluster.spawn("ceph-mgr", "x");
        ceph(&["osd", "pool", "create", "vms", "8"]);
        ceph(&["osd", "pool", "application", "enable", "vms", "rbd"]);
        wait_for("the cluster to tell its size", || {
            let told = run("rados", &["df", "--format", "json"]);
            (!told.contains(r#""total_space":0"#)).then_some(())
        });
        cluster
    }

    fn spawn(&mut self, program: &str, id: &str) {
        let log = File::create(format!("{FOLDER}/{program}.out")).unwrap();
        let daemon = Command::new(program)
            .args(["-i", id, "-f"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.0.push(daemon.unwrap());
    }
}

impl Drop for Ceph {
    fn drop(&mut self) {
        for daemon in &mut self.0 {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// What the cluster's own administrator does to images.
fn rbd(words: &[&str]) -> String {
    let keyring = format!("{FOLDER}/keyring");
    let cluster = ["--mon-host", "127.0.0.1:6789", "--keyring", &keyring];
    run("rbd", &[&cluster, words].concat())
}

fn secret(words: &[&str]) {
    run("virsh", &[&["-q", "-c", "secret:///system"], words].concat());
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn images_of_a_real_ceph_pool_are_volumes() {
    let cluster = Ceph::start();
    let key = ceph(&[
        "auth",
        "get-or-create-key",
        "client.libvirt",
        "mon",
        "profile rbd",
        "osd",
        "profile rbd pool=vms",
    ]);
    let document = format!(
        "<secret ephemeral='no' private='yes'><uuid>{SECRET}</uuid>\
         <usage type='ceph'><name>client.libvirt</name></usage></secret>"
    );
    fs::write("/tmp/ceph.xml", document).unwrap();
    secret(&["secret-define", "/tmp/ceph.xml"]);
    fs::write("/tmp/ceph.key", key.trim()).unwrap();
    secret(&["secret-set-value", SECRET, "--file", "/tmp/ceph.key"]);
    let pool = format!(
        "<pool type='rbd'><name>rbd</name><source><name>vms</name><host name='127.0.0.1' port='6789'/>\
         <auth type='ceph' username='libvirt'><secret uuid='{SECRET}'/></auth></source></pool>"
    );
    fs::write("/tmp/rbd.xml", pool).unwrap();
    storage(&["pool-define", "/tmp/rbd.xml", "--validate"]);
    let _pool = Pool("rbd");
    // The file of the host, which could do more, does not count.
    fs::remove_file("/etc/ceph/ceph.conf").unwrap();
    storage(&["pool-start", "rbd"]);
    let told = storage(&["pool-info", "--bytes", "rbd"]);
    assert_eq!(info(&told, "Capacity"), (256 << 20).to_string());
    storage(&["vol-create-as", "rbd", "a", "16M"]);
    storage(&["vol-create-as", "rbd", "b", "8M"]);
    storage(&["vol-resize", "--pool", "rbd", "b", "4M", "--shrink"]);
    storage(&["vol-clone", "--pool", "rbd", "a", "c"]);
    assert_eq!(volumes("rbd"), ["a", "b", "c"]);
    let xml = storage(&["vol-dumpxml", "--pool", "rbd", "b"]);
    for part in [
        "<volume type='network'>",
        "<key>vms/b</key>",
        "<path>vms/b</path>",
        "<capacity unit='bytes'>4194304</capacity>",
        "<format type='raw'/>",
    ] {
        assert!(xml.contains(part), "{part} is not in {xml}");
    }
    let complaint = storage_fails(&["vol-create-as", "rbd", "d", "1M", "--format", "qcow2"]);
    assert!(complaint.contains("format type qcow2"), "{complaint}");
    let refused = "<volume><name>d</name><capacity unit='M'>1</capacity><target><encryption format='luks'/></target></volume>";
    fs::write("/tmp/encrypted.xml", refused).unwrap();
    let complaint = storage_fails(&["vol-create", "rbd", "/tmp/encrypted.xml"]);
    assert!(
        complaint.contains("does not support encrypted volumes"),
        "{complaint}"
    );

    // What is overwritten takes its room, what is trimmed gives it back, and both read as zeroes.
    storage(&["vol-create-as", "rbd", "odd", "9000448b"]);
    let words = [
        "--io-type",
        "write",
        "--io-size",
        "512",
        "--io-total",
        "9000448",
        "vms/odd",
    ];
    let content = || {
        let _ = fs::remove_file("/tmp/odd.img");
        rbd(&["export", "--no-progress", "vms/odd", "/tmp/odd.img"]);
        fs::read("/tmp/odd.img").unwrap()
    };
    for (algorithm, room) in [("zero", 9_000_448), ("trim", 0)] {
        rbd(&[&["bench", "--io-pattern", "seq"], &words[..]].concat());
        assert!(content().iter().any(|byte| *byte != 0));
        storage(&["vol-wipe", "--pool", "rbd", "odd", "--algorithm", algorithm]);
        assert!(content().iter().all(|byte| *byte == 0), "{algorithm}");
        let extents = rbd(&["diff", "--format", "json", "vms/odd"]);
        let taken: u64 = extents.matches("\"exists\":\"true\"").count() as u64;
        assert_eq!(taken == 0, room == 0, "{algorithm}: {extents}");
    }
    let complaint = storage_fails(&["vol-wipe", "--pool", "rbd", "odd", "--algorithm", "dod"]);
    assert!(complaint.contains("cannot be overwritten"), "{complaint}");

    // Its clone is based on a snapshot of it.
    let with_snapshots = ["vol-delete", "--pool", "rbd", "a", "--delete-snapshots"];
    let complaint = storage_fails(&["vol-delete", "--pool", "rbd", "a"]);
    assert!(complaint.contains("image has snapshots"), "{complaint}");
    let complaint = storage_fails(&with_snapshots);
    assert!(complaint.contains("failed to unprotect snapshot"), "{complaint}");
    storage(&["vol-delete", "--pool", "rbd", "c"]);
    rbd(&["snap", "create", "--no-progress", "vms/a@by-hand"]);
    storage(&with_snapshots);
    storage(&["vol-delete", "--pool", "rbd", "b"]);
    storage(&["vol-create-as", "rbd", "c", "1M"]);
    // A cluster takes its time; the daemon serves before, but who asks for volumes waits for it.
    crash();
    assert_eq!(volumes("rbd"), ["c", "odd"]);
    assert_eq!(info(&storage(&["pool-info", "rbd"]), "State"), "running");
    // Nothing of the key stays where anybody else may read it, or at all.
    assert_eq!(fs::read_dir("/run/libvirt/storage/keys").unwrap().count(), 0);

    storage(&["pool-destroy", "rbd"]);
    drop(cluster);
    let _ = try_run("rm", &["-rf", FOLDER]);
}

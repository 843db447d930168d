//! Pools that are mounted, and one whose file system hangs.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Hanging, Instance, add_pool, python, storage, volumes_of_pool, wait_for};
use std::fs::{self, File};
use std::process::{Command, Stdio};

#[test]
fn a_file_system_is_made_mounted_and_used() {
    for (format, size) in [("ext4", 64 << 20), ("xfs", 320 << 20)] {
        let mut instance = Instance::empty();
        // What it mounts ends with it.
        let wrapper = ["unshare", "--mount", "--propagation", "private"];
        instance.add_under(wrapper.map(str::to_owned).to_vec(), "virtstoraged");
        let image = instance.root().join("disk.img");
        File::create(&image).unwrap().set_len(size).unwrap();
        let (image, target) = (
            image.display().to_string(),
            instance.root().join("f").display().to_string(),
        );
        let define = [
            "pool-define-as",
            "f",
            "fs",
            "--source-dev",
            &image,
            "--target",
            &target,
        ];
        instance.virsh(&[&define[..], &["--source-format", format]].concat());
        instance.virsh(&["pool-build", "f", "--no-overwrite"]);
        let refusal = instance.virsh_fails(&["pool-build", "f", "--no-overwrite"]);
        assert!(
            refusal.contains(&format!("has '{format}' on it already")),
            "{refusal}"
        );
        instance.virsh(&["pool-build", "f", "--overwrite"]);
        instance.virsh(&["pool-start", "f"]);
        let xml = instance.virsh(&["pool-dumpxml", "f"]);
        assert!(xml.contains(&format!("<format type='{format}'/>")), "{xml}");
        instance.virsh(&["vol-create-as", "f", "a.qcow2", "10M", "--format", "qcow2"]);
        // Full is full, and leaves nothing.
        let refusal = instance.virsh_fails(&["vol-create-as", "f", "b.img", "400M"]);
        assert!(refusal.contains("No space left on device"), "{refusal}");
        instance.virsh(&["pool-destroy", "f"]);
        assert_eq!(
            fs::read_dir(&target).unwrap().count(),
            0,
            "it is not mounted here"
        );
        instance.virsh(&["pool-start", "f"]);
        let mut volumes = volumes_of_pool(&instance, "f");
        volumes.retain(|name| name != "lost+found");
        assert_eq!(volumes, ["a.qcow2"]);
        instance.virsh(&["pool-destroy", "f"]);
    }
}

#[test]
fn files_on_btrfs_share_their_blocks_where_a_pool_says_so() {
    for (said, share) in [("", false), ("no", false), ("yes", true)] {
        let mut instance = Instance::empty();
        let wrapper = ["unshare", "--mount", "--propagation", "private"];
        instance.add_under(wrapper.map(str::to_owned).to_vec(), "virtstoraged");
        let image = instance.root().join("disk.img");
        File::create(&image).unwrap().set_len(128 << 20).unwrap();
        let made = Command::new("mkfs.btrfs").arg("-q").arg(&image).output();
        assert!(made.unwrap().status.success());
        let target = instance.root().join("f");
        fs::create_dir(&target).unwrap();
        let features = format!("<features><cow state='{said}'/></features>");
        let features = if said.is_empty() { "" } else { &features };
        let document = format!(
            "<pool type='fs'><name>f</name>{features}<source><device path='{}'/></source><target><path>{}</path></target></pool>",
            image.display(),
            target.display()
        );
        let file = instance.file("pool.xml", &document);
        instance.virsh(&["pool-create", &file]);
        instance.virsh(&["vol-create-as", "f", "a.img", "1M"]);
        // Only the daemon sees what it has mounted.
        let pid = instance.daemon("virtstoraged").pid().to_string();
        let path = target.join("a.img").display().to_string();
        let listed = Command::new("nsenter")
            .args(["--mount", "--target", &pid, "lsattr", &path])
            .output()
            .unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        let flags = listed.split_whitespace().next().unwrap_or_default();
        assert_eq!(flags.contains('C'), !share, "{said}: {listed}");
        // Within a pool that shares, a volume may still not.
        let alone = "<volume><name>b.img</name><capacity>4096</capacity><target><nocow/></target></volume>";
        let file = instance.file("volume.xml", alone);
        instance.virsh(&["vol-create", "f", &file]);
        instance.virsh(&["pool-destroy", "f"]);
    }
    // Elsewhere there is no such choice.
    let instance = storage();
    let folder = instance.root().join("other").display().to_string();
    let document = format!(
        "<pool type='dir'><name>other</name><features><cow state='no'/></features><target><path>{folder}</path></target></pool>"
    );
    let file = instance.file("pool.xml", &document);
    instance.virsh(&["pool-define", &file]);
    let refusal = instance.virsh_fails(&["pool-build", "other"]);
    assert!(refusal.contains("not btrfs"), "{refusal}");
}

/// Everything that does not concern the pool that hangs, and everything about it that only looks.
const OTHERS: &str = r#"
import libvirt, sys
conn = libvirt.open(sys.argv[1])
p, hung = conn.storagePoolLookupByName('p'), conn.storagePoolLookupByName('hung')
vol = conn.storageVolLookupByPath(sys.argv[2])
for number in range(20):
    made = p.createXML('<volume><name>v</name><capacity>4096</capacity></volume>', 0)
    assert [v.name() for v in p.listAllVolumes()] == ['v'] and made.info()[1] == 4096
    p.refresh()
    made.delete(0)
    assert vol.info()[1] == 1 << 20 and 'a.img' in vol.XMLDesc()
    assert 'a.img' in hung.listVolumes() and hung.info()[1] > 0 and hung.XMLDesc()
    assert len(conn.listAllStoragePools()) == 2
"#;

#[test]
fn a_pool_that_hangs_costs_nobody_else_anything_and_can_be_stopped() {
    let mut instance = Instance::empty();
    // Ends before the daemon, whose folder it is in.
    let hanging = Hanging::below(instance.root()).unwrap();
    instance.add("virtstoraged");
    add_pool(&instance, "p");
    let folder = hanging.folder().display().to_string();
    instance.virsh(&["pool-create-as", "hung", "dir", "--target", &folder]);
    instance.virsh(&["vol-create-as", "hung", "a.img", "1M"]);

    hanging.stop().unwrap();
    let mut refresh = Command::new("virsh")
        .args(["-q", "-c", &instance.uri(), "pool-refresh", "hung"])
        .env("LC_ALL", "C")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let path = format!("{folder}/a.img");
    let others = python(OTHERS, &[&instance.uri(), &path]);
    assert!(others.success, "{}", others.stderr);
    assert!(refresh.try_wait().unwrap().is_none() || !refresh.wait().unwrap().success());
    let output = refresh.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("the storage of pool 'hung' did not answer within 15 s"),
        "{said}"
    );

    let info = instance.virsh(&["pool-info", "hung"]);
    assert!(info.contains("inaccessible"), "{info}");
    let refusal = instance.virsh_fails(&["vol-create-as", "hung", "b.img", "1M"]);
    assert!(
        refusal.contains("does not answer; it can be stopped"),
        "{refusal}"
    );
    let others = python(OTHERS, &[&instance.uri(), &path]);
    assert!(others.success, "{}", others.stderr);
    instance.virsh(&["pool-destroy", "hung"]);
    assert_eq!(instance.virsh(&["pool-list", "--name"]).trim(), "p");

    // The server is back.
    hanging.go_on().unwrap();
    wait_for("the storage", || {
        let create = ["pool-create-as", "hung", "dir", "--target", &folder];
        instance.try_virsh(&create).success.then_some(())
    });
    assert!(volumes_of_pool(&instance, "hung").contains(&"a.img".to_owned()));
    instance.virsh(&["pool-destroy", "hung"]);
}

/// Jobs that a file system holds, some of which have no deadline, and that all of them end.
const JOBS: &str = r#"
import libvirt, sys, threading
libvirt.registerErrorHandler(lambda *_: None, None)
ended = []
def job(what):
    conn = libvirt.open(sys.argv[1])
    pool = conn.storagePoolLookupByName('hung')
    try:
        what(conn, pool)
    except libvirt.libvirtError as err:
        ended.append(err)
document = '<volume><name>%s</name><capacity>4096</capacity></volume>'
def upload(conn, pool):
    stream = conn.newStream(0)
    pool.storageVolLookupByName('b.img').upload(stream, 0, 0, 0)
    while True:
        stream.send(b'x' * 65536)
jobs = [
    lambda conn, pool: pool.createXML(document % 'new', 0),
    lambda conn, pool: pool.createXMLFrom(document % 'copy', pool.storageVolLookupByName('a.img'), 0),
    lambda conn, pool: pool.storageVolLookupByName('c.img').resize(1 << 21),
    lambda conn, pool: pool.storageVolLookupByName('d.img').delete(0),
    upload,
]
threads = [threading.Thread(target=job, args=[what], daemon=True) for what in jobs]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(ended) == len(jobs), ended
"#;

#[test]
fn a_pool_whose_jobs_hang_is_stopped_and_they_end() {
    let mut instance = Instance::empty();
    let hanging = Hanging::below(instance.root()).unwrap();
    instance.add("virtstoraged");
    let folder = hanging.folder().display().to_string();
    instance.virsh(&["pool-create-as", "hung", "dir", "--target", &folder]);
    for name in ["a.img", "b.img", "c.img", "d.img"] {
        instance.virsh(&["vol-create-as", "hung", name, "1M"]);
    }
    hanging.stop().unwrap();
    let mut clients = Command::new("/usr/bin/python3")
        .args(["-c", JOBS, &instance.uri()])
        .spawn()
        .unwrap();
    let tasks = format!("/proc/{}/task", instance.daemon("virtstoraged").pid());
    wait_for("all jobs to be at work", || {
        let names = fs::read_dir(&tasks).unwrap().flatten();
        let names = names.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
        (names.filter(|name| name.trim() == "storage").count() == 5).then_some(())
    });
    assert!(volumes_of_pool(&instance, "hung").contains(&"a.img".to_owned()));
    instance.virsh(&["pool-info", "hung"]);
    instance.virsh(&["pool-destroy", "hung"]);
    assert!(clients.wait().unwrap().success(), "every job ends with the pool");
    assert_eq!(instance.virsh(&["pool-list", "--all", "--name"]).trim(), "");
    hanging.go_on().unwrap();
    // Nothing half-made is there for the next one who uses it.
    wait_for("the storage", || {
        let create = ["pool-create-as", "hung", "dir", "--target", &folder];
        instance.try_virsh(&create).success.then_some(())
    });
    let mut volumes = volumes_of_pool(&instance, "hung");
    volumes.retain(|name| name != "lost+found");
    assert_eq!(
        volumes,
        ["a.img", "b.img", "c.img", "d.img"],
        "what was told to be given up was"
    );
    instance.virsh(&["pool-destroy", "hung"]);
}

/// Content on its way to or from a volume whose file system begins to hang after the first piece.
const PASSING: &str = r#"
import libvirt, os, signal, sys, time
libvirt.registerErrorHandler(lambda *_: None, None)
uri, name, server = sys.argv[1:4]
conn = libvirt.open(uri)
volume = conn.storagePoolLookupByName('hung').storageVolLookupByName(name)
stream = conn.newStream(0)
start = time.monotonic()
try:
    if name == 'up.img':
        volume.upload(stream, 0, 0, 0)
        stream.send(b'x' * 65536)
    else:
        volume.download(stream, 0, 0, 0)
        assert len(stream.recv(65536)) > 0
    os.kill(int(server), signal.SIGSTOP)
    if name == 'up.img':
        while True:
            stream.send(b'x' * 65536)
    while stream.recv(65536):
        pass
    stream.finish()
except libvirt.libvirtError as err:
    assert "the storage of pool 'hung' did not answer within 15 s" in str(err), err
else:
    raise AssertionError('it came to its end')
assert time.monotonic() - start > 14
"#;

#[test]
fn no_step_of_a_transfer_is_waited_for_without_end() {
    for name in ["up.img", "down.img"] {
        let mut instance = Instance::empty();
        let hanging = Hanging::below(instance.root()).unwrap();
        instance.add("virtstoraged");
        let folder = hanging.folder().display().to_string();
        let path = hanging.folder().join(name);
        // More than is on its way at any time.
        fs::write(&path, vec![1; 10 << 20]).unwrap();
        instance.virsh(&["pool-create-as", "hung", "dir", "--target", &folder]);
        let dropped = rustix::fs::fadvise(File::open(&path).unwrap(), 0, None, rustix::fs::Advice::DontNeed);
        dropped.unwrap();
        let passing = python(PASSING, &[&instance.uri(), name, &hanging.pid().to_string()]);
        assert!(passing.success, "{name}: {}", passing.stderr);
        let info = instance.virsh(&["pool-info", "hung"]);
        assert!(info.contains("inaccessible"), "{info}");
        hanging.go_on().unwrap();
        wait_for("the storage", || {
            let info = instance.virsh(&["pool-info", "hung"]);
            info.contains("running").then_some(())
        });
        instance.virsh(&["pool-destroy", "hung"]);
    }
}

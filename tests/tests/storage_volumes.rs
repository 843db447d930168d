//! Volumes of a folder under stock clients.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, add_pool, files_of_pool, pool_folder, storage, volumes_of_pool};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

fn volume(instance: &Instance, name: &str) -> PathBuf {
    pool_folder(instance, "p").join(name)
}

/// What stock qemu-img tells of an image.
fn qemu_img_info(path: &Path) -> String {
    let output = Command::new("qemu-img").arg("info").arg(path).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Bytes that a file takes.
fn taken(path: &Path) -> u64 {
    fs::metadata(path).unwrap().blocks() * 512
}

#[test]
fn volumes_of_all_kinds_are_made_as_they_are_asked_for() {
    let instance = storage();
    instance.virsh(&["vol-create-as", "p", "full.img", "8M"]);
    instance.virsh(&["vol-create-as", "p", "sparse.img", "1G", "--allocation", "1M"]);
    instance.virsh(&["vol-create-as", "p", "a.qcow2", "1G", "--format", "qcow2"]);
    instance.virsh(&[
        "vol-create-as",
        "p",
        "m.qcow2",
        "16M",
        "--format",
        "qcow2",
        "--prealloc-metadata",
    ]);
    instance.virsh(&["vol-create-as", "p", "v.vmdk", "16M", "--format", "vmdk"]);
    let overlay = [
        "vol-create-as",
        "p",
        "o.qcow2",
        "2G",
        "--format",
        "qcow2",
        "--backing-vol",
        "a.qcow2",
    ];
    instance.virsh(&[&overlay[..], &["--backing-vol-format", "qcow2"]].concat());
    let document = instance.file(
        "v.xml",
        "<volume><name>special.qcow2</name><capacity unit='M'>16</capacity><target><format type='qcow2'/>\
         <permissions><mode>0640</mode></permissions><clusterSize unit='KiB'>128</clusterSize>\
         <features><lazy_refcounts/><extended_l2/></features></target></volume>",
    );
    instance.virsh(&["vol-create", "p", &document, "--validate"]);
    let folder = instance.file(
        "d.xml",
        "<volume type='dir'><name>d</name><target><format type='dir'/></target></volume>",
    );
    instance.virsh(&["vol-create", "p", &folder]);

    let names = [
        "a.qcow2",
        "d",
        "full.img",
        "m.qcow2",
        "o.qcow2",
        "sparse.img",
        "special.qcow2",
        "v.vmdk",
    ];
    assert_eq!(volumes_of_pool(&instance, "p"), names);
    assert_eq!(files_of_pool(&instance, "p"), names, "nothing else is there");
    assert_eq!(taken(&volume(&instance, "full.img")), 8 << 20);
    let sparse = volume(&instance, "sparse.img");
    assert_eq!(
        (fs::metadata(&sparse).unwrap().len(), taken(&sparse)),
        (1 << 30, 1 << 20)
    );
    for name in &names[2..] {
        let mode = fs::metadata(volume(&instance, name))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777;
        assert_eq!(
            mode,
            if *name == "special.qcow2" { 0o640 } else { 0o600 },
            "{name}"
        );
    }
    let info = qemu_img_info(&volume(&instance, "special.qcow2"));
    for words in [
        "cluster_size: 131072",
        "lazy refcounts: true",
        "extended l2: true",
    ] {
        assert!(info.contains(words), "{info}");
    }
    assert!(qemu_img_info(&volume(&instance, "o.qcow2")).contains("backing file: "));
    let xml = instance.virsh(&["vol-dumpxml", "o.qcow2", "p"]);
    let backing = volume(&instance, "a.qcow2").display().to_string();
    for words in [
        "<capacity unit='bytes'>2147483648</capacity>",
        "<format type='qcow2'/>",
        "<compat>1.1</compat>",
        "<backingStore>",
        &format!("<path>{backing}</path>"),
    ] {
        assert!(xml.contains(words), "{xml}");
    }
    let xml = instance.virsh(&["vol-dumpxml", "special.qcow2", "p"]);
    assert!(
        xml.contains("<clusterSize unit='B'>131072</clusterSize>") && xml.contains("<extended_l2/>"),
        "{xml}"
    );
    let physical = instance.virsh(&["vol-info", "sparse.img", "p", "--bytes", "--physical"]);
    assert!(
        physical.contains("Physical:       1073741824 bytes"),
        "{physical}"
    );

    // A refresh finds the same, but for when it was looked at: looking is what a refresh does.
    let all = || -> Vec<String> {
        let one = |name: &&str| instance.virsh(&["vol-dumpxml", name, "p"]);
        let told = names.iter().map(one);
        told.map(|xml| xml.lines().filter(|line| !line.contains("<atime>")).collect())
            .collect()
    };
    let before = all();
    instance.virsh(&["pool-refresh", "p"]);
    let after = all();
    assert_eq!(before, after);
    for name in names {
        instance.virsh(&["vol-delete", name, "p"]);
    }
    assert_eq!(files_of_pool(&instance, "p"), [""; 0]);
}

#[test]
fn a_volume_is_copied_into_another_format_and_another_pool() {
    let instance = storage();
    add_pool(&instance, "q");
    instance.virsh(&["vol-create-as", "p", "a.img", "16M", "--allocation", "0"]);
    let file = File::options()
        .write(true)
        .open(volume(&instance, "a.img"))
        .unwrap();
    file.write_all_at(b"content", 5 << 20).unwrap();
    instance.virsh(&["vol-clone", "a.img", "b.img", "p"]);
    let copy = volume(&instance, "b.img");
    assert_eq!(
        fs::read(&copy).unwrap(),
        fs::read(volume(&instance, "a.img")).unwrap()
    );
    assert!(taken(&copy) < 1 << 20, "holes stay holes");
    let document = instance.file(
        "c.xml",
        "<volume><name>c.qcow2</name><capacity unit='M'>32</capacity><target><format type='qcow2'/></target></volume>",
    );
    instance.virsh(&["vol-create-from", "q", &document, "a.img", "--inputpool", "p"]);
    let info = instance.virsh(&["vol-info", "c.qcow2", "q", "--bytes"]);
    assert!(info.contains("Capacity:       33554432 bytes"), "{info}");
    let document = instance.file(
        "r.xml",
        "<volume><name>r.img</name><target><format type='raw'/></target></volume>",
    );
    instance.virsh(&["vol-create-from", "p", &document, "c.qcow2", "--inputpool", "q"]);
    let mut read = [0; 7];
    File::open(volume(&instance, "r.img"))
        .unwrap()
        .read_exact_at(&mut read, 5 << 20)
        .unwrap();
    assert_eq!(&read, b"content");
}

#[test]
fn a_volume_is_resized_and_wiped() {
    let instance = storage();
    instance.virsh(&["vol-create-as", "p", "a.img", "8M"]);
    instance.virsh(&["vol-create-as", "p", "s.img", "8M", "--allocation", "1M"]);
    instance.virsh(&["vol-create-as", "p", "a.qcow2", "8M", "--format", "qcow2"]);
    for (arguments, words) in [
        (
            &["a.img", "4M"][..],
            "can't shrink capacity below existing allocation",
        ),
        (&["s.img", "4M"], "unless shrink flag explicitly specified"),
        (&["a.qcow2", "4M"], "unless shrink flag explicitly specified"),
        (&["a.qcow2", "9M", "--allocate"], "only raw volumes"),
        (&["a.img", "8E", "--delta"], "overflow"),
    ] {
        let all = [&["vol-resize", "--pool", "p"], arguments].concat();
        let refusal = instance.virsh_fails(&all);
        assert!(refusal.contains(words), "{arguments:?}: {refusal}");
    }
    let capacity = |name: &str| {
        let info = instance.virsh(&["vol-info", name, "p", "--bytes"]);
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix("Capacity:"))
            .unwrap()
            .trim()
            .to_owned();
        line.trim_end_matches(" bytes").parse::<u64>().unwrap() >> 20
    };
    for (arguments, size) in [
        (&["a.img", "16M", "--allocate"][..], 16),
        (&["s.img", "1M", "--delta"], 9),
        (&["s.img", "3M", "--delta", "--shrink"], 6),
        (&["a.qcow2", "16M"], 16),
        (&["a.qcow2", "4M", "--shrink"], 4),
    ] {
        instance.virsh(&[&["vol-resize", "--pool", "p"], arguments].concat());
        assert_eq!(capacity(arguments[0]), size, "{arguments:?}");
    }
    assert_eq!(taken(&volume(&instance, "a.img")), 16 << 20);
    let file = File::options()
        .write(true)
        .open(volume(&instance, "a.img"))
        .unwrap();
    file.write_all_at(b"secret", 3 << 20).unwrap();
    instance.virsh(&["vol-wipe", "a.img", "--pool", "p"]);
    assert!(
        fs::read(volume(&instance, "a.img"))
            .unwrap()
            .iter()
            .all(|byte| *byte == 0)
    );
    instance.virsh(&["vol-wipe", "a.qcow2", "--pool", "p"]);
    let xml = instance.virsh(&["vol-dumpxml", "a.qcow2", "p"]);
    assert!(
        xml.contains("<format type='raw'/>"),
        "nothing is left of its header: {xml}"
    );
    let refusal = instance.virsh_fails(&["vol-wipe", "a.img", "--pool", "p", "--algorithm", "trim"]);
    assert!(refusal.contains("argument unsupported"), "{refusal}");
}

#[test]
fn a_sparse_image_comes_and_goes_with_its_holes() {
    let instance = storage();
    let given = instance.root().join("given.img");
    let size = 2 << 30;
    let file = File::create(&given).unwrap();
    file.set_len(size).unwrap();
    for (place, content) in [(0, "start"), (700 << 20, "middle"), (size - 3, "end")] {
        file.write_all_at(content.as_bytes(), place).unwrap();
    }
    let name = "s.img";
    instance.virsh(&["vol-create-as", "p", name, "2G", "--allocation", "0"]);
    let path = given.display().to_string();
    instance.virsh(&["vol-upload", name, &path, "--pool", "p", "--sparse"]);
    let uploaded = volume(&instance, name);
    assert!(taken(&uploaded) < 4 << 20, "{}", taken(&uploaded));
    let back = instance.root().join("back.img");
    instance.virsh(&[
        "vol-download",
        name,
        back.to_str().unwrap(),
        "--pool",
        "p",
        "--sparse",
    ]);
    assert!(taken(&back) < 4 << 20, "{}", taken(&back));
    let same = Command::new("cmp").arg(&given).arg(&back).status().unwrap();
    assert!(same.success());
    // What was there before is gone where there are holes now.
    let full = instance.root().join("full.img");
    fs::write(&full, vec![7; 4 << 20]).unwrap();
    instance.virsh(&["vol-create-as", "p", "f.img", "4M"]);
    instance.virsh(&["vol-upload", "f.img", full.to_str().unwrap(), "--pool", "p"]);
    assert_eq!(
        fs::read(volume(&instance, "f.img")).unwrap(),
        fs::read(&full).unwrap()
    );
    let hole = instance.root().join("hole.img");
    File::create(&hole).unwrap().set_len(4 << 20).unwrap();
    instance.virsh(&[
        "vol-upload",
        "f.img",
        hole.to_str().unwrap(),
        "--pool",
        "p",
        "--sparse",
    ]);
    assert!(
        fs::read(volume(&instance, "f.img"))
            .unwrap()
            .iter()
            .all(|byte| *byte == 0)
    );
}

#[test]
fn a_part_of_a_volume_comes_and_goes() {
    let instance = storage();
    let given = instance.file("given", "0123456789");
    instance.virsh(&["vol-create-as", "p", "a.img", "1M"]);
    instance.virsh(&[
        "vol-upload",
        "a.img",
        &given,
        "--pool",
        "p",
        "--offset",
        "1000",
        "--length",
        "10",
    ]);
    let back = instance.root().join("back");
    let back = back.to_str().unwrap();
    instance.virsh(&[
        "vol-download",
        "a.img",
        back,
        "--pool",
        "p",
        "--offset",
        "1003",
        "--length",
        "4",
    ]);
    assert_eq!(fs::read(back).unwrap(), b"3456");
    assert_eq!(fs::metadata(volume(&instance, "a.img")).unwrap().len(), 1 << 20);
    // Nothing is behind the end, which is no failure to stock daemons either.
    instance.virsh(&[
        "vol-download",
        "a.img",
        back,
        "--pool",
        "p",
        "--offset",
        "1048577",
    ]);
    assert_eq!(fs::metadata(back).unwrap().len(), 0);
}

#[test]
fn corners_are_those_of_stock_daemons() {
    let instance = storage();
    let fails = |arguments: &[&str]| instance.virsh_fails(arguments);
    // A raw volume has room for all that it shall have room for.
    instance.virsh(&["vol-create-as", "p", "a.img", "1M", "--allocation", "3M"]);
    let info = instance.virsh(&["vol-info", "a.img", "p", "--bytes"]);
    assert!(info.contains("Capacity:       3145728 bytes"), "{info}");
    for (arguments, words) in [
        (
            &["vol-create-as", "p", "b", "1M", "--format", "ploop"][..],
            "are not made here",
        ),
        (&["vol-clone", "a.img", "a.img", "p"], "internal error"),
        (
            &["vol-delete", "a.img", "p", "--delete-snapshots"],
            "no snapshots",
        ),
        (&["find-storage-pool-sources-as", "nope"], "internal error"),
    ] {
        let refusal = fails(arguments);
        assert!(refusal.contains(words), "{arguments:?}: {refusal}");
    }
    assert_eq!(volumes_of_pool(&instance, "p"), ["a.img"]);
    // What somebody else removed is not there for whoever asks what it is; where a busy machine takes too long to look, what was last
    // seen is told.
    fs::remove_file(volume(&instance, "a.img")).unwrap();
    for call in ["vol-info", "vol-dumpxml"] {
        let refusal = loop {
            let told = instance.try_virsh(&[call, "a.img", "p"]);
            if !told.success {
                break told.stderr;
            }
        };
        assert!(refusal.contains("Storage volume not found"), "{refusal}");
    }
}

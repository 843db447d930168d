//! Pools of type `disk`, on disks that are loop devices with real partitions.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, LoopDevice, volumes_of_pool, wait_for};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

const MEBIBYTE: u64 = 1 << 20;

/// A virtstoraged with a pool `d` of a disk with an empty table of that format.
fn pool(format: &str, mebibytes: u64) -> Option<(Instance, LoopDevice)> {
    let instance = Instance::start_all(&["virtstoraged"]);
    let disk = LoopDevice::new(instance.root(), "disk.img", mebibytes * MEBIBYTE)?;
    define(&instance, &disk, format);
    instance.virsh(&["pool-build", "d"]);
    instance.virsh(&["pool-start", "d"]);
    Some((instance, disk))
}

fn define(instance: &Instance, disk: &LoopDevice, format: &str) {
    let source = ["--source-dev", &disk.path, "--source-format", format];
    instance.virsh(&[&["pool-define-as", "d", "disk", "--target", "/dev"], &source[..]].concat());
}

/// The places and kinds of a disk's partitions, as parted tells them.
fn partitions(disk: &LoopDevice) -> Vec<String> {
    let told = Command::new("parted")
        .args(["--script", "--machine", &disk.path, "unit", "MiB", "print"])
        .output()
        .unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    let rows = told
        .lines()
        .skip(2)
        .map(|row| row.trim_end_matches(';').split(':'));
    rows.map(|fields| fields.take(3).collect::<Vec<_>>().join(":"))
        .collect()
}

#[test]
fn a_table_is_made_with_care_for_what_is_there() {
    let instance = Instance::start_all(&["virtstoraged"]);
    let Some(disk) = LoopDevice::new(instance.root(), "disk.img", 64 * MEBIBYTE) else {
        return;
    };
    define(&instance, &disk, "gpt");
    let path = &disk.path;
    let refusal = instance.virsh_fails(&["pool-start", "d"]);
    let unrecognized = format!("Storage pool probe failed: Device '{path}' is unrecognized, requires build");
    assert!(refusal.contains(&unrecognized), "{refusal}");
    instance.virsh(&["pool-build", "d"]);
    for build in [&["pool-build", "d"][..], &["pool-build", "d", "--no-overwrite"]] {
        let refusal = instance.virsh_fails(build);
        let built = format!("Storage pool already built: Device '{path}' already formatted using 'gpt'");
        assert!(refusal.contains(&built), "{refusal}");
    }
    instance.virsh(&["pool-build", "d", "--overwrite"]);
    instance.virsh(&["pool-undefine", "d"]);

    define(&instance, &disk, "dos");
    let refusal = instance.virsh_fails(&["pool-start", "d"]);
    let other = format!("Format of device '{path}' does not match the expected format 'dos'");
    assert!(refusal.contains(&other), "{refusal}");
    let refusal = instance.virsh_fails(&["pool-build", "d"]);
    assert!(refusal.contains("forced overwrite is necessary"), "{refusal}");
    instance.virsh(&["pool-build", "d", "--overwrite"]);
    instance.virsh(&["pool-start", "d"]);
    instance.virsh(&["vol-create-as", "d", &format!("{}p1", disk.name()), "8M"]);
    instance.virsh(&["pool-destroy", "d"]);

    // What is in use is not overwritten, whoever says so.
    let partition = disk.partition(1);
    assert!(
        Command::new("mkfs.ext4")
            .args(["-q", &partition])
            .status()
            .unwrap()
            .success()
    );
    let mounted = instance.root().join("mounted");
    fs::create_dir(&mounted).unwrap();
    assert!(
        Command::new("mount")
            .arg(&partition)
            .arg(&mounted)
            .status()
            .unwrap()
            .success()
    );
    for refused in [&["pool-build", "d", "--overwrite"][..], &["pool-delete", "d"]] {
        let refusal = instance.virsh_fails(refused);
        assert!(refusal.contains("is in use"), "{refusal}");
    }
    assert!(Command::new("umount").arg(&mounted).status().unwrap().success());

    instance.virsh(&["pool-delete", "d"]);
    assert!(!Path::new(&partition).exists());
    let refusal = instance.virsh_fails(&["pool-start", "d"]);
    assert!(refusal.contains("requires build"), "{refusal}");
    instance.virsh(&["pool-undefine", "d"]);

    for (source, format, words) in [
        (
            "/dev/no-such-disk",
            "gpt",
            "device path '/dev/no-such-disk' doesn't exist",
        ),
        ("/etc/passwd", "gpt", "'/etc/passwd' is no block device"),
        (path, "lvm2", "made by other programs"),
    ] {
        let source = ["--source-dev", source, "--source-format", format];
        instance.virsh(&[&["pool-define-as", "d", "disk", "--target", "/dev"], &source[..]].concat());
        let refusal = instance.virsh_fails(&["pool-build", "d", "--overwrite"]);
        assert!(refusal.contains(words), "{refusal}");
        instance.virsh(&["pool-undefine", "d"]);
    }
    let refusal = instance.virsh_fails(&["find-storage-pool-sources", "disk"]);
    assert!(refusal.contains("does not support source discovery"), "{refusal}");
}

#[test]
fn partitions_are_volumes() {
    let Some((instance, disk)) = pool("gpt", 96) else {
        return;
    };
    let name = |number: u32| format!("{}p{number}", disk.name());
    let xml = instance.virsh(&["pool-dumpxml", "d"]);
    assert!(
        xml.contains("<freeExtent start='17408' end='100646400'/>"),
        "{xml}"
    );
    assert!(
        xml.contains("<capacity unit='bytes'>100646400</capacity>"),
        "{xml}"
    );

    // What fails leaves nothing.
    for (wrong, size, words) in [
        (
            "foo",
            "8M",
            format!("invalid partition name 'foo', expected '{}'", name(1)),
        ),
        (&name(2), "8M", format!("expected '{}'", name(1))),
        (&name(1), "1G", "no large enough free extent".to_owned()),
    ] {
        let refusal = instance.virsh_fails(&["vol-create-as", "d", wrong, size]);
        assert!(refusal.contains(&words), "{refusal}");
    }
    let refusal = instance.virsh_fails(&["vol-create-as", "d", &name(1), "8M", "--format", "extended"]);
    assert!(refusal.contains("have no extended partitions"), "{refusal}");
    assert_eq!(partitions(&disk), [""; 0]);

    instance.virsh(&["vol-create-as", "d", &name(1), "8M"]);
    instance.virsh(&[
        "vol-create-as",
        "d",
        &name(2),
        "5000001b",
        "--format",
        "linux-lvm",
    ]);
    instance.virsh(&["vol-create-as", "d", &name(3), "8M", "--format", "linux-swap"]);
    assert_eq!(
        partitions(&disk),
        ["1:1.00MiB:9.00MiB", "2:9.00MiB:13.8MiB", "3:14.0MiB:22.0MiB"]
    );
    assert_eq!(volumes_of_pool(&instance, "d"), [name(1), name(2), name(3)]);
    let xml = instance.virsh(&["vol-dumpxml", &name(2), "d"]);
    let (path, own) = (&disk.path, disk.partition(2));
    for told in [
        "<volume type='block'>".to_owned(),
        format!("<key>{own}</key>"),
        format!("<path>{own}</path>"),
        format!("<device path='{path}'>"),
        "<extent start='9437184' end='14437376'/>".to_owned(),
        "<capacity unit='bytes'>5000192</capacity>".to_owned(),
        "<format type='linux-lvm'/>".to_owned(),
    ] {
        assert!(xml.contains(&told), "{told}: {xml}");
    }
    assert_eq!(instance.virsh(&["vol-key", &own]).trim(), own);
    assert_eq!(instance.virsh(&["vol-pool", &own]).trim(), "d");
    let refusal = instance.virsh_fails(&["vol-resize", &own, "10M"]);
    assert!(
        refusal.contains("does not support changing of volume capacity"),
        "{refusal}"
    );

    // Another program has changed the table; and a daemon that is new to it knows all.
    let mut instance = instance;
    let with_parted = [
        "--script", "--align", "none", &disk.path, "mkpart", "x", "30MiB", "40MiB",
    ];
    assert!(
        Command::new("parted")
            .args(with_parted)
            .status()
            .unwrap()
            .success()
    );
    instance.virsh(&["pool-refresh", "d"]);
    assert_eq!(volumes_of_pool(&instance, "d").len(), 4);
    instance.virsh(&["vol-delete", &disk.partition(1)]);
    instance.kill();
    instance.restart();
    assert_eq!(volumes_of_pool(&instance, "d"), [name(2), name(3), name(4)]);
    let xml = instance.virsh(&["pool-dumpxml", "d"]);
    assert!(xml.contains("<freeExtent start='17408' end='9437184'/>"), "{xml}");
    assert!(!Path::new(&disk.partition(1)).exists());

    // The number that is free, in the least part that has room.
    instance.virsh(&["vol-create-as", "d", &name(1), "6M"]);
    assert!(
        partitions(&disk).contains(&"1:22.0MiB:28.0MiB".to_owned()),
        "{:?}",
        partitions(&disk)
    );
    for number in 1..=4 {
        instance.virsh(&["vol-delete", &name(number), "d"]);
    }
    assert_eq!(partitions(&disk), [""; 0]);
    instance.virsh(&["pool-destroy", "d"]);
}

#[test]
fn the_content_of_a_partition_comes_and_goes() {
    let Some((instance, disk)) = pool("gpt", 96) else {
        return;
    };
    let name = |number: u32| format!("{}p{number}", disk.name());
    instance.virsh(&["vol-create-as", "d", &name(1), "8M"]);
    let (given, taken) = (instance.root().join("given"), instance.root().join("taken"));
    let text = "a partition's content\n".repeat(100_000);
    fs::write(&given, &text).unwrap();
    let (given, taken) = (given.display().to_string(), taken.display().to_string());
    instance.virsh(&["vol-upload", &name(1), &given, "--pool", "d"]);
    let length = text.len().to_string();
    instance.virsh(&[
        "vol-download",
        &name(1),
        &taken,
        "--pool",
        "d",
        "--length",
        &length,
    ]);
    assert_eq!(fs::read_to_string(&taken).unwrap(), text);
    assert_eq!(disk.read(MEBIBYTE, 22), b"a partition's content\n");
    fs::File::create(&taken).unwrap().set_len(9 << 20).unwrap();
    let refusal = instance.virsh_fails(&["vol-upload", &name(1), &taken, "--pool", "d"]);
    assert!(refusal.contains("No space left on device"), "{refusal}");
    instance.virsh(&["vol-upload", &name(1), &given, "--pool", "d", "--sparse"]);

    instance.virsh(&["vol-clone", &name(1), &name(2), "d"]);
    let second = 9 * MEBIBYTE;
    assert_eq!(disk.read(second, 22), b"a partition's content\n");
    instance.virsh(&["vol-wipe", &name(1), "d"]);
    assert_eq!(disk.read(MEBIBYTE, 4096), [0; 4096]);
    let refusal = instance.virsh_fails(&["vol-wipe", &name(1), "d", "--algorithm", "trim"]);
    assert!(refusal.contains("trim"), "{refusal}");

    // What lay where a copy goes does not shine through: it had zeroes there.
    instance.virsh(&["vol-delete", &name(2), "d"]);
    instance.virsh(&["vol-clone", &name(1), &name(2), "d"]);
    assert_eq!(disk.read(second, 4096), [0; 4096]);

    // Into and out of a pool of files, with another format.
    let folder = instance.root().join("files").display().to_string();
    instance.virsh(&["pool-create-as", "files", "dir", "--target", &folder, "--build"]);
    instance.virsh(&["vol-upload", &name(2), &given, "--pool", "d"]);
    let image =
        "<volume><name>a.qcow2</name><capacity>1</capacity><target><format type='qcow2'/></target></volume>";
    let image = instance.file("image.xml", image);
    instance.virsh(&["vol-create-from", "files", &image, &name(2), "--inputpool", "d"]);
    instance.virsh(&["vol-delete", &name(2), "d"]);
    let partition = format!("<volume><name>{}</name><capacity>1</capacity></volume>", name(2));
    let partition = instance.file("partition.xml", &partition);
    instance.virsh(&[
        "vol-create-from",
        "d",
        &partition,
        "a.qcow2",
        "--inputpool",
        "files",
    ]);
    assert_eq!(disk.read(second, 22), b"a partition's content\n");
    instance.virsh(&["pool-destroy", "d"]);
}

#[test]
fn logical_partitions_follow_when_primary_ones_are_at_their_end() {
    let Some((instance, disk)) = pool("dos", 96) else {
        return;
    };
    let name = |number: u32| format!("{}p{number}", disk.name());
    let create = |number, size: &str, format: &str| {
        instance.virsh(&["vol-create-as", "d", &name(number), size, "--format", format]);
    };
    create(1, "4M", "linux");
    create(2, "40M", "extended");
    let refusal = instance.virsh_fails(&["vol-create-as", "d", &name(3), "1M", "--format", "extended"]);
    assert!(refusal.contains("extended partition already exists"), "{refusal}");
    create(3, "4M", "fat32");
    create(4, "4M", "linux-raid");
    create(5, "8M", "linux");
    create(6, "8M", "linux-swap");
    create(7, "8M", "linux");
    let refusal = instance.virsh_fails(&["vol-create-as", "d", &name(8), "20M"]);
    assert!(refusal.contains("no large enough free extent"), "{refusal}");
    let listed = instance.virsh(&["vol-list", "d", "--details"]);
    assert!(listed.contains("40.00 MiB   24.00 MiB"), "{listed}");
    let xml = instance.virsh(&["vol-dumpxml", &name(2), "d"]);
    assert!(xml.contains("<format type='extended'/>"), "{xml}");
    for call in [
        &["vol-wipe", &name(2), "d"][..],
        &["vol-download", &name(2), "/dev/null", "--pool", "d"],
    ] {
        let refusal = instance.virsh_fails(call);
        assert!(refusal.contains("extended partition"), "{refusal}");
    }
    // The others move up, and are told as what they are now.
    let seventh = instance.virsh(&["vol-dumpxml", &name(7), "d"]);
    let extent = seventh.lines().find(|line| line.contains("<extent")).unwrap();
    instance.virsh(&["vol-delete", &name(5), "d"]);
    assert_eq!(
        volumes_of_pool(&instance, "d"),
        [name(1), name(2), name(3), name(4), name(5), name(6)]
    );
    assert!(instance.virsh(&["vol-dumpxml", &name(6), "d"]).contains(extent));
    instance.virsh(&["vol-delete", &name(2), "d"]);
    assert_eq!(volumes_of_pool(&instance, "d"), [name(1), name(3), name(4)]);
    instance.virsh(&["pool-destroy", "d"]);
}

#[test]
fn a_partition_whose_node_does_not_come_is_undone() {
    let instance = Instance::start_all(&["virtstoraged"]);
    let Some(disk) = LoopDevice::new(instance.root(), "disk.img", 32 * MEBIBYTE) else {
        return;
    };
    // The kernel does separate them, whatever the document says.
    let document = format!(
        "<pool type='disk'><name>d</name><source><device path='{}' part_separator='no'/><format type='gpt'/></source>\
         <target><path>/dev</path></target></pool>",
        disk.path
    );
    instance.virsh(&["pool-define", &instance.file("pool.xml", &document)]);
    instance.virsh(&["pool-build", "d"]);
    instance.virsh(&["pool-start", "d"]);
    let name = format!("{}1", disk.name());
    let refusal = instance.virsh_fails(&["vol-create-as", "d", &name, "8M"]);
    assert!(
        refusal.contains(&format!("'/dev/{name}' is not there")),
        "{refusal}"
    );
    assert_eq!(partitions(&disk), [""; 0]);
    assert_eq!(volumes_of_pool(&instance, "d"), [""; 0]);
    instance.virsh(&["pool-destroy", "d"]);
}

#[test]
fn a_copy_that_the_daemon_did_not_come_to_the_end_of_is_gone() {
    let mut instance = Instance::empty();
    let Some(disk) = LoopDevice::new(instance.root(), "disk.img", 32 * MEBIBYTE) else {
        return;
    };
    // Copies take for ever.
    let programs = instance.root().join("programs");
    fs::create_dir(&programs).unwrap();
    let program = programs.join("qemu-img");
    fs::write(&program, "#!/bin/sh\nexec sleep 1000\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("PATH={}:{}", programs.display(), std::env::var("PATH").unwrap());
    instance.add_under(vec!["env".to_owned(), path], "virtstoraged");
    define(&instance, &disk, "dos");
    instance.virsh(&["pool-build", "d"]);
    instance.virsh(&["pool-start", "d"]);
    let name = |number: u32| format!("{}p{number}", disk.name());
    instance.virsh(&["vol-create-as", "d", &name(1), "8M"]);
    let mut clone = Command::new("virsh")
        .args(["-q", "-c", &instance.uri(), "vol-clone", &name(1), &name(2), "d"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("the partition", || {
        Path::new(&disk.partition(2)).exists().then_some(())
    });
    // One that is being made is in the way of nobody.
    instance.virsh(&["vol-create-as", "d", &name(3), "2M"]);
    instance.virsh(&["pool-refresh", "d"]);
    assert_eq!(volumes_of_pool(&instance, "d"), [name(1), name(2), name(3)]);
    let refusal = instance.virsh_fails(&["vol-delete", &name(2), "d"]);
    assert!(refusal.contains("still being allocated"), "{refusal}");
    instance.kill();
    assert!(!clone.wait().unwrap().success());
    assert_eq!(partitions(&disk).len(), 3);
    instance.restart();
    assert_eq!(volumes_of_pool(&instance, "d"), [name(1), name(3)]);
    assert_eq!(partitions(&disk).len(), 2);
    instance.virsh(&["pool-destroy", "d"]);
}

//! What volumes bad input gets: the right code, a sentence, and nothing half-made.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, add_pool, files_of_pool, pool_folder, storage, volumes_of_pool};
use std::fs;
use std::os::unix::fs::symlink;

#[test]
fn no_volume_leaves_its_pool() {
    let instance = storage();
    let folder = pool_folder(&instance, "p");
    let outside = instance.root().join("outside");
    fs::write(&outside, "precious").unwrap();
    symlink(&outside, folder.join("link")).unwrap();
    symlink("../../outside", folder.join("relative")).unwrap();
    instance.virsh(&["pool-refresh", "p"]);
    let given = instance.file("given", "x");
    for name in ["link", "relative"] {
        for arguments in [
            &["vol-upload", name, &given, "--pool", "p"][..],
            &["vol-download", name, "/dev/null", "--pool", "p"],
            &["vol-wipe", name, "--pool", "p"],
            &["vol-resize", name, "1M", "--pool", "p"],
            &["vol-clone", name, "copy", "--pool", "p"],
        ] {
            let refusal = instance.virsh_fails(arguments);
            assert!(
                refusal.contains("is a link that leads out of its pool"),
                "{arguments:?}: {refusal}"
            );
        }
        instance.virsh(&["vol-delete", name, "--pool", "p"]);
    }
    assert_eq!(fs::read(&outside).unwrap(), b"precious");
    assert_eq!(files_of_pool(&instance, "p"), [""; 0]);
    for name in ["../x", "/x", "a/b", "..", ".", ".ferrovirt-x"] {
        let refusal = instance.virsh_fails(&["vol-create-as", "p", name, "1M"]);
        assert!(
            refusal.contains("Requested operation is not valid"),
            "{name}: {refusal}"
        );
    }
    let long = "x".repeat(256);
    assert!(
        instance
            .virsh_fails(&["vol-create-as", "p", &long, "1M"])
            .contains("longer than")
    );
    assert_eq!(files_of_pool(&instance, "p"), [""; 0]);
}

#[test]
fn what_cannot_be_made_leaves_nothing() {
    let instance = storage();
    instance.virsh(&["vol-create-as", "p", "there", "1M"]);
    fs::write(pool_folder(&instance, "p").join("unseen"), "x").unwrap();
    for (arguments, words) in [
        (&["there", "1M"][..], "storage volume 'there' exists already"),
        (&["unseen", "1M"], "already exists"),
        (&["v", "9223372036854775808"], "numerical overflow"),
        (&["v", "9223372036854775807"], "cannot allocate volume 'v'"),
        (
            &["v", "1M", "--format", "nonsense"],
            "unknown volume format type nonsense",
        ),
        (&["v", "1M", "--format", "bochs"], "'qemu-img' failed"),
        (
            &["v", "1M", "--format", "raw", "--prealloc-metadata"],
            "only available with qcow2",
        ),
    ] {
        let all = [&["vol-create-as", "p"], arguments].concat();
        let refusal = instance.virsh_fails(&all);
        assert!(refusal.contains(words), "{arguments:?}: {refusal}");
    }
    let encryption = "<encryption format='luks'><secret type='passphrase' uuid='0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f'/></encryption>";
    let backing = |path: &str| {
        format!("</target><backingStore><path>{path}</path><format type='qcow2'/></backingStore><target>")
    };
    for (inside, words) in [
        ("", "missing capacity element"),
        ("<capacity>x</capacity>", "element 'capacity': 'x'"),
        ("<capacity unit='E'>9</capacity>", "numerical overflow"),
        (
            &format!("<capacity>1</capacity><target>{encryption}</target>"),
            "volume 'v' needs its secret: Failed to connect socket",
        ),
        (
            &format!("<capacity>1</capacity><target><format type='vmdk'/>{encryption}</target>"),
            "volume 'v': only volumes of the formats 'raw' and 'qcow2' can be encrypted",
        ),
        (
            &format!(
                "<capacity>1</capacity><target>{}</target>",
                encryption.replace("luks", "qcow")
            ),
            "volume 'v': volumes are made with encryption of the format 'luks' only",
        ),
        (
            &format!(
                "<capacity>1</capacity><target><format type='qcow2'/>{}</target>",
                encryption.replace("luks", "luks2")
            ),
            "volume 'v': volumes are made with encryption of the format 'luks' only",
        ),
        (
            "<capacity>1</capacity><target><encryption format='luks'/></target>",
            "volume 'v': <encryption> needs one <secret>",
        ),
        (
            &format!(
                "<capacity>1</capacity><target><format type='qcow2'/>{}</target>",
                backing("/no/such")
            ),
            "inaccessible backing store volume /no/such",
        ),
        (
            &format!(
                "<capacity>1</capacity><target><format type='qcow2'/>{}</target>",
                backing("nbd://h/x")
            ),
            "a path on this host is needed",
        ),
        (
            "<capacity>1</capacity><target><format type='qcow2'/><compat>0.10</compat>\
             <features><lazy_refcounts/></features></target>",
            "volume 'v': lazy_refcounts not supported with compat level 0.10",
        ),
        (
            "<capacity>1</capacity><target><format type='vmdk'/><compat>1.1</compat></target>",
            "volume 'v': compat, clusterSize and features are only for format qcow2",
        ),
    ] {
        let file = instance.file("v.xml", &format!("<volume><name>v</name>{inside}</volume>"));
        let refusal = instance.virsh_fails(&["vol-create", "p", &file]);
        assert!(refusal.contains(words), "{inside}: {refusal}");
    }
    assert_eq!(files_of_pool(&instance, "p"), ["there", "unseen"]);
    let listed = instance.virsh(&["vol-list", "p"]);
    assert!(!listed.contains(" v "), "{listed}");
}

#[test]
fn an_image_that_lies_harms_nobody() {
    let instance = storage();
    let folder = pool_folder(&instance, "p");
    instance.virsh(&["vol-create-as", "p", "loop.qcow2", "1M", "--format", "qcow2"]);
    // It says that it is based on itself.
    let path = folder.join("loop.qcow2");
    let mut image = fs::read(&path).unwrap();
    let name = b"loop.qcow2";
    image[8..16].copy_from_slice(&0x1000_u64.to_be_bytes());
    image[16..20].copy_from_slice(&10_u32.to_be_bytes());
    image[0x1000..0x1000 + name.len()].copy_from_slice(name);
    fs::write(&path, &image).unwrap();
    // A guest's size of exabytes, and tables beyond the end.
    image[24..32].copy_from_slice(&u64::MAX.to_be_bytes());
    image[8..16].copy_from_slice(&u64::MAX.to_be_bytes());
    fs::write(folder.join("huge.qcow2"), &image).unwrap();
    fs::write(folder.join("short.qcow2"), &image[..20]).unwrap();
    instance.virsh(&["pool-refresh", "p"]);
    for name in ["loop.qcow2", "huge.qcow2", "short.qcow2"] {
        instance.virsh(&["vol-dumpxml", name, "p"]);
    }
    let info = instance.virsh(&["vol-info", "huge.qcow2", "p", "--bytes"]);
    assert!(
        info.contains(&format!("Capacity:       {} bytes", image.len())),
        "{info}"
    );
    let refusal = instance.virsh_fails(&["vol-clone", "loop.qcow2", "copy", "p"]);
    assert!(refusal.contains("is based on itself"), "{refusal}");
    assert_eq!(
        files_of_pool(&instance, "p"),
        ["huge.qcow2", "loop.qcow2", "short.qcow2"]
    );
}

/// A storage daemon that sees `folder` as a file system of 8 MiB, which nobody else sees.
fn with_little_room(folder: &str) -> Instance {
    let mut instance = Instance::empty();
    let place = instance.root().join(folder);
    fs::create_dir(&place).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=8m none {} && exec \"$0\" \"$@\"",
        place.display()
    );
    let wrapper = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        &script,
    ];
    instance.add_under(wrapper.map(str::to_owned).to_vec(), "virtstoraged");
    let target = place.display().to_string();
    instance.virsh(&["pool-create-as", "small", "dir", "--target", &target]);
    instance
}

#[test]
fn a_disk_that_is_full_is_told_with_pool_and_volume_and_nothing_is_left() {
    let instance = with_little_room("small");
    add_pool(&instance, "p");
    let given = instance.root().join("given");
    fs::write(&given, vec![7; 16 << 20]).unwrap();
    let given = given.display().to_string();
    instance.virsh(&["vol-create-as", "p", "large", "16M"]);
    instance.virsh(&["vol-upload", "large", &given, "--pool", "p"]);
    instance.virsh(&["vol-create-as", "small", "v", "16M", "--allocation", "0"]);
    let before = instance.virsh(&["vol-dumpxml", "v", "small"]);
    let refusal = instance.virsh_fails(&["vol-upload", "v", &given, "--pool", "small"]);
    for words in ["volume 'v' of pool 'small'", "No space left on device"] {
        assert!(refusal.contains(words), "{refusal}");
    }
    // It is there as it was, but for its content, and its figures are true without a refresh.
    let size = |xml: &str| {
        xml.lines()
            .find(|line| line.contains("<capacity"))
            .map(str::to_owned)
    };
    let after = instance.virsh(&["vol-dumpxml", "v", "small"]);
    assert_eq!(size(&before), size(&after));
    let free = || {
        let info = instance.virsh(&["pool-info", "small", "--bytes"]);
        let line = info.lines().find_map(|line| line.strip_prefix("Available:"));
        line.unwrap().trim().parse::<u64>().unwrap()
    };
    assert!(free() < 64 << 10, "{}", free());
    instance.virsh(&["vol-delete", "v", "small"]);
    assert_eq!(free(), 8 << 20);
    // What could not be made whole is not there at all.
    for arguments in [
        &["vol-create-as", "small", "w", "16M"][..],
        &[
            "vol-create-as",
            "small",
            "w",
            "16M",
            "--format",
            "qcow2",
            "--allocation",
            "16M",
        ],
    ] {
        let refusal = instance.virsh_fails(arguments);
        assert!(refusal.contains("No space left on device"), "{refusal}");
        assert_eq!(free(), 8 << 20);
    }
    for format in ["raw", "qcow2"] {
        let xml = format!(
            "<volume><name>w</name><capacity>0</capacity><target><format type='{format}'/></target></volume>"
        );
        let file = instance.file("w.xml", &xml);
        let refusal = instance.virsh_fails(&["vol-create-from", "small", &file, "large", "--inputpool", "p"]);
        assert!(refusal.contains("No space left on device"), "{format}: {refusal}");
        assert_eq!(free(), 8 << 20);
    }
    assert!(volumes_of_pool(&instance, "small").is_empty());
}

#[test]
fn a_pool_on_a_path_that_vanishes_makes_nothing_elsewhere() {
    let instance = storage();
    let folder = pool_folder(&instance, "p");
    instance.virsh(&["vol-create-as", "p", "a", "1M"]);
    instance.virsh(&["vol-create-as", "p", "b.qcow2", "1M", "--format", "qcow2"]);
    let aside = instance.root().join("aside");
    fs::rename(&folder, &aside).unwrap();
    let given = instance.file("given", "x");
    for arguments in [
        &["vol-create-as", "p", "c", "1M"][..],
        &["vol-create-as", "p", "c", "1M", "--format", "qcow2"],
        &["vol-clone", "b.qcow2", "c", "p"],
        &["vol-resize", "a", "2M", "p"],
        &["vol-wipe", "a", "p"],
        &["vol-delete", "a", "p"],
        &["vol-upload", "a", &given, "p"],
        &["vol-download", "a", "/dev/null", "p"],
    ] {
        let refusal = instance.virsh_fails(arguments);
        let words = format!("cannot open directory '{}'", folder.display());
        assert!(refusal.contains(&words), "{arguments:?}: {refusal}");
        assert!(!folder.exists(), "{arguments:?}");
    }
    // A file in its place is no folder.
    fs::write(&folder, "x").unwrap();
    let refusal = instance.virsh_fails(&["vol-create-as", "p", "c", "1M"]);
    assert!(refusal.contains("Not a directory"), "{refusal}");
    fs::remove_file(&folder).unwrap();
    // Back again it is as it was.
    fs::rename(&aside, &folder).unwrap();
    instance.virsh(&["vol-resize", "a", "2M", "p"]);
    assert_eq!(files_of_pool(&instance, "p"), ["a", "b.qcow2"]);
    assert_eq!(volumes_of_pool(&instance, "p"), ["a", "b.qcow2"]);
}

#[test]
fn no_header_leads_anybody_astray() {
    let instance = storage();
    let folder = pool_folder(&instance, "p");
    instance.virsh(&["vol-create-as", "p", "good", "1M", "--format", "qcow2"]);
    let good = fs::read(folder.join("good")).unwrap();
    fs::remove_file(folder.join("good")).unwrap();
    let lie = |name: &str, at: usize, bytes: &[u8]| {
        let mut image = good.clone();
        image[at..at + bytes.len()].copy_from_slice(bytes);
        fs::write(folder.join(name), image).unwrap();
    };
    // A first table of terabytes, tables behind the end, counts of references of terabytes.
    lie("table", 36, &u32::MAX.to_be_bytes());
    lie("behind", 40, &(1_u64 << 60).to_be_bytes());
    lie("counts", 56, &u32::MAX.to_be_bytes());
    lie("clusters", 20, &31_u32.to_be_bytes());
    lie("features", 72, &u64::MAX.to_be_bytes());
    lie("name", 8, &[0, 0, 0, 0, 0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    // A VMDK, a VDI and a QED of exabytes.
    for (name, mark, at) in [
        ("vmdk", &b"KDMV"[..], 12),
        ("vdi", b"", 368),
        ("qed", b"QED\0", 48),
    ] {
        let mut image = vec![0; 4096];
        image[..mark.len()].copy_from_slice(mark);
        if name == "vdi" {
            image[64..68].copy_from_slice(b"\x7f\x10\xda\xbe");
        }
        image[at..at + 8].fill(0xff);
        fs::write(folder.join(name), image).unwrap();
    }
    instance.virsh(&["pool-refresh", "p"]);
    let names = [
        "behind", "clusters", "counts", "features", "name", "qed", "table", "vdi", "vmdk",
    ];
    assert_eq!(volumes_of_pool(&instance, "p"), names);
    for name in names {
        let info = instance.virsh(&["vol-info", name, "p", "--bytes"]);
        let line = info.lines().find_map(|line| line.strip_prefix("Capacity:"));
        let capacity = line.unwrap().trim().trim_end_matches(" bytes");
        assert!(capacity.parse::<u64>().unwrap() <= 1 << 20, "{name}: {info}");
    }
    // qemu-img, which looks at all of it, is where they end.
    for name in ["counts", "table"] {
        let document =
            "<volume><name>copy</name><capacity>0</capacity><target><format type='raw'/></target></volume>";
        let file = instance.file("copy.xml", document);
        let refusal = instance.virsh_fails(&["vol-create-from", "p", &file, name, "--inputpool", "p"]);
        assert!(
            refusal.contains(&folder.join(name).display().to_string()),
            "{name}: {refusal}"
        );
    }
    assert_eq!(files_of_pool(&instance, "p"), names);
}

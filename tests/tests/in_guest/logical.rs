//! Pools of type `logical`, on groups of LVM over loop devices: device-mapper is the guest's.

use crate::host::{Host, run, try_run};
use crate::pools::{Pool, crash, storage as virsh, storage_fails as virsh_fails, volumes};
use std::fs;
use std::path::Path;

const MEBIBYTE: u64 = 1 << 20;

fn file(name: &str, text: &str) -> String {
    let path = format!("/tmp/{name}");
    fs::write(&path, text).unwrap();
    path
}

/// Disks of this test's own, and the pool that is made of them.
struct Group {
    name: &'static str,
    disks: Vec<String>,
    pool: Option<Pool>,
}

impl Group {
    /// Defines the pool; nothing is built.
    fn of(name: &'static str, sizes: &[u64]) -> Self {
        Host::get();
        let disks = sizes.iter().enumerate().map(|(number, size)| {
            let image = format!("/var/tmp/{name}-{number}.img");
            fs::File::create(&image)
                .unwrap()
                .set_len(size * MEBIBYTE)
                .unwrap();
            run("losetup", &["--find", "--show", &image]).trim().to_owned()
        });
        let disks: Vec<_> = disks.collect();
        let devices: String = disks
            .iter()
            .map(|disk| format!("<device path='{disk}'/>"))
            .collect();
        let document = format!(
            "<pool type='logical'><name>{name}</name><source>{devices}<name>{name}</name></source>\
             <target><path>/dev/{name}</path></target></pool>"
        );
        virsh(&["pool-define", &file("logical.xml", &document)]);
        let pool = Some(Pool(name));
        Self { name, disks, pool }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        drop(self.pool.take());
        try_run("vgremove", &["-f", self.name]);
        for disk in &self.disks {
            try_run("losetup", &["--detach", disk]);
        }
    }
}

/// What the first bytes of a device are.
fn begin(path: &str, length: usize) -> Vec<u8> {
    let mut bytes = fs::read(path).unwrap();
    bytes.truncate(length);
    bytes
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn logical_volumes_are_made_and_used() {
    let group = Group::of("ferro", &[96, 64]);
    let disk = group.disks.first().unwrap();
    let refusal = virsh_fails(&["pool-start", "ferro"]);
    assert!(refusal.contains("cannot find source device"), "{refusal}");
    virsh(&["pool-build", "ferro"]);
    let refusal = virsh_fails(&["pool-build", "ferro"]);
    assert!(refusal.contains("has 'LVM2_member' on it already"), "{refusal}");
    let sources = virsh(&["find-storage-pool-sources", "logical"]);
    assert!(
        sources.contains("<name>ferro</name>") && sources.contains(disk.as_str()),
        "{sources}"
    );
    virsh(&["pool-start", "ferro"]);
    let info = virsh(&["pool-info", "ferro", "--bytes"]);
    // An extent of each disk is LVM's.
    assert!(info.contains(&(152 * MEBIBYTE).to_string()), "{info}");
    assert_eq!(volumes("ferro"), [""; 0]);

    virsh(&["vol-create-as", "ferro", "plain", "16M"]);
    let xml = virsh(&["vol-dumpxml", "plain", "ferro"]);
    let uuid = run("lvs", &["--noheadings", "-o", "lv_uuid", "ferro/plain"]);
    for told in [
        "<volume type='block'>".to_owned(),
        format!("<key>{}</key>", uuid.trim()),
        "<path>/dev/ferro/plain</path>".to_owned(),
        format!("<device path='{disk}'>"),
        "<extent start='0' end='16777216'/>".to_owned(),
        "<capacity unit='bytes'>16777216</capacity>".to_owned(),
    ] {
        assert!(xml.contains(&told), "{told}: {xml}");
    }
    assert_eq!(virsh(&["vol-name", uuid.trim()]).trim(), "plain");
    assert_eq!(virsh(&["vol-pool", "/dev/ferro/plain"]).trim(), "ferro");
    for (name, words) in [
        ("plain", "already exists"),
        ("-f", "cannot be the name"),
        ("a b", "cannot be the name"),
    ] {
        let document = format!("<volume><name>{name}</name><capacity>4096</capacity></volume>");
        let refusal = virsh_fails(&["vol-create", "ferro", &file("volume.xml", &document)]);
        assert!(
            refusal.contains(words) || refusal.contains("exists already"),
            "{refusal}"
        );
    }
    let refusal = virsh_fails(&["vol-create-as", "ferro", "large", "1G"]);
    assert!(refusal.contains("insufficient free space"), "{refusal}");
    let refusal = virsh_fails(&["vol-resize", "plain", "20M", "--pool", "ferro"]);
    assert!(
        refusal.contains("does not support changing of volume capacity"),
        "{refusal}"
    );

    let text = "a logical volume's content\n".repeat(1000);
    let given = file("given", &text);
    virsh(&["vol-upload", "plain", &given, "--pool", "ferro"]);
    virsh(&[
        "vol-download",
        "plain",
        "/tmp/taken",
        "--pool",
        "ferro",
        "--length",
        &text.len().to_string(),
    ]);
    assert_eq!(fs::read_to_string("/tmp/taken").unwrap(), text);

    // A snapshot keeps what its origin had.
    let snapshot = "<volume><name>snap</name><capacity unit='M'>8</capacity>\
                    <backingStore><path>/dev/ferro/plain</path></backingStore></volume>";
    virsh(&["vol-create", "ferro", &file("volume.xml", snapshot)]);
    let outside = snapshot.replace("/dev/ferro/plain", "/dev/sda");
    let refusal = virsh_fails(&[
        "vol-create",
        "ferro",
        &file("volume.xml", &outside.replace("snap", "other")),
    ]);
    assert!(refusal.contains("is not in pool 'ferro'"), "{refusal}");
    let xml = virsh(&["vol-dumpxml", "snap", "ferro"]);
    assert!(xml.contains("<path>/dev/ferro/plain</path>"), "{xml}");
    assert!(
        xml.contains("<capacity unit='bytes'>16777216</capacity>"),
        "{xml}"
    );
    assert!(
        xml.contains("<allocation unit='bytes'>8388608</allocation>"),
        "{xml}"
    );
    virsh(&["vol-clone", "plain", "copy", "ferro"]);
    virsh(&["vol-wipe", "copy", "ferro"]);
    assert_eq!(begin("/dev/ferro/copy", 4096), [0; 4096]);
    let refusal = virsh_fails(&["vol-wipe", "snap", "ferro"]);
    assert!(
        refusal.contains("is sparse, volume wipe not supported"),
        "{refusal}"
    );
    assert_eq!(begin("/dev/ferro/snap", 9), b"a logical");
    virsh(&["vol-create-as", "ferro", "sparse", "200M", "--allocation", "8M"]);
    let xml = virsh(&["vol-dumpxml", "sparse", "ferro"]);
    assert!(
        xml.contains("<capacity unit='bytes'>209715200</capacity>"),
        "{xml}"
    );
    assert!(!xml.contains("backingStore"), "{xml}");

    // Thin volumes are volumes; what they are taken from is none.
    run(
        "lvcreate",
        &[
            "-q",
            "-y",
            "--type",
            "thin-pool",
            "-L",
            "16M",
            "-n",
            "thins",
            "ferro",
        ],
    );
    run(
        "lvcreate",
        &[
            "-q",
            "-y",
            "-V",
            "100M",
            "-n",
            "thin",
            "--thinpool",
            "ferro/thins",
        ],
    );
    virsh(&["pool-refresh", "ferro"]);
    assert_eq!(volumes("ferro"), ["copy", "plain", "snap", "sparse", "thin"]);
    let xml = virsh(&["vol-dumpxml", "thin", "ferro"]);
    assert!(
        xml.contains("<capacity unit='bytes'>104857600</capacity>"),
        "{xml}"
    );

    // A daemon that died leaves them as they are, and undoes what it was making.
    let instance = fs::read_to_string("/var/lib/libvirt/storage/instance").unwrap();
    let mark = format!("ferrovirt-unfinished-{instance}");
    run("lvchange", &["-q", "--addtag", &mark, "ferro/copy"]);
    crash();
    assert_eq!(volumes("ferro"), ["plain", "snap", "sparse", "thin"]);
    assert!(!Path::new("/dev/ferro/copy").exists());

    for name in ["snap", "plain", "sparse", "thin"] {
        virsh(&["vol-delete", name, "ferro"]);
    }
    assert_eq!(volumes("ferro"), [""; 0]);
    virsh(&["pool-destroy", "ferro"]);
    assert!(!Path::new("/dev/ferro").exists());
    virsh(&["pool-start", "ferro"]);
    virsh(&["pool-destroy", "ferro"]);
    virsh(&["pool-delete", "ferro"]);
    assert_eq!(run("vgs", &["--noheadings", "-o", "vg_name"]).trim(), "");
    assert_eq!(run("pvs", &["--noheadings", "-o", "pv_name"]).trim(), "");
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn logical_volumes_are_encrypted() {
    let _group = Group::of("sealed", &[96]);
    virsh(&["pool-build", "sealed"]);
    virsh(&["pool-start", "sealed"]);
    const UUID: &str = "5aeb5a34-7f1c-4a22-9b42-9c2ee4f0d1f1";
    let secret = format!(
        "<secret><uuid>{UUID}</uuid><usage type='volume'><volume>/dev/sealed/luks</volume></usage></secret>"
    );
    let secrets = |arguments: &[&str]| {
        run("virsh", &[&["-q", "-c", "secret:///system"], arguments].concat());
    };
    secrets(&["secret-define", &file("secret.xml", &secret)]);
    secrets(&[
        "secret-set-value",
        UUID,
        "--file",
        &file("value", "sesame"),
        "--plain",
    ]);
    let document = format!(
        "<volume><name>luks</name><capacity unit='M'>16</capacity><target><encryption format='luks'>\
         <secret type='passphrase' uuid='{UUID}'/></encryption></target></volume>"
    );
    let path = file("volume.xml", &document);
    virsh(&["vol-create", "sealed", &path]);
    assert_eq!(
        run("blkid", &["-p", "-o", "value", "-s", "TYPE", "/dev/sealed/luks"]).trim(),
        "crypto_LUKS"
    );
    // The header has room of its own.
    let size = run("blockdev", &["--getsize64", "/dev/sealed/luks"]);
    assert!(size.trim().parse::<u64>().unwrap() >= 18 * MEBIBYTE);
    let xml = virsh(&["vol-dumpxml", "luks", "sealed"]);
    assert!(xml.contains("<encryption format='luks'>"), "{xml}");
    // Nothing is left of one whose secret is not there.
    let other = document
        .replace("luks</name>", "none</name>")
        .replace("5aeb5a34", "5aeb5a35");
    let refusal = virsh_fails(&["vol-create", "sealed", &file("volume.xml", &other)]);
    assert!(refusal.contains("secret"), "{refusal}");
    assert_eq!(volumes("sealed"), ["luks"]);
    let left = run("lvs", &["--noheadings", "-o", "lv_name", "sealed"]);
    assert_eq!(left.trim(), "luks");
    virsh(&["vol-delete", "luks", "sealed"]);
    secrets(&["secret-undefine", UUID]);
}

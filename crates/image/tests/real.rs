//! Images that stock qemu-img makes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use image::{Backing, Encryption, Error, Format, Location, MAX_LAYERS, Sizes, Walk};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A folder for images.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `qemu-img create` within the folder.
    fn create(&self, arguments: &str) {
        let arguments = arguments.split_whitespace();
        let mut command = Command::new("qemu-img");
        command
            .args(["create", "-q"])
            .args(arguments)
            .current_dir(self.0.path());
        assert!(command.status().unwrap().success(), "{command:?}");
    }

    fn read(&self, name: &str, format: Option<Format>) -> image::Image {
        Walk::default().open(&self.path(name), format).unwrap()
    }
}

#[test]
fn every_format_is_known_by_its_mark_and_tells_its_size() {
    let folder = Folder::new();
    for (name, format) in [
        ("qcow", Format::Qcow),
        ("qcow2", Format::Qcow2),
        ("qed", Format::Qed),
        ("vmdk", Format::Vmdk),
        ("vdi", Format::Vdi),
        ("parallels", Format::Ploop),
        ("vhdx", Format::Vhdx),
        ("raw", Format::Raw),
    ] {
        folder.create(&format!("-f {name} {name}.img 10M"));
        let image = folder.read(&format!("{name}.img"), None);
        assert_eq!(image.header.format, format);
        assert_eq!(image.sizes.capacity, 10 << 20, "{name}");
        assert_eq!((image.header.backing, image.header.encryption), (None, None));
        let sizes = Sizes::of(&folder.path(&format!("{name}.img")), format).unwrap();
        assert_eq!(sizes, image.sizes);
    }
    // It counts in cylinders.
    for kind in ["dynamic", "fixed"] {
        folder.create(&format!("-f vpc -o subformat={kind} vpc.{kind} 10M"));
        let image = folder.read(&format!("vpc.{kind}"), Some(Format::Vpc));
        assert_eq!(image.sizes.capacity, 10_514_432);
    }
    for kind in ["monolithicFlat", "twoGbMaxExtentSparse"] {
        folder.create(&format!("-f vmdk -o subformat={kind} {kind}.vmdk 10M"));
        let image = folder.read(&format!("{kind}.vmdk"), Some(Format::Vmdk));
        assert_eq!(image.sizes.capacity, 10 << 20, "{kind}");
    }
    folder.create("-f qcow2 -o compat=0.10 old.img 3M");
    assert_eq!(folder.read("old.img", None).sizes.capacity, 3 << 20);
}

/// Those that qemu-img reads and does not make, as far as their headers go.
#[test]
fn formats_of_others_tell_their_size() {
    let folder = Folder::new();
    let mut bochs = vec![0; 512];
    bochs[..22].copy_from_slice(b"Bochs Virtual HD Image");
    bochs[32..39].copy_from_slice(b"Redolog");
    bochs[48..55].copy_from_slice(b"Growing");
    bochs[64..68].copy_from_slice(&0x2_0000_u32.to_le_bytes());
    bochs[68..72].copy_from_slice(&512_u32.to_le_bytes());
    // Of one entry, blocks of 512 bytes and extents of 64 KiB.
    bochs[72..76].copy_from_slice(&128_u32.to_le_bytes());
    bochs[76..80].copy_from_slice(&512_u32.to_le_bytes());
    bochs[80..84].copy_from_slice(&65536_u32.to_le_bytes());
    bochs[88..96].copy_from_slice(&(8_u64 << 20).to_le_bytes());
    // The catalog says of every extent that it is not there.
    bochs.resize(1024, 0xff);
    let mut cloop = vec![0; 256];
    let script = b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n";
    cloop[..script.len()].copy_from_slice(script);
    cloop[128..132].copy_from_slice(&65536_u32.to_be_bytes());
    cloop[132..136].copy_from_slice(&2_u32.to_be_bytes());
    for (place, offset) in [160_u64, 200, 240].into_iter().enumerate() {
        cloop[136 + 8 * place..144 + 8 * place].copy_from_slice(&offset.to_be_bytes());
    }
    for (name, content, format, capacity) in [
        ("bochs", bochs, Format::Bochs, 8 << 20),
        ("cloop", cloop, Format::Cloop, 128 << 10),
    ] {
        fs::write(folder.path(name), content).unwrap();
        let image = folder.read(name, None);
        assert_eq!((image.header.format, image.sizes.capacity), (format, capacity));
        let output = Command::new("qemu-img")
            .arg("info")
            .arg(folder.path(name))
            .output();
        let said = String::from_utf8(output.unwrap().stdout).unwrap();
        assert!(said.contains(&format!("({capacity} bytes)")), "{name}: {said}");
    }
    let mut dmg = vec![0; 1024];
    dmg[512..516].copy_from_slice(b"koly");
    dmg[512 + 492..512 + 500].copy_from_slice(&4096_u64.to_be_bytes());
    fs::write(folder.path("dmg"), dmg).unwrap();
    assert_eq!(folder.read("dmg", Some(Format::Dmg)).sizes.capacity, 2 << 20);
    assert_eq!(
        folder.read("dmg", None).header.format,
        Format::Raw,
        "its mark is where every guest writes"
    );
    let mut iso = vec![0; 0x8806];
    iso[0x8001..0x8006].copy_from_slice(b"CD001");
    fs::write(folder.path("iso"), iso).unwrap();
    assert_eq!(folder.read("iso", None).header.format, Format::Iso);
    let mut luks = vec![0; 4096];
    luks[..8].copy_from_slice(b"LUKS\xba\xbe\0\x02");
    fs::write(folder.path("luks2"), luks).unwrap();
    assert_eq!(
        folder.read("luks2", None).header.encryption,
        Some(Encryption::Luks2)
    );
}

#[test]
fn an_image_tells_what_it_is_based_on_and_where_its_data_is() {
    let folder = Folder::new();
    folder.create("-f raw base.raw 1M");
    folder.create("-f qcow2 -F raw -b base.raw over.qcow2");
    folder.create("-f qcow2 -o compat=0.10 -F raw -b base.raw old.qcow2");
    folder.create("-f qed -F raw -b base.raw over.qed");
    folder.create("-f vmdk base.vmdk 1M");
    folder.create("-f vmdk -F vmdk -b base.vmdk over.vmdk");
    let backing = |name: &str, format: &str| {
        Some(Backing {
            name: name.to_owned(),
            format: Some(format.to_owned()),
        })
    };
    for name in ["over.qcow2", "old.qcow2", "over.qed"] {
        assert_eq!(folder.read(name, None).header.backing, backing("base.raw", "raw"));
    }
    let over = folder.read("over.vmdk", None).header;
    assert_eq!(over.backing, backing("base.vmdk", "vmdk"));
    assert_eq!(
        over.backing.unwrap().locate(&folder.path("over.vmdk")),
        Location::Path(folder.path("base.vmdk"))
    );

    folder.create("-f qcow2 -o data_file=far.data,data_file_raw=on near.qcow2 1M");
    let near = folder.read("near.qcow2", None);
    assert_eq!(near.data_path(), Some(folder.path("far.data")));
    assert_eq!(folder.read("over.qcow2", None).data_path(), None);
}

#[test]
fn encryption_is_seen() {
    let folder = Folder::new();
    let secret = "--object secret,id=s,data=abc";
    folder.create(&format!(
        "{secret} -f luks -o key-secret=s,iter-time=10 luks.img 1M"
    ));
    folder.create(&format!(
        "{secret} -f qcow2 -o encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10 in.qcow2 1M"
    ));
    let luks = folder.read("luks.img", None);
    assert_eq!(
        (luks.header.format, luks.header.encryption),
        (Format::Luks, Some(Encryption::Luks))
    );
    assert_eq!(luks.sizes.capacity, 1 << 20);
    assert_eq!(
        folder.read("in.qcow2", None).header.encryption,
        Some(Encryption::Luks)
    );
}

#[test]
fn what_a_name_means() {
    let locate = |name: &str| {
        let backing = Backing {
            name: name.to_owned(),
            format: None,
        };
        format!("{:?}", backing.locate(Path::new("/pool/a/over")))
    };
    assert_eq!(locate("../base"), r#"Path("/pool/a/../base")"#);
    assert_eq!(locate("/x/y:z"), r#"Path("/x/y:z")"#);
    assert_eq!(locate("./y:z"), r#"Path("/pool/a/./y:z")"#);
    assert_eq!(locate("json:{}"), r#"Json("{}")"#);
    assert_eq!(locate("nbd://h/e"), r#"Protocol { name: "nbd", rest: "//h/e" }"#);
}

#[test]
fn a_chain_has_an_end() {
    let folder = Folder::new();
    // Both exist before one is based on the other, so qemu-img is told to look away.
    folder.create("-f qcow2 -u -F qcow2 -b two.qcow2 one.qcow2 1M");
    folder.create("-f qcow2 -u -F qcow2 -b one.qcow2 two.qcow2 1M");
    fs::hard_link(folder.path("one.qcow2"), folder.path("another name")).unwrap();
    let mut walk = Walk::default();
    walk.open(&folder.path("one.qcow2"), None).unwrap();
    walk.open(&folder.path("two.qcow2"), None).unwrap();
    let again = walk.open(&folder.path("another name"), None).unwrap_err();
    assert!(matches!(again, Error::Loop { .. }), "{again}");

    let mut walk = Walk::default();
    for number in 0..MAX_LAYERS {
        let path = folder.path(&number.to_string());
        fs::write(&path, "").unwrap();
        walk.open(&path, Some(Format::Raw)).unwrap();
    }
    let deeper = walk.open(&folder.path("0"), Some(Format::Raw)).unwrap_err();
    assert!(matches!(deeper, Error::TooDeep { .. }), "{deeper}");
}

#[test]
fn what_is_no_image_is_told_with_its_path() {
    let folder = Folder::new();
    let open = |name: &str, format| {
        let outcome = Walk::default().open(&folder.path(name), format);
        outcome.map(drop).unwrap_err().to_string()
    };
    assert!(open("gone", None).contains("gone': No such file"));
    fs::create_dir(folder.path("folder")).unwrap();
    assert!(open("folder", None).contains("neither a file nor"));
    // A pipe that nobody writes to would keep a careless reader for ever.
    let mut make = Command::new("mkfifo");
    assert!(make.arg(folder.path("pipe")).status().unwrap().success());
    assert!(open("pipe", None).contains("neither a file nor"));
    fs::File::create(folder.path("short"))
        .unwrap()
        .write_all(b"QFI\xfb")
        .unwrap();
    assert!(open("short", Some(Format::Qcow2)).contains("the header is cut off"));
    // For sizes, such a file is as long as it is.
    assert_eq!(
        Sizes::of(&folder.path("short"), Format::Qcow2).unwrap().capacity,
        4
    );
}

#[test]
fn a_qcow2_image_tells_how_it_is_laid_out() {
    let folder = Folder::new();
    let layout = |name: &str, options: &str| {
        folder.create(&format!("-f qcow2 {options} {name} 10M"));
        folder.read(name, None).header.qcow2.unwrap()
    };
    let plain = layout("plain", "");
    assert_eq!((plain.version, plain.cluster_size), (3, 65536));
    assert!(!plain.lazy_refcounts && !plain.extended_l2);
    assert_eq!(layout("old", "-o compat=0.10").version, 2);
    let special = layout("special", "-o lazy_refcounts=on,extended_l2=on,cluster_size=128k");
    assert_eq!(special.cluster_size, 128 << 10);
    assert!(special.lazy_refcounts && special.extended_l2);
}

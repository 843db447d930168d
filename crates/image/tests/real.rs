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
    folder.create("-f qcow2 -o compat=0.10 old.img 3M");
    assert_eq!(folder.read("old.img", None).sizes.capacity, 3 << 20);
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

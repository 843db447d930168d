//! `scsi` and `mpath` pools on disks that the kernel makes up: those of its module `scsi_debug`.

use crate::host::{Host, run, try_run, wait_for};
use crate::pools::{Pool, crash, info, storage, storage_fails, volumes};
use std::fs;
use std::path::Path;

/// An adapter with two disks of 8 MiB, until the value goes.
struct Adapter {
    /// `host2`
    name: String,
}

impl Adapter {
    fn start() -> Self {
        Host::get();
        run("modprobe", &["scsi_debug", "dev_size_mb=8", "max_luns=2"]);
        let hosts = fs::read_dir("/sys/class/scsi_host").unwrap();
        let mut names = hosts.map(|host| host.unwrap().file_name().into_string().unwrap());
        let is_it = |name: &String| {
            let told = fs::read_to_string(format!("/sys/class/scsi_host/{name}/proc_name"));
            told.unwrap().trim() == "scsi_debug"
        };
        Self {
            name: names.find(is_it).unwrap(),
        }
    }

    /// The first of its disks, as the kernel calls it.
    fn disk(&self) -> String {
        let number = self.name.trim_start_matches("host");
        let folder = format!("/sys/bus/scsi/devices/{number}:0:0:0/block");
        wait_for("the disk", || {
            let entry = fs::read_dir(&folder).ok()?.next()?.ok()?;
            entry.file_name().into_string().ok()
        })
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        try_run("modprobe", &["--remove", "scsi_debug"]);
    }
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn disks_of_an_adapter_are_volumes() {
    let adapter = Adapter::start();
    let document = |name: &str, adapter: &str| {
        let text = format!(
            "<pool type='scsi'><name>{name}</name><source><adapter type='scsi_host' name='{adapter}'/></source>\
             <target><path>/dev/disk/by-id</path></target></pool>"
        );
        let file = format!("/tmp/{name}.xml");
        fs::write(&file, text).unwrap();
        file
    };
    storage(&["pool-define", &document("scsi", &adapter.name), "--validate"]);
    let _pool = Pool("scsi");
    let same = document("same", &format!("scsi_{}", adapter.name));
    let complaint = storage_fails(&["pool-define", &same]);
    assert!(complaint.contains("source conflict"), "{complaint}");
    storage(&["pool-start", "scsi"]);
    assert_eq!(volumes("scsi"), ["unit:0:0:0", "unit:0:0:1"]);
    let told = storage(&["vol-info", "--bytes", "--pool", "scsi", "unit:0:0:0"]);
    assert_eq!(
        info(&told, "Capacity").trim_end_matches(" bytes"),
        (8 << 20).to_string()
    );
    let path = storage(&["vol-path", "--pool", "scsi", "unit:0:0:0"]);
    assert!(path.starts_with("/dev/disk/by-id/"), "{path}");
    let is_it = fs::canonicalize(path.trim()).unwrap();
    assert_eq!(is_it, Path::new("/dev").join(adapter.disk()));
    // A table of partitions is told.
    run("parted", &["--script", path.trim(), "mklabel", "gpt"]);
    crash();
    storage(&["pool-refresh", "scsi"]);
    let xml = storage(&["vol-dumpxml", "--pool", "scsi", "unit:0:0:0"]);
    assert!(xml.contains("<format type='gpt'/>"), "{xml}");
    storage(&["pool-destroy", "scsi"]);
    let missing = document("missing", "host99");
    storage(&["pool-define", &missing]);
    let _missing = Pool("missing");
    let complaint = storage_fails(&["pool-start", "missing"]);
    assert!(complaint.contains("no SCSI adapter 'host99'"), "{complaint}");
}

#[test]
#[ignore = "runs in the guest of cargo xtask testbed"]
fn maps_over_several_paths_are_volumes() {
    let adapter = Adapter::start();
    run("modprobe", &["dm-multipath"]);
    let disk = adapter.disk();
    let facts = |name: &str| fs::read_to_string(format!("/sys/block/{disk}/{name}")).unwrap();
    let (size, number) = (facts("size"), facts("dev"));
    let table = format!(
        "0 {} multipath 0 0 1 1 round-robin 0 1 1 {} 1",
        size.trim(),
        number.trim()
    );
    run("dmsetup", &["create", "mpatha", "--table", &table]);
    let _pool = Pool("mpath");
    storage(&["pool-create-as", "mpath", "mpath", "--target", "/dev/mapper"]);
    let map = fs::canonicalize("/dev/mapper/mpatha").unwrap();
    let name = map.file_name().unwrap().to_str().unwrap();
    assert_eq!(volumes("mpath"), [name]);
    let path = storage(&["vol-path", "--pool", "mpath", name]);
    assert_eq!(path.trim(), "/dev/mapper/mpatha");
    let told = storage(&["pool-info", "--bytes", "mpath"]);
    assert_eq!(info(&told, "Capacity"), (8 << 20).to_string());
    let complaint = storage_fails(&["pool-define-as", "other", "mpath", "--target", "/dev/mapper"]);
    assert!(complaint.contains("source conflict"), "{complaint}");
    storage(&["pool-destroy", "mpath"]);
    run("dmsetup", &["remove", "--retry", "mpatha"]);
}

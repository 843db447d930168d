//! How large disks are and what they are based on, as stock virsh tells it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use end_to_end::{Instance, Outcome, idle_domain, qemu_img, wait_for};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

fn with_disks(name: &str, disks: &[(&Path, &str, &str)]) -> String {
    let disk = |(path, format, target): &(&Path, &str, &str)| {
        format!(
            "<disk type='file' device='disk'><driver name='qemu' type='{format}'/><source file='{}'/>\
             <target dev='{target}' bus='virtio'/></disk>",
            path.display()
        )
    };
    let disks: String = disks.iter().map(disk).collect();
    idle_domain(name).replace("<devices>", &format!("<devices>{disks}"))
}

/// What `domstats` tells of one domain's disks, without traffic.
fn figures(instance: &Instance, name: &str, more: &[&str]) -> BTreeMap<String, String> {
    let said = instance.virsh(&[&["domstats", name, "--block"], more].concat());
    let figures = said.lines().filter_map(|line| line.trim().split_once('='));
    let sizes =
        figures.filter(|(name, _)| !["rd", "wr", "fl"].contains(&name.split('.').nth(2).unwrap_or("")));
    sizes
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn expected(all: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    all.iter().map(owned).collect()
}

#[test]
fn a_running_guest_tells_every_layer_with_its_number() {
    let instance = Instance::start();
    qemu_img(&instance, "create -f raw base.raw 8M");
    qemu_img(&instance, "create -f qcow2 -F raw -b base.raw top.qcow2 16M");
    qemu_img(&instance, "create -f qcow2 alone.qcow2 4M");
    let path = |name: &str| instance.root().join(name);
    let (top, base, alone) = (path("top.qcow2"), path("base.raw"), path("alone.qcow2"));
    instance.define(
        "live",
        &with_disks("live", &[(&top, "qcow2", "vda"), (&alone, "qcow2", "vdb")]),
    );
    instance.virsh(&["start", "live", "--paused"]);

    let told = wait_for("QEMU's answer", || {
        let told = figures(&instance, "live", &["--backing"]);
        told.contains_key("block.2.capacity").then_some(told)
    });
    let physical = |index: usize| told[&format!("block.{index}.physical")].clone();
    assert_eq!(
        told,
        expected(&[
            ("block.count", "3"),
            ("block.0.name", "vda"),
            ("block.0.path", top.to_str().unwrap()),
            ("block.0.backingIndex", "2"),
            ("block.0.allocation", "0"),
            ("block.0.capacity", "16777216"),
            ("block.0.physical", &physical(0)),
            ("block.1.name", "vda"),
            ("block.1.path", base.to_str().unwrap()),
            ("block.1.backingIndex", "3"),
            ("block.1.allocation", "0"),
            ("block.1.capacity", "8388608"),
            ("block.1.physical", &physical(1)),
            ("block.2.name", "vdb"),
            ("block.2.path", alone.to_str().unwrap()),
            ("block.2.backingIndex", "1"),
            ("block.2.allocation", "0"),
            ("block.2.capacity", "4194304"),
            ("block.2.physical", &physical(2)),
        ])
    );
    assert_eq!(figures(&instance, "live", &[])["block.count"], "2");
    let info = instance.virsh(&["domblkinfo", "live", "vda"]);
    assert!(info.lines().next().unwrap().ends_with(" 16777216"), "{info}");
    let list = instance.virsh(&["domblklist", "live", "--details"]);
    assert!(
        list.contains("top.qcow2") && list.contains("alone.qcow2") && !list.contains("base.raw"),
        "{list}"
    );
    instance.virsh(&["destroy", "live"]);
}

#[test]
fn a_shut_off_domain_tells_what_its_images_say() {
    let instance = Instance::start();
    qemu_img(&instance, "create -f qcow2 a.qcow2 64M");
    qemu_img(&instance, "create -f vdi b.vdi 32M");
    std::fs::write(instance.root().join("c.raw"), vec![1; 4096]).unwrap();
    let path = |name: &str| instance.root().join(name);
    let (a, b, c, gone) = (path("a.qcow2"), path("b.vdi"), path("c.raw"), path("gone"));
    let disks = [
        (&*a, "qcow2", "vda"),
        (&*b, "vdi", "vdb"),
        (&*c, "raw", "vdc"),
        (&*gone, "raw", "vdd"),
    ];
    instance.define("off", &with_disks("off", &disks));

    let told = wait_for("sizes that are known", || {
        let told = figures(&instance, "off", &[]);
        told.contains_key("block.2.physical").then_some(told)
    });
    use std::os::unix::fs::MetadataExt;
    let on_host = |path: &Path| {
        let metadata = std::fs::metadata(path).unwrap();
        ((metadata.blocks() * 512).to_string(), metadata.len().to_string())
    };
    let (a_host, b_host, c_host) = (on_host(&a), on_host(&b), on_host(&c));
    assert_eq!(
        told,
        expected(&[
            ("block.count", "4"),
            ("block.0.name", "vda"),
            ("block.0.path", a.to_str().unwrap()),
            ("block.0.allocation", &a_host.0),
            ("block.0.capacity", "67108864"),
            ("block.0.physical", &a_host.1),
            ("block.1.name", "vdb"),
            ("block.1.path", b.to_str().unwrap()),
            ("block.1.allocation", &b_host.0),
            ("block.1.capacity", "33554432"),
            ("block.1.physical", &b_host.1),
            ("block.2.name", "vdc"),
            ("block.2.path", c.to_str().unwrap()),
            ("block.2.allocation", &c_host.0),
            ("block.2.capacity", "4096"),
            ("block.2.physical", "4096"),
            ("block.3.name", "vdd"),
            ("block.3.path", gone.to_str().unwrap()),
        ])
    );
    let info = instance.virsh(&["domblkinfo", "off", "vdb"]);
    let sizes: Vec<_> = info
        .split_whitespace()
        .filter(|word| word.parse::<u64>().is_ok())
        .collect();
    assert_eq!(sizes, ["33554432", &b_host.0, &b_host.1]);
    assert!(
        instance
            .virsh_fails(&["domblkinfo", "off", "vdd"])
            .contains("gone': No such file")
    );
}

/// A file system whose server never says a word: whoever looks into it waits until it ends.
struct DeadMount {
    path: PathBuf,
    /// The server's side; closing it ends all waiting.
    server: Option<File>,
}

impl DeadMount {
    fn new(path: PathBuf) -> Self {
        std::fs::create_dir(&path).unwrap();
        let server = File::options().read(true).write(true).open("/dev/fuse").unwrap();
        let outcome = Outcome::of(
            Command::new("mount")
                .args([
                    "-i",
                    "-t",
                    "fuse",
                    "-o",
                    "fd=0,rootmode=40000,user_id=0,group_id=0",
                    "dead",
                ])
                .arg(&path)
                .stdin(server.try_clone().unwrap()),
        );
        assert!(outcome.success, "{}", outcome.stderr);
        Self {
            path,
            server: Some(server),
        }
    }

    /// Whoever waits is told that there is nobody.
    fn end(&mut self) {
        self.server = None;
    }
}

impl Drop for DeadMount {
    fn drop(&mut self) {
        self.end();
        Outcome::of(Command::new("umount").args(["--lazy", "--force"]).arg(&self.path));
    }
}

#[test]
fn a_dead_mount_costs_only_who_looks_into_it() {
    if !rustix::process::geteuid().is_root() {
        // Nobody else may mount.
        return;
    }
    let instance = Instance::start();
    let live = instance.root().join("live.raw");
    std::fs::write(&live, vec![1; 4096]).unwrap();
    let mut dead = DeadMount::new(instance.root().join("dead"));
    instance.define(
        "dead",
        &with_disks("dead", &[(&dead.path.join("a.qcow2"), "qcow2", "vda")]),
    );
    instance.define("live", &with_disks("live", &[(&live, "raw", "vda")]));

    let told = wait_for("the living image's size", || {
        let told = figures(&instance, "live", &[]);
        told.contains_key("block.0.capacity").then_some(told)
    });
    assert_eq!(told["block.0.capacity"], "4096");
    // All at once: the dead one has no sizes, the living one's are told.
    let all = instance.virsh(&["domstats", "--block"]);
    assert!(
        all.contains("dead/a.qcow2") && all.contains("block.0.capacity=4096"),
        "{all}"
    );
    let said = instance.virsh_fails(&["start", "dead"]);
    assert!(said.contains("dead/a.qcow2"), "{said}");
    instance.virsh(&["start", "live", "--paused"]);
    instance.virsh(&["destroy", "live"]);

    // Once its server is gone for good, that is what is told.
    dead.end();
    wait_for("the end of all waiting", || {
        let said = instance.virsh_fails(&["start", "dead"]);
        said.contains("cannot open").then_some(())
    });
}

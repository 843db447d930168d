//! Guests whose memory lies in huge pages.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use end_to_end::{Instance, idle_domain};
use std::fs;
use std::path::PathBuf;

/// Where the kernel is told how many pages of its default size are set aside.
const SET_ASIDE: &str = "/proc/sys/vm/nr_hugepages";

/// What the kernel is asked to set aside: the guest's 32 MiB, in pages of 2 MiB.
const PAGES: u64 = 24;

/// Pages that are set aside for the test, and given back.
struct Aside(u64);

impl Aside {
    fn take() -> Option<Self> {
        let now = || fs::read_to_string(SET_ASIDE).ok()?.trim().parse::<u64>().ok();
        let before = now()?;
        // Pages that files are kept in give way, but not to whom asks for many at once.
        let _ = fs::write("/proc/sys/vm/compact_memory", "1");
        fs::write(SET_ASIDE, (before + PAGES).to_string()).ok()?;
        let aside = Self(before);
        let enough = now()? >= before + PAGES;
        enough.then_some(aside)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        let _ = fs::write(SET_ASIDE, self.0.to_string());
    }
}

fn entries(folder: &PathBuf) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn a_guests_memory_lies_in_huge_pages_and_leaves_nothing_there() {
    let Some(_aside) = Aside::take() else {
        println!("skipped: this kernel sets no huge pages aside");
        return;
    };
    let mount = "mkdir -p {root}/huge && mount -t hugetlbfs none {root}/huge && exec \"$0\" \"$@\"";
    let mut instance = Instance::wrapped(
        &["unshare", "--mount", "sh", "-c", mount],
        "hugetlbfs_mount = \"{root}/huge\"",
    );
    let document = idle_domain("huge").replace("<vcpu>", "<memoryBacking><hugepages/></memoryBacking><vcpu>");
    instance.define("huge", &document);
    instance.virsh(&["start", "huge"]);
    // As the daemon sees it: nobody else sees its mounts.
    let seen = |instance: &Instance| {
        PathBuf::from(format!(
            "/proc/{}/root{}/huge/libvirt/qemu",
            instance.pid(),
            instance.root().display()
        ))
    };
    assert_eq!(entries(&seen(&instance)), 1);
    let [qemu] = instance.guests()[..] else {
        panic!("one guest");
    };
    let maps = fs::read_to_string(format!("/proc/{qemu}/smaps")).unwrap();
    assert!(
        maps.contains("/huge/libvirt/qemu/"),
        "the memory is in the file system"
    );
    instance.virsh(&["destroy", "huge"]);
    assert_eq!(entries(&seen(&instance)), 0);

    // A size that is not mounted is refused by name.
    let other = document.replace(
        "<hugepages/>",
        "<hugepages><page size='1' unit='GiB'/></hugepages>",
    );
    let file = instance.file("other.xml", &other.replace("huge</name>", "other</name>"));
    let refused = instance.virsh_fails(&["create", &file]);
    assert!(refused.contains("1048576 KiB"), "{refused}");
    assert_eq!(entries(&seen(&instance)), 0);
    assert_eq!(instance.left_overs(), Vec::<String>::new());
    instance.stop();
}

//! The installed QEMU binaries, asked in earnest. Skipped where there are none.

use driver_qemu::binary::{Accel, BinaryCache};
use host::Host;

#[tokio::test]
async fn an_installed_binary_tells_what_a_guest_needs() {
    let folder = tempfile::tempdir().unwrap();
    let cache = BinaryCache::new(folder.path(), Host::local());
    let Some(path) = cache.find("x86_64") else {
        eprintln!("skipped: no QEMU for x86_64 is installed");
        return;
    };
    let caps = cache.get(&path).await.unwrap();
    assert_eq!(caps.arch, "x86_64");
    assert!(caps.has_device("virtio-blk-pci") && caps.has_property("virtio-blk-pci", "packed"));
    assert!(caps.has_command("query-status") && caps.schema("blockdev-add/arg-type/+qcow2"));
    assert!(caps.machine("q35").is_some() && caps.default_machine().is_some());
    assert!(caps.accel(Accel::Tcg).unwrap().best.is_some());
    // Whether or not KVM works here, it is known, and nothing hung.
    let kept = BinaryCache::new(folder.path(), Host::local())
        .get(&path)
        .await
        .unwrap();
    assert_eq!(*kept, *caps);
}

#[tokio::test]
async fn a_binary_may_be_asked_as_somebody_else() {
    if !rustix::process::getuid().is_root() {
        eprintln!("skipped: only root may choose");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cache = BinaryCache::new(folder.path(), Host::local()).asking_as(65534, 65534);
    let Some(path) = cache.find("x86_64") else {
        eprintln!("skipped: no QEMU for x86_64 is installed");
        return;
    };
    let caps = cache.get(&path).await.unwrap();
    // Nobody may not use KVM; that costs nothing else.
    assert!(caps.has_device("virtio-blk-pci") && caps.tcg.best.is_some());
}

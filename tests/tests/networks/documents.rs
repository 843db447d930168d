//! Networks as documents: defined, listed, changed, removed.

use super::{left_overs, networkd, start};

#[test]
fn a_network_comes_and_goes() {
    let Some(instance) = networkd() else { return };
    start(
        &instance,
        "inside",
        "<network><name>inside</name><ip address='10.77.0.1' prefix='24'/></network>",
    );
    let listed = instance.virsh(&["net-list", "--all"]);
    let words: Vec<_> = listed.split_whitespace().collect();
    assert_eq!(words, ["inside", "active", "no", "yes"]);
    let info = instance.virsh(&["net-info", "inside"]);
    assert!(info.contains("virbr0"), "{info}");
    let live = instance.virsh(&["net-dumpxml", "inside"]);
    for part in [
        "<bridge name='virbr0' stp='on' delay='0'/>",
        "<mac address='52:54:00:",
    ] {
        assert!(live.contains(part), "{part}: {live}");
    }
    let said = instance.virsh_fails(&["net-start", "inside"]);
    assert!(said.contains("network is already active"), "{said}");
    instance.virsh(&["net-autostart", "inside"]);
    assert!(
        instance
            .path("/etc/libvirt/qemu/networks/autostart/inside.xml")
            .is_symlink()
    );
    instance.virsh(&["net-undefine", "inside"]);
    let info = instance.virsh(&["net-info", "inside"]);
    assert!(info.contains("Persistent:     no"), "{info}");
    instance.virsh(&["net-destroy", "inside"]);
    let said = instance.virsh_fails(&["net-info", "inside"]);
    assert!(said.contains("no network with matching name 'inside'"), "{said}");
    assert_eq!(left_overs(&instance), Vec::<String>::new());
}

//! Sockets between host and guest.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, idle_domain};
use std::path::Path;

fn domain(name: &str, vsock: &str) -> String {
    idle_domain(name).replace("<serial type='pty'/>", vsock)
}

fn address(document: &str) -> Option<u32> {
    let (_, rest) = document.split_once("<cid auto='yes' address='")?;
    rest.split_once('\'')?.0.parse().ok()
}

#[test]
fn each_guest_has_an_address_of_its_own() {
    let instance = Instance::start();
    for name in ["one", "two"] {
        instance.define(name, &domain(name, "<vsock/>"));
        let document = instance.virsh(&["dumpxml", name]);
        assert!(document.contains("<vsock model='virtio'>"), "{document}");
        assert!(document.contains("<cid auto='yes'/>"), "{document}");
    }
    let host = instance.file("host.xml", &domain("host", "<vsock><cid address='2'/></vsock>"));
    let said = instance.virsh_fails(&["define", &host]);
    assert!(said.contains("unsupported configuration"), "{said}");
    let lacking = instance.file("none.xml", &domain("none", "<vsock><cid auto='no'/></vsock>"));
    instance.virsh_fails(&["create", &lacking]);
    if Path::new("/dev/vhost-vsock").exists() {
        let addresses = ["one", "two"].map(|name| {
            instance.virsh(&["start", name]);
            address(&instance.virsh(&["dumpxml", name])).unwrap()
        });
        assert!(addresses[0] >= 3 && addresses[0] != addresses[1], "{addresses:?}");
        let taken = format!("<vsock><cid address='{}'/></vsock>", addresses[0]);
        let file = instance.file("taken.xml", &domain("taken", &taken));
        let said = instance.virsh_fails(&["create", &file]);
        assert!(said.contains(&addresses[0].to_string()), "{said}");
        for name in ["one", "two"] {
            instance.virsh(&["destroy", name]);
        }
    } else {
        let said = instance.virsh_fails(&["start", "one"]);
        assert!(said.contains("unsupported configuration"), "{said}");
        assert!(said.contains("/dev/vhost-vsock"), "{said}");
    }
    assert_eq!(instance.left_overs(), Vec::<String>::new());
}

//! Ports: who is connected to what, and no card to two.

use super::{networkd, start};
use end_to_end::Instance;

/// A pool of two links that are handed out whole.
const POOL: &str = "<network><name>pool</name><forward mode='passthrough'><interface dev='card0'/><interface dev='card1'/></forward>\
    </network>";

fn port(instance: &Instance, number: u32) -> (String, String) {
    let uuid = format!("0a81f5b2-8403-4b23-88d6-21ccc2f80d0{number}");
    let text = format!(
        "<networkport><uuid>{uuid}</uuid><owner><name>g{number}</name><uuid>06578fc1-c686-46fa-bc2c-220893b466a6</uuid></owner>\
         <mac address='52:54:00:00:00:0{number}'/></networkport>"
    );
    (uuid, instance.file(&format!("port{number}.xml"), &text))
}

#[test]
fn no_card_is_handed_out_twice_whatever_becomes_of_the_daemon() {
    let Some(mut instance) = networkd() else { return };
    start(&instance, "pool", POOL);
    let ports: Vec<_> = (1..=3).map(|number| port(&instance, number)).collect();
    for (_, file) in &ports[..2] {
        instance.virsh(&["net-port-create", "pool", file]);
    }
    let card = |instance: &Instance, number: usize| {
        let told = instance.virsh(&["net-port-dumpxml", "pool", &ports[number].0]);
        let (_, rest) = told.split_once("dev='").unwrap();
        rest.split('\'').next().unwrap().to_owned()
    };
    assert_ne!(card(&instance, 0), card(&instance, 1));
    instance.kill();
    instance.restart();
    let said = instance.virsh_fails(&["net-port-create", "pool", &ports[2].1]);
    assert!(said.contains("none are available"), "{said}");
    let told = instance.virsh(&["net-dumpxml", "pool"]);
    assert!(
        told.contains("connections='2'") && told.contains("<interface dev='card1' connections='1'/>"),
        "{told}"
    );
    let free = card(&instance, 0);
    instance.virsh(&["net-port-delete", "pool", &ports[0].0]);
    instance.virsh(&["net-port-create", "pool", &ports[2].1]);
    assert_eq!(card(&instance, 2), free);
    let listed = instance.virsh(&["net-port-list", "pool"]);
    assert!(listed.contains(&ports[1].0) && listed.contains(&ports[2].0) && !listed.contains(&ports[0].0));
    instance.virsh(&["net-destroy", "pool"]);
    let said = instance.virsh_fails(&["net-port-create", "pool", &ports[0].1]);
    assert!(said.contains("is not active"), "{said}");
}

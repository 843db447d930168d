//! The guest's processor: what a definition means, and what a guest got.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, idle_domain};

fn define(instance: &Instance, cpu: &str) {
    let document = idle_domain("vm").replace("<features>", &format!("{cpu}<features>"));
    instance.define(
        "vm",
        &document.replace(
            "</name>",
            "</name><uuid>12345678-9abc-4def-8123-456789abcdef</uuid>",
        ),
    );
}

#[test]
fn the_hosts_model_is_spelt_out_for_a_run_and_stays_open_in_the_definition() {
    let instance = Instance::start();
    define(
        &instance,
        "<cpu mode='host-model'><feature policy='optional' name='nosuchthing'/></cpu>",
    );
    let said = instance.virsh_fails(&["start", "vm"]);
    assert!(said.contains("nosuchthing"), "{said}");
    define(
        &instance,
        "<cpu mode='host-model'><feature policy='disable' name='pku'/></cpu>",
    );
    let update = instance.virsh(&["dumpxml", "--update-cpu", "vm"]);
    assert!(
        update.contains("<cpu mode='custom' match='exact' check='partial'>"),
        "{update}"
    );
    instance.virsh(&["start", "vm"]);
    let live = instance.virsh(&["dumpxml", "vm"]);
    for part in [
        "<cpu mode='custom' match='exact' check='full'>",
        "<model fallback='forbid'>",
        "<feature policy='disable' name='pku'/>",
        "<feature policy='require' name='hypervisor'/>",
    ] {
        assert!(live.contains(part), "{part}: {live}");
    }
    for view in ["--inactive", "--migratable"] {
        let document = instance.virsh(&["dumpxml", view, "vm"]);
        assert!(
            document.contains("<cpu mode='host-model' check='partial'>"),
            "{view}: {document}"
        );
        assert!(!document.contains("<alias"), "{view}: {document}");
    }
    assert!(
        !instance
            .virsh(&["dumpxml", "--migratable", "vm"])
            .contains(" id='")
    );
    instance.virsh(&["destroy", "vm"]);
}

#[test]
fn a_check_refuses_what_the_guest_would_not_get() {
    let instance = Instance::start();
    // No emulation has them.
    define(
        &instance,
        "<cpu mode='host-model'><feature policy='require' name='avx512f'/></cpu>",
    );
    let said = instance.virsh_fails(&["start", "vm"]);
    assert!(said.contains("the CPU is incompatible with host CPU"), "{said}");
    define(
        &instance,
        "<cpu match='exact' check='full'><model fallback='forbid'>Skylake-Server</model></cpu>",
    );
    let said = instance.virsh_fails(&["start", "vm"]);
    assert!(
        said.contains("missing features") && said.contains("avx512f"),
        "{said}"
    );
    define(&instance, "<cpu match='exact'><model>NoSuch</model></cpu>");
    let said = instance.virsh_fails(&["start", "vm"]);
    assert!(said.contains("NoSuch"), "{said}");
    define(
        &instance,
        "<cpu match='exact'><model>Skylake-Server</model></cpu>",
    );
    instance.virsh(&["start", "vm"]);
    let live = instance.virsh(&["dumpxml", "vm"]);
    assert!(
        live.contains("<feature policy='disable' name='avx512f'/>"),
        "{live}"
    );
    instance.virsh(&["destroy", "vm"]);
    assert_eq!(instance.left_overs(), Vec::<String>::new());
}

//! What the stand-in answers about itself as a QEMU binary: the x86 machines and devices a small guest needs.
//!
//! The schema names the commands without their arguments. A test that needs all a binary can do lets the script's
//! `probe-with` answer.

use serde_json::{Value, json};

/// The version it claims to be.
pub(crate) const VERSION: (u32, u32, u32) = (10, 0, 2);

/// Commands it answers, beside those about the binary.
const COMMANDS: &[&str] = &[
    "add-fd",
    "balloon",
    "blockdev-add",
    "blockdev-del",
    "closefd",
    "cont",
    "device-list-properties",
    "device_add",
    "device_del",
    "getfd",
    "human-monitor-command",
    "inject-nmi",
    "input-send-event",
    "object-add",
    "object-del",
    "qmp_capabilities",
    "qom-get",
    "qom-list",
    "qom-list-properties",
    "qom-list-types",
    "qom-set",
    "query-balloon",
    "query-block",
    "query-blockstats",
    "query-chardev",
    "query-command-line-options",
    "query-commands",
    "query-cpu-definitions",
    "query-cpu-model-expansion",
    "query-cpus-fast",
    "query-current-machine",
    "query-hotpluggable-cpus",
    "query-iothreads",
    "query-kvm",
    "query-machines",
    "query-memory-size-summary",
    "query-migrate",
    "query-migrate-capabilities",
    "query-name",
    "query-named-block-nodes",
    "query-qmp-schema",
    "query-rx-filter",
    "query-spice",
    "query-stats",
    "query-status",
    "query-target",
    "query-tpm-models",
    "query-tpm-types",
    "query-uuid",
    "query-version",
    "query-vnc",
    "quit",
    "remove-fd",
    "screendump",
    "send-key",
    "set-action",
    "set_password",
    "expire_password",
    "stop",
    "system_powerdown",
    "system_reset",
    "system_wakeup",
];

const TYPES: &[&str] = &[
    "ICH9-LPC",
    "PIIX4_PM",
    "VGA",
    "bochs-display",
    "e1000",
    "e1000e",
    "i82801b11-bridge",
    "ich9-ahci",
    "ich9-usb-ehci1",
    "ich9-usb-uhci1",
    "ich9-usb-uhci2",
    "ich9-usb-uhci3",
    "ide-cd",
    "ide-hd",
    "iothread",
    "isa-debugcon",
    "isa-serial",
    "memory-backend-file",
    "memory-backend-memfd",
    "memory-backend-ram",
    "nec-usb-xhci",
    "pci-bridge",
    "pci-serial",
    "pcie-pci-bridge",
    "pcie-root-port",
    "piix3-usb-uhci",
    "qemu-xhci",
    "rng-builtin",
    "rng-random",
    "rtl8139",
    "scsi-cd",
    "scsi-hd",
    "secret",
    "usb-hub",
    "usb-kbd",
    "usb-mouse",
    "usb-serial",
    "usb-storage",
    "usb-tablet",
    "virtconsole",
    "virtio-9p-pci",
    "virtio-balloon-pci",
    "virtio-blk-pci",
    "virtio-gpu-pci",
    "virtio-keyboard-pci",
    "virtio-mouse-pci",
    "virtio-net-pci",
    "virtio-rng-pci",
    "virtio-scsi-pci",
    "virtio-serial-pci",
    "virtio-tablet-pci",
    "virtio-vga",
    "virtserialport",
    "vmcoreinfo",
];

const MODELS: &[&str] = &[
    "qemu64",
    "qemu32",
    "kvm64",
    "max",
    "base",
    "Nehalem",
    "Skylake-Client",
    "EPYC",
];

pub(crate) fn version() -> Value {
    let (major, minor, micro) = VERSION;
    json!({ "qemu": { "micro": micro, "minor": minor, "major": major }, "package": "stand-in" })
}

/// Answers a question about the binary; nothing if it is none.
pub(crate) fn answer(command: &str, arguments: &Value) -> Option<Value> {
    Some(match command {
        "qmp_capabilities" => json!({}),
        "query-version" => version(),
        "query-target" => json!({ "arch": "x86_64" }),
        "query-commands" => named(COMMANDS),
        "query-machines" => machines(),
        "query-cpu-definitions" => MODELS
            .iter()
            .map(|name| {
                json!({
                    "name": name, "typename": format!("{name}-x86_64-cpu"), "unavailable-features": [],
                    "static": *name == "base", "migration-safe": true, "deprecated": false,
                })
            })
            .collect(),
        "query-cpu-model-expansion" => {
            let name = arguments
                .get("model")
                .and_then(|model| model.get("name"))
                .cloned()
                .unwrap_or_default();
            json!({ "model": { "name": name, "props": { "fpu": true, "sse2": true, "lm": true, "syscall": true, "nx": true } } })
        }
        "qom-list-types" => named(TYPES),
        "device-list-properties" | "qom-list-properties" => json!([
            { "name": "id", "type": "string" }, { "name": "addr", "type": "int32" },
            { "name": "iothread", "type": "link<iothread>" }, { "name": "bootindex", "type": "int32" },
            { "name": "serial", "type": "str" }, { "name": "share-rw", "type": "bool" },
        ]),
        "query-qmp-schema" => schema(),
        "query-tpm-models" => json!(["tpm-crb", "tpm-tis"]),
        "query-tpm-types" => json!(["emulator", "passthrough"]),
        "query-command-line-options" => json!([]),
        "query-migrate-capabilities" => json!([]),
        _ => return None,
    })
}

fn named(names: &[&str]) -> Value {
    names.iter().map(|name| json!({ "name": name })).collect()
}

fn machines() -> Value {
    let machine = |name: &str, alias: Option<&str>, max: u32, first: bool| {
        let mut machine = json!({
            "name": name, "cpu-max": max, "hotpluggable-cpus": true, "numa-mem-supported": true, "deprecated": false,
            "default-cpu-type": "qemu64-x86_64-cpu", "default-ram-id": "pc.ram", "acpi": true,
        });
        if let Some(machine) = machine.as_object_mut() {
            machine.extend(alias.map(|alias| ("alias".to_owned(), alias.into())));
            machine.extend(first.then(|| ("is-default".to_owned(), true.into())));
        }
        machine
    };
    json!([
        machine("pc-i440fx-10.0", Some("pc"), 255, true),
        machine("pc-q35-10.0", Some("q35"), 4096, false),
        machine("microvm", None, 288, false),
        machine("none", None, 1, false),
    ])
}

fn schema() -> Value {
    let empty = json!({ "name": "0", "meta-type": "object", "members": [] });
    let commands = COMMANDS
        .iter()
        .map(|name| json!({ "name": name, "meta-type": "command", "arg-type": "0", "ret-type": "0" }));
    std::iter::once(empty).chain(commands).collect()
}

//! Guests of other architectures than the host's, emulated.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, disk};

/// A guest whose devices are all left to the daemon.
fn arm(name: &str, arch: &str, devices: &str) -> String {
    format!(
        "<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory><vcpu>2</vcpu>\
         <os><type arch='{arch}' machine='virt'>hvm</type></os><devices>{devices}</devices></domain>"
    )
}

#[test]
fn a_guest_of_aarch64_has_the_devices_of_its_machine() {
    let instance = Instance::start();
    let image = disk(&instance, "a.qcow2");
    let devices = format!(
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{image}'/><target dev='vda'/></disk>\
         <interface type='user'/><serial type='pty'/><graphics type='vnc'/><input type='keyboard' bus='usb'/>\
         <controller type='usb' index='0'/><rng model='virtio'><backend model='random'/></rng><panic/>\
         <memballoon model='virtio'/><channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
    );
    instance.define("arm", &arm("arm", "aarch64", &devices));
    let definition = instance.virsh(&["dumpxml", "arm", "--inactive"]);
    for said in [
        "<gic version='2'/>",
        "<model fallback='forbid'>cortex-a15</model>",
        "<emulator>/usr/bin/qemu-system-aarch64</emulator>",
        "<controller type='pci' index='0' model='pcie-root'/>",
        "<controller type='usb' index='0' model='qemu-xhci'>",
        "<model name='pl011'/>",
        "<model type='virtio' heads='1' primary='yes'/>",
        "<panic model='pvpanic'>",
    ] {
        assert!(definition.contains(said), "{said} in {definition}");
    }
    instance.virsh(&["start", "arm", "--paused"]);
    let tree = instance.virsh(&["qemu-monitor-command", "arm", "--hmp", "info qtree"]);
    for device in [
        "virtio-blk-pci",
        "virtio-net-pci",
        "virtio-gpu-pci",
        "qemu-xhci",
        "pvpanic-pci",
        "pl011",
        "usb-kbd",
    ] {
        assert!(tree.contains(device), "{device} in {tree}");
    }
    instance.virsh(&["resume", "arm"]);
    assert_eq!(instance.virsh(&["domstate", "arm"]).trim(), "running");
    // The same hardware at the next start.
    instance.virsh(&["destroy", "arm"]);
    instance.virsh(&["start", "arm", "--paused"]);
    assert_eq!(instance.virsh(&["dumpxml", "arm", "--inactive"]), definition);

    let offers = instance.virsh(&["domcapabilities", "--arch", "aarch64", "--machine", "virt"]);
    assert!(
        offers.contains("<gic supported='yes'>") && offers.contains("<value>3</value>"),
        "{offers}"
    );
}

#[test]
fn a_guest_of_32_bits_has_its_devices_in_memory() {
    let instance = Instance::start();
    let devices = "<emulator>/usr/bin/qemu-system-aarch64</emulator>\
                   <rng model='virtio'><backend model='random'/><address type='virtio-mmio'/></rng>\
                   <interface type='user'/><console type='pty'/>";
    instance.define("small", &arm("small", "armv7l", devices));
    instance.virsh(&["start", "small", "--paused"]);
    let live = instance.virsh(&["dumpxml", "small"]);
    assert_eq!(live.matches("<address type='virtio-mmio'/>").count(), 2, "{live}");
    let tree = instance.virsh(&["qemu-monitor-command", "small", "--hmp", "info qtree"]);
    assert!(
        tree.contains("virtio-net-device") && tree.contains("virtio-rng-device"),
        "{tree}"
    );
    // What this machine has not is refused by name.
    let file = instance.file(
        "wrong.xml",
        &arm("wrong", "aarch64", "").replace("</os>", "</os><features><acpi/></features>"),
    );
    let said = instance.virsh_fails(&["define", &file]);
    assert!(said.contains("ACPI requires UEFI on this architecture"), "{said}");
}

//! Documents of guests.

use crate::{Instance, Outcome, User};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tiny_guest::Guest;

/// A guest whose firmware finds nothing to boot: it starts at once and costs nothing while it is paused.
pub fn idle_domain(name: &str) -> String {
    format!(
        "<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>\
         <os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>\
         <devices><serial type='pty'/><memballoon model='virtio'/></devices></domain>"
    )
}

/// The same with `program` in QEMU's place: see [`Instance::stand_in`].
pub fn stand_in_domain(name: &str, program: &str) -> String {
    let devices = format!("<devices><emulator>{program}</emulator>");
    idle_domain(name).replace("<devices>", &devices)
}

/// A guest that boots Linux with QEMU's agent in it.
///
/// # Panics
/// When its kernel cannot be had, or the agent is not installed.
pub fn guest_with_agent(name: &str) -> String {
    let Guest { kernel, initrd } = prepared().with_agent().expect("a guest with QEMU's agent");
    format!(
        "<domain type='qemu'><name>{name}</name><memory unit='MiB'>192</memory><vcpu>1</vcpu>\
         <os><type arch='x86_64' machine='pc'>hvm</type><kernel>{}</kernel><initrd>{}</initrd>\
         <cmdline>{}</cmdline></os><features><acpi/></features><devices><serial type='pty'/>\
         <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>\
         </devices></domain>",
        kernel.display(),
        initrd.display(),
        Guest::CMDLINE
    )
}

/// A guest that boots Linux, with a disk, a network card and a screen.
///
/// # Panics
/// When its kernel cannot be had.
pub fn tiny_guest(instance: &Instance, name: &str) -> String {
    let Guest { kernel, initrd } = prepared();
    let disk = disk(instance, &format!("{name}.qcow2"));
    format!(
        "<domain type='qemu'><name>{name}</name><memory unit='MiB'>128</memory><vcpu>1</vcpu>\
         <os><type arch='x86_64' machine='pc'>hvm</type><kernel>{}</kernel><initrd>{}</initrd>\
         <cmdline>{}</cmdline></os><features><acpi/></features><devices>\
         <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{disk}'/>\
         <target dev='vda' bus='virtio'/></disk><interface type='user'><model type='virtio'/></interface>\
         <serial type='pty'/><graphics type='vnc'/><video><model type='vga'/></video>\
         <memballoon model='virtio'/></devices></domain>",
        kernel.display(),
        initrd.display(),
        Guest::CMDLINE
    )
}

/// A guest of a user's own that boots Linux, with these devices.
///
/// # Panics
/// When its kernel cannot be had or copied.
pub fn users_guest(user: &User, name: &str, devices: &str) -> String {
    let Guest { kernel, initrd } = prepared();
    format!(
        "<domain type='qemu'><name>{name}</name><memory unit='MiB'>128</memory><vcpu>1</vcpu>\
         <os><type arch='x86_64' machine='pc'>hvm</type><kernel>{}</kernel><initrd>{}</initrd>\
         <cmdline>{}</cmdline></os><features><acpi/></features><devices>{devices}<serial type='pty'/></devices></domain>",
        user.own_copy(kernel, "kernel").display(),
        user.own_copy(initrd, "initrd").display(),
        Guest::CMDLINE
    )
}

/// A guest whose Linux does nothing but count on its console, for ever; `ports` are its serial ports.
///
/// # Panics
/// When its kernel cannot be had.
pub fn chatty_guest(name: &str, ports: &str) -> String {
    let Guest { kernel, initrd } = prepared();
    format!(
        "<domain type='qemu'><name>{name}</name><memory unit='MiB'>96</memory><vcpu>1</vcpu>\
         <os><type arch='x86_64' machine='pc'>hvm</type><kernel>{}</kernel><initrd>{}</initrd>\
         <cmdline>{} rdinit=/bin/busybox -- seq 1 1000000000</cmdline></os><devices>{ports}</devices></domain>",
        kernel.display(),
        initrd.display(),
        Guest::CMDLINE
    )
}

/// A kernel that QEMU can load.
///
/// # Panics
/// When it cannot be had.
pub fn guest_kernel() -> PathBuf {
    prepared().kernel.clone()
}

/// An empty qcow2 image of the instance.
///
/// # Panics
/// When qemu-img cannot make it.
pub fn disk(instance: &Instance, name: &str) -> String {
    qemu_img_with(instance, &["create", "-f", "qcow2", name, "64M"]);
    instance.root().join(name).display().to_string()
}

/// Runs qemu-img in the instance's folder, with arguments that have no spaces in them.
///
/// # Panics
/// When it fails.
pub fn qemu_img(instance: &Instance, arguments: &str) {
    qemu_img_with(instance, &arguments.split_whitespace().collect::<Vec<_>>());
}

/// The same with any arguments.
///
/// # Panics
/// When it fails.
pub fn qemu_img_with(instance: &Instance, arguments: &[&str]) {
    let mut command = Command::new("qemu-img");
    command.args(arguments).current_dir(instance.root());
    let outcome = Outcome::of(&mut command);
    assert!(outcome.success, "{command:?}: {}", outcome.stderr);
}

fn prepared() -> &'static Guest {
    static GUEST: OnceLock<Guest> = OnceLock::new();
    GUEST.get_or_init(|| {
        let own = std::env::current_exe().expect("the test's own path");
        let target = own.ancestors().nth(3).unwrap_or(Path::new("/tmp"));
        Guest::prepare(&target.join("tiny-guest")).expect("the guest can be made")
    })
}

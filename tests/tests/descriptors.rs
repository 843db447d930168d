//! Descriptors that a client passes: images it has opened itself, and starts that take none.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, idle_domain, python};
use std::process::Command;

/// What every script begins with: the connection, and a call whose error is told in one line.
const PRELUDE: &str = "
import libvirt, os, sys
libvirt.registerErrorHandler(lambda *_: None, None)
uri, folder = sys.argv[1:3]
c = libvirt.open(uri)
def told(call):
    try:
        print('ok', call())
    except libvirt.libvirtError as err:
        print(err.get_error_code(), err.get_error_domain(), err.get_error_message())
";

fn script(instance: &Instance, script: &str) -> String {
    let folder = instance.root().display().to_string();
    let outcome = python(&format!("{PRELUDE}{script}"), &[&instance.uri(), &folder]);
    assert!(outcome.success, "{}{}", outcome.stdout, outcome.stderr);
    outcome.stdout
}

fn image(instance: &Instance, name: &str, options: &[&str]) -> String {
    let path = instance.root().join(name).display().to_string();
    let mut command = Command::new("qemu-img");
    command.args(["create", "-q"]).args(options).args([&path, "1M"]);
    assert!(command.status().unwrap().success());
    path
}

fn domain(disk: &str) -> String {
    idle_domain("given").replace("<serial type='pty'/>", disk)
}

/// The arguments of the one guest that runs.
fn arguments(instance: &Instance) -> String {
    let guest = instance.guests().into_iter().next().unwrap();
    let arguments = std::fs::read(format!("/proc/{guest}/cmdline")).unwrap();
    String::from_utf8_lossy(&arguments).replace('\0', " ")
}

#[test]
fn a_guest_reads_images_that_only_its_client_can_open() {
    let mut instance = Instance::start();
    let base = image(&instance, "base.img", &["-f", "raw"]);
    let top = image(&instance, "top.qcow2", &["-f", "qcow2", "-b", &base, "-F", "raw"]);
    let disk = "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>\
                <source file='/not/here/top.qcow2' fdgroup='top'/><target dev='vda' bus='virtio'/>\
                <backingStore type='file'><format type='raw'/><source file='/not/here/base.img' fdgroup='base'/>\
                <backingStore/></backingStore></disk>";
    instance.define("given", &domain(disk));
    let said = instance.virsh_fails(&["start", "given"]);
    assert!(
        said.contains("invalid argument: file descriptor group 'top' was not associated with the domain"),
        "{said}"
    );
    assert_eq!(instance.left_overs(), Vec::<String>::new());
    let said = script(
        &instance,
        &format!(
            "
d = c.lookupByName('given')
top = os.open('{top}', os.O_RDWR)
base = os.open('{base}', os.O_RDONLY)
told(lambda: d.FDAssociate('top', [], 0))
told(lambda: d.FDAssociate('top', [top], 8))
told(lambda: d.FDAssociate('top', [base], 0))
told(lambda: d.FDAssociate('top', [top], 3))
told(lambda: d.FDAssociate('base', [base], 0))
told(lambda: libvirt.openReadOnly(uri.replace('-sock', '-sock-ro')).lookupByName('given').FDAssociate('x', [top], 0))
told(lambda: d.create())
told(lambda: d.blockInfo('vda'))
told(lambda: d.blockStats('vda')[0] >= 0)
# Another client starts it with the same descriptors, as long as this one stays.
told(lambda: d.destroy())
other = libvirt.open(uri)
told(lambda: other.lookupByName('given').create())
"
        ),
    );
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].contains("must not be zero"), "{said}");
    assert!(lines[1].starts_with("8 ") && lines[1].contains("0x8"), "{said}");
    assert_eq!(lines[2..5], ["ok 0"; 3], "{said}");
    assert!(lines[5].starts_with("29 "), "{said}");
    assert_eq!(lines[6], "ok 0", "{said}");
    assert!(lines[7].starts_with("84 10 "), "{said}");
    assert_eq!(lines[8..], ["ok True", "ok 0", "ok 0"], "{said}");

    // The clients are gone: the guest goes on, in the next daemon's care too, and cannot be started once more.
    let arguments = arguments(&instance);
    assert_eq!(arguments.matches("-add-fd set=").count(), 2, "{arguments}");
    assert!(
        arguments.contains("/dev/fdset/") && !arguments.contains("/not/here"),
        "{arguments}"
    );
    let live = instance.virsh(&["dumpxml", "given"]);
    assert!(
        live.contains("file='/not/here/top.qcow2' fdgroup='top' index='1'"),
        "{live}"
    );
    instance.kill();
    instance.restart();
    assert_eq!(instance.virsh(&["domstate", "given"]).trim(), "running");
    instance.virsh(&["destroy", "given"]);
    let said = instance.virsh_fails(&["start", "given"]);
    assert!(said.contains("file descriptor group"), "{said}");
    assert_eq!(instance.left_overs(), Vec::<String>::new());
}

#[test]
fn the_descriptor_that_fits_is_used_and_one_that_does_not_is_qemus_to_refuse() {
    let instance = Instance::start();
    let path = image(&instance, "disk.img", &["-f", "raw"]);
    let disk = format!(
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{path}' fdgroup='disk'/>\
         <target dev='vda' bus='virtio'/></disk>"
    );
    instance.define("given", &domain(&disk));
    let said = script(
        &instance,
        &format!(
            "
d = c.lookupByName('given')
read, write = os.open('{path}', os.O_RDONLY), os.open('{path}', os.O_RDWR)
told(lambda: d.FDAssociate('disk', [read], 0))
told(lambda: d.create())
told(lambda: d.FDAssociate('disk', [read, write], 0))
told(lambda: d.create())
before = len(os.listdir('/proc/{daemon}/fd'))
for _ in range(40):
    d.FDAssociate('disk', [read, write], 0)
print(len(os.listdir('/proc/{daemon}/fd')) <= before + 2)
told(lambda: [d.FDAssociate(str(n), [read] * 10, 0) for n in range(40)])
",
            daemon = instance.pid(),
        ),
    );
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "ok 0", "{said}");
    assert!(
        lines[1].starts_with("1 ") && lines[1].contains("matching flags"),
        "{said}"
    );
    assert_eq!(lines[2..4], ["ok 0"; 2], "{said}");
    assert_eq!(lines[4], "True", "{said}");
    assert!(lines[5].contains("at most"), "{said}");
    assert_eq!(arguments(&instance).matches("-add-fd set=0").count(), 2);
    instance.virsh(&["destroy", "given"]);
    assert_eq!(instance.left_overs(), Vec::<String>::new());
}

#[test]
fn descriptors_for_a_containers_first_process_are_refused_as_libvirt_refuses_them() {
    let instance = Instance::start();
    instance.define("given", &domain(""));
    let other = domain("").replace("given", "other");
    let said = script(
        &instance,
        &format!(
            "
fd = os.open('/dev/null', os.O_RDONLY)
told(lambda: c.lookupByName('given').createWithFiles([fd], 0))
told(lambda: c.createXMLWithFiles(\"{other}\", [fd], 0))
"
        ),
    );
    let text = "this function is not supported by the connection driver";
    assert_eq!(
        said.lines().collect::<Vec<_>>(),
        [
            format!("3 20 {text}: virDomainCreateWithFiles"),
            format!("3 20 {text}: virDomainCreateXMLWithFiles"),
        ]
    );
    assert_eq!(instance.virsh(&["list", "--name"]).trim(), "");
}

//! Disks that are based on other images: what virtqemud finds, tells and refuses.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, idle_domain, python, qemu_img};

/// A guest with such disks that nobody boots.
fn with_disks(name: &str, disks: &str) -> String {
    idle_domain(name).replace("<devices>", &format!("<devices>{disks}"))
}

fn disk(instance: &Instance, file: &str, format: &str, target: &str, more: &str) -> String {
    let path = instance.root().join(file);
    format!(
        "<disk type='file' device='disk'><driver name='qemu' type='{format}'/><source file='{}'/>{more}\
         <target dev='{target}' bus='virtio'/></disk>",
        path.display()
    )
}

/// The lines of the live document's disks that say what they are based on, without their indentation.
fn chains(instance: &Instance, name: &str) -> Vec<String> {
    let document = instance.virsh(&["dumpxml", name]);
    let root = format!("{}/", instance.root().display());
    let lines = document
        .lines()
        .map(str::trim)
        .map(|line| line.replace(&root, ""));
    lines
        .filter(|line| {
            ["<source ", "<backingStore", "<format ", "<dataStore", "<host "]
                .iter()
                .any(|start| line.starts_with(start))
                && !line.contains("/dev/pts/")
        })
        .collect()
}

#[test]
fn the_chain_of_a_disk_is_found_numbered_and_opened() {
    let instance = Instance::start();
    qemu_img(&instance, "create -f raw base.raw 8M");
    qemu_img(&instance, "create -f qcow2 -F raw -b base.raw middle.qcow2");
    qemu_img(&instance, "create -f qcow2 -F qcow2 -b middle.qcow2 top.qcow2");
    qemu_img(
        &instance,
        "create -f qcow2 -o data_file=alone.data,data_file_raw=on alone.qcow2 4M",
    );
    let disks = disk(&instance, "top.qcow2", "qcow2", "vda", "")
        + &disk(&instance, "alone.qcow2", "qcow2", "vdb", "");
    instance.define("chained", &with_disks("chained", &disks));
    instance.virsh(&["start", "chained", "--paused"]);

    assert_eq!(
        chains(&instance, "chained"),
        [
            "<source file='top.qcow2' index='3'/>",
            "<backingStore type='file' index='4'>",
            "<format type='qcow2'/>",
            "<source file='middle.qcow2'/>",
            "<backingStore type='file' index='5'>",
            "<format type='raw'/>",
            "<source file='base.raw'/>",
            "<backingStore/>",
            "<source file='alone.qcow2' index='1'>",
            "<dataStore type='file'>",
            "<format type='raw'/>",
            "<source file='alone.data' index='2'/>",
            "<backingStore/>",
        ]
    );
    // QEMU has a node for each, joined as the document says.
    let nodes = instance.virsh(&[
        "qemu-monitor-command",
        "chained",
        r#"{"execute":"query-named-block-nodes","arguments":{"flat":true}}"#,
    ]);
    for node in [
        "libvirt-3-format",
        "libvirt-4-format",
        "libvirt-5-storage",
        "libvirt-1-format",
        "libvirt-2-storage",
    ] {
        assert!(
            nodes.contains(&format!("\"node-name\":\"{node}\"")),
            "{node}: {nodes}"
        );
    }
    assert!(
        !nodes.contains("#block"),
        "QEMU opened something by itself: {nodes}"
    );
    // None of it is the definition's.
    assert!(
        !instance
            .virsh(&["dumpxml", "chained", "--inactive"])
            .contains("<backingStore")
    );
    instance.virsh(&["destroy", "chained"]);
}

#[test]
fn a_chain_in_the_definition_is_taken_as_given() {
    let instance = Instance::start();
    qemu_img(&instance, "create -f raw base.raw 8M");
    qemu_img(&instance, "create -f raw other.raw 8M");
    qemu_img(&instance, "create -f qcow2 -F raw -b base.raw middle.qcow2");
    qemu_img(&instance, "create -f qcow2 -F qcow2 -b middle.qcow2 top.qcow2");
    let layer = |file: &str, format: &str, below: &str| {
        let path = instance.root().join(file).display().to_string();
        format!(
            "<backingStore type='file'><format type='{format}'/><source file='{path}'/>{below}</backingStore>"
        )
    };
    let started = |more: &str| {
        let disk = disk(&instance, "top.qcow2", "qcow2", "vda", more);
        instance.file("given.xml", &with_disks("given", &disk));
        let file = instance.root().join("given.xml").display().to_string();
        instance.virsh(&["create", &file, "--paused"]);
        let chains = chains(&instance, "given");
        instance.virsh(&["destroy", "given"]);
        chains
            .into_iter()
            .filter(|line| line.starts_with("<source"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        started(&layer("other.raw", "raw", "<backingStore/>")),
        [
            "<source file='top.qcow2' index='1'/>",
            "<source file='other.raw'/>"
        ]
    );
    // Below the last layer that is named, it is looked for.
    assert_eq!(
        started(&layer("middle.qcow2", "qcow2", "")),
        [
            "<source file='top.qcow2' index='1'/>",
            "<source file='middle.qcow2'/>",
            "<source file='base.raw'/>"
        ]
    );
    assert_eq!(
        started("<backingStore/>"),
        ["<source file='top.qcow2' index='1'/>"]
    );
    let gone = disk(
        &instance,
        "top.qcow2",
        "qcow2",
        "vda",
        &layer("gone.raw", "raw", "<backingStore/>"),
    );
    let file = instance.file("gone.xml", &with_disks("gone", &gone));
    assert!(
        instance
            .virsh_fails(&["create", &file])
            .contains("gone.raw': No such file")
    );
}

#[test]
fn what_cannot_be_a_chain_is_refused_with_disk_and_file() {
    let instance = Instance::start();
    qemu_img(&instance, "create -f raw base.raw 8M");
    qemu_img(&instance, "create -f qcow2 -F raw -b base.raw middle.qcow2");
    let create = |file: &str| {
        let document = with_disks("refused", &disk(&instance, file, "qcow2", "vda", ""));
        let path = instance.file("refused.xml", &document);
        let said = instance.virsh_fails(&["create", &path, "--paused"]);
        assert!(said.contains("disk 'vda'"), "{said}");
        said
    };
    qemu_img(
        &instance,
        "create -u -f qcow2 -F qcow2 -b gone.qcow2 dangling.qcow2 8M",
    );
    let said = create("dangling.qcow2");
    assert!(
        said.contains("/gone.qcow2': No such file") && said.contains("dangling.qcow2"),
        "{said}"
    );

    qemu_img(&instance, "create -u -f qcow2 -F qcow2 -b two.qcow2 one.qcow2 8M");
    qemu_img(&instance, "create -u -f qcow2 -F qcow2 -b one.qcow2 two.qcow2 8M");
    let said = create("one.qcow2");
    assert!(said.contains("/one.qcow2' is based on itself"), "{said}");

    // qemu-img no longer makes images without the format of what they are based on, but a name can be taken out.
    let unformatted = |name: &str, backing: &str| {
        qemu_img(
            &instance,
            &format!("create -u -f qcow2 -F qcow2 -b {backing} {name} 8M"),
        );
        let path = instance.root().join(name);
        let mut image = std::fs::read(&path).unwrap();
        let kind = [0xe2, 0x79, 0x2a, 0xca];
        let at = image.windows(4).position(|bytes| bytes == kind).unwrap();
        image.splice(at..at + 4, *b"none");
        std::fs::write(&path, image).unwrap();
    };
    unformatted("guess.qcow2", "middle.qcow2");
    let said = create("guess.qcow2");
    assert!(
        said.contains("guess.qcow2' does not record the format of 'middle.qcow2'"),
        "{said}"
    );
    assert!(
        said.contains("https://libvirt.org/kbase/backing_chains.html"),
        "{said}"
    );

    // One that is based on nothing leads nowhere else, whatever it says it is.
    unformatted("harmless.qcow2", "base.raw");
    let document = with_disks("harmless", &disk(&instance, "harmless.qcow2", "qcow2", "vda", ""));
    instance.virsh(&["create", &instance.file("harmless.xml", &document), "--paused"]);
    assert!(chains(&instance, "harmless").contains(&"<format type='raw'/>".to_owned()));
    instance.virsh(&["destroy", "harmless"]);

    let mut make = std::process::Command::new("mkfifo");
    assert!(make.arg(instance.root().join("pipe")).status().unwrap().success());
    assert!(create("pipe").contains("neither a file nor a block device"));
    std::fs::write(instance.root().join("empty"), "").unwrap();
    assert!(create("empty").contains("it has no mark of qcow"));
    assert!(instance.left_overs().is_empty());
}

#[test]
fn other_places_become_layers_as_far_as_documents_have_words() {
    let instance = Instance::start();
    let root = instance.root().display().to_string();
    qemu_img(&instance, "create -f raw base.raw 8M");
    let described =
        format!(r#"json:{{"driver":"raw","file":{{"driver":"file","filename":"{root}/base.raw"}}}}"#);
    let based_on = |place: &str, name: &str| {
        let made = format!("create -u -f qcow2 -F raw -b {place} {name} 8M");
        qemu_img(&instance, &made);
    };
    based_on(&described, "json.qcow2");
    let socket = instance.root().join("nbd").display().to_string();
    let url = format!("nbd+unix:///export?socket={socket}");
    based_on(&url, "nbd.qcow2");
    let mut server = std::process::Command::new("qemu-nbd")
        .args([
            "--read-only",
            "--persistent",
            "--format=raw",
            "--export-name=export",
            "--socket",
            &socket,
        ])
        .arg(instance.root().join("base.raw"))
        .spawn()
        .unwrap();
    end_to_end::wait_for("the server of the image", || {
        std::path::Path::new(&socket).exists().then_some(())
    });

    let disks =
        disk(&instance, "json.qcow2", "qcow2", "vda", "") + &disk(&instance, "nbd.qcow2", "qcow2", "vdb", "");
    let file = instance.file("far.xml", &with_disks("far", &disks));
    let created = instance.try_virsh(&["create", &file, "--paused"]);
    let found = if created.success {
        chains(&instance, "far")
    } else {
        Vec::new()
    };
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(created.success, "{}", created.stderr);
    assert_eq!(
        found,
        [
            "<source file='json.qcow2' index='3'/>",
            "<backingStore type='file' index='4'>",
            "<format type='raw'/>",
            "<source file='base.raw'/>",
            "<backingStore/>",
            "<source file='nbd.qcow2' index='1'/>",
            "<backingStore type='network' index='2'>",
            "<format type='raw'/>",
            "<source protocol='nbd' name='export' tls='no'>",
            "<host transport='unix' socket='nbd'/>",
        ]
    );
    instance.virsh(&["destroy", "far"]);
}

/// Starts a domain and says whether exactly its two drives were told to have lost what they had.
const DROPPED: &str = r"
import libvirt, sys
libvirt.virEventRegisterDefaultImpl()
conn = libvirt.open(sys.argv[1])
told = []
def dropped(conn, dom, old, new, alias, reason, opaque):
    told.append((old, new, alias, reason))
conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_DISK_CHANGE, dropped, None)
conn.lookupByName('without').createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
while len(told) < 2:
    libvirt.virEventRunDefaultImpl()
print(told == [(sys.argv[2], None, alias, 1) for alias in ('ide0-0-0', 'ide0-0-1')], told)
";

#[test]
fn a_guest_goes_without_a_source_that_is_optional() {
    let instance = Instance::start();
    let gone = instance.root().join("gone.iso").display().to_string();
    let disk = |device: &str, target: &str| {
        format!(
            "<disk type='file' device='{device}'><driver name='qemu' type='raw'/>\
             <source file='{gone}' startupPolicy='optional'/><target dev='{target}' bus='ide'/></disk>"
        )
    };
    instance.define(
        "without",
        &with_disks("without", &(disk("disk", "hda") + &disk("cdrom", "hdb"))),
    );
    let outcome = python(DROPPED, &[&instance.uri(), &gone]);
    assert!(
        outcome.stdout.starts_with("True"),
        "{}{}",
        outcome.stdout,
        outcome.stderr
    );
    let list = instance.virsh(&["domblklist", "without"]);
    assert!(
        !list.contains("hda") && list.contains("hdb") && !list.contains("gone.iso"),
        "{list}"
    );
    // The next start tries again.
    assert!(
        instance
            .virsh(&["dumpxml", "without", "--inactive"])
            .contains("startupPolicy='optional'")
    );
    instance.virsh(&["destroy", "without"]);
}

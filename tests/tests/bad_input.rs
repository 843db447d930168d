//! What wrong documents and wrong guests get.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, idle_domain, python};

/// Tries a document and says the error's code, domain and sentence.
const TRY: &str = r#"
import libvirt, sys
libvirt.registerErrorHandler(lambda *_: None, None)
conn = libvirt.open(sys.argv[1])
try:
    getattr(conn, sys.argv[3])(sys.argv[2]) if sys.argv[3] == 'defineXML' else conn.createXML(sys.argv[2], 0)
    print('accepted')
except libvirt.libvirtError as err:
    print(err.get_error_code(), err.get_error_domain(), err.get_error_message())
"#;

fn tried(instance: &Instance, document: &str, how: &str) -> String {
    let outcome = python(TRY, &[&instance.uri(), document, how]);
    assert!(outcome.success, "{}", outcome.stderr);
    outcome.stdout.trim().to_owned()
}

#[test]
fn a_wrong_document_is_refused_with_libvirts_code_and_the_elements_name() {
    const XML_ERROR: i32 = 27;
    const XML_DETAIL: i32 = 35;
    const CONFIG_UNSUPPORTED: i32 = 67;
    const OPERATION_FAILED: i32 = 9;
    const NO_NAME: i32 = 21;
    let instance = Instance::start();
    instance.define("vm", &idle_domain("vm"));
    let uuid = instance.virsh(&["domuuid", "vm"]);
    let good = idle_domain("new");
    let deep = format!(
        "<domain type='qemu'><name>x</name>{}{}</domain>",
        "<a>".repeat(5000),
        "</a>".repeat(5000)
    );
    let laughs = format!(
        "<!DOCTYPE domain [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]>{}",
        good.replace(">new<", ">&b;<")
    );
    let cases: &[(&str, String, i32, &str)] = &[
        ("not well-formed", good.replace("</name>", ""), XML_DETAIL, ""),
        ("over-deep", deep, XML_DETAIL, ""),
        ("entities", laughs, XML_DETAIL, ""),
        ("no name", good.replace("<name>new</name>", ""), NO_NAME, "<name>"),
        ("a name that is a path", good.replace(">new<", ">../../x<"), XML_ERROR, "<name>"),
        ("no memory", good.replace("<memory unit='MiB'>32</memory>", ""), XML_ERROR, "memory"),
        ("memory beyond all numbers", good.replace(">32<", ">99999999999999999999<"), XML_ERROR, "memory"),
        ("a UUID that is none", good.replace("<memory", "<uuid>xyz</uuid><memory"), XML_ERROR, "uuid"),
        (
            "a name in use",
            idle_domain("vm").replace("<memory", "<uuid>11111111-2222-3333-4444-555555555555</uuid><memory"),
            OPERATION_FAILED,
            "'vm'",
        ),
        (
            "a UUID in use",
            good.replace("<memory", &format!("<uuid>{}</uuid><memory", uuid.trim())),
            OPERATION_FAILED,
            "vm",
        ),
        ("an unknown machine type", good.replace("machine='pc'", "machine='abacus'"), CONFIG_UNSUPPORTED, "abacus"),
        ("a foreign type", good.replace("type='qemu'", "type='xen'"), CONFIG_UNSUPPORTED, "xen"),
        (
            "a PCI clash",
            good.replace(
                "<memballoon model='virtio'/>",
                "<memballoon model='virtio'><address type='pci' slot='0x07'/></memballoon>\
                 <rng model='virtio'><backend model='random'>/dev/urandom</backend><address type='pci' slot='0x07'/></rng>",
            ),
            XML_ERROR,
            "0000:00:07.0",
        ),
        (
            "a target twice",
            good.replace(
                "<serial",
                "<disk type='file'><source file='/a'/><target dev='vda'/></disk>\
                 <disk type='file'><source file='/b'/><target dev='vda'/></disk><serial",
            ),
            XML_ERROR,
            "vda",
        ),
    ];
    for (what, document, code, names) in cases {
        let answer = tried(&instance, document, "defineXML");
        assert!(answer.starts_with(&format!("{code} ")), "{what}: {answer}");
        assert!(answer.contains(names), "{what}: {answer} does not name {names}");
    }
    let missing = good.replace("<devices>", "<devices><emulator>/nowhere/qemu</emulator>");
    assert!(tried(&instance, &missing, "defineXML").contains("/nowhere/qemu"));
    assert_eq!(
        instance.virsh(&["list", "--all", "--name"]).trim(),
        "vm",
        "something refused was defined"
    );
}

#[test]
fn a_qemu_that_refuses_to_start_is_quoted_and_leaves_nothing() {
    let instance = Instance::start();
    let document = idle_domain("vm").replace(
        "<serial",
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/nowhere/disk.img'/>\
         <target dev='vda' bus='virtio'/></disk><serial",
    );
    let answer = tried(&instance, &document, "createXML");
    assert!(
        answer.contains("/nowhere/disk.img") && answer.contains("No such file"),
        "{answer}"
    );
    assert_eq!(instance.virsh(&["list", "--all", "--name"]).trim(), "");
    assert_eq!(instance.guests(), Vec::<u32>::new());
    for folder in [
        "/run/libvirt/qemu",
        "/var/lib/libvirt/qemu",
        "/run/libvirt/qemu/channel",
    ] {
        let left: Vec<_> = std::fs::read_dir(instance.path(folder))
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name().into_string().unwrap())
            .filter(|name| name.contains("vm"))
            .collect();
        assert_eq!(left, Vec::<String>::new(), "{folder}");
    }
    // The name is free again.
    instance.define("vm", &idle_domain("vm"));
}

#[test]
fn an_unknown_flag_is_refused_and_what_is_not_built_says_so() {
    const SCRIPT: &str = r#"
import libvirt, sys
libvirt.registerErrorHandler(lambda *_: None, None)
conn = libvirt.open(sys.argv[1])
dom = conn.lookupByName('vm')
for call in (lambda: dom.XMLDesc(1 << 20), lambda: conn.listAllDomains(1 << 25), lambda: dom.createWithFlags(1 << 20),
             lambda: dom.undefineFlags(1 << 20), lambda: dom.save('/tmp/x'), lambda: dom.managedSave(0)):
    try:
        call()
        print('accepted')
    except libvirt.libvirtError as err:
        print(err.get_error_code())
"#;
    let instance = Instance::start();
    instance.define("vm", &idle_domain("vm"));
    let outcome = python(SCRIPT, &[&instance.uri()]);
    // VIR_ERR_INVALID_ARG for the flags, VIR_ERR_NO_SUPPORT for the rest.
    assert_eq!(
        outcome.stdout.split_whitespace().collect::<Vec<_>>(),
        ["8", "8", "8", "8", "3", "3"],
        "{}",
        outcome.stderr
    );
}

//! Every element and every attribute that the schema of domains allows has a name that the model knows, or stands on a list with the reason
//! why not.
//!
//! It goes by names, wherever they stand: what is new in the schema of a later libvirt shows up here.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use roxmltree::Document;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Names of the schema that the model has not.
const UNKNOWN: &[(&str, &[&str])] = &[
    (
        "capabilities of containers (<features><capabilities>), kept as they are written",
        &[
            "audit_control",
            "audit_write",
            "block_suspend",
            "chown",
            "dac_override",
            "dac_read_search",
            "fowner",
            "fsetid",
            "ipc_lock",
            "ipc_owner",
            "kill",
            "linux_immutable",
            "mac_admin",
            "mac_override",
            "mknod",
            "net_admin",
            "net_bind_service",
            "net_broadcast",
            "net_raw",
            "setfcap",
            "setgid",
            "setpcap",
            "setuid",
            "sys_admin",
            "sys_boot",
            "sys_chroot",
            "sys_module",
            "sys_nice",
            "sys_pacct",
            "sys_ptrace",
            "sys_rawio",
            "sys_resource",
            "sys_time",
            "sys_tty_config",
            "syslog",
            "wake_alarm",
        ],
    ),
    ("namespaces of containers", &["shareipc", "sharenet", "shareuts"]),
    ("of VMware's hypervisor", &["datacenterpath"]),
    (
        "of snapshots and of status documents, which are others",
        &["inactiveDomain"],
    ),
    ("of host devices' documents, through types they share", &["speed"]),
    (
        "of the host's capabilities, through types they share",
        &["svm", "vmx"],
    ),
    (
        "of the override of devices, kept under another element's type",
        &["frontend"],
    ),
];

/// The names in a schema and in those that it includes.
fn names(file: &Path, seen: &mut BTreeSet<String>, names: &mut BTreeSet<String>) {
    if !seen.insert(file.display().to_string()) {
        return;
    }
    let text = fs::read_to_string(file).unwrap();
    let document = Document::parse(&text).unwrap();
    for node in document.descendants() {
        match node.tag_name().name() {
            "include" => {
                let other = file.with_file_name(node.attribute("href").unwrap());
                self::names(&other, seen, names);
            }
            "element" | "attribute" => names.extend(node.attribute("name").map(str::to_owned)),
            _ => {}
        }
    }
}

/// The words of the model's own source that may be names: texts, and fields.
fn words(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            words(&path, found);
            continue;
        }
        for line in fs::read_to_string(&path).unwrap().lines() {
            let texts = line.split('"').skip(1).step_by(2);
            found.extend(texts.flat_map(|text| text.split('/')).map(str::to_owned));
            if let Some((field, _)) = line.split_once(": ") {
                let field = field.rsplit(' ').next().unwrap_or_default();
                found.insert(field.trim_start_matches("r#").to_owned());
            }
        }
    }
}

#[test]
fn every_name_of_the_schema_is_known() {
    let schema = Path::new("/usr/share/libvirt/schemas/domain.rng");
    let (mut seen, mut allowed, mut known) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    names(schema, &mut seen, &mut allowed);
    words(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut known);
    let listed: BTreeSet<&str> = UNKNOWN
        .iter()
        .flat_map(|(_, names)| names.iter().copied())
        .collect();
    let (mut missing, mut mended) = (Vec::new(), Vec::new());
    for name in &allowed {
        match (known.contains(name), listed.contains(name.as_str())) {
            (false, false) => missing.push(name),
            (true, true) => mended.push(name),
            _ => {}
        }
    }
    println!(
        "{} names, {} of them not of QEMU's domains",
        allowed.len(),
        listed.len()
    );
    assert!(allowed.len() > 700, "{} names in {seen:?}", allowed.len());
    assert!(missing.is_empty(), "not known: {missing:?}");
    assert!(mended.is_empty(), "listed, but known: {mended:?}");
}

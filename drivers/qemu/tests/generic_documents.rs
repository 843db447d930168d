//! What libvirt makes of documents whatever the hypervisor, against what definitions become here.
//!
//! Documents and expectations lie beside the project; without them the test is skipped. A definition here is always one of QEMU's, which
//! says more: everything expected has to be in it. `generic_documents.known` names the cases that differ, each with its reason; one
//! more or one less fails the test.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test"
)]

#[allow(dead_code, reason = "another test uses the rest")]
mod golden;

use driver_qemu::binary::BinaryCaps;
use driver_qemu::prepare::{self, Facts};
use golden::{Golden, facts};
use model::domain::Domain;
use std::collections::BTreeMap;

const KNOWN: &str = include_str!("generic_documents.known");

/// Documents that are refused; no file tells that.
const REFUSED: &[&str] = &[
    "cachetune-colliding-monitor",
    "cachetune-colliding-tunes",
    "cachetune-colliding-types",
    "chardev-reconnect-missing-timeout",
    "chardev-tcp-missing-service",
    "chardev-tcp-multiple-source",
    "chardev-udp-missing-connect-service",
    "chardev-udp-multiple-source",
    "chardev-unix-rng-missing-path",
    "chardev-unix-smartcard-missing-path",
    "graphics-listen-back-compat-mismatch",
    "graphics-listen-network-invalid",
    "graphics-vnc-socket-attr-listen-socket-mismatch",
    "memorytune-colliding-allocs",
    "memorytune-colliding-cachetune",
    "name-slash-fail",
];

/// What a document becomes: one of a run is taken as it is.
fn defined(text: &str, caps: &BinaryCaps, facts: &Facts) -> error::Result<String> {
    let mut domain = Domain::from_xml(text)?;
    if domain.id.is_none() {
        let machine = domain.os.r#type.machine.clone();
        prepare::complete(&mut domain, caps, facts)?;
        // The expectations were made without knowing what an alias means.
        domain.os.r#type.machine = machine;
    }
    Ok(domain.to_xml())
}

fn case(name: &str, text: &str, expected: &str, caps: &BinaryCaps, facts: &Facts) -> Result<(), String> {
    match (defined(text, caps, facts), REFUSED.contains(&name)) {
        (Err(_), true) => Ok(()),
        (Err(err), false) => Err(format!("refused: {err}")),
        (Ok(_), true) => Err("accepted".to_owned()),
        (Ok(found), false) => {
            // What nobody gave is made up, another one each time.
            let found = match text.contains("mac address='00:00:00:00:00:00'") {
                true => made_up(&found),
                false => found,
            };
            let missing = compare::missing(expected, &found).unwrap();
            if missing.is_empty() {
                Ok(())
            } else {
                Err(missing.join("\n"))
            }
        }
    }
}

/// A document with the address that the expectations have for one that is made up.
fn made_up(found: &str) -> String {
    let (before, after) = found.split_once("<mac address='52:54:00:").unwrap();
    format!(
        "{before}<mac address='52:54:00:00:00:00{}",
        &after["00:00:00".len()..]
    )
}

#[test]
fn what_holds_for_every_hypervisor_holds_here() {
    let Some(golden) = Golden::find() else { return };
    let root = tempfile::tempdir().unwrap();
    let facts = facts(root.path());
    let caps = golden.x86();
    let (mut passed, mut failed) = (0, BTreeMap::new());
    for path in golden.generic() {
        let file = path.file_name().unwrap().to_str().unwrap();
        let Some(name) = file.strip_suffix(".in.xml") else {
            continue;
        };
        let text = std::fs::read_to_string(&path).unwrap();
        let expected = std::fs::read_to_string(path.with_file_name(format!("{name}.out.xml")));
        match case(name, &text, expected.as_ref().unwrap_or(&text), caps, &facts) {
            Ok(()) => passed += 1,
            Err(reason) => {
                failed.insert(name.to_owned(), reason);
            }
        }
    }
    println!("{passed} documents as expected, {} not", failed.len());
    golden.settle(&failed, KNOWN, |_| false);
}

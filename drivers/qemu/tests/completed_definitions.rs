//! What a definition looks like once it is defined, against what is expected.
//!
//! Documents and expectations lie beside the project; without them the test is skipped. Each document is completed with
//! the replayed capabilities of one QEMU, and compared as the text it is written as:
//! - as users write it, it becomes the expected one;
//! - the expected one stays as it is: the hardware of a guest that exists never moves;
//! - what is expected to be refused is refused.
//!
//! `completed_definitions.known` names the cases that differ, each with its part and reason; one more or one less fails
//! the test.

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
use error::Code;
use golden::{Golden, facts};
use model::domain::Domain;
use model::domain::devices::Address;
use std::collections::BTreeMap;
use std::path::Path;

const KNOWN: &str = include_str!("completed_definitions.known");

struct Ground<'a> {
    caps: &'a BinaryCaps,
    facts: &'a Facts,
}

impl Ground<'_> {
    fn complete(&self, text: &str) -> error::Result<Domain> {
        let mut domain = Domain::from_xml(text)?;
        domain.id = None;
        let emulator = self.caps.path.display().to_string();
        domain.devices.emulator.get_or_insert(emulator);
        prepare::complete(&mut domain, self.caps, self.facts)?;
        Ok(domain)
    }

    fn becomes(&self, text: &str, expected: &str) -> Result<(), String> {
        let mut found = self.complete(text).map_err(|err| format!("refused: {err}"))?;
        let mut expected =
            Domain::from_xml(expected).map_err(|err| format!("the expected document: {err}"))?;
        // A definition keeps the machine type that an alias means today; the expectations were made without.
        let machine = &mut expected.os.r#type.machine;
        if let Some(found) = machine.as_deref().and_then(|name| self.caps.machine(name)) {
            *machine = Some(found.name.to_string());
        }
        without_usb_ports(&mut found, &expected);
        if text.contains("<genid/>") {
            // It is another one each time.
            found.genid.clone_from(&expected.genid);
        }
        let lines = |document: &Domain| compare::lines(&document.to_xml()).unwrap();
        let differing = compare::differences(&lines(&expected), &lines(&found));
        if differing.is_empty() {
            return Ok(());
        }
        Err(differing.join("\n"))
    }
}

/// Whether a message begins as those of that code do.
fn is_code(message: &str, code: Code) -> bool {
    match message.split_once(':').map(|(start, _)| start) {
        Some("unsupported configuration") => code == Code::ConfigUnsupported,
        Some("XML error") => code == Code::XmlError,
        Some("internal error") => code == Code::InternalError,
        Some("operation failed") => code == Code::OperationFailed,
        Some("invalid argument") => code == Code::InvalidArg,
        Some("Operation not supported") => code == Code::OperationUnsupported,
        // The sentence stands alone.
        _ => matches!(code, Code::XmlDetail | Code::XmlError | Code::ConfigUnsupported),
    }
}

/// The expectations were made before USB devices get their ports.
fn without_usb_ports(found: &mut Domain, expected: &Domain) {
    found.devices.hubs.truncate(expected.devices.hubs.len());
    let mut bare = Vec::new();
    let mut portless = Vec::new();
    expected
        .devices
        .for_each_info(|kind, index, info| match &info.address {
            None => bare.push((kind, index)),
            Some(Address::Usb(at)) if at.port.is_none() => portless.push((kind, index)),
            Some(_) => {}
        });
    found.devices.for_each_info_mut(|kind, index, info| {
        if let Some(Address::Usb(at)) = info.address.as_mut() {
            if portless.contains(&(kind, index)) {
                at.port = None;
            }
            if bare.contains(&(kind, index)) {
                info.address = None;
            }
        }
    });
}

#[test]
fn definitions_are_completed_as_expected() {
    let Some(golden) = Golden::find() else { return };
    let root = tempfile::tempdir().unwrap();
    let facts = facts(root.path());
    let mut failed = BTreeMap::new();
    let mut passed = BTreeMap::<String, u32>::new();
    for path in &golden.files {
        let Some((name, kind, made)) = golden.case(path) else {
            continue;
        };
        let caps = made.caps(name);
        let ground = Ground {
            caps: &caps,
            facts: &facts,
        };
        let read = |path: &Path| std::fs::read_to_string(path).ok();
        let input = read(&path.with_file_name(format!("{name}.xml")));
        let mut note = |part: &'static str, outcome: Result<(), String>| match outcome {
            Ok(()) => *passed.entry(format!("{} {part}", made.arch)).or_default() += 1,
            Err(reason) => {
                failed.insert(format!("{part} {}", made.listed(name)), reason);
            }
        };
        match kind {
            ".xml" => {
                let expected = read(path).unwrap();
                note("unchanged", ground.becomes(&expected, &expected));
                if let Some(input) = input {
                    note("completed", ground.becomes(&input, &expected));
                }
            }
            // With a document beside it, it is the start that is refused.
            ".err" if !path.with_extension("xml").exists() => {
                let Some(input) = input else { continue };
                let refused = match ground.complete(&input) {
                    Err(err) if is_code(&read(path).unwrap(), err.code()) => Ok(()),
                    Err(err) => Err(format!(
                        "refused with {:?} ({err}): {}",
                        err.code(),
                        read(path).unwrap().trim()
                    )),
                    Ok(_) => Err(format!("accepted, not refused: {}", read(path).unwrap().trim())),
                };
                note("refused", refused);
            }
            _ => {}
        }
    }
    println!("as expected: {passed:?}; not: {}", failed.len());
    golden.settle(&failed, KNOWN, |_| false);
}

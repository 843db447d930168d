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

mod golden;

use driver_qemu::binary::BinaryCaps;
use driver_qemu::config::QemuConfig;
use driver_qemu::prepare::{self, Facts};
use golden::{Golden, firmware_host};
use model::domain::Domain;
use model::domain::devices::Address;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

const KNOWN: &str = include_str!("completed_definitions.known");

/// What the expectations were made on.
const SUFFIX: &str = ".x86_64-latest";

struct Ground<'a> {
    caps: &'a BinaryCaps,
    facts: Facts,
}

impl Ground<'_> {
    fn complete(&self, text: &str) -> Result<Domain, String> {
        let mut domain = Domain::from_xml(text).map_err(|err| err.to_string())?;
        domain.id = None;
        let emulator = self.caps.path.display().to_string();
        domain.devices.emulator.get_or_insert(emulator);
        prepare::complete(&mut domain, self.caps, &self.facts).map_err(|err| err.to_string())?;
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
        let (found, expected) = (found.to_xml(), expected.to_xml());
        if found == expected {
            return Ok(());
        }
        let lines = |text: &str| -> Vec<String> { text.lines().map(str::to_owned).collect() };
        let (lost, mut more) = (lines(&expected), lines(&found));
        let mut differences = String::new();
        for line in lost {
            match more.iter().position(|other| *other == line) {
                Some(at) => {
                    more.remove(at);
                }
                None => writeln!(differences, "- {}", line.trim()).unwrap(),
            }
        }
        more.iter()
            .for_each(|line| writeln!(differences, "+ {}", line.trim()).unwrap());
        if differences.is_empty() {
            let at = expected
                .lines()
                .zip(found.lines())
                .find(|(one, other)| one != other);
            let (one, other) = at.unwrap_or_default();
            differences = format!("order: {} where {} is expected\n", other.trim(), one.trim());
        }
        Err(differences)
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
    let ground = Ground {
        caps: &golden.caps,
        facts: Facts {
            nvram_dir: "/var/lib/libvirt/qemu/nvram".into(),
            host: firmware_host(root.path()),
            variables: QemuConfig::default().nvram.0,
        },
    };
    let mut failed = BTreeMap::new();
    let mut passed = BTreeMap::<&str, u32>::new();
    for path in &golden.files {
        let file = path.file_name().unwrap().to_str().unwrap();
        let Some((name, kind)) = file.rsplit_once(SUFFIX) else {
            continue;
        };
        if !golden.wants(name) {
            continue;
        }
        let read = |path: &Path| std::fs::read_to_string(path).ok();
        let input = read(&path.with_file_name(format!("{name}.xml")));
        let mut note = |part: &'static str, outcome: Result<(), String>| match outcome {
            Ok(()) => *passed.entry(part).or_default() += 1,
            Err(reason) => {
                failed.insert(format!("{part} {name}"), reason);
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
                    Err(_) => Ok(()),
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

//! Domain capabilities of recorded binaries against what is expected of them.
//!
//! The recordings and expectations lie beside the project; without them the test is skipped. Trees are compared line
//! by line: one line for each element with its attributes and text, indented by depth.

#![allow(clippy::unwrap_used, reason = "a test")]

use compare::{differences, lines};
use driver_qemu::binary::{Accel, replay};
use driver_qemu::capabilities::domain::{self, Ground};
use driver_qemu::capabilities::firmware::Firmware;
use host::Host;
use std::path::{Path, PathBuf};

/// What differs, each with its reason. The list is exact: a difference more or less fails the test.
const KNOWN: &[(&str, &[&str])] = &[];

fn corpus() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    folder.is_dir().then_some(folder)
}

/// Answers of QEMU 10.0 as those of 9.2, which are not recorded: on one host they offer the same under other names.
fn renumbered(replies: &Path, scratch: &Path) -> PathBuf {
    let text = std::fs::read_to_string(replies).unwrap();
    let text = ["pc-i440fx", "pc-q35"].iter().fold(text, |text, board| {
        text.replace(&format!("{board}-9.2"), &format!("{board}-before"))
            .replace(&format!("{board}-10.0"), &format!("{board}-9.2"))
    });
    let path = scratch.join("caps_9.2.0_x86_64.replies");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn recorded_binaries_offer_what_is_expected() {
    let Some(corpus) = corpus() else {
        eprintln!("skipped: no recordings beside the project");
        return;
    };
    let host = Host::local();
    let Some(catalogue) = host.catalogue() else {
        eprintln!("skipped: no catalogue of processors is installed");
        return;
    };
    let mut failures = Vec::new();
    let scratch = tempfile::tempdir().unwrap();
    for (version, recorded) in [("10.0.0", "10.0.0"), ("9.2.0", "10.0.0"), ("7.2.0", "7.2.0")] {
        let replies = corpus.join(format!("qemu-caps/caps_{recorded}_x86_64.replies"));
        let replies = if version == recorded {
            replies
        } else {
            renumbered(&replies, scratch.path())
        };
        let caps = replay::from_replies(&replies, Path::new("/usr/bin/qemu-system-x86_64")).unwrap();
        for (variant, accel, machine) in [
            ("", Accel::Kvm, "pc"),
            ("-q35", Accel::Kvm, "q35"),
            ("-tcg", Accel::Tcg, "pc"),
        ] {
            let name = format!("qemu_{version}{variant}.x86_64.xml");
            // The host that the expectations were made on.
            let ground = Ground {
                firmware: Firmware {
                    interfaces: vec!["bios", "efi"],
                    files: ["/obviously/fake/firmware1.fd", "/obviously/fake/firmware2.fd"]
                        .map(String::from)
                        .into(),
                    secure: machine == "q35",
                },
                vfio: true,
                tpm_versions: vec!["2.0".to_owned()],
                rdp: true,
                physical_bits: Some(64),
                sev_guests: None,
            };
            let machine = caps.machine(machine).unwrap();
            let document = domain::document(&caps, accel, "x86_64", machine, &ground, Some(&catalogue));
            let expected = std::fs::read_to_string(corpus.join("domaincaps").join(&name)).unwrap();
            let found = differences(
                &lines(&expected).unwrap(),
                &lines(&xml::to_string(&document)).unwrap(),
            );
            let known = KNOWN
                .iter()
                .find(|(file, _)| *file == name)
                .map_or(&[][..], |(_, lines)| lines);
            if found != known {
                failures.push(format!("{name}:\n{}", found.join("\n")));
            }
        }
    }
    println!("9 documents of x86_64 are as expected but for {}", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

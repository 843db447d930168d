//! Domain capabilities of recorded binaries against what is expected of them.
//!
//! The recordings and expectations lie beside the project; without them the test is skipped. Trees are compared line
//! by line: one line for each element with its attributes and text, indented by depth.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

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

fn tree(text: &str) -> Vec<String> {
    fn walk(node: roxmltree::Node<'_, '_>, depth: usize, lines: &mut Vec<String>) {
        let mut attributes: Vec<_> = node
            .attributes()
            .map(|a| format!(" {}={}", a.name(), a.value()))
            .collect();
        attributes.sort();
        let text = node.text().unwrap_or_default().trim();
        lines.push(format!(
            "{}{}{} {text}",
            "  ".repeat(depth),
            node.tag_name().name(),
            attributes.concat()
        ));
        node.children()
            .filter(roxmltree::Node::is_element)
            .for_each(|child| walk(child, depth + 1, lines));
    }
    let document = roxmltree::Document::parse(text).unwrap();
    let mut lines = Vec::new();
    walk(document.root_element(), 0, &mut lines);
    lines
}

/// The lines only one side has, in order: a longest common subsequence would be exact, but the sides are nearly equal,
/// so resynchronising at the next common line is enough.
fn differences(expected: &[String], found: &[String]) -> Vec<String> {
    let (mut e, mut f) = (0, 0);
    let mut differences = Vec::new();
    while e < expected.len() || f < found.len() {
        if expected.get(e) == found.get(f) {
            (e, f) = (e + 1, f + 1);
            continue;
        }
        let ahead = |lines: &[String], from: usize, line: Option<&String>| {
            line.and_then(|line| lines.iter().skip(from).take(40).position(|have| have == line))
        };
        match (ahead(expected, e, found.get(f)), ahead(found, f, expected.get(e))) {
            (Some(skip), other) if other.is_none_or(|other| skip <= other) => {
                differences.extend(expected[e..e + skip].iter().map(|line| format!("-{line}")));
                e += skip;
            }
            (_, Some(skip)) => {
                differences.extend(found[f..f + skip].iter().map(|line| format!("+{line}")));
                f += skip;
            }
            _ => {
                differences.extend(expected.get(e).map(|line| format!("-{line}")));
                differences.extend(found.get(f).map(|line| format!("+{line}")));
                (e, f) = (e + 1, f + 1);
            }
        }
    }
    differences
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
    for version in ["10.0.0", "7.2.0"] {
        let replies = corpus.join(format!("qemu-caps/caps_{version}_x86_64.replies"));
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
            let found = differences(&tree(&expected), &tree(&xml::to_string(&document)));
            let known = KNOWN
                .iter()
                .find(|(file, _)| *file == name)
                .map_or(&[][..], |(_, lines)| lines);
            if found != known {
                failures.push(format!("{name}:\n{}", found.join("\n")));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

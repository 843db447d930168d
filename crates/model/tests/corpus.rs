//! Domain documents of libvirt's own cases come back as they went in.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod golden;

use model::domain::Domain;
use std::fs;
use std::path::PathBuf;

/// Cases that differ for a known reason: `NAME: reason` lines.
const KNOWN: &str = include_str!("corpus.known");

/// Why a document does not come back; `None` when it does.
fn difference(text: &str) -> Option<String> {
    match Domain::from_xml(text) {
        Ok(domain) => golden::difference(text, &domain.to_xml()),
        Err(err) => Some(format!("refused: {err}")),
    }
}

#[test]
fn completed_documents_come_back_as_they_went_in() {
    let Some(folder) = golden::corpus("domain") else {
        return;
    };
    let known = KNOWN.lines().filter_map(|line| Some(line.split_once(": ")?.0));
    let mut tally = golden::Tally::new(known);
    let mut names: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    names.sort();
    for path in names {
        let name = path.file_name().unwrap().to_str().unwrap();
        if !name.ends_with("-latest.xml") {
            continue;
        }
        tally.add(name, difference(&fs::read_to_string(&path).unwrap()), true);
    }
    tally.settle("domain", 501);
}

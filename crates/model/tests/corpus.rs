//! Domain documents of libvirt's own cases come back as they went in.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use model::domain::Domain;
use roxmltree::{Document, Node};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Cases that differ for a known reason: `NAME: reason` lines.
const KNOWN: &str = include_str!("corpus.known");

fn corpus() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus/domain");
    folder.is_dir().then_some(folder)
}

/// A tree as text, white space around text gone.
fn canonical(node: Node<'_, '_>, into: &mut String) {
    if node.is_text() {
        into.push_str(node.text().unwrap_or_default().trim());
        return;
    }
    if !node.is_element() {
        return;
    }
    let name = node.tag_name();
    into.push('<');
    into.push_str(name.namespace().unwrap_or_default());
    into.push('|');
    into.push_str(name.name());
    for (name, value) in node.attributes().map(|one| (one.name(), one.value())) {
        into.push_str(&format!(" {name}={value:?}"));
    }
    into.push('>');
    node.children().for_each(|child| canonical(child, into));
    into.push_str("</>");
}

/// Why a document does not come back; `None` when it does.
fn difference(text: &str) -> Option<String> {
    let domain = match Domain::from_xml(text) {
        Ok(domain) => domain,
        Err(err) => return Some(format!("refused: {err}")),
    };
    let written = domain.to_xml();
    let tree = |text: &str| {
        let mut canonically = String::new();
        canonical(Document::parse(text).unwrap().root_element(), &mut canonically);
        canonically
    };
    let (before, after) = (tree(text), tree(&written));
    if before == after {
        return None;
    }
    let same = before
        .bytes()
        .zip(after.bytes())
        .take_while(|(one, other)| one == other)
        .count();
    let around = |text: &str| {
        let start = text.floor_char_boundary(same.saturating_sub(60));
        let end = text.floor_char_boundary((same + 80).min(text.len()));
        text.get(start..end).unwrap_or_default().to_owned()
    };
    Some(format!("{}   became   {}", around(&before), around(&after)))
}

#[test]
fn completed_documents_come_back_as_they_went_in() {
    let Some(folder) = corpus() else {
        println!("not run: the golden cases are not beside the checkout (../shared/corpus)");
        return;
    };
    let known: BTreeSet<&str> = KNOWN
        .lines()
        .filter_map(|line| line.split_once(": ").map(|(name, _)| name))
        .collect();
    let (mut passed, mut failed, mut mended) = (0, Vec::new(), Vec::new());
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
        match (
            difference(&fs::read_to_string(&path).unwrap()),
            known.contains(name),
        ) {
            (None, false) => passed += 1,
            (None, true) => mended.push(name.to_owned()),
            (Some(_), true) => {}
            (Some(why), false) => failed.push(format!("{name}: {why}")),
        }
    }
    println!(
        "{passed} documents come back as they went in, {} are known not to",
        known.len()
    );
    assert!(
        mended.is_empty(),
        "listed as different but the same now: {mended:#?}"
    );
    assert!(
        failed.is_empty(),
        "{} differ:\n{}",
        failed.len(),
        failed.join("\n")
    );
    assert!(passed > 500, "only {passed} cases were found");
}

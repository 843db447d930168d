//! Golden cases, and when two documents are the same.

use roxmltree::{Document, Node};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The folder of golden cases of that name; `None` where they are not beside the checkout, which is said.
pub(crate) fn corpus(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/corpus")
        .join(name);
    if !folder.is_dir() {
        println!("not run: the golden cases are not beside the checkout (../shared/corpus)");
        return None;
    }
    Some(folder)
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

/// Where two documents differ as trees; `None` where they do not.
pub(crate) fn difference(before: &str, after: &str) -> Option<String> {
    let tree = |text: &str| {
        let mut canonically = String::new();
        canonical(Document::parse(text).unwrap().root_element(), &mut canonically);
        canonically
    };
    let (before, after) = (tree(before), tree(after));
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

/// How cases came out, beside the list of those that differ for a reason.
pub(crate) struct Tally<'a> {
    known: BTreeSet<&'a str>,
    passed: usize,
    failed: Vec<String>,
    mended: Vec<String>,
}

impl<'a> Tally<'a> {
    /// Nothing yet; `known` are names of cases that differ.
    pub(crate) fn new(known: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            known: known.into_iter().collect(),
            passed: 0,
            failed: Vec::new(),
            mended: Vec::new(),
        }
    }

    /// A case, and how it differs; it counts only where there is something to compare it with.
    pub(crate) fn add(&mut self, name: &str, difference: Option<String>, counts: bool) {
        match (difference, self.known.contains(name)) {
            (None, false) => self.passed += usize::from(counts),
            (None, true) => self.mended.push(name.to_owned()),
            (Some(_), true) => {}
            (Some(why), false) => self.failed.push(format!("{name}: {why}")),
        }
    }

    /// Says how many are as they must be; fails for any that differs and is not listed, for any that is listed and does not, and
    /// where there are fewer than `least`.
    pub(crate) fn settle(self, what: &str, least: usize) {
        println!(
            "{what}: {} as libvirt has them, {} known not to be",
            self.passed,
            self.known.len()
        );
        assert!(
            self.mended.is_empty(),
            "listed as different but the same now: {:#?}",
            self.mended
        );
        assert!(
            self.failed.is_empty(),
            "{} differ:\n{}",
            self.failed.len(),
            self.failed.join("\n")
        );
        assert!(self.passed >= least, "only {} cases were found", self.passed);
    }
}

//! Documents of network filters of libvirt's own cases become what libvirt makes of them.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

#[path = "golden/mod.rs"]
mod golden;

use model::nwfilter::Filter;
use std::collections::BTreeSet;
use std::fs;

/// Cases that differ for a known reason: `NAME: reason` lines.
const KNOWN: &str = include_str!("nwfilter_corpus.known");

/// What a case becomes, and must become.
fn both(given: &str, expected: Option<&str>) -> Option<String> {
    let filter = Filter::from_xml(given).unwrap();
    let written = filter.to_xml();
    assert_eq!(
        Filter::from_xml(&written).unwrap(),
        filter,
        "it reads as it was written"
    );
    golden::difference(expected.unwrap_or(&written), &written)
}

/// A case with values that do not fit has another name than its result; one that libvirt changes nothing of is its result.
#[test]
fn filters_become_what_libvirt_makes_of_them() {
    let Some(folder) = golden::corpus("nwfilter") else {
        return;
    };
    let known = KNOWN.lines().filter_map(|line| Some(line.split_once(": ")?.0));
    let mut tally = golden::Tally::new(known);
    let files = fs::read_dir(&folder).unwrap().flatten();
    let names: BTreeSet<String> = files
        .filter_map(|entry| {
            let file = entry.file_name().into_string().unwrap();
            let name = file
                .strip_suffix(".in.xml")
                .or_else(|| file.strip_suffix(".out.xml"))?;
            Some(name.strip_suffix("-invalid").unwrap_or(name).to_owned())
        })
        .collect();
    for name in &names {
        let read = |end: &str| fs::read_to_string(folder.join(format!("{name}{end}"))).ok();
        let expected = read(".out.xml").or_else(|| read("-invalid.out.xml"));
        let given = read(".in.xml").or_else(|| read("-invalid.in.xml"));
        let given = given.or_else(|| expected.clone()).unwrap();
        tally.add(name, both(&given, expected.as_deref()), expected.is_some());
    }
    tally.settle("nwfilter", 25);
}

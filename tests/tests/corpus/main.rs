//! Every document of the golden cases that QEMU can run here: defined, started paused, held against what QEMU itself says
//! runs, and stopped.
//!
//! The cases lie beside the project; without them the test is skipped. What a document names of the host is made in the
//! test's own folder ([`ground`]); what takes devices, servers or parts of QEMU that are not there is left out by rule and
//! counted ([`special`]). `corpus.known` names the rest that does not start, with reasons; one more or one less fails the test.
//! What starts depends on kernel, QEMU and firmware of the host, so it runs where `FERROVIRT_LIVE=1` asks for it.
//! `ONLY=NAME` in the environment runs one case and shows it, `REPORT=FILE` writes down what failed.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test"
)]

mod devices;
mod ground;
mod held;
mod special;

use end_to_end::{Instance, LoopDevice};
use ground::{Ground, Names};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const KNOWN: &str = include_str!("corpus.known");

/// How many guests run side by side.
const WORKERS: usize = 4;

/// A case, by the name of its files.
struct Case {
    name: String,
    document: String,
}

#[test]
fn what_runs_is_what_the_document_says() {
    if std::env::var_os("FERROVIRT_LIVE").is_none() {
        println!("not run: what starts depends on the host; FERROVIRT_LIVE=1 runs it");
        return;
    }
    if !rustix::process::geteuid().is_root() {
        println!("skipped: block devices and bridges can only be made by root");
        return;
    }
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/domain");
    if !corpus.is_dir() {
        println!("skipped: no documents at {}", corpus.display());
        return;
    }
    let only = std::env::var("ONLY").ok();
    let mut special = BTreeMap::new();
    let cases: Vec<Case> = cases(&corpus)
        .into_iter()
        .filter(|case| only.as_ref().is_none_or(|only| *only == case.name))
        .filter(|case| match special::needs(&case.document) {
            Some(what) => {
                *special.entry(what).or_insert(0) += 1;
                false
            }
            None => true,
        })
        .collect();
    let instance = Instance::start_in_own_network();
    let Some(disk) = LoopDevice::new(instance.root(), "disk.img", 64 << 20) else {
        return;
    };
    let names = Names::of(cases.iter().map(|case| case.document.as_str()));
    let ground = Ground::prepare(&instance, &disk);
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let document = ground.lay_out(&names.own(&case.name, &case.document));
                    if let Err(reason) = held::run(&instance, &case.name, &document) {
                        failed.lock().unwrap().insert(case.name.clone(), reason);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    println!(
        "{} documents of {} run as they say; {} do not; {} need what is not here: {special:?}",
        cases.len() - failed.len(),
        cases.len() + special.values().sum::<usize>(),
        failed.len(),
        special.values().sum::<usize>(),
    );
    settle(&failed, only.is_some());
    let left: Vec<String> = instance.left_overs();
    assert!(left.is_empty(), "{left:?}");
}

/// The documents for which a command line of x86_64 is expected.
fn cases(corpus: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(corpus).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let Some(name) = file.strip_suffix(".x86_64-latest.args") else {
            continue;
        };
        if let Ok(document) = std::fs::read_to_string(corpus.join(format!("{name}.xml"))) {
            cases.push(Case {
                name: name.to_owned(),
                document,
            });
        }
    }
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    cases
}

/// Holds what failed against the list of what is known to.
fn settle(failed: &BTreeMap<String, String>, one: bool) {
    if let Ok(report) = std::env::var("REPORT") {
        let text = failed.iter().fold(String::new(), |mut text, (name, reason)| {
            writeln!(text, "== {name}\n{reason}").unwrap();
            text
        });
        std::fs::write(report, text).unwrap();
    }
    if one {
        failed
            .iter()
            .for_each(|(name, reason)| println!("{name}\n{reason}"));
        return;
    }
    let known: BTreeMap<&str, &str> = KNOWN.lines().filter_map(|line| line.split_once(": ")).collect();
    let new: Vec<String> = failed
        .iter()
        .filter(|(name, _)| !known.contains_key(name.as_str()))
        .map(|(name, reason)| format!("{name}: {reason}"))
        .collect();
    let mended: Vec<&&str> = known.keys().filter(|name| !failed.contains_key(**name)).collect();
    assert!(new.is_empty(), "not listed as failing:\n{}", new.join("\n"));
    assert!(mended.is_empty(), "listed as failing, but run: {mended:?}");
}

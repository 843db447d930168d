//! ARCHITECTURE.md and CONTRIBUTING.md say what is so: the paths they name exist, and crates know only what stands after
//! them in the map.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn document(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap()
}

/// The words that may be paths: those of code and those that links lead to.
fn words(line: &str, in_block: bool) -> Vec<&str> {
    let code = |line| str::split(line, '`').skip(1).step_by(2);
    let links = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let whole = in_block.then_some(line).into_iter();
    let spans = whole.chain(code(line).filter(|_| !in_block)).chain(links);
    spans
        .flat_map(str::split_whitespace)
        .map(|word| word.trim_end_matches([',', ';', ':', '.']))
        .collect()
}

/// Whether a word is a path of the repository. An absolute one is the host's, and `..` leads out of the checkout.
fn is_path(word: &str) -> bool {
    let of_path = |letter: char| letter.is_ascii_alphanumeric() || "_-./".contains(letter);
    let looks_so = word.contains('/') || word.ends_with(".md") || word.ends_with(".rs");
    looks_so && word.chars().all(of_path) && !word.starts_with('/') && !word.starts_with("..")
}

#[test]
fn every_path_that_the_documents_name_exists() {
    for name in ["ARCHITECTURE.md", "CONTRIBUTING.md"] {
        // What stands after "Inside `FOLDER`:" may be below that folder.
        let (mut inside, mut in_block) = (root(), false);
        for line in document(name).lines() {
            in_block ^= line.starts_with("```");
            let words = words(line, in_block);
            if line.starts_with("Inside ") {
                inside = root().join(words.first().unwrap());
            }
            for word in words.into_iter().filter(|word| is_path(word)) {
                let exists = root().join(word).exists() || inside.join(word).exists();
                assert!(exists, "{name} names {word}, which does not exist:\n{line}");
            }
        }
    }
}

/// A member of the workspace and the members it depends on, by their folders. What only its tests use does not count.
fn members() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let folder = |path: &str| {
        let path = Path::new(path).strip_prefix(root()).unwrap();
        path.to_str().unwrap().trim_end_matches("/Cargo.toml").to_owned()
    };
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap().iter();
            let own = dependencies.filter(|one| one["path"].is_string() && one["kind"] != "dev");
            (
                folder(package["manifest_path"].as_str().unwrap()),
                own.map(|one| folder(one["path"].as_str().unwrap())).collect(),
            )
        })
        .collect()
}

/// The place of each member in the map's order of reading.
fn places(members: &BTreeMap<String, Vec<String>>) -> BTreeMap<&str, usize> {
    let text = document("ARCHITECTURE.md");
    let map = text.split("```").nth(1).unwrap();
    let named: Vec<&str> = map.split_whitespace().collect();
    let place = |folder: &str| {
        // A derive stands where its crate does.
        let folder = folder.trim_end_matches("-derive");
        named.iter().position(|word| *word == folder)
    };
    let found = members.keys().map(|folder| {
        let place = place(folder).unwrap_or_else(|| panic!("the map of ARCHITECTURE.md lacks {folder}"));
        (folder.as_str(), place)
    });
    found.collect()
}

#[test]
fn crates_know_only_what_stands_after_them_in_the_map() {
    let members = members();
    let places = places(&members);
    for (folder, dependencies) in &members {
        for below in dependencies {
            assert!(
                places[folder.as_str()] <= places[below.as_str()],
                "{folder} depends on {below}, which stands above it in the map of ARCHITECTURE.md"
            );
            let drivers = [folder, below].iter().all(|one| one.starts_with("drivers/"));
            assert!(!drivers, "a driver imports another: {folder} {below}");
        }
    }
}

//! Documents that go in one way and come out another.

#[path = "mod.rs"]
mod golden;

use std::fs;

/// Holds every case of a folder that has a result against what `read` makes of it, and says so where there are fewer than `least`.
/// `known` are the cases that differ for a reason: `FOLDER/NAME: reason` lines.
pub(crate) fn round_trip(
    folder: &str,
    known: &str,
    least: usize,
    read: impl Fn(&str, &str) -> error::Result<String>,
) {
    let Some(path) = golden::corpus(folder) else {
        return;
    };
    let known = known
        .lines()
        .filter_map(|line| line.split_once(": ")?.0.strip_prefix(folder)?.strip_prefix('/'));
    let mut tally = golden::Tally::new(known);
    for entry in fs::read_dir(&path).unwrap().flatten() {
        let file = entry.file_name().into_string().unwrap();
        let Some(name) = file.strip_suffix(".in.xml") else {
            continue;
        };
        let Ok(expected) = fs::read_to_string(path.join(format!("{name}.out.xml"))) else {
            continue;
        };
        let given = fs::read_to_string(entry.path()).unwrap();
        let difference = match read(name, &given) {
            Ok(written) => golden::difference(&expected, &written),
            Err(err) => Some(format!("refused: {err}")),
        };
        tally.add(name, difference, true);
    }
    tally.settle(folder, least);
}

/// Holds every case of a folder that has no result against `read`, which must refuse it.
#[allow(dead_code, reason = "not every test has such cases")]
pub(crate) fn refused(folder: &str, least: usize, read: impl Fn(&str) -> error::Result<()>) {
    let Some(path) = golden::corpus(folder) else {
        return;
    };
    let (mut refused, mut taken) = (0, Vec::new());
    for entry in fs::read_dir(&path).unwrap().flatten() {
        let file = entry.file_name().into_string().unwrap();
        let Some(name) = file.strip_suffix(".in.xml") else {
            continue;
        };
        if path.join(format!("{name}.out.xml")).exists() {
            continue;
        }
        match read(&fs::read_to_string(entry.path()).unwrap()) {
            Ok(()) => taken.push(name.to_owned()),
            Err(_) => refused += 1,
        }
    }
    assert!(taken.is_empty(), "libvirt refuses {taken:#?}");
    assert!(refused >= least, "only {refused} cases were found");
}

//! Documents of domains that this project's virtqemud and the host's libvirtd are both given: what each makes of them, and
//! where they differ.

mod answer;
mod report;

use crate::bench::daemons::{Daemon, Kind, peer_is_there};
use crate::bench::load;
use crate::progress::{Progress, say};
use answer::Asked;
use anyhow::{Context, Result, ensure};
use clap::Args;
use report::Report;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Which documents, and where what differs is told.
#[derive(Debug, Args)]
pub(crate) struct Comparison {
    /// A document, or a folder of documents (`*.xml`).
    #[arg(required = true)]
    documents: Vec<PathBuf>,
    /// Write what differs, document by document, into this file.
    #[arg(long)]
    report: Option<PathBuf>,
}

/// Compares and tells how often both agree.
///
/// # Errors
/// There is no peer, a daemon does not start, or no document is there.
pub(crate) fn run(comparison: &Comparison) -> Result<()> {
    ensure!(
        peer_is_there(),
        "comparing takes root and the host's libvirtd: apt-get install libvirt-daemon-system"
    );
    let documents = documents(&comparison.documents)?;
    say("* Building virtqemud");
    // As tests have it: nothing is measured, and whoever changed it has built it so already.
    let built = Command::new(env!("CARGO"))
        .args(["build", "-p", "virtqemud"])
        .status();
    ensure!(built.context("cannot run cargo")?.success(), "the build failed");
    say(&format!("* {} documents", documents.len()));
    let report = load::block_on(async {
        let own = Daemon::of_tests("virtqemud")?;
        let root = own.path("/");
        let mut ours = Asked::start(own, root).await?;
        let mut theirs = Asked::start(Daemon::prepare(Kind::Peer)?, "/".into()).await?;
        let (mut report, mut progress) = (Report::default(), Progress::of_hundred());
        for (number, (name, text)) in documents.iter().enumerate() {
            let percent = u64::try_from(number * 100 / documents.len()).unwrap_or(0);
            progress.at("comparing", percent, name);
            let text = answer::with_uuid(text);
            let own = ours.answers(&text).await.with_context(|| name.clone())?;
            let other = theirs.answers(&text).await.with_context(|| name.clone())?;
            report.add(name, own, other);
        }
        theirs.stop()?;
        ours.stop()?;
        Ok(report)
    })?;
    say(&report.summary());
    if let Some(path) = &comparison.report {
        fs::write(path, report.details()).with_context(|| format!("cannot write {}", path.display()))?;
        say(&format!("* What differs is told in {}", path.display()));
    }
    Ok(())
}

/// Names and texts of all documents, in the order of their names.
fn documents(places: &[PathBuf]) -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for place in places {
        if place.is_dir() {
            let entries = fs::read_dir(place).with_context(|| format!("cannot read {}", place.display()))?;
            let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
            files.extend(paths.filter(|path| path.extension().is_some_and(|end| end == "xml")));
        } else {
            files.push(place.clone());
        }
    }
    files.sort();
    ensure!(!files.is_empty(), "there is no document");
    let read = |path: &PathBuf| {
        let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Ok((name, String::from_utf8_lossy(&text).into_owned()))
    };
    files.iter().map(read).collect()
}

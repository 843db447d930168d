//! Calls while the storage of one pool does not answer: a FUSE file system whose server is stopped.

use super::super::daemons::{Daemon, Kind};
use super::super::{Values, note};
use crate::progress::say;
use anyhow::{Context, Result, ensure};
use private_instance::Hanging;
use std::fs::{self, File};
use std::process::Command;

/// Measures it at this project's daemon alone: at the peer every call would wait.
///
/// # Errors
/// When a call fails.
pub(super) fn measure(values: &mut Values) -> Result<()> {
    if Command::new("fuse2fs").arg("--version").output().is_err() {
        say("* It is not measured: that needs fuse2fs (package fuse2fs)");
        return Ok(());
    }
    let mut daemon = Daemon::prepare_for(Kind::Ours, "virtstoraged")?;
    let hanging = Hanging::below(daemon.folder())?;
    File::create(hanging.folder().join("a.img"))?.set_len(1 << 20)?;
    let other = daemon.folder().join("other");
    fs::create_dir(&other)?;
    daemon.start()?;
    drop(daemon.connect()?);
    let uri = daemon.uri_of("storage");
    for (name, path) in [("other", other.as_path()), ("hung", hanging.folder())] {
        let mut virsh = Command::new("virsh");
        virsh
            .args(["-q", "-c", &uri, "pool-create-as", name, "dir", "--target"])
            .arg(path);
        ensure!(virsh.status().context("cannot run virsh")?.success(), "{virsh:?}");
    }
    hanging.stop()?;
    let told = super::super::python(include_str!("../clients/hung.py"), &[&uri, "other", "hung"])?;
    for (kind, figure) in [("others", "others_p99"), ("hung", "hung_p99")] {
        let of_kind = told.iter().filter(|(name, _)| name == kind);
        let mut times: Vec<f64> = of_kind.map(|(_, seconds)| *seconds).collect();
        times.sort_by(f64::total_cmp);
        let p99 = times.get(times.len() * 99 / 100).copied();
        note(values, figure, p99.context("no call was measured")?);
    }
    let destroyed = told.iter().find(|(name, _)| name == "destroy");
    note(
        values,
        "hung_destroy",
        destroyed.context("the pool was not stopped")?.1,
    );
    daemon.stop()
}

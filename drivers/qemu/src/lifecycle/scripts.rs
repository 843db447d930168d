//! `<script>` and `<downscript>`: what an administrator has run when a tap is there, and when it is gone.

use super::launch::run_to_end;
use error::{Code, Domain as ErrorDomain, Error, Result};
use model::domain::Domain as Model;
use model::domain::devices::interface::InterfaceKind;
use std::process::Command;
use std::time::Duration;

/// How long a script may take.
const SCRIPT_WAIT: Duration = Duration::from_secs(60);

/// One that is to be run when its tap is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DownScript {
    path: String,
    tap: String,
}

/// The scripts that a live document names for the end of its run.
pub(super) fn of(model: &Model) -> Vec<DownScript> {
    let interfaces = model.devices.interfaces.iter();
    interfaces
        .filter_map(|interface| {
            Some(DownScript {
                path: interface.down_script.as_ref()?.path.clone(),
                tap: interface.target_dev()?.to_owned(),
            })
        })
        .collect()
}

/// Refuses scripts of interfaces that have no tap of their own.
///
/// # Errors
/// [`Code::ConfigUnsupported`].
pub(super) fn check(model: &Model) -> Result<()> {
    for interface in &model.devices.interfaces {
        let asked = interface.script.is_some() || interface.down_script.is_some();
        if asked && !matches!(interface.kind, InterfaceKind::Ethernet { .. }) {
            let kind = interface.kind.name();
            let text =
                format!("<interface type='{kind}'>: <script> and <downscript> are for the type 'ethernet'");
            return Err(Error::new(Code::ConfigUnsupported, ErrorDomain::Qemu, text));
        }
    }
    Ok(())
}

/// Runs what is to be run now that the taps are there, and notes what is to be run at the end. Blocks, inside the runtime.
///
/// # Errors
/// The script's own words when it fails.
pub(super) fn up(model: &Model, at_end: &mut Vec<DownScript>) -> Result<()> {
    *at_end = of(model);
    for interface in &model.devices.interfaces {
        if let (Some(script), Some(tap)) = (&interface.script, interface.target_dev()) {
            run("<interface><script>", &script.path, tap)?;
        }
    }
    Ok(())
}

/// Runs what was noted for the end. Blocks, inside the runtime; from a task too, whose worker's other tasks go on
/// elsewhere.
pub(super) fn down(all: &[DownScript]) {
    for script in all {
        let run = || run("<interface><downscript>", &script.path, &script.tap);
        if let Err(err) = tokio::task::block_in_place(run) {
            tracing::warn!(tap = script.tap, %err, "a script of a guest's interface failed");
        }
    }
}

fn run(element: &str, path: &str, tap: &str) -> Result<()> {
    let mut command = Command::new(path);
    command.arg(tap).env_clear().env("LC_ALL", "C");
    for name in ["PATH", "HOME"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    run_to_end(element, path, command, SCRIPT_WAIT)
}

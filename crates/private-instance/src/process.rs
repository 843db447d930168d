//! Processes by what their environment names.

use crate::PATIENCE;
use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// The processes in whose environment `variable` is `folder` or lies below it.
pub(crate) fn with_variable(variable: &str, folder: &Path) -> Vec<u32> {
    let mut mark = format!("{variable}=").into_bytes();
    mark.extend(folder.as_os_str().as_bytes());
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        environment(*pid)
            .split(|byte| *byte == 0)
            .any(|set| set.starts_with(&mark))
    })
    .collect()
}

/// The environment of a process; that of the new program where it is just being run.
///
/// Linux tells whoever started a program that it runs (it closes descriptors that are closed on exec, and wakes the
/// parent of a `vfork`) before it has noted where the program's arguments and environment lie: for an instant both read
/// as empty, of a process that does have a program.
fn environment(pid: u32) -> Vec<u8> {
    let folder = Path::new("/proc").join(pid.to_string());
    let read = |file| fs::read(folder.join(file)).unwrap_or_default();
    // Bounded, as a program may have overwritten both.
    for _ in 0..BEING_RUN_LOOKS {
        let environment = read("environ");
        let being_run =
            environment.is_empty() && read("cmdline").is_empty() && folder.join("exe").read_link().is_ok();
        if !being_run {
            return environment;
        }
        std::thread::sleep(BEING_RUN_PAUSE);
    }
    read("environ")
}

/// How often to look again at a process that is just being run.
const BEING_RUN_LOOKS: u32 = 500;

/// The pause between two looks.
const BEING_RUN_PAUSE: Duration = Duration::from_millis(1);

/// Sends a signal.
pub(crate) fn signal(pid: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    kill_process(pid.context("no process id")?, signal).context("cannot signal the process")
}

/// Waits until `what` is there, for at most [`PATIENCE`].
///
/// # Errors
/// It does not come in time, or `what` fails.
pub fn wait_until<T>(name: &str, pause: Duration, mut what: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = what()? {
            return Ok(found);
        }
        ensure!(start.elapsed() < PATIENCE, "waited in vain for {name}");
        // There is nothing to be woken by when another process's file or answer changes.
        std::thread::sleep(pause);
    }
}

//! Probes that outlived whoever asked: QEMU does not end with its standard input.

use crate::domain::{Process, process};
use rustix::process::{Signal, WaitId, WaitIdOptions, waitid};
use std::fs;

/// The variable that tells a probe who asks it, by process id.
pub(super) const ASKER: &str = "FERROVIRT_ASKED_BY";

/// Ends every probe whose asker is not its parent any more, whichever daemon that was. Blocks on the kernel, inside the
/// runtime.
pub(crate) fn end() {
    for pid in process::numbers().filter(|pid| is_orphan(*pid)) {
        // Held, then looked at again: its number may have gone to another process meanwhile.
        let Ok(probe) = Process::hold(pid) else { continue };
        if is_orphan(pid) {
            tracing::info!(pid, "ending a probe that nobody waits for");
            if let Err(err) = probe.signal(Signal::KILL) {
                tracing::warn!(pid, %err, "a probe that nobody waits for cannot be ended");
            }
        }
    }
}

/// Ends every probe that an earlier program asked in this very process, and lets go of children that have ended. Nobody may
/// have started one since.
pub(crate) async fn end_inherited() {
    let own = std::process::id();
    for pid in process::numbers().filter(|pid| asker(*pid) == Some(own) && parent(*pid) == Some(own)) {
        // A child of this process: its number is its own until it is reaped here.
        let Ok(probe) = Process::hold(pid) else { continue };
        match probe.signal(Signal::KILL) {
            Ok(()) => probe.ended().await,
            Err(err) => tracing::warn!(pid, %err, "a probe that nobody waits for cannot be ended"),
        }
    }
    while let Ok(Some(_)) = waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {}
}

/// Whether it is a probe, and whoever asks it is not its parent any more.
fn is_orphan(pid: u32) -> bool {
    asker(pid).is_some_and(|asker| parent(pid) != Some(asker))
}

/// Who asks it, where it is a probe.
fn asker(pid: u32) -> Option<u32> {
    process::variable(pid, ASKER)?.parse().ok()
}

/// The parent, as `proc(5)` tells it behind the name in brackets.
fn parent(pid: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[tokio::test]
    async fn a_probe_goes_once_its_asker_is_gone() {
        let probe = |asker: u32| {
            let mut command = Command::new("/bin/sleep");
            let child = command
                .arg("600")
                .env_clear()
                .env(ASKER, asker.to_string())
                .spawn();
            child.unwrap()
        };
        let (mut orphan, mut own) = (probe(1), probe(std::process::id()));
        end();
        assert!(!orphan.wait().unwrap().success());
        assert!(own.try_wait().unwrap().is_none());
        own.kill().unwrap();
        own.wait().unwrap();
    }
}

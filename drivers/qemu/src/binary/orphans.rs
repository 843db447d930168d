//! Probes that outlived whoever asked: QEMU does not end with its standard input.

use crate::domain::{Process, process};
use rustix::process::Signal;
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

/// Whether it is a probe, and whoever asks it is not its parent any more.
fn is_orphan(pid: u32) -> bool {
    let asker: Option<u32> = process::variable(pid, ASKER).and_then(|value| value.parse().ok());
    asker.is_some_and(|asker| parent(pid) != Some(asker))
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

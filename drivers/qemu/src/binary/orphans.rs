//! Probes that outlived whoever asked: QEMU does not end with its standard input.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs;

/// The variable that tells a probe who asks it, by process id.
pub(super) const ASKER: &str = "FERROVIRT_ASKED_BY";

/// Ends every probe whose asker is not its parent any more, whichever daemon that was. Blocks on the kernel.
pub fn end() {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    for pid in pids {
        // Held before it is looked at: its number may go to another process meanwhile.
        let Some(handle) = Pid::from_raw(pid)
            .filter(|_| asker(pid).is_some())
            .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
        else {
            continue;
        };
        if asker(pid).is_some_and(|asker| parent(pid) != Some(asker)) {
            tracing::info!(pid, "ending a probe that nobody waits for");
            if let Err(err) = pidfd_send_signal(handle, Signal::KILL) {
                tracing::warn!(pid, %err, "a probe that nobody waits for cannot be ended");
            }
        }
    }
}

/// Who asks, if it is a probe.
fn asker(pid: i32) -> Option<i32> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    environment.split(|byte| *byte == 0).find_map(|variable| {
        let (name, value) = std::str::from_utf8(variable).ok()?.split_once('=')?;
        (name == ASKER).then(|| value.parse().ok())?
    })
}

/// The parent, as `proc(5)` tells it behind the name in brackets.
fn parent(pid: i32) -> Option<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_probe_goes_once_its_asker_is_gone() {
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

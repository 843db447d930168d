//! A guest's console, as somebody sees it who runs virsh in a terminal.

use crate::progress::say;
use anyhow::{Context, Result};
use private_instance::PATIENCE;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc;
use std::time::Instant;

/// What leaves the console: Ctrl+].
const ESCAPE: &[u8] = b"\x1d";

/// Runs `virsh console` under a terminal of its own and shows what the guest says until it says `mark`.
///
/// # Errors
/// The guest does not say it in time.
pub(super) fn watch(mut virsh: Command, mark: &str) -> Result<()> {
    let (mut ours, theirs) = terminal()?;
    let child = virsh
        .stdin(theirs.try_clone()?)
        .stdout(theirs.try_clone()?)
        .stderr(theirs)
        .spawn();
    let mut virsh = Ends(child.context("cannot run virsh")?);
    let said = listen(ours.try_clone()?);
    let (start, mut line) = (Instant::now(), String::new());
    loop {
        let left = PATIENCE.checked_sub(start.elapsed());
        let left = left.context("the guest did not come up")?;
        line.push_str(&said.recv_timeout(left).context("the console ended early")?);
        while let Some((whole, rest)) = line.split_once('\n') {
            if !whole.trim().is_empty() {
                say(&format!("    {}", whole.trim_end()));
            }
            if whole.contains(mark) {
                ours.write_all(ESCAPE)?;
                virsh.0.wait()?;
                return Ok(());
            }
            line = rest.to_owned();
        }
    }
}

/// Both ends of a new terminal.
fn terminal() -> Result<(File, File)> {
    let outer = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&outer)?;
    unlockpt(&outer)?;
    let name = ptsname(&outer, Vec::new())?;
    let inner = File::options()
        .read(true)
        .write(true)
        .open(Path::new(name.to_str()?))?;
    Ok((File::from(outer), inner))
}

/// What comes, as it comes: reading has no deadline, receiving has.
fn listen(mut terminal: File) -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = terminal.read(&mut buffer) {
            let bytes = buffer.get(..count).unwrap_or_default();
            if send.send(String::from_utf8_lossy(bytes).into_owned()).is_err() {
                return;
            }
        }
    });
    receive
}

/// A program that is ended with the value.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

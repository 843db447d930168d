//! QEMU's guest agent for the guest: a second archive behind the first one, as the kernel takes them one after another.

use crate::{Archive, Guest, put};
use anyhow::{Context, Result, ensure};
use cpio::newc::ModeFileType;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the agent lies (package `qemu-guest-agent`).
const AGENT: &str = "/usr/sbin/qemu-ga";

/// Starts the agent as soon as its port is there.
const START: &str = "#!/bin/sh\n\
    (while [ ! -e /dev/vport0p1 ] && [ ! -e /dev/vport1p1 ]; do usleep 20000; done\n\
    exec /usr/sbin/qemu-ga -m virtio-serial -p /dev/vport[01]p1 -t /run -f /run/agent.pid) >/dev/null 2>&1 &\n";

/// What the agent calls to end the guest.
const SHUTDOWN: &str = "#!/bin/sh\ncase \"$*\" in *-r*) reboot -f;; *) poweroff -f;; esac\n";

impl Guest {
    /// The same guest with QEMU's agent on its first virtio-serial port.
    ///
    /// # Errors
    /// The agent is not installed here.
    pub fn with_agent(&self) -> Result<Self> {
        let both = Self {
            kernel: self.kernel.clone(),
            initrd: self.initrd.with_extension("agent"),
        };
        if !both.initrd.exists() {
            let mut bytes = fs::read(&self.initrd).context("the guest's initial file system")?;
            bytes.extend(archive()?);
            put(&both.initrd, &bytes)?;
        }
        Ok(both)
    }
}

fn archive() -> Result<Vec<u8>> {
    let mut archive = Archive {
        bytes: Vec::new(),
        inode: 1,
    };
    let mut files: Vec<(PathBuf, Vec<u8>)> = vec![
        ("/etc/start".into(), START.into()),
        ("/sbin/shutdown".into(), SHUTDOWN.into()),
    ];
    for path in libraries()?.into_iter().chain([AGENT.into()]) {
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        files.push((path, bytes));
    }
    let folders: BTreeSet<&Path> = files
        .iter()
        .flat_map(|(path, _)| path.ancestors().skip(1))
        .collect();
    let inside = |path: &Path| path.display().to_string().trim_start_matches('/').to_owned();
    for folder in folders.into_iter().filter(|folder| folder.parent().is_some()) {
        archive.add(&inside(folder), ModeFileType::Directory, 0o755, &[])?;
    }
    for (path, bytes) in &files {
        archive.add(&inside(path), ModeFileType::Regular, 0o755, bytes)?;
    }
    cpio::newc::trailer(archive.bytes).context("cannot end the agent's archive")
}

/// What the agent is linked with.
fn libraries() -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd")
        .arg(AGENT)
        .output()
        .context("cannot run ldd")?;
    ensure!(output.status.success(), "{AGENT} (package qemu-guest-agent)");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let paths = text.lines().filter_map(|line| {
        let place = line.split_once("=>").map_or(line, |(_, place)| place).trim();
        let path = place.split_whitespace().next()?;
        path.starts_with('/').then(|| PathBuf::from(path))
    });
    Ok(paths.collect())
}

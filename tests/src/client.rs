//! Stock clients.

use crate::Instance;
use std::process::{Command, ExitStatus};

/// How a client ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it succeeded.
    pub success: bool,
    /// How it ended.
    pub status: ExitStatus,
    /// What it said.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl Outcome {
    /// Runs a command to its end.
    ///
    /// # Panics
    /// When it cannot be run.
    pub fn of(command: &mut Command) -> Self {
        let output = command
            .output()
            .unwrap_or_else(|err| panic!("cannot run {command:?}: {err}"));
        Self {
            success: output.status.success(),
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs a script of the stock Python client, the one of Debian's `python3-libvirt`, with arguments.
///
/// # Panics
/// When it cannot be run.
pub fn python(script: &str, arguments: &[&str]) -> Outcome {
    Outcome::of(
        Command::new("/usr/bin/python3")
            .arg("-c")
            .arg(script)
            .args(arguments),
    )
}

/// Has stock virt-install make and start a guest without an operating system, on QEMU's own processor; `more` is what its
/// machine, disks, networks and graphics are.
///
/// # Panics
/// When it fails.
pub fn virt_install(instance: &Instance, name: &str, more: &[&str]) {
    let outcome = Outcome::of(
        Command::new("virt-install")
            .args(["--connect", &instance.uri(), "--name", name])
            .args(["--memory", "64", "--vcpus", "1", "--import"])
            .args(["--virt-type", "qemu", "--osinfo", "generic", "--noautoconsole"])
            .args(more)
            .env("HOME", instance.root())
            .env("XDG_CACHE_HOME", instance.root().join("cache")),
    );
    let log = std::fs::read_to_string(instance.log()).unwrap_or_default();
    assert!(outcome.success, "{}{}\n{log}", outcome.stdout, outcome.stderr);
}

/// Runs `virsh console` under a terminal of its own, types `input` when the guest's shell is there, and gives what was
/// shown.
///
/// # Panics
/// When it cannot be run.
pub fn console(uri: &str, name: &str, input: &str, until: &str) -> String {
    let script = format!(
        "import pty, os, sys, select, time\n\
         pid, fd = pty.fork()\n\
         if pid == 0:\n    os.execvp('virsh', ['virsh', '-c', {:?}, 'console', {name:?}])\n\
         seen = b''; typed = False; end = time.time() + 60\n\
         while time.time() < end:\n\
         \x20   ready, _, _ = select.select([fd], [], [], 1)\n\
         \x20   if ready:\n\
         \x20       try:\n            seen += os.read(fd, 4096)\n        except OSError:\n            break\n\
         \x20   elif not typed:\n        os.write(fd, b'\\n')\n\
         \x20   if not typed and b'guest# ' in seen:\n        os.write(fd, {input:?}.encode() + b'\\n'); typed = True\n\
         \x20   if typed and {until:?}.encode() in seen:\n        break\n\
         os.write(fd, b'\\x1d'); sys.stdout.write(seen.decode('utf-8', 'replace'))\n",
        uri
    );
    python(&script.replace("\\x20", " "), &[]).stdout
}

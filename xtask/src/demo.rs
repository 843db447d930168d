//! The demo: the main job from nothing to a guest that was booted, talked to and shut down.

use crate::packages::say;
use anyhow::{Context, Result, bail, ensure};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tiny_guest::Guest;

/// How long anything may take that the demo waits for.
const PATIENCE: Duration = Duration::from_secs(120);

/// The guest's name.
const NAME: &str = "demo";

/// Runs the demo.
///
/// # Errors
/// When a step fails; what it started is ended all the same.
pub(crate) fn run() -> Result<()> {
    say("* Building virtqemud (the first time takes minutes, later ones seconds)");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "-p", "virtqemud"])
        .status();
    ensure!(built.context("cannot run cargo")?.success(), "the build failed");
    let target = target_folder();

    say("* Getting a guest: Debian's kernel as a package that is unpacked, and busybox");
    let guest = Guest::prepare(&target.join("tiny-guest"))?;

    // Sockets below it have to stay within 108 bytes.
    let folder = tempfile::Builder::new()
        .prefix("ferrovirt-demo")
        .tempdir_in("/tmp")?;
    say(&format!(
        "* Starting virtqemud with everything below {} (FERROVIRT_ROOT)",
        folder.path().display()
    ));
    let mut instance = Instance::start(&target.join("release/virtqemud"), folder.path())?;

    say("* Defining and starting a guest with stock virsh");
    let document = folder.path().join("demo.xml");
    fs::write(&document, domain(&guest, folder.path())?)?;
    instance.virsh(&["define", &document.display().to_string()])?;
    instance.virsh(&["start", NAME])?;

    say("* Its console, until its init says that it is up");
    let seen = instance.console()?;
    for line in seen.lines().filter(|line| !line.trim().is_empty()) {
        say(&format!("    {}", line.trim_end()));
    }

    say("* virsh list");
    say(&indented(&instance.virsh(&["list"])?));
    say("* virsh dominfo demo");
    say(&indented(&instance.virsh(&["dominfo", NAME])?));

    say("* Shutting it down by its power button");
    instance.virsh(&["shutdown", NAME, "--mode", "acpi"])?;
    instance.wait_until_off()?;
    say(&indented(&instance.virsh(&["domstate", "--reason", NAME])?));
    instance.virsh(&["undefine", NAME])?;
    instance.stop()?;
    say("* Done. Nothing is left but the build and the guest's files in the target folder.");
    Ok(())
}

fn indented(text: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| format!("    {line}"));
    lines.collect::<Vec<_>>().join("\n")
}

fn target_folder() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.ancestors()
        .nth(2)
        .map_or_else(|| PathBuf::from("target"), Path::to_path_buf)
}

fn domain(guest: &Guest, folder: &Path) -> Result<String> {
    let disk = folder.join("disk.qcow2");
    let made = Command::new("qemu-img")
        .args(["create", "-q", "-f", "qcow2"])
        .arg(&disk)
        .arg("64M")
        .status();
    ensure!(made.context("cannot run qemu-img")?.success(), "qemu-img failed");
    Ok(format!(
        "<domain type='qemu'><name>{NAME}</name><memory unit='MiB'>128</memory><vcpu>1</vcpu>\
         <os><type arch='x86_64' machine='q35'>hvm</type><kernel>{}</kernel><initrd>{}</initrd>\
         <cmdline>{}</cmdline></os><features><acpi/></features><devices>\
         <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{}'/>\
         <target dev='vda' bus='virtio'/></disk><interface type='user'><model type='virtio'/></interface>\
         <serial type='pty'/></devices></domain>",
        guest.kernel.display(),
        guest.initrd.display(),
        Guest::CMDLINE,
        disk.display()
    ))
}

/// A daemon that ends with the demo.
struct Instance {
    daemon: Child,
    uri: String,
    log: PathBuf,
}

impl Instance {
    fn start(binary: &Path, folder: &Path) -> Result<Self> {
        let root = folder.join("root");
        fs::create_dir_all(&root)?;
        let log = folder.join("virtqemud.log");
        let daemon = Command::new(binary)
            .env("FERROVIRT_ROOT", &root)
            .stdin(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("cannot run {}", binary.display()))?;
        let kind = if rustix::process::geteuid().is_root() {
            "system"
        } else {
            "session"
        };
        let socket = root.join("run/libvirt/virtqemud-sock");
        let uri = format!("qemu+unix:///{kind}?socket={}", socket.display());
        let mut instance = Self { daemon, uri, log };
        let start = Instant::now();
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            if let Some(status) = instance.daemon.try_wait()? {
                bail!(
                    "virtqemud ended ({status}): {}",
                    fs::read_to_string(&instance.log)?
                );
            }
            ensure!(start.elapsed() < PATIENCE, "virtqemud does not serve");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(instance)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("virsh");
        command.args(["-q", "-c", &self.uri]);
        command
    }

    fn virsh(&self, arguments: &[&str]) -> Result<String> {
        let output = self
            .command()
            .args(arguments)
            .output()
            .context("cannot run virsh")?;
        ensure!(
            output.status.success(),
            "virsh {}: {}{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr),
            fs::read_to_string(&self.log)?
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What the guest's console shows until its init is up, through stock virsh under a terminal of its own.
    fn console(&self) -> Result<String> {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&terminal)?;
        unlockpt(&terminal)?;
        let name = ptsname(&terminal, Vec::new())?;
        let inner = File::options()
            .read(true)
            .write(true)
            .open(Path::new(name.to_str()?))?;
        let mut virsh = self
            .command()
            .args(["console", NAME])
            .stdin(inner.try_clone()?)
            .stdout(inner.try_clone()?)
            .stderr(inner)
            .spawn()
            .context("cannot run virsh")?;
        let mut ours = File::from(terminal);
        let (send, receive) = mpsc::channel();
        let mut reader = ours.try_clone()?;
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if send
                    .send(buffer.get(..count).unwrap_or_default().to_vec())
                    .is_err()
                {
                    return;
                }
            }
        });
        let (start, mut seen) = (Instant::now(), String::new());
        while !seen.contains(tiny_guest::MARK) {
            let left = PATIENCE
                .checked_sub(start.elapsed())
                .context("the guest did not come up")?;
            let bytes = receive
                .recv_timeout(left)
                .with_context(|| format!("the console ended early: {seen}"))?;
            seen.push_str(&String::from_utf8_lossy(&bytes));
        }
        // Ctrl+], which leaves the console.
        ours.write_all(b"\x1d")?;
        virsh.wait()?;
        Ok(seen)
    }

    fn wait_until_off(&self) -> Result<()> {
        let start = Instant::now();
        while self.virsh(&["domstate", NAME])?.trim() != "shut off" {
            ensure!(start.elapsed() < PATIENCE, "the guest did not shut down");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn stop(&mut self) -> Result<()> {
        if let Some(pid) = i32::try_from(self.daemon.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
        {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        }
        let status = self.daemon.wait()?;
        ensure!(status.success(), "virtqemud ended with {status}");
        Ok(())
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if matches!(self.daemon.try_wait(), Ok(None)) {
            // A step failed: the guest first, or nobody would be left to end it.
            let _ = self.virsh(&["destroy", NAME]);
            let _ = self.daemon.kill();
            let _ = self.daemon.wait();
        }
    }
}

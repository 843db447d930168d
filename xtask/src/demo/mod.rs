//! The demo: the main job from nothing to a guest that was booted, talked to and shut down.

use crate::packages::say;
use anyhow::{Context, Result, ensure};
use private_instance::{Daemon, Instance, PATIENCE, wait_until};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant as Moment};
use tiny_guest::Guest;

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

    say("* Getting a guest: Debian's kernel as a package that is unpacked, and busybox");
    let guest = Guest::prepare(&crate::target_folder()?.join("tiny-guest"))?;

    let instance = Instance::below(Path::new("/tmp"), &crate::release_folder()?)?;
    say(&format!(
        "* Starting virtqemud with everything below {} (FERROVIRT_ROOT)",
        instance.path("/").display()
    ));
    let mut demo = Demo {
        daemon: instance.daemon("virtqemud"),
    };
    demo.daemon.start()?;

    say("* Defining and starting a guest with stock virsh");
    let document = instance.folder().join("demo.xml");
    fs::write(&document, domain(&guest, instance.folder())?)?;
    demo.virsh(&["define", &document.display().to_string()])?;
    demo.virsh(&["start", NAME])?;

    say("* Its console, until its init says that it is up");
    let seen = demo.console()?;
    for line in seen.lines().filter(|line| !line.trim().is_empty()) {
        say(&format!("    {}", line.trim_end()));
    }

    say("* virsh list");
    say(&indented(&demo.virsh(&["list"])?));
    say("* virsh dominfo demo");
    say(&indented(&demo.virsh(&["dominfo", NAME])?));

    say("* Shutting it down by its power button");
    demo.virsh(&["shutdown", NAME, "--mode", "acpi"])?;
    demo.wait_until_off()?;
    say(&indented(&demo.virsh(&["domstate", "--reason", NAME])?));
    demo.virsh(&["undefine", NAME])?;
    let status = demo.daemon.stop()?;
    ensure!(status.success(), "virtqemud ended with {status}");
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

/// The daemon, and what is asked of it.
struct Demo {
    daemon: Daemon,
}

impl Demo {
    fn command(&self) -> Command {
        let mut command = Command::new("virsh");
        command.args(["-q", "-c", &self.daemon.uri()]);
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
            self.daemon.said()
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
        let (start, mut seen) = (Moment::now(), String::new());
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
        wait_until("the guest to shut down", Duration::from_millis(50), || {
            let off = self.virsh(&["domstate", NAME])?.trim() == "shut off";
            Ok(off.then_some(()))
        })
    }
}

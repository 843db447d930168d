//! The demo: the main job from nothing to a guest that was booted, talked to and shut down.

mod console;
mod interrupt;

use crate::progress::{Progress, say};
use anyhow::{Context, Result, ensure};
use private_instance::{Daemon, Instance, wait_until};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant as Moment};
use tiny_guest::Guest;

/// The guest's name.
const NAME: &str = "demo";

/// Runs the demo.
///
/// # Errors
/// When a step fails; what it started is ended all the same.
pub(crate) fn run() -> Result<()> {
    let start = Moment::now();
    say("* Building virtqemud (the first time takes minutes, later ones seconds)");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "-p", "virtqemud"])
        .status();
    ensure!(built.context("cannot run cargo")?.success(), "the build failed");
    let guest = guest()?;

    let instance = Instance::below(Path::new("/tmp"), &crate::release_folder()?)?;
    interrupt::clears(instance.folder())?;
    let mut demo = Demo {
        daemon: instance.daemon("virtqemud"),
        home: instance.folder().to_owned(),
    };
    say(&format!(
        "* Starting a private instance: FERROVIRT_ROOT={} virtqemud",
        instance.path("/").display()
    ));
    demo.daemon.start()?;
    say(&format!("    stock clients reach it as {}", demo.daemon.uri()));
    demo.show(&["version"])?;

    say("* Defining a guest and starting it");
    let document = instance.folder().join("demo.xml");
    fs::write(&document, domain(&guest, instance.folder())?)?;
    demo.show(&["define", &document.display().to_string()])?;
    demo.show(&["start", NAME])?;
    say("* Its console, until its init says that it is up");
    say(&format!("    $ virsh console {NAME}"));
    console::watch(demo.command(&["console", NAME]), tiny_guest::MARK)?;
    demo.show(&["list"])?;
    demo.show(&["dominfo", NAME])?;

    say("* Shutting it down by its power button");
    demo.show(&["shutdown", NAME, "--mode", "acpi"])?;
    demo.wait_until_off()?;
    demo.show(&["domstate", "--reason", NAME])?;

    say("* Clearing up");
    demo.show(&["undefine", NAME])?;
    let status = demo.daemon.stop()?;
    ensure!(status.success(), "virtqemud ended with {status}");
    drop(instance);
    say(&format!(
        "* Done in {} s. Nothing is left but what was built and the guest's kernel, in the target folder.",
        start.elapsed().as_secs()
    ));
    Ok(())
}

/// The guest's files, made if they are not there yet.
fn guest() -> Result<Guest> {
    let folder = crate::target_folder()?.join("tiny-guest");
    if Guest::is_prepared(&folder) {
        return Guest::prepare(&folder);
    }
    say("* Getting a guest: Debian's kernel as a package that is only unpacked, and busybox");
    let _progress = Progress::of_unknown();
    Guest::prepare(&folder)
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

/// The daemon, and what stock virsh asks of it.
struct Demo {
    daemon: Daemon,
    /// Where virsh keeps what it keeps, and what marks it as the instance's, which it then ends with.
    home: PathBuf,
}

impl Demo {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("virsh");
        command
            .args(["-q", "-c", &self.daemon.uri()])
            .args(arguments)
            .env("HOME", &self.home)
            .env("LC_ALL", "C");
        command
    }

    fn virsh(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command(arguments).output().context("cannot run virsh")?;
        ensure!(
            output.status.success(),
            "virsh {}: {}{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr),
            self.daemon.said()
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs virsh and shows what it is given and what it says.
    fn show(&self, arguments: &[&str]) -> Result<()> {
        say(&format!("    $ virsh {}", arguments.join(" ")));
        let said = self.virsh(arguments)?;
        for line in said.lines().filter(|line| !line.trim().is_empty()) {
            say(&format!("    {line}"));
        }
        Ok(())
    }

    fn wait_until_off(&self) -> Result<()> {
        wait_until("the guest to shut down", Duration::from_millis(50), || {
            let off = self.virsh(&["domstate", NAME])?.trim() == "shut off";
            Ok(off.then_some(()))
        })
    }
}

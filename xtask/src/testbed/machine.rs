//! The machine that the guest runs on: one QEMU process.

use super::image::Image;
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

const QEMU: &str = "qemu-system-x86_64";

/// How long a machine under KVM may take for its kernel's first word. It takes a second; where `/dev/kvm` opens and runs
/// nothing, or no more than the firmware, it never comes.
const FIRST_WORD: Duration = Duration::from_secs(30);

/// The kernel's first word.
const VERSION: &[u8] = b"Linux version";

/// What the kernel is told. The tests look for the last word: they install what they test, which they do nowhere else.
const CMDLINE: &str = "root=LABEL=root rw console=ttyS0 apparmor=1 security=apparmor intel_iommu=on \
     systemd.wants=testbed.service systemd.wants=testbed-journal.service ferrovirt.testbed";

/// What the guest has beside its disks: an IOMMU, so that it can give devices of its own to guests in it, and a card with virtual
/// functions to give, at a port of its own, behind which the kernel keeps devices apart.
const DEVICES: [&str; 8] = [
    "-device",
    "intel-iommu,intremap=on",
    "-device",
    "virtio-rng-pci",
    "-device",
    "pcie-root-port,id=apart,chassis=1",
    "-device",
    "igb,bus=apart",
];

/// What runs the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accelerator {
    Kvm,
    /// QEMU itself, which runs guests in the guest with AMD's virtualisation all the same.
    Emulation,
}

impl Accelerator {
    /// The fastest that works here.
    pub(super) fn of_host(image: &Image) -> Self {
        if kvm_runs(&image.kernel()) {
            Self::Kvm
        } else {
            Self::Emulation
        }
    }

    fn arguments(self) -> &'static [&'static str] {
        match self {
            // An IOMMU that maps interrupts needs them to be QEMU's.
            Self::Kvm => &["-accel", "kvm,kernel-irqchip=split", "-cpu", "host"],
            Self::Emulation => &["-accel", "tcg,thread=multi", "-cpu", "EPYC,+svm"],
        }
    }
}

/// Whether KVM runs a kernel: it talks on its console as soon as it is unpacked. That firmware talks shows nothing: there are hosts
/// whose KVM runs it, and nothing in the mode that kernels are in.
fn kvm_runs(kernel: &Path) -> bool {
    let mut probe = Command::new(QEMU);
    probe
        .args(Accelerator::Kvm.arguments())
        .args(["-machine", "q35", "-m", "512", "-nodefaults", "-display", "none"])
        .args(["-no-reboot", "-kernel"])
        .arg(kernel)
        .args(["-append", "earlyprintk=ttyS0 console=ttyS0 panic=-1"])
        .args(["-chardev", "stdio,id=said,signal=off", "-serial", "chardev:said"])
        .stderr(Stdio::null());
    let Ok((mut process, said)) = Process::start(&mut probe) else {
        return false;
    };
    let runs = says(&said, VERSION, Instant::now() + FIRST_WORD);
    process.end();
    runs
}

/// Whether these words are said until then.
fn says(said: &Receiver<Vec<u8>>, words: &[u8], until: Instant) -> bool {
    let mut heard = Vec::new();
    while let Ok(piece) = said.recv_timeout(until.saturating_duration_since(Instant::now())) {
        heard.extend(piece);
        if heard.windows(words.len()).any(|window| window == words) {
            return true;
        }
    }
    false
}

/// A QEMU process, which ends with the value.
struct Process {
    child: Child,
    /// Open, as its end would be read as one.
    _stdin: Option<ChildStdin>,
}

impl Process {
    /// Starts it; its standard output comes in pieces.
    fn start(command: &mut Command) -> Result<(Self, Receiver<Vec<u8>>)> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {QEMU}"))?;
        let stdout = child.stdout.take().context("QEMU's output")?;
        let process = Self {
            _stdin: child.stdin.take(),
            child,
        };
        Ok((process, pieces(stdout)))
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

fn pieces(mut from: ChildStdout) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let piece = buffer.get(..count).unwrap_or_default().to_vec();
            if sender.send(piece).is_err() {
                return;
            }
        }
    });
    receiver
}

/// What a running guest gives next.
pub(super) enum Next {
    /// Something on the tests' port.
    Piece(Vec<u8>),
    /// Nothing for that long.
    Silence,
    /// It is switched off.
    End,
}

/// A guest that runs. It ends with the value.
pub(super) struct Machine {
    _process: Process,
    said: Receiver<Vec<u8>>,
}

impl Machine {
    /// Boots the image, which stays as it is, with a disk of what is tested. The consoles of kernel and journal go to files in `logs`.
    ///
    /// # Errors
    /// QEMU cannot be started.
    pub(super) fn boot(image: &Image, payload: &Path, accelerator: Accelerator, logs: &Path) -> Result<Self> {
        let file = |name: &str| format!("file:{}", logs.join(name).display());
        let disk = |path: &Path, options: &str| {
            // A comma is doubled in QEMU's options.
            let path = path.display().to_string().replace(',', ",,");
            format!("file={path},if=virtio,{options}")
        };
        let mut qemu = Command::new(QEMU);
        qemu.args(accelerator.arguments())
            .args(["-name", "testbed", "-machine", "q35", "-smp", "2", "-m", "2048"])
            .args(["-nodefaults", "-display", "none", "-no-reboot"])
            .args(DEVICES)
            .arg("-kernel")
            .arg(image.kernel())
            .arg("-initrd")
            .arg(image.initrd())
            .args(["-append", CMDLINE])
            .args([
                "-drive",
                &disk(&image.disk(), "format=qcow2,snapshot=on,cache=unsafe"),
            ])
            .args(["-drive", &disk(payload, "format=raw,readonly=on")])
            .args(["-serial", &file(CONSOLE)])
            .args([
                "-chardev",
                "stdio,id=results,signal=off",
                "-serial",
                "chardev:results",
            ])
            .args(["-serial", &file(JOURNAL)])
            // Where QEMU keeps what the guest writes.
            .env("TMPDIR", payload.parent().unwrap_or(Path::new("/var/tmp")));
        for name in [CONSOLE, JOURNAL] {
            let _ = fs::remove_file(logs.join(name));
        }
        let complaints = File::create(logs.join(COMPLAINTS)).context("no log of QEMU's")?;
        let (process, said) = Process::start(qemu.stderr(complaints))?;
        Ok(Self {
            _process: process,
            said,
        })
    }

    /// Waits for the guest's next word.
    pub(super) fn next(&self, patience: Duration) -> Next {
        match self.said.recv_timeout(patience) {
            Ok(piece) => Next::Piece(piece),
            Err(RecvTimeoutError::Timeout) => Next::Silence,
            Err(RecvTimeoutError::Disconnected) => Next::End,
        }
    }
}

/// The log of the guest's kernel and of its start.
pub(super) const CONSOLE: &str = "console.log";

/// What QEMU complains about.
pub(super) const COMPLAINTS: &str = "qemu.log";

/// The guest's journal.
pub(super) const JOURNAL: &str = "journal.log";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_heard_in_whatever_pieces_it_talks() {
        let until = || Instant::now() + Duration::from_secs(60);
        let (kernel, said) = channel();
        for piece in ["Probing EDD... ok\r\nLin", "ux vers", "ion 6.1.0"] {
            kernel.send(piece.as_bytes().to_vec()).unwrap();
        }
        assert!(says(&said, VERSION, until()));
        // Firmware alone is no kernel.
        kernel.send(b"SeaBIOS (version 1.16.3)".to_vec()).unwrap();
        assert!(!says(&said, VERSION, Instant::now()));
        drop(kernel);
        assert!(!says(&said, VERSION, until()));
    }
}

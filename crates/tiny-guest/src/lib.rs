//! A guest that boots in seconds: Debian's cloud kernel, and busybox as everything else.
//!
//! The kernel is downloaded as a package and unpacked, never installed; the initial file system is made here. Its init
//! runs `/etc/start` where another archive brought that, says [`MARK`] on the serial console, gives a shell there, and
//! switches the machine off when its power button is pressed.

mod agent;
mod kernel;

use anyhow::{Context, Result, bail, ensure};
use cpio::newc::{Builder, ModeFileType};
use kernel::Kernel;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the guest's init says when it is up.
pub const MARK: &str = "ferrovirt-guest-is-up";

/// What its shell asks for commands with.
pub const PROMPT: &str = "guest# ";

/// Counts what the initial file system is made of.
const VERSION: u32 = 3;

/// Where busybox lies (package `busybox-static`).
const BUSYBOX: &str = "/bin/busybox";

/// The modules that init loads, in this order: power button, its events, virtio devices, among them a network card.
const MODULES: &[&str] = &[
    "drivers/acpi/button.ko",
    "drivers/input/evdev.ko",
    "drivers/virtio/virtio_ring.ko",
    "drivers/virtio/virtio.ko",
    "drivers/virtio/virtio_pci_legacy_dev.ko",
    "drivers/virtio/virtio_pci_modern_dev.ko",
    "drivers/virtio/virtio_pci.ko",
    "drivers/virtio/virtio_balloon.ko",
    "drivers/char/virtio_console.ko",
    "net/core/failover.ko",
    "drivers/net/net_failover.ko",
    "drivers/net/virtio_net.ko",
];

/// What the guest does with a lease: `udhcpc -i eth0 -n -q -s /etc/leased`.
const LEASED: &str = "#!/bin/sh\n\
    [ \"$1\" = bound ] || exit 0\n\
    ip address add \"$ip/$mask\" dev \"$interface\"\n\
    [ -z \"$router\" ] || ip route add default via \"$router\"\n\
    echo \"nameserver $dns\" > /etc/resolv.conf\n";

/// The files a guest is started from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// The kernel.
    pub kernel: PathBuf,
    /// The initial file system.
    pub initrd: PathBuf,
}

impl Guest {
    /// What the kernel is told, so that everything is seen on the first serial port.
    pub const CMDLINE: &'static str = "console=ttyS0 quiet panic=-1";

    /// Whether the guest lies in `folder` from an earlier time.
    pub fn is_prepared(folder: &Path) -> bool {
        Self::in_folder(folder).exists()
    }

    fn in_folder(folder: &Path) -> Self {
        Self {
            kernel: folder.join("vmlinuz"),
            // One made by another version of this is another one.
            initrd: folder.join(format!("initrd-{VERSION}")),
        }
    }

    fn exists(&self) -> bool {
        self.kernel.exists() && self.initrd.exists()
    }

    /// Makes the guest in `folder`, or finds it there from an earlier time.
    ///
    /// # Errors
    /// No busybox, or no package of the kernel can be downloaded.
    pub fn prepare(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let made = Self::in_folder(folder);
        if made.exists() {
            return Ok(made);
        }
        let work = tempfile::tempdir_in(folder).context("no folder to unpack the kernel in")?;
        let kernel = Kernel::download(work.path())?;
        let initrd = initrd(&kernel)?;
        // Under their own names only when they are whole: another run may be looking.
        put(&made.initrd, &initrd)?;
        put(
            &made.kernel,
            &fs::read(&kernel.image).with_context(|| kernel.image.display().to_string())?,
        )?;
        Ok(made)
    }
}

fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    let half = path.with_extension(format!("half-{}", std::process::id()));
    fs::write(&half, bytes)
        .and_then(|()| fs::rename(&half, path))
        .with_context(|| path.display().to_string())
}

fn entry(folder: &Path, prefix: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut found = entries.flatten().map(|entry| entry.path());
    let fits = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(prefix))
    };
    found
        .find(fits)
        .with_context(|| format!("no {prefix}* in {}", folder.display()))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// The first program of the guest.
fn init() -> String {
    let modules: String = MODULES
        .iter()
        .filter_map(|module| module.rsplit('/').next())
        .map(|name| format!("insmod /modules/{name} 2>/dev/null\n"))
        .collect();
    format!(
        "#!/bin/busybox sh\n\
         /bin/busybox --install -s /bin\n\
         export PATH=/bin PS1='{PROMPT}'\n\
         mount -t proc proc /proc\n\
         mount -t sysfs sys /sys\n\
         mount -t devtmpfs dev /dev\n\
         {modules}\
         acpid -d -l /dev/null >/dev/null 2>&1 &\n\
         [ -x /etc/start ] && /etc/start\n\
         echo {MARK}\n\
         while true; do setsid cttyhack sh -i; done\n"
    )
}

/// The initial file system, as the kernel takes it (`Documentation/driver-api/early-userspace/buffer-format.rst`).
fn initrd(kernel: &Kernel) -> Result<Vec<u8>> {
    let busybox = fs::read(BUSYBOX).with_context(|| format!("{BUSYBOX} (package busybox-static)"))?;
    let mut archive = Archive {
        bytes: Vec::new(),
        inode: 1,
    };
    for folder in [
        "bin",
        "dev",
        "proc",
        "sys",
        "modules",
        "etc",
        "etc/acpi",
        "etc/acpi/PWRF",
        "run",
        "sbin",
    ] {
        archive.add(folder, ModeFileType::Directory, 0o755, &[])?;
    }
    archive.add("bin/busybox", ModeFileType::Regular, 0o755, &busybox)?;
    archive.add("init", ModeFileType::Regular, 0o755, init().as_bytes())?;
    archive.add("etc/leased", ModeFileType::Regular, 0o755, LEASED.as_bytes())?;
    let power = b"#!/bin/sh\npoweroff -f\n";
    archive.add("etc/acpi/PWRF/00000080", ModeFileType::Regular, 0o755, power)?;
    let mut found = 0;
    for module in MODULES {
        // Kernels differ in what is a module and what is built in.
        let Some(bytes) = kernel.module(module)? else {
            continue;
        };
        let name = module.rsplit('/').next().unwrap_or(module);
        archive.add(&format!("modules/{name}"), ModeFileType::Regular, 0o644, &bytes)?;
        found += 1;
    }
    if found == 0 {
        bail!("the kernel's package has none of the modules a guest needs");
    }
    cpio::newc::trailer(archive.bytes).context("cannot end the initial file system")
}

struct Archive {
    bytes: Vec<u8>,
    inode: u32,
}

impl Archive {
    fn add(&mut self, name: &str, kind: ModeFileType, mode: u32, content: &[u8]) -> Result<()> {
        let size = u32::try_from(content.len()).with_context(|| format!("{name} is too large"))?;
        let builder = Builder::new(name)
            .ino(self.inode)
            .nlink(1)
            .mode(mode)
            .set_mode_file_type(kind);
        let mut writer = builder.write(&mut self.bytes, size);
        writer
            .write_all(content)
            .and_then(|()| writer.finish().map(|_| ()))
            .with_context(|| name.to_owned())?;
        self.inode += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn init_says_the_mark_after_it_can_be_switched_off() {
        let init = init();
        let (acpid, mark) = (init.find("acpid").unwrap(), init.find(MARK).unwrap());
        assert!(acpid < mark);
    }
}

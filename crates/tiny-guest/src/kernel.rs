//! Debian's cloud kernel, as a package that is downloaded and unpacked, never installed. No step of it needs root.

use crate::{entry, run};
use anyhow::{Context, Result};
use lzma_rust2::XzReader;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The package that depends on the newest cloud kernel.
const NEWEST: &str = "linux-image-cloud-amd64";

/// An unpacked kernel.
pub(crate) struct Kernel {
    /// The image that is booted.
    pub(crate) image: PathBuf,
    /// The folder of its modules, such as `/lib/modules/6.1.0-cloud-amd64/kernel`.
    modules: PathBuf,
}

impl Kernel {
    /// Downloads the package into `folder` and unpacks it there.
    pub(crate) fn download(folder: &Path) -> Result<Self> {
        let unpacked = folder.join("unpacked");
        run(Command::new("dpkg")
            .arg("-x")
            .args([&package(folder)?, &unpacked]))?;
        // From Debian 13 on, packages have everything below /usr.
        let places = ["lib/modules", "usr/lib/modules"].map(|place| unpacked.join(place));
        let place = places.iter().find(|place| place.is_dir());
        let place = place.context("the kernel's package has no modules")?;
        Ok(Self {
            image: entry(&unpacked.join("boot"), "vmlinuz-")?,
            modules: entry(place, "")?.join("kernel"),
        })
    }

    /// A module by its path, such as `drivers/acpi/button.ko`, in plain form; none if the kernel has that built in.
    pub(crate) fn module(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let plain = self.modules.join(path);
        // Debian 13's kernel has them compressed, which busybox's insmod does not know.
        let packed = plain.with_extension("ko.xz");
        for (path, compressed) in [(plain, false), (packed, true)] {
            let bytes = match fs::read(&path) {
                Err(err) if err.kind() == ErrorKind::NotFound => continue,
                bytes => bytes.with_context(|| path.display().to_string())?,
            };
            if !compressed {
                return Ok(Some(bytes));
            }
            let mut module = Vec::new();
            let unpacked = XzReader::new(bytes.as_slice(), false).read_to_end(&mut module);
            unpacked.with_context(|| format!("cannot decompress {}", path.display()))?;
            return Ok(Some(module));
        }
        Ok(None)
    }
}

/// Gets the package's file into `folder`.
fn package(folder: &Path) -> Result<PathBuf> {
    // The system's own lists of packages may be missing or out of date, and only root can update them.
    let system = Apt { options: Vec::new() };
    let package = system
        .download(folder)
        .or_else(|_| Apt::with_own_lists(folder)?.download(folder))?;
    entry(folder, &format!("{package}_"))
}

/// apt, over the system's sources and keys.
struct Apt {
    options: Vec<String>,
}

impl Apt {
    /// With lists of packages of its own in `folder`, just fetched.
    fn with_own_lists(folder: &Path) -> Result<Self> {
        let state = folder.join("apt");
        for place in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(state.join(place)).with_context(|| state.display().to_string())?;
        }
        let option = |key: &str, place: &str| format!("{key}={}", state.join(place).display());
        let apt = Self {
            options: vec![
                option("Dir::State::Lists", "lists"),
                option("Dir::Cache", "cache"),
            ],
        };
        run(apt.command("apt-get").args(["-q", "update"]))?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for option in &self.options {
            command.args(["-o", option]);
        }
        command
    }

    /// Downloads the newest kernel's package into `folder`; gives its name.
    fn download(&self, folder: &Path) -> Result<String> {
        let package = self.newest()?;
        let mut download = self.command("apt-get");
        run(download.args(["-q", "download", &package]).current_dir(folder))?;
        Ok(package)
    }

    /// The kernel that Debian's package of the newest one stands for.
    fn newest(&self) -> Result<String> {
        let mut depends = self.command("apt-cache");
        let output = depends
            .args(["depends", "--important", NEWEST])
            .output()
            .context("cannot run apt-cache")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let name = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("Depends: linux-image-"));
        let name = name.with_context(|| format!("apt knows no package {NEWEST}"))?;
        Ok(format!("linux-image-{name}"))
    }
}

//! The stock programs and data that tests need, and the Debian packages that bring them.

use anyhow::{Context, Result, bail, ensure};
use std::io::{IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

/// What a task needs of the host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needs {
    /// Programs, or files of absolute path, by the package that has them.
    files: &'static [(&'static str, &'static str)],
    /// Whether libvirt's clients have to be of [`OLDEST_LIBVIRT`] at least.
    recent_clients: bool,
}

/// What the demo needs: any virsh and any QEMU that Debian has.
pub(crate) const DEMO: Needs = Needs {
    files: &[
        ("virsh", "libvirt-clients"),
        ("qemu-system-x86_64", "qemu-system-x86"),
        ("qemu-img", "qemu-utils"),
        ("/bin/busybox", "busybox-static"),
    ],
    recent_clients: false,
};

/// What the tests need.
pub(crate) const TESTS: Needs = Needs {
    recent_clients: true,
    files: &[
        ("virsh", "libvirt-clients"),
        ("virt-admin", "libvirt-daemon-common"),
        ("/usr/share/libvirt/schemas/domain.rng", "libvirt-common"),
        ("/usr/share/libvirt/cpu_map/index.xml", "libvirt-common"),
        ("systemd-socket-activate", "systemd"),
        ("qemu-system-x86_64", "qemu-system-x86"),
        ("xmllint", "libxml2-utils"),
        ("qemu-img", "qemu-utils"),
        ("/bin/busybox", "busybox-static"),
        ("/usr/lib/python3/dist-packages/libvirt.py", "python3-libvirt"),
        ("virt-install", "virtinst"),
        ("/usr/lib/x86_64-linux-gnu/qemu/block-curl.so", "qemu-block-extra"),
        ("/sbin/ip", "iproute2"),
        ("/usr/sbin/qemu-ga", "qemu-guest-agent"),
        ("/usr/share/OVMF/OVMF_CODE_4M.fd", "ovmf"),
        ("swtpm", "swtpm"),
        ("swtpm_setup", "swtpm-tools"),
    ],
};

/// The first libvirt whose clients know all that the tests ask (`daemon-shutdown` of virt-admin, for one) and whose
/// schemas and processor catalogue know all that our documents name.
const OLDEST_LIBVIRT: u32 = 11;

/// The Debian release that has older ones itself and newer ones in its backports.
const NEEDS_BACKPORTS: &str = "bookworm";

/// Where those backports are made known to apt.
const BACKPORTS_FILE: &str = "/etc/apt/sources.list.d/ferrovirt-backports.sources";

/// The keys of Debian's archive, where the package `debian-archive-keyring` has them.
const DEBIAN_KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Installs what is missing, after asking; with `yes`, or where `CI=true`, without.
///
/// # Errors
/// When it may not or cannot be installed: tests that talk to stock clients would have nobody to talk to.
pub(crate) fn install_missing(needs: Needs, yes: bool) -> Result<()> {
    let packages = missing(needs);
    if packages.is_empty() {
        return Ok(());
    }
    say(&format!(
        "Missing or too old: the Debian packages {}",
        packages.join(" ")
    ));
    if !yes && std::env::var_os("CI").is_none_or(|ci| ci != "true") && !agreed()? {
        bail!("not installed; install them yourself, or run this again with --yes");
    }
    let release = codename()?;
    let backports = format!("{release}-backports");
    let mut install = vec!["install", "-y", "-q", "--no-install-recommends"];
    if release == NEEDS_BACKPORTS && needs.recent_clients {
        know_backports(&release, &backports)?;
        install.extend(["-t", &backports]);
    }
    install.extend(packages);
    apt(&["update", "-q"])?;
    apt(&install)
}

/// The packages to install.
fn missing(needs: Needs) -> Vec<&'static str> {
    let absent = needs.files.iter().filter(|(what, _)| !is_there(what));
    let mut packages: Vec<_> = absent.map(|(_, package)| *package).collect();
    if needs.recent_clients && libvirt_version().is_some_and(|version| version < OLDEST_LIBVIRT) {
        packages.extend(["libvirt-clients", "libvirt-common", "libvirt-daemon-common"]);
    }
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn is_there(what: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Joined to a folder, an absolute path stays what it is.
    std::env::split_paths(&path).any(|folder| folder.join(what).is_file())
}

/// The major version of the installed virsh.
fn libvirt_version() -> Option<u32> {
    let output = Command::new("virsh").arg("--version").output().ok()?;
    String::from_utf8(output.stdout)
        .ok()?
        .split('.')
        .next()?
        .parse()
        .ok()
}

fn agreed() -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    let mut out = std::io::stdout();
    write!(out, "Install them now? [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}

/// Makes the suite `backports` known to apt, from where the packages of `release` come, unless it is known already.
fn know_backports(release: &str, backports: &str) -> Result<()> {
    let output = Command::new("apt-get")
        .args([
            "indextargets",
            "--format",
            "$(REPO_URI) $(CODENAME)",
            "Created-By: Packages",
        ])
        .output()
        .context("cannot run apt-get")?;
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let sources: Vec<_> = lines.lines().filter_map(|line| line.split_once(' ')).collect();
    if sources.iter().any(|(_, codename)| *codename == backports) {
        return Ok(());
    }
    let Some((address, _)) = sources.iter().find(|(_, codename)| *codename == release) else {
        bail!("apt knows no package source of the release '{release}'; run `apt-get update` and try again")
    };
    // Without the line apt asks all keys that it trusts.
    let key = if Path::new(DEBIAN_KEYS).exists() {
        format!("Signed-By: {DEBIAN_KEYS}\n")
    } else {
        String::new()
    };
    let text = format!("Types: deb\nURIs: {address}\nSuites: {backports}\nComponents: main\n{key}");
    say(&format!("Adding the suite {backports} in {BACKPORTS_FILE}"));
    let written = tempfile::NamedTempFile::new()?;
    std::fs::write(written.path(), text)?;
    let from = written.path().to_string_lossy().into_owned();
    ensure!(
        as_root("install", &["-m", "644", &from, BACKPORTS_FILE])?,
        "cannot write {BACKPORTS_FILE}"
    );
    Ok(())
}

/// The name of the installed release.
fn codename() -> Result<String> {
    let release = std::fs::read_to_string("/etc/os-release").context("this is no Debian")?;
    let name = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    name.map(|name| name.trim_matches('"').to_owned())
        .context("/etc/os-release names no release")
}

fn apt(arguments: &[&str]) -> Result<()> {
    ensure!(
        as_root("apt-get", arguments)?,
        "`apt-get {}` failed",
        arguments.join(" ")
    );
    Ok(())
}

/// Runs a program as root, by sudo where this is not root; tells whether it succeeded.
fn as_root(program: &str, arguments: &[&str]) -> Result<bool> {
    let root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let mut command = if root {
        Command::new(program)
    } else {
        Command::new("sudo")
    };
    if !root {
        command.args(["DEBIAN_FRONTEND=noninteractive", program]);
    }
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    Ok(command
        .status()
        .with_context(|| format!("cannot run {program} as root"))?
        .success())
}

#[expect(
    clippy::print_stdout,
    reason = "talking to the user is this program's purpose"
)]
pub(crate) fn say(text: &str) {
    println!("{text}");
}

//! The stock programs and data that tests need, and the Debian packages that bring them.

mod root;

use crate::progress::say;
use anyhow::{Context, Result, bail, ensure};
pub(crate) use root::Root;
use std::io::{IsTerminal, Write};
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

/// What the guest of the testbed is made and booted with.
pub(crate) const TESTBED: Needs = Needs {
    files: &[
        ("mmdebstrap", "mmdebstrap"),
        ("mke2fs", "e2fsprogs"),
        ("newuidmap", "uidmap"),
        ("qemu-system-x86_64", "qemu-system-x86"),
        ("qemu-img", "qemu-utils"),
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
        ("/sbin/apparmor_parser", "apparmor"),
        ("/bin/kill", "procps"),
        ("qemu-system-x86_64", "qemu-system-x86"),
        // Only asked what it can do.
        ("qemu-system-aarch64", "qemu-system-arm"),
        ("xmllint", "libxml2-utils"),
        ("qemu-img", "qemu-utils"),
        ("/bin/busybox", "busybox-static"),
        ("/usr/lib/python3/dist-packages/libvirt.py", "python3-libvirt"),
        ("virt-install", "virtinst"),
        ("/usr/lib/x86_64-linux-gnu/qemu/block-curl.so", "qemu-block-extra"),
        ("/sbin/ip", "iproute2"),
        ("/usr/sbin/dnsmasq", "dnsmasq-base"),
        ("/usr/sbin/nft", "nftables"),
        ("/usr/sbin/qemu-ga", "qemu-guest-agent"),
        ("/usr/share/OVMF/OVMF_CODE_4M.fd", "ovmf"),
        ("passt", "passt"),
        ("swtpm", "swtpm"),
        ("swtpm_setup", "swtpm-tools"),
        ("fuse2fs", "fuse2fs"),
        ("mkfs.xfs", "xfsprogs"),
        ("mkfs.btrfs", "btrfs-progs"),
        ("/sbin/parted", "parted"),
        ("scrub", "scrub"),
        ("certtool", "gnutls-bin"),
        ("/usr/sbin/sshd", "openssh-server"),
        ("ssh", "openssh-client"),
        ("nc", "netcat-openbsd"),
        ("mke2fs", "e2fsprogs"),
        ("dbus-daemon", "dbus-daemon"),
        ("pkaction", "polkitd"),
        ("/usr/sbin/krb5kdc", "krb5-kdc"),
        ("/usr/sbin/kadmin.local", "krb5-admin-server"),
        ("kinit", "krb5-user"),
        (
            "/usr/lib/x86_64-linux-gnu/sasl2/libgssapiv2.so",
            "libsasl2-modules-gssapi-mit",
        ),
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
/// When it may not or cannot be installed: stock clients would be missing that the task runs.
pub(crate) fn install_missing(needs: Needs, yes: bool) -> Result<()> {
    let packages = missing(needs);
    if packages.is_empty() {
        return Ok(());
    }
    say("* Missing here, or too old: the Debian packages");
    say(&format!("    {}", packages.join(" ")));
    let release = codename()?;
    let backports = format!("{release}-backports");
    let suite = wants_backports(needs, &release).then_some(backports.as_str());
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(suite.iter().flat_map(|suite| ["-t", suite]));
    install.extend(packages);
    let by_hand = by_hand(suite, &install);
    let Some(root) = Root::find() else {
        bail!("they have to be installed by root:\n{by_hand}")
    };
    if !yes && std::env::var_os("CI").is_none_or(|ci| ci != "true") && !agreed()? {
        bail!("nothing was installed; run this again with --yes, or as root:\n{by_hand}");
    }
    let installed = || {
        root.unlock()?;
        // Before anything is asked about its sources: a new machine's apt knows none of them.
        say("* Updating apt's lists of packages");
        root.apt_get(&["update"])?;
        if let Some(suite) = suite {
            know_suite(root, &release, suite)?;
        }
        say("* Installing them, with what they depend on");
        root.apt_get(&install)
    };
    installed().with_context(|| format!("they have to be installed by root:\n{by_hand}\nTried here"))?;
    let still = missing(needs);
    ensure!(
        still.is_empty(),
        "installed, and still missing or too old: {}",
        still.join(" ")
    );
    Ok(())
}

/// What root would type.
fn by_hand(suite: Option<&str>, install: &[&str]) -> String {
    let first = suite.map_or_else(String::new, |suite| {
        format!("    (with the suite {suite} among apt's sources)\n")
    });
    format!(
        "{first}    apt-get update\n    apt-get {}",
        install
            .iter()
            .filter(|word| **word != "-y")
            .copied()
            .collect::<Vec<_>>()
            .join(" ")
    )
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
    // Joined to a folder, an absolute path stays what it is. What root runs is not on every user's path.
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(what).is_file())
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

/// Whether the release's backports are needed, or some of the packages come from there already: the release's own ones
/// do not go with those.
fn wants_backports(needs: Needs, release: &str) -> bool {
    needs_backports(release) && (needs.recent_clients || any_is_backported(needs))
}

/// Whether a release's own clients are older than what the tests ask of them.
pub(crate) fn needs_backports(release: &str) -> bool {
    release == NEEDS_BACKPORTS
}

fn any_is_backported(needs: Needs) -> bool {
    let packages = needs.files.iter().map(|(_, package)| package);
    let output = Command::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status} ${Version}\\n"])
        .args(packages)
        .output();
    output.is_ok_and(|output| {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines()
            .any(|line| line.starts_with("installed ") && line.contains("~bpo"))
    })
}

fn agreed() -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    let mut out = std::io::stdout();
    write!(out, "Install them now, with what they depend on? [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}

/// Makes a suite known to apt, from where the packages of `release` come, unless it is known already.
///
/// It is asked of apt's lists, which have been updated.
fn know_suite(root: Root, release: &str, suite: &str) -> Result<()> {
    let sources = sources()?;
    if sources.iter().any(|source| source.codename == suite) {
        return Ok(());
    }
    let Some(Source { address, .. }) = sources.iter().find(|source| source.codename == release) else {
        bail!("apt knows no package source of the release '{release}'")
    };
    // Without the line apt asks all keys that it trusts.
    let key = if Path::new(DEBIAN_KEYS).exists() {
        format!("Signed-By: {DEBIAN_KEYS}\n")
    } else {
        String::new()
    };
    let text = format!("Types: deb\nURIs: {address}\nSuites: {suite}\nComponents: main\n{key}");
    say(&format!("* Adding the suite {suite} in {BACKPORTS_FILE}"));
    let written = tempfile::NamedTempFile::new()?;
    std::fs::write(written.path(), text)?;
    let from = written.path().to_string_lossy().into_owned();
    root.run("install", &["-m", "644", &from, BACKPORTS_FILE])?;
    root.apt_get(&["update"])
}

/// A place that packages come from.
pub(crate) struct Source {
    /// Its address.
    pub(crate) address: String,
    /// The suite there, such as `bookworm-updates`.
    pub(crate) codename: String,
}

/// The places that apt has lists of.
pub(crate) fn sources() -> Result<Vec<Source>> {
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
    let sources = lines.lines().filter_map(|line| line.split_once(' '));
    Ok(sources
        .map(|(address, codename)| Source {
            address: address.to_owned(),
            codename: codename.to_owned(),
        })
        .collect())
}

/// The name of the installed release.
pub(crate) fn codename() -> Result<String> {
    let release = std::fs::read_to_string("/etc/os-release").context("this is no Debian")?;
    let name = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    name.map(|name| name.trim_matches('"').to_owned())
        .context("/etc/os-release names no release")
}

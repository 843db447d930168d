//! Puts everything where a host has it: programs, systemd's units, AppArmor's profiles, users and folders, configuration files.

mod apparmor;
pub(crate) mod daemons;
mod filters;
mod units;

use crate::packages::Root;
use crate::progress::say;
use anyhow::{Context, Result, bail, ensure};
use daemons::{DAEMONS, HELPERS, PROGRAMS};
use rustix::fs::Mode;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where things come from and go.
#[derive(Debug, clap::Args)]
pub(crate) struct Install {
    /// Put everything below this folder, as for a package.
    #[arg(long, value_name = "DIR", default_value = "/")]
    destdir: PathBuf,
    /// Where programs and units belong on the host.
    #[arg(long, value_name = "DIR", default_value = "/usr")]
    prefix: String,
    /// Take the programs from this folder and build nothing.
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
}

/// A file of the host.
struct File {
    path: String,
    content: Content,
    /// Whether it is the administrator's once it is there.
    keep: bool,
}

enum Content {
    /// A program, to be copied.
    Program(PathBuf),
    Text(String),
}

/// Installs everything.
///
/// # Errors
/// When it cannot be built or written: whoever runs this may not, or a program is missing.
pub(crate) fn run(install: &Install) -> Result<()> {
    let prefix = install.prefix.trim_end_matches('/');
    // It is written into units, which give other letters a meaning.
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-".contains(letter);
    ensure!(
        prefix.starts_with('/') && prefix.chars().all(plain),
        "--prefix {prefix}: an absolute path of letters, digits, '.', '_' and '-' is wanted"
    );
    let programs = match &install.from {
        Some(folder) => std::path::absolute(folder)?,
        None => build()?,
    };
    let destdir = std::path::absolute(&install.destdir)?;
    let on_this_host = destdir == Path::new("/");
    if on_this_host && !rustix::process::geteuid().is_root() {
        let Some(root) = Root::find() else {
            bail!("only root may install on this host; --destdir DIR puts everything elsewhere")
        };
        root.unlock()?;
        let own = std::env::current_exe()?;
        let from = programs.to_str().context("the folder's name is no UTF-8")?;
        let arguments = ["install", "--from", from, "--prefix", prefix];
        return root.run(&own.to_string_lossy(), &arguments);
    }
    // What is installed everybody may read, whatever else is private here.
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let files = files(prefix, &programs);
    for file in &files {
        write(&destdir, file).with_context(|| format!("cannot install {}", file.path))?;
    }
    say(&format!(
        "* {} files are installed below {}",
        files.len(),
        destdir.display()
    ));
    if on_this_host {
        say("* systemd learns of them by");
        say("    systemd-sysusers && systemd-tmpfiles --create ferrovirt.conf && systemctl daemon-reload");
    }
    Ok(())
}

/// Puts everything below a folder, as for a package, with programs of the folder `from`, or of a release that is built now.
///
/// # Errors
/// As for [`run`].
pub(crate) fn below(destdir: &Path, from: Option<PathBuf>) -> Result<()> {
    run(&Install {
        destdir: destdir.to_owned(),
        prefix: "/usr".to_owned(),
        from,
    })
}

/// Builds the release; gives the folder with its programs.
fn build() -> Result<PathBuf> {
    let names = DAEMONS.iter().map(|daemon| daemon.name);
    let names = names.chain(PROGRAMS.iter().chain(HELPERS).copied());
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release"])
        .args(names.flat_map(|name| ["--package", name]))
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the release cannot be built");
    crate::release_folder()
}

/// Every file.
fn files(prefix: &str, programs: &Path) -> Vec<File> {
    let program = |folder: &str, name: &str| File {
        path: format!("{prefix}/{folder}/{name}"),
        content: Content::Program(programs.join(name)),
        keep: false,
    };
    let text = |path: String, text: &str| File {
        path,
        content: Content::Text(text.to_owned()),
        keep: false,
    };
    let mut files: Vec<_> = PROGRAMS.iter().map(|name| program("bin", name)).collect();
    files.extend(HELPERS.iter().map(|name| program("lib/libvirt", name)));
    let units = format!("{prefix}/lib/systemd/system");
    for daemon in DAEMONS {
        files.push(program("sbin", daemon.name));
        for (name, unit) in units::units(daemon, prefix) {
            files.push(text(format!("{units}/{name}"), &unit));
        }
        let (name, profile) = apparmor::profile(daemon, prefix);
        files.push(text(format!("/etc/apparmor.d/{name}"), &profile));
        for (name, content) in daemon.configuration {
            files.push(File {
                keep: true,
                ..text(format!("/etc/libvirt/{name}"), content)
            });
        }
    }
    let polkit = format!("{prefix}/share/polkit-1");
    let firewalld = format!("{prefix}/lib/firewalld");
    files.extend([
        text(
            format!("{polkit}/actions/org.libvirt.unix.policy"),
            include_str!("../../../packaging/polkit/org.libvirt.unix.policy"),
        ),
        text(
            format!("{polkit}/actions/org.libvirt.api.policy"),
            include_str!("../../../packaging/polkit/org.libvirt.api.policy"),
        ),
        text(
            format!("{polkit}/actions/org.ferrovirt.network.policy"),
            include_str!("../../../packaging/polkit/org.ferrovirt.network.policy"),
        ),
        text(
            format!("{polkit}/rules.d/60-libvirt.rules"),
            include_str!("../../../packaging/polkit/60-libvirt.rules"),
        ),
        text(
            format!("{prefix}/share/ferrovirt/polkit.conf"),
            include_str!("../../../packaging/polkit/bus.conf"),
        ),
        text(
            format!("{firewalld}/zones/libvirt.xml"),
            include_str!("../../../packaging/firewalld/zones/libvirt.xml"),
        ),
        text(
            format!("{firewalld}/zones/libvirt-routed.xml"),
            include_str!("../../../packaging/firewalld/zones/libvirt-routed.xml"),
        ),
        text(
            format!("{firewalld}/policies/libvirt-routed-in.xml"),
            include_str!("../../../packaging/firewalld/policies/libvirt-routed-in.xml"),
        ),
        text(
            format!("{firewalld}/policies/libvirt-routed-out.xml"),
            include_str!("../../../packaging/firewalld/policies/libvirt-routed-out.xml"),
        ),
        text(
            format!("{units}/virt-guest-shutdown.target"),
            include_str!("../../../packaging/units/virt-guest-shutdown.target"),
        ),
        text(
            format!("{prefix}/lib/sysusers.d/ferrovirt.conf"),
            include_str!("../../../packaging/sysusers.conf"),
        ),
        text(
            format!("{prefix}/lib/tmpfiles.d/ferrovirt.conf"),
            include_str!("../../../packaging/tmpfiles.conf"),
        ),
    ]);
    files
}

/// Writes a file whole or not at all; a program that runs goes on with the former one.
fn write(destdir: &Path, file: &File) -> Result<()> {
    let path = destdir.join(file.path.trim_start_matches('/'));
    if file.keep && fs::symlink_metadata(&path).is_ok() {
        say(&format!("* {} is there already, and stays", path.display()));
        return Ok(());
    }
    let folder = path.parent().context("no folder")?;
    fs::create_dir_all(folder)?;
    let mut fresh = tempfile::NamedTempFile::new_in(folder)?;
    let mode = match &file.content {
        Content::Text(text) => {
            fresh.write_all(text.as_bytes())?;
            0o644
        }
        Content::Program(from) => {
            let mut from = fs::File::open(from)
                .with_context(|| format!("{} is missing; is it built?", from.display()))?;
            std::io::copy(&mut from, &mut fresh)?;
            0o755
        }
    };
    fresh.as_file().set_permissions(Permissions::from_mode(mode))?;
    fresh.as_file().sync_all()?;
    fresh.persist(&path)?;
    Ok(())
}

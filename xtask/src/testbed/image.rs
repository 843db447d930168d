//! The guest's disk: Debian as on this host, with a real systemd, made once and kept in the user's cache.
//!
//! It lies in a folder named after what it is made of, so that a changed recipe gets an image of its own; others that
//! nobody uses are removed then.

use crate::packages::{self, Source};
use crate::progress::{Progress, say};
use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is installed in the guest: an init that the units are for, what daemons and guests need, and stock clients.
const PACKAGES: &[&str] = &[
    "apparmor",
    "dbus",
    "dnsmasq-base",
    "gnutls-bin",
    "iproute2",
    "kmod",
    "libpam-systemd",
    "libvirt-clients",
    "libvirt-daemon-common",
    "linux-image-amd64",
    "nftables",
    "openvswitch-switch",
    "pkexec",
    "polkitd",
    "procps",
    "qemu-block-extra",
    "qemu-system-x86",
    "qemu-utils",
    "systemd",
    "systemd-container",
    "systemd-resolved",
    "systemd-sysv",
    "udev",
];

/// The same for storage: what pools need, and the servers of those that are elsewhere.
const STORAGE: &[&str] = &[
    "ceph-mgr",
    "ceph-mon",
    "ceph-osd",
    "cifs-utils",
    "dmsetup",
    "glusterfs-server",
    "libiscsi-bin",
    "lvm2",
    "multipath-tools",
    "nfs-kernel-server",
    "open-iscsi",
    "parted",
    "samba",
    "tgt",
    "xfsprogs",
];

/// Units that those packages would have started with the guest. They are masked; tests that want one unmask it.
const NOT_STARTED: &[&str] = &[
    "ceph-crash.service",
    "ceph.target",
    "glusterd.service",
    "multipathd.service",
    "multipathd.socket",
    "nfs-server.service",
    "nmbd.service",
    "open-iscsi.service",
    "openvswitch-switch.service",
    "ovs-vswitchd.service",
    "ovsdb-server.service",
    "rpcbind.service",
    "rpcbind.socket",
    "samba-ad-dc.service",
    "smartmontools.service",
    "smbd.service",
    "systemd-resolved.service",
    "tgt.service",
];

/// Source packages of which the release's backports are wanted, where it has any: the clients that tests are written
/// for, and QEMU with its firmware.
const BACKPORTED: &str = "src:libvirt src:qemu src:seabios";

/// Files of the guest that no package has, by their paths.
const FILES: &[(&str, &str)] = &[
    ("/etc/fstab", include_str!("guest/fstab")),
    (
        "/etc/systemd/system/testbed.service",
        include_str!("guest/testbed.service"),
    ),
    (
        "/etc/systemd/system/testbed-journal.service",
        include_str!("guest/testbed-journal.service"),
    ),
];

/// What nobody reads there: files of packages that are not unpacked.
const LEFT_OUT: &[&str] = &["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*"];

/// Counts what else the image is made by.
const VERSION: u32 = 1;

/// The largest that the guest's file system may grow.
const SIZE: &str = "6G";

/// The room on disk that making it takes, in bytes.
const ROOM: u64 = 7 << 30;

/// An image that exists, and is not removed while this value does.
#[derive(Debug)]
pub(super) struct Image {
    folder: PathBuf,
    _lock: File,
}

impl Image {
    /// The disk, a qcow2 image with one file system.
    pub(super) fn disk(&self) -> PathBuf {
        self.folder.join("root.qcow2")
    }

    /// The kernel.
    pub(super) fn kernel(&self) -> PathBuf {
        self.folder.join("vmlinuz")
    }

    /// The initial file system.
    pub(super) fn initrd(&self) -> PathBuf {
        self.folder.join("initrd")
    }

    /// The image, from the cache or made now.
    ///
    /// # Errors
    /// It cannot be made here: who runs this may not, the disk is full, or Debian's packages cannot be had.
    pub(super) fn prepare() -> Result<Self> {
        let release = packages::codename()?;
        let cache = cache()?;
        let name = name(&release);
        let image = Self::in_cache(&cache, &name)?;
        if !image.folder.exists() {
            image._lock.unlock().context("cannot unlock the image")?;
            image._lock.lock().context("cannot lock the image")?;
        }
        if !image.folder.exists() {
            remove_unused(&cache, &name)?;
            image.make(&release)?;
        }
        image._lock.lock_shared().context("cannot lock the image")?;
        Ok(image)
    }

    /// The image, if it is in the cache.
    ///
    /// # Errors
    /// The cache cannot be looked into.
    pub(super) fn existing() -> Result<Option<Self>> {
        let image = Self::in_cache(&cache()?, &name(&packages::codename()?))?;
        Ok(Some(image).filter(|image| image.folder.exists()))
    }

    /// An image that there may be, or may be made by another run just now; several may use it.
    fn in_cache(cache: &Path, name: &str) -> Result<Self> {
        fs::create_dir_all(cache).with_context(|| format!("cannot create {}", cache.display()))?;
        let lock = cache.join(format!("{name}.lock"));
        let lock = File::create(&lock).with_context(|| format!("cannot create {}", lock.display()))?;
        lock.lock_shared().context("cannot lock the image")?;
        Ok(Self {
            folder: cache.join(name),
            _lock: lock,
        })
    }

    fn make(&self, release: &str) -> Result<()> {
        may_make()?;
        // Root of a name space has to get there, which it does not in everybody's home; and it is large for a /tmp in
        // memory.
        let work = tempfile::Builder::new()
            .prefix("ferrovirt-testbed-")
            .tempdir_in("/var/tmp")
            .context("no folder to make the guest in")?;
        fs::set_permissions(work.path(), Permissions::from_mode(0o755))?;
        room(work.path())?;
        say("* Making the guest out of Debian's packages, once");
        let _progress = Progress::of_unknown();
        let tree = work.path().join("tree");
        let made = bootstrap(work.path(), release, &tree).and_then(|()| self.keep(work.path(), &tree));
        // It belongs to users of the name space.
        let removed = run(as_its_root("rm").arg("-rf").arg(&tree));
        made.and(removed)
    }

    /// Puts disk, kernel and initial file system into the cache, all or nothing.
    fn keep(&self, work: &Path, tree: &Path) -> Result<()> {
        let half = self.folder.with_extension("half");
        if half.exists() {
            fs::remove_dir_all(&half)?;
        }
        fs::create_dir(&half).with_context(|| format!("cannot create {}", half.display()))?;
        for (prefix, name) in [("vmlinuz-", "vmlinuz"), ("initrd.img-", "initrd")] {
            let file = newest(&tree.join("boot"), prefix)?;
            fs::copy(&file, half.join(name)).with_context(|| file.display().to_string())?;
        }
        let plain = work.join("root.ext4");
        let mut mke2fs = as_its_root("mke2fs");
        run(mke2fs
            .args(["-q", "-t", "ext4", "-L", "root", "-d"])
            .args([tree, &plain])
            .arg(SIZE))?;
        run(Command::new("qemu-img")
            .args(["convert", "-O", "qcow2"])
            .args([&plain, &half.join("root.qcow2")]))?;
        fs::rename(&half, &self.folder).context("cannot keep the image")
    }
}

/// What the image of a Debian release is called.
fn name(release: &str) -> String {
    format!("{release}-{}", key())
}

/// Where images are kept.
fn cache() -> Result<PathBuf> {
    let set = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = set.filter(|folder| folder.is_absolute());
    let home = || Some(std::env::home_dir()?.join(".cache"));
    let cache = cache
        .or_else(home)
        .context("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(cache.join("ferrovirt/testbed"))
}

/// Stands for all that the image is made of, but for the packages' versions.
fn key() -> String {
    let mut hash = Sha256::new();
    let packages = (PACKAGES, STORAGE, BACKPORTED);
    let recipe = (VERSION, packages, NOT_STARTED, FILES, LEFT_OUT, SIZE);
    hash.update(format!("{recipe:?}"));
    hash.finalize()
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Removes images of other recipes that nobody uses.
fn remove_unused(cache: &Path, name: &str) -> Result<()> {
    for entry in fs::read_dir(cache)?.flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|kind| kind != "lock")
            || path.file_stem().is_some_and(|stem| stem == name)
        {
            continue;
        }
        let lock = File::open(&path)?;
        if lock.try_lock().is_err() {
            continue;
        }
        for folder in [path.with_extension(""), path.with_extension("half")] {
            if folder.exists() {
                say(&format!("* Removing the older guest {}", folder.display()));
                fs::remove_dir_all(folder)?;
            }
        }
        fs::remove_file(&path)?;
    }
    Ok(())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether whoever runs this may make a tree of files that belong to many users.
fn may_make() -> Result<()> {
    if is_root() {
        return Ok(());
    }
    let user = rustix::process::geteuid().as_raw().to_string();
    let name = std::env::var("USER").unwrap_or_default();
    let ranges = fs::read_to_string("/etc/subuid").unwrap_or_default();
    let mut owners = ranges.lines().filter_map(|line| line.split(':').next());
    ensure!(
        owners.any(|owner| owner == user || owner == name),
        "making it takes root, or a range of users in /etc/subuid and /etc/subgid for {name}"
    );
    Ok(())
}

fn room(folder: &Path) -> Result<()> {
    let disk = rustix::fs::statvfs(folder)?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    ensure!(
        free >= ROOM,
        "making it takes {} GB of disk in {}, where {} GB are free",
        ROOM >> 30,
        folder.display(),
        free >> 30
    );
    Ok(())
}

/// A program that may do with the guest's files what root may: as root, or in a name space with this user's range of
/// users. Files that it makes outside of the tree are this user's.
fn as_its_root(program: &str) -> Command {
    if is_root() {
        return Command::new(program);
    }
    let mut unshare = Command::new("unshare");
    unshare.args([
        "--map-auto",
        "--map-user=65536",
        "--map-group=65536",
        "--keep-caps",
    ]);
    unshare.args(["--", program]);
    unshare
}

/// Has mmdebstrap make the tree of files.
fn bootstrap(work: &Path, release: &str, tree: &Path) -> Result<()> {
    let upload = |name: String, text: &str, place: &str| -> Result<String> {
        let file = work.join(name);
        fs::write(&file, text)?;
        Ok(format!("upload {} {place}", file.display()))
    };
    let mut command = Command::new("mmdebstrap");
    command
        .arg(if is_root() {
            "--mode=root"
        } else {
            "--mode=unshare"
        })
        .args(["--format=directory", "--variant=minbase"])
        .arg(format!("--include={}", [PACKAGES, STORAGE].concat().join(",")));
    for path in LEFT_OUT {
        command.arg(format!("--dpkgopt=path-exclude={path}"));
    }
    let pins = format!("Package: {BACKPORTED}\nPin: release n={release}-backports\nPin-Priority: 600\n");
    let pins = upload("pins".to_owned(), &pins, "/etc/apt/preferences.d/ferrovirt")?;
    command.arg(format!("--setup-hook={pins}"));
    for (number, (path, text)) in FILES.iter().enumerate() {
        let file = upload(format!("file-{number}"), text, path)?;
        command.arg(format!("--customize-hook={file}"));
    }
    let mask = format!("chroot \"$1\" systemctl --quiet mask {}", NOT_STARTED.join(" "));
    command.arg(format!("--customize-hook={mask}"));
    command.arg(release).arg(tree);
    run(command.args(sources(release)?))
}

/// Where packages come from: apt's own sources of the release, and its backports where tests need them.
fn sources(release: &str) -> Result<Vec<String>> {
    let mut sources = packages::sources()?;
    let backports = format!("{release}-backports");
    if packages::needs_backports(release) && !sources.iter().any(|source| source.codename == backports) {
        let own = sources.iter().find(|source| source.codename == release);
        let address = own.map(|source| source.address.clone());
        sources.extend(address.map(|address| Source {
            address,
            codename: backports.clone(),
        }));
    }
    let of_release = |source: &&Source| {
        let rest = source.codename.strip_prefix(release);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    let mut lines: Vec<_> = sources
        .iter()
        .filter(of_release)
        .map(|source| format!("deb {} {} main", source.address, source.codename))
        .collect();
    lines.sort();
    lines.dedup();
    if lines.is_empty() {
        bail!("apt knows no package source of the release '{release}'");
    }
    Ok(lines)
}

/// The file whose name begins so, of the newest version if there are several.
fn newest(folder: &Path, prefix: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let named = entries.flatten().map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with(prefix)
    });
    named
        .max()
        .with_context(|| format!("no {prefix}* in {}", folder.display()))
}

/// Runs a command to its end; what it said is told if it fails.
pub(super) fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let lines: Vec<_> = said.lines().collect();
    let last = lines.get(lines.len().saturating_sub(20)..).unwrap_or_default();
    bail!("{program} failed ({}):\n{}", output.status, last.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_images_go_unless_somebody_uses_them() {
        let cache = tempfile::tempdir().unwrap();
        let image = |name: &str| {
            fs::create_dir(cache.path().join(name)).unwrap();
            File::create(cache.path().join(format!("{name}.lock"))).unwrap()
        };
        let (_own, _old, used) = (image("own"), image("old"), image("used"));
        used.lock_shared().unwrap();
        remove_unused(cache.path(), "own").unwrap();
        let left = |name: &str| {
            cache.path().join(name).exists() && cache.path().join(format!("{name}.lock")).exists()
        };
        assert!(left("own") && left("used"));
        assert!(!cache.path().join("old").exists() && !cache.path().join("old.lock").exists());
    }

    #[test]
    fn the_newest_kernel_is_booted() {
        let boot = tempfile::tempdir().unwrap();
        for name in [
            "config-6.1.0-10-amd64",
            "vmlinuz-6.1.0-10-amd64",
            "vmlinuz-6.1.0-11-amd64",
        ] {
            fs::write(boot.path().join(name), "").unwrap();
        }
        let found = newest(boot.path(), "vmlinuz-").unwrap();
        assert!(found.ends_with("vmlinuz-6.1.0-11-amd64"));
        assert!(newest(boot.path(), "initrd.img-").is_err());
    }
}

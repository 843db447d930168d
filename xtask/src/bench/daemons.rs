//! The daemons that are measured, each in a folder of its own.

use anyhow::{Context, Result};
use private_instance::Instance;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Instant as Moment;

/// Which daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// This project's virtqemud.
    Ours,
    /// The host's libvirtd.
    Peer,
}

/// Where the host has the peer.
const PEER: &str = "/usr/sbin/libvirtd";

/// Whether the peer can be measured: it takes over folders of the host in a mount name space of its own.
pub(super) fn peer_is_there() -> bool {
    rustix::process::geteuid().is_root() && Path::new(PEER).exists()
}

/// This project's binary.
pub(super) fn binary() -> Result<PathBuf> {
    Ok(crate::release_folder()?.join("virtqemud"))
}

/// Puts a stand-in for QEMU's monitor, which asks the real one what it can do, into `folder`.
pub(super) fn stand_in(folder: &Path) -> Result<PathBuf> {
    let program = folder.join("qemu-standin");
    fs::copy(binary()?.with_file_name("qmp-standin"), &program).context("the stand-in is not built")?;
    let script = "probe-with /usr/bin/qemu-system-x86_64\n";
    fs::write(folder.join("qemu-standin.script"), script)?;
    Ok(program)
}

/// The host's folders that the peer gets its own of.
const PEER_FOLDERS: &[&str] = &[
    "/etc/libvirt",
    "/var/lib/libvirt",
    "/var/cache/libvirt",
    "/var/log/libvirt",
    "/run/libvirt",
];

/// A daemon that is measured.
pub(super) struct Daemon {
    daemon: private_instance::Daemon,
    instance: Instance,
}

impl Daemon {
    /// A folder with configuration, nothing running.
    pub(super) fn prepare(kind: Kind) -> Result<Self> {
        // On the disk, as on a host.
        let place = Path::new("/var/tmp");
        let (instance, daemon) = match kind {
            Kind::Ours => {
                let instance = Instance::below(place, &crate::release_folder()?)?;
                let daemon = instance.daemon("virtqemud");
                (instance, daemon)
            }
            Kind::Peer => peer(place)?,
        };
        Ok(Self { daemon, instance })
    }

    pub(super) fn folder(&self) -> &Path {
        self.instance.folder()
    }

    /// A file of the daemon, by its absolute path on a host.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.instance.path(path)
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.daemon.socket()
    }

    pub(super) fn uri(&self) -> String {
        self.daemon.uri()
    }

    pub(super) fn pid(&self) -> u32 {
        self.daemon.pid().unwrap_or_default()
    }

    /// Starts it; gives the moment of its start.
    pub(super) fn start(&mut self) -> Result<Moment> {
        self.daemon.spawn()
    }

    /// Connects as soon as it listens.
    pub(super) fn connect(&mut self) -> Result<UnixStream> {
        self.daemon.wait_until_it_serves()
    }

    /// Ends it and waits for its end.
    pub(super) fn stop(&mut self) -> Result<()> {
        self.daemon.stop()?;
        self.forget_socket();
        Ok(())
    }

    /// Ends it as a crash would.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.daemon.kill()?;
        self.forget_socket();
        Ok(())
    }

    /// What the peer leaves of its socket would answer for the next one.
    fn forget_socket(&self) {
        let _ = fs::remove_file(self.socket());
    }
}

/// The host's libvirtd, which sees the instance's folders in the places of the host's.
fn peer(place: &Path) -> Result<(Instance, private_instance::Daemon)> {
    let programs = Path::new(PEER).parent().context("a folder")?;
    let instance = Instance::below(place, programs)?;
    for folder in PEER_FOLDERS {
        fs::create_dir_all(instance.path(folder))?;
    }
    instance.configure(
        "qemu.conf",
        "stdio_handler = \"file\"\nuser = \"root\"\ngroup = \"root\"\nsecurity_driver = \"none\"\n",
    )?;
    instance.configure(
        "libvirtd.conf",
        "auth_unix_ro = \"none\"\nauth_unix_rw = \"none\"\nunix_sock_rw_perms = \"0777\"\n",
    )?;
    let mounts: String = PEER_FOLDERS
        .iter()
        .map(|folder| {
            let own = instance.path(folder);
            format!("mkdir -p {folder}; mount --bind {} {folder}; ", own.display())
        })
        .collect();
    let pid_file = instance.folder().join("pid").display().to_string();
    let script = format!("{mounts} exec \"$0\" \"$@\"");
    let daemon = instance
        .daemon("libvirtd")
        .with(["-f", "/etc/libvirt/libvirtd.conf", "-p", &pid_file])
        .under(["unshare", "--mount", "sh", "-c", &script]);
    Ok((instance, daemon))
}

//! The daemons that are measured, each in a folder of its own.

use anyhow::{Context, Result};
use private_instance::Instance;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Instant as Moment;

/// Which daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// This project's virtqemud.
    Ours,
    /// The host's libvirtd.
    Peer,
}

/// Where the host has the peer.
const PEER: &str = "/usr/sbin/libvirtd";

/// Whether the peer can be measured: it takes over folders of the host in a mount name space of its own.
pub(crate) fn peer_is_there() -> bool {
    rustix::process::geteuid().is_root() && Path::new(PEER).exists()
}

/// This project's binary.
pub(crate) fn binary() -> Result<PathBuf> {
    Ok(crate::release_folder()?.join("virtqemud"))
}

/// Puts a stand-in for QEMU's monitor, which asks the real one what it can do, into `folder`.
pub(crate) fn stand_in(folder: &Path) -> Result<PathBuf> {
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
pub(crate) struct Daemon {
    daemon: private_instance::Daemon,
    instance: Instance,
}

impl Daemon {
    /// A folder with configuration, nothing running: this project's virtqemud, or the peer.
    pub(crate) fn prepare(kind: Kind) -> Result<Self> {
        Self::prepare_for(kind, "virtqemud")
    }

    /// The same, where this project's daemon is another one.
    pub(crate) fn prepare_for(kind: Kind, own: &str) -> Result<Self> {
        // On the disk, as on a host.
        let place = Path::new("/var/tmp");
        let (instance, daemon) = match kind {
            Kind::Ours => {
                let instance = Instance::below(place, &crate::release_folder()?)?;
                let daemon = instance.daemon(own);
                (instance, daemon)
            }
            Kind::Peer => peer(place)?,
        };
        Ok(Self { daemon, instance })
    }

    /// One of this project's, as tests have it: fast to build, not to run.
    pub(crate) fn of_tests(own: &str) -> Result<Self> {
        let instance = Instance::below(Path::new("/var/tmp"), &crate::target_folder()?.join("debug"))?;
        let daemon = instance.daemon(own);
        Ok(Self { daemon, instance })
    }

    /// [`Self::prepare_for`] in a network of its own, in which there are so many interfaces, `p0` and so on. Only root can make one.
    pub(crate) fn prepare_in_network(kind: Kind, own: &str, interfaces: u32) -> Result<Self> {
        /// What `/sys` shows are the links of the network that it was mounted in.
        const ENTER: &str = "mount -t sysfs sysfs /sys && ip link set lo up && i=0 && while [ $i -lt $0 ]; do \
                             ip tuntap add dev p$i mode tap && ip link set p$i up || exit 1; i=$((i+1)); done; exec \"$@\"";
        let mut prepared = Self::prepare_for(kind, own)?;
        let enter = ["unshare", "--net", "--mount", "sh", "-c", ENTER].map(str::to_owned);
        prepared.daemon = prepared
            .daemon
            .under(enter.into_iter().chain([interfaces.to_string()]));
        Ok(prepared)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.instance.folder()
    }

    /// A file of the daemon, by its absolute path on a host.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.instance.path(path)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.daemon.socket()
    }

    pub(crate) fn uri(&self) -> String {
        self.daemon.uri()
    }

    pub(crate) fn uri_of(&self, driver: &str) -> String {
        self.daemon.uri_of(driver)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.daemon.pid().unwrap_or_default()
    }

    /// Starts it; gives the moment of its start.
    pub(crate) fn start(&mut self) -> Result<Moment> {
        self.daemon.spawn()
    }

    /// Connects as soon as it listens.
    pub(crate) fn connect(&mut self) -> Result<UnixStream> {
        self.daemon.wait_until_it_serves()
    }

    /// Ends it and waits for its end.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.daemon.stop()?;
        self.forget_socket();
        Ok(())
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) -> Result<()> {
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

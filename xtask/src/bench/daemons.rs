//! The daemons that are measured, each in a folder of its own.

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Which daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// This project's virtqemud.
    Ours,
    /// The host's libvirtd.
    Peer,
}

/// Whether the peer can be measured: it takes over folders of the host in a mount name space of its own.
pub(super) fn peer_is_there() -> bool {
    rustix::process::geteuid().is_root() && Path::new("/usr/sbin/libvirtd").exists()
}

/// This project's binary.
pub(super) fn binary() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let target = own.ancestors().nth(2).context("no target folder")?;
    Ok(target.join("release/virtqemud"))
}

/// Puts a stand-in for QEMU's monitor, which asks the real one what it can do, into `folder`.
pub(super) fn stand_in(folder: &Path) -> Result<PathBuf> {
    let program = folder.join("qemu-standin");
    fs::copy(binary()?.with_file_name("qmp-standin"), &program).context("the stand-in is not built")?;
    let script = "probe-with /usr/bin/qemu-system-x86_64\n";
    fs::write(folder.join("qemu-standin.script"), script)?;
    Ok(program)
}

/// What a stock client opens to get to that socket.
pub(super) fn uri(socket: &Path) -> String {
    format!("qemu+unix:///system?socket={}", socket.display())
}

/// A daemon and its folder.
pub(super) struct Daemon {
    kind: Kind,
    folder: tempfile::TempDir,
    child: Option<Child>,
}

/// The host's folders that the peer gets its own of.
const PEER_FOLDERS: &[&str] = &[
    "/etc/libvirt",
    "/var/lib/libvirt",
    "/var/cache/libvirt",
    "/var/log/libvirt",
    "/run/libvirt",
];

impl Daemon {
    /// A folder with configuration, nothing running.
    pub(super) fn prepare(kind: Kind) -> Result<Self> {
        // On the disk, as on a host; and short, for the sockets.
        let folder = tempfile::Builder::new().prefix("fvb").tempdir_in("/var/tmp")?;
        let config = folder.path().join("etc/libvirt");
        fs::create_dir_all(&config)?;
        fs::write(
            folder.path().join("libvirtd.conf"),
            "auth_unix_ro = \"none\"\nauth_unix_rw = \"none\"\nunix_sock_rw_perms = \"0777\"\n",
        )?;
        if kind == Kind::Peer {
            for place in PEER_FOLDERS {
                fs::create_dir_all(folder.path().join(place.trim_start_matches('/')))?;
            }
            let text =
                "stdio_handler = \"file\"\nuser = \"root\"\ngroup = \"root\"\nsecurity_driver = \"none\"\n";
            fs::write(config.join("qemu.conf"), text)?;
        }
        Ok(Self {
            kind,
            folder,
            child: None,
        })
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn socket(&self) -> PathBuf {
        let name = if self.kind == Kind::Ours {
            "virtqemud-sock"
        } else {
            "libvirt-sock"
        };
        self.folder().join("run/libvirt").join(name)
    }

    pub(super) fn uri(&self) -> String {
        uri(&self.socket())
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Starts it; gives the moment of its start.
    pub(super) fn start(&mut self) -> Result<Instant> {
        let log = File::create(self.folder().join("log"))?;
        let mut command = match self.kind {
            Kind::Ours => {
                let mut command = Command::new(binary()?);
                command.env("FERROVIRT_ROOT", self.folder());
                command
            }
            Kind::Peer => {
                let mounts: String = PEER_FOLDERS
                    .iter()
                    .map(|place| {
                        format!(
                            "mkdir -p {place}; mount --bind {}{place} {place}; ",
                            self.folder().display()
                        )
                    })
                    .collect();
                let mut command = Command::new("unshare");
                let config = self.folder().join("libvirtd.conf").display().to_string();
                let pid = self.folder().join("pid").display().to_string();
                command.args(["--mount", "sh", "-c", &format!("{mounts} exec \"$0\" \"$@\"")]);
                command.args(["/usr/sbin/libvirtd", "-f", &config, "-p", &pid]);
                command
            }
        };
        let start = Instant::now();
        self.child = Some(
            command
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log)
                .spawn()?,
        );
        Ok(start)
    }

    /// Connects as soon as it listens.
    pub(super) fn connect(&mut self, start: Instant) -> Result<UnixStream> {
        loop {
            if let Ok(stream) = UnixStream::connect(self.socket()) {
                return Ok(stream);
            }
            if let Some(child) = self.child.as_mut()
                && let Some(status) = child.try_wait()?
            {
                bail!(
                    "the daemon ended ({status}): {}",
                    fs::read_to_string(self.folder().join("log"))?
                );
            }
            ensure!(
                start.elapsed() < Duration::from_secs(60),
                "the daemon does not listen"
            );
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Ends it and waits for its end.
    pub(super) fn stop(&mut self) -> Result<()> {
        self.end(Signal::TERM)
    }

    /// Ends it as a crash would.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.end(Signal::KILL)
    }

    fn end(&mut self, signal: Signal) -> Result<()> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            kill_process(pid, signal)?;
        }
        child.wait()?;
        // What it left of its sockets would answer for the next one.
        let _ = fs::remove_file(self.socket());
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

//! One daemon of an instance.

use crate::{ROOT_VARIABLE, process, root_below, wait_until};
use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How often it is looked whether a daemon serves or has ended: often enough to measure a start by it.
const PAUSE: Duration = Duration::from_micros(200);

/// A daemon, running or not; it is killed with the value.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    folder: PathBuf,
    /// What starts it, program first.
    command: Vec<OsString>,
    child: Option<Child>,
}

impl Daemon {
    pub(crate) fn new(name: &str, program: &Path, folder: &Path) -> Self {
        Self {
            name: name.to_owned(),
            folder: folder.to_owned(),
            command: vec![program.into()],
            child: None,
        }
    }

    /// The same, with arguments.
    #[must_use]
    pub fn with<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// The same, started by another program that becomes it, such as `unshare --net`.
    #[must_use]
    pub fn under<A: Into<OsString>>(mut self, program: impl IntoIterator<Item = A>) -> Self {
        self.command.splice(0..0, program.into_iter().map(Into::into));
        self
    }

    /// Its name, such as `virtqemud`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.socket_named("sock")
    }

    /// One of its sockets. Who serves every driver does so at the sockets that once were libvirtd's.
    fn socket_named(&self, kind: &str) -> PathBuf {
        let base = match self.name.as_str() {
            "libvirtd" | "virtproxyd" => "libvirt",
            name => name,
        };
        root_below(&self.folder).join(format!("run/libvirt/{base}-{kind}"))
    }

    /// The URI of its own driver, by which stock clients reach it: `qemu` for virtqemud, `secret` for virtsecretd. Where
    /// all drivers are served, it is `qemu`.
    pub fn uri(&self) -> String {
        self.uri_of(match self.name.as_str() {
            "libvirtd" | "virtproxyd" => "qemu",
            name => {
                let name = name.strip_prefix("virt").unwrap_or(name);
                name.strip_suffix('d').unwrap_or(name)
            }
        })
    }

    /// The URI of a driver at its socket.
    pub fn uri_of(&self, driver: &str) -> String {
        uri(driver, &self.socket())
    }

    /// [`Self::uri`] at its read-only socket.
    pub fn read_only_uri(&self) -> String {
        format!("{}-ro", self.uri())
    }

    /// The URI of its admin socket, for `virt-admin`.
    pub fn admin_uri(&self) -> String {
        uri(&self.name, &self.socket_named("admin-sock"))
    }

    /// Where what it says is written, over all its starts.
    pub fn log(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }

    /// What it said.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log()).unwrap_or_default()).into_owned()
    }

    /// Its process, where it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Starts it without waiting for it; gives the moment of its start.
    ///
    /// # Errors
    /// It runs already, or cannot be started.
    pub fn spawn(&mut self) -> Result<Instant> {
        ensure!(self.child.is_none(), "{} runs already", self.name);
        let log = File::options().create(true).append(true).open(self.log());
        let log = log.with_context(|| format!("cannot write the log of {}", self.name))?;
        let (program, arguments) = self.command.split_first().context("no program")?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env(ROOT_VARIABLE, root_below(&self.folder))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let start = Instant::now();
        let child = command.spawn();
        self.child = Some(child.with_context(|| format!("cannot run {}", program.display()))?);
        Ok(start)
    }

    /// Waits until it serves; gives the connection that shows it.
    ///
    /// # Errors
    /// It ends instead, or does not serve in time.
    pub fn wait_until_it_serves(&mut self) -> Result<UnixStream> {
        let (socket, log) = (self.socket(), self.log());
        let child = self.child.as_mut().context("it was not started")?;
        let name = &self.name;
        wait_until(&format!("{name} to serve"), PAUSE, || {
            if let Ok(stream) = UnixStream::connect(&socket) {
                return Ok(Some(stream));
            }
            if let Some(status) = child.try_wait()? {
                bail!(
                    "{name} ended ({status}):\n{}",
                    fs::read_to_string(&log).unwrap_or_default()
                );
            }
            Ok(None)
        })
    }

    /// Starts it and waits until it serves.
    ///
    /// # Errors
    /// It does not.
    pub fn start(&mut self) -> Result<()> {
        self.spawn()?;
        self.wait_until_it_serves().map(drop)
    }

    /// Asks it to end, and waits for that.
    ///
    /// # Errors
    /// It does not run, or does not end in time.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.end(Signal::TERM)
    }

    /// Ends it as a crash would.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill(&mut self) -> Result<()> {
        self.end(Signal::KILL).map(drop)
    }

    fn end(&mut self, signal: Signal) -> Result<ExitStatus> {
        let name = &self.name;
        let child = self
            .child
            .as_mut()
            .with_context(|| format!("{name} does not run"))?;
        if child.try_wait()?.is_none() {
            process::signal(child.id(), signal)?;
        }
        self.wait_for_end()
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// It does not run, or does not end in time.
    pub fn wait_for_end(&mut self) -> Result<ExitStatus> {
        let name = &self.name;
        let child = self
            .child
            .as_mut()
            .with_context(|| format!("{name} does not run"))?;
        let status = wait_until(&format!("{name} to end"), PAUSE, || Ok(child.try_wait()?))?;
        self.child = None;
        Ok(status)
    }
}

fn uri(scheme: &str, socket: &Path) -> String {
    let mode = if rustix::process::geteuid().is_root() {
        "system"
    } else {
        "session"
    };
    format!("{scheme}+unix:///{mode}?socket={}", socket.display())
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_give_sockets_and_uris() {
        for (name, socket, scheme) in [
            ("virtqemud", "virtqemud-sock", "qemu"),
            ("virtsecretd", "virtsecretd-sock", "secret"),
            ("virtstoraged", "virtstoraged-sock", "storage"),
            ("virtnodedevd", "virtnodedevd-sock", "nodedev"),
            ("virtxend", "virtxend-sock", "xen"),
            ("virtproxyd", "libvirt-sock", "qemu"),
        ] {
            let daemon = Daemon::new(name, Path::new("/nowhere"), Path::new("/d"));
            assert_eq!(daemon.socket(), Path::new("/d/root/run/libvirt").join(socket));
            assert!(daemon.uri().starts_with(&format!("{scheme}+unix:///")), "{name}");
            assert!(
                daemon.read_only_uri().ends_with(&format!("/{socket}-ro")),
                "{name}"
            );
        }
        let proxy = Daemon::new("virtproxyd", Path::new("/nowhere"), Path::new("/d"));
        assert!(proxy.admin_uri().starts_with("virtproxyd+unix:///"));
        assert!(proxy.admin_uri().ends_with("/libvirt-admin-sock"));
        assert!(proxy.uri_of("lxc").starts_with("lxc+unix:///"));
    }

    #[test]
    fn what_ends_at_once_is_told_with_its_words() {
        let folder = tempfile::tempdir().unwrap();
        let mut daemon = Daemon::new("virtqemud", Path::new("/bin/sh"), folder.path())
            .with(["-c", "echo no place to be; exit 3"]);
        daemon.spawn().unwrap();
        let said = daemon.wait_until_it_serves().unwrap_err().to_string();
        assert!(
            said.contains("exit status: 3") && said.contains("no place to be"),
            "{said}"
        );
    }
}

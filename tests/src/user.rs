//! A user with daemons of his own: `qemu:///session` and its siblings.

use crate::{Instance, Outcome, binary, copy_program, wait_for};
use rustix::process::geteuid;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The user "nobody", who is on every host and owns nothing.
const NOBODY: u32 = 65534;

/// A user whose files all lie in one folder: "nobody" where tests run as root, else the present user.
#[derive(Debug)]
pub struct User {
    /// Ends with the value, before the folder goes.
    daemons: Vec<Child>,
    home: tempfile::TempDir,
}

impl User {
    /// A user with an empty home.
    ///
    /// # Panics
    /// When the home cannot be made.
    #[expect(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Self {
        // Sockets below it have to stay within 108 bytes.
        let home = tempfile::Builder::new().prefix("fv").tempdir_in("/tmp");
        let user = Self {
            daemons: Vec::new(),
            home: home.expect("a home"),
        };
        std::fs::create_dir(user.home().join("run")).expect("a runtime folder");
        user.own(user.home());
        user.own(&user.home().join("run"));
        user
    }

    /// The home.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The user's number.
    pub fn uid(&self) -> u32 {
        if geteuid().is_root() {
            NOBODY
        } else {
            geteuid().as_raw()
        }
    }

    fn own(&self, path: &Path) {
        if geteuid().is_root() {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).expect("the user's file");
        }
    }

    /// A command of this user's.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = self.command_of_root(program);
        if geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// A command with this user's environment and nobody else's powers taken away.
    fn command_of_root(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
            .env("HOME", self.home())
            .env("XDG_RUNTIME_DIR", self.home().join("run"))
            .env("LC_ALL", "C")
            .current_dir("/");
        command
    }

    /// Starts a daemon of this user's and waits until it serves.
    ///
    /// # Panics
    /// When it does not.
    pub fn start(&mut self, daemon: &str) {
        let program = self.own_copy(&binary(daemon), daemon);
        let started = self
            .command(&program)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.daemons.push(started.expect("the daemon can be started"));
        let base = if daemon == "libvirtd" { "libvirt" } else { daemon };
        let socket = self.home().join(format!("run/libvirt/{base}-sock"));
        wait_for("the user's daemon", || UnixStream::connect(&socket).ok());
    }

    /// Starts a daemon of this user's that finds those of an instance where the system's are, and waits until it serves. Only root can.
    ///
    /// # Panics
    /// When it does not.
    pub fn start_beside(&mut self, daemon: &str, system: &Instance) {
        /// The host's own `/run` is hidden from it.
        const ENTER: &str = "mount -t tmpfs run /run && mkdir -p /run/libvirt && mount --bind \"$1\" /run/libvirt && \
                             exec setpriv --reuid \"$2\" --regid \"$2\" --clear-groups -- \"$0\"";
        let program = self.own_copy(&binary(daemon), daemon);
        let mut command = self.command_of_root(Path::new("unshare"));
        command.args(["--mount", "sh", "-c", ENTER]).arg(program);
        command.arg(system.path("/run/libvirt")).arg(NOBODY.to_string());
        let started = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        self.daemons.push(started.expect("the daemon can be started"));
        let socket = self.home().join(format!("run/libvirt/{daemon}-sock"));
        wait_for("the user's daemon", || UnixStream::connect(&socket).ok());
    }

    /// Kills the daemon that was started last, as a crash would.
    ///
    /// # Panics
    /// When there is none.
    pub fn kill(&mut self) {
        let mut daemon = self.daemons.pop().expect("a daemon that was started");
        daemon.kill().expect("the daemon can be killed");
        daemon.wait().expect("the daemon's end");
    }

    /// The path of the socket of one of his daemons.
    pub fn socket(&self, daemon: &str) -> PathBuf {
        self.home().join(format!("run/libvirt/{daemon}-sock"))
    }

    /// A copy of a program in the home: the build's folder may be one that others cannot look into.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn own_copy(&self, program: &Path, name: &str) -> PathBuf {
        let copy = self.home().join(name);
        copy_program(program, &copy);
        self.own(&copy);
        copy
    }

    /// Runs stock virsh.
    ///
    /// # Panics
    /// When it cannot be run.
    pub fn try_virsh(&self, uri: &str, arguments: &[&str]) -> Outcome {
        let mut virsh = self.command(Path::new("virsh"));
        Outcome::of(virsh.args(["-q", "-c", uri]).args(arguments))
    }

    /// Runs stock virsh, which must succeed; gives what it said.
    ///
    /// # Panics
    /// When it fails.
    pub fn virsh(&self, uri: &str, arguments: &[&str]) -> String {
        let outcome = self.try_virsh(uri, arguments);
        assert!(outcome.success, "virsh {arguments:?}: {}", outcome.stderr);
        outcome.stdout
    }

    /// Writes a file into the home and gives its path.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.home().join(name);
        std::fs::write(&path, content).expect("the user's file");
        self.own(&path);
        path
    }
}

impl Drop for User {
    fn drop(&mut self) {
        for daemon in &mut self.daemons {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

//! A user with daemons of his own: `qemu:///session` and its siblings.

use crate::{Outcome, binary, wait_for};
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

    fn own(&self, path: &Path) {
        if geteuid().is_root() {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).expect("the user's file");
        }
    }

    /// A command of this user's.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
            .env("HOME", self.home())
            .env("XDG_RUNTIME_DIR", self.home().join("run"))
            .env("LC_ALL", "C")
            .current_dir("/");
        if geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// Starts a daemon of this user's and waits until it serves.
    ///
    /// # Panics
    /// When it does not.
    pub fn start(&mut self, daemon: &str) {
        // The build's folder may be one that others cannot look into.
        let program = self.home().join(daemon);
        std::fs::copy(binary(daemon), &program).expect("the daemon");
        self.own(&program);
        let started = self
            .command(&program)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.daemons.push(started.expect("the daemon can be started"));
        let socket = self.home().join(format!("run/libvirt/{daemon}-sock"));
        wait_for("the user's daemon", || UnixStream::connect(&socket).ok());
    }

    /// Runs stock virsh, which must succeed; gives what it said.
    ///
    /// # Panics
    /// When it fails.
    pub fn virsh(&self, uri: &str, arguments: &[&str]) -> String {
        let mut virsh = self.command(Path::new("virsh"));
        let outcome = Outcome::of(virsh.args(["-q", "-c", uri]).args(arguments));
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

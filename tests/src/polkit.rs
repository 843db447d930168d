//! The real polkit on a system bus of a test's own, with rules of the test's own: nothing is asked of the host's.

use crate::{Bus, Outcome, wait_for};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The daemon of Debian's package `polkitd`.
const POLKITD: &str = "/usr/lib/polkit-1/polkitd";

/// What is in the place of the host's folders, for polkitd alone.
const MOUNTS: &str = "mount --bind \"$1/rules\" /etc/polkit-1/rules.d && mount --bind \"$1/empty\" /usr/share/polkit-1/rules.d \
                      && mount --bind \"$1/actions\" /usr/share/polkit-1/actions && exec \"$0\"";

/// A system bus with polkit on it. Only root can have one.
#[derive(Debug)]
pub struct Polkit {
    bus: Bus,
    polkitd: Option<Child>,
    folder: tempfile::TempDir,
}

impl Polkit {
    /// A bus, and polkit with these rules, in its JavaScript, beside the defaults of this project's actions.
    ///
    /// # Panics
    /// When one of them does not start.
    pub fn start(rules: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("fvpk").tempdir_in("/tmp");
        let folder = folder.expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let open =
            |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a mode");
        open(folder.path());
        for name in ["rules", "empty", "actions"] {
            fs::create_dir(path(name)).expect("a folder");
            open(&path(name));
        }
        let actions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/polkit");
        for name in [
            "org.ferrovirt.network.policy",
            "org.libvirt.api.policy",
            "org.libvirt.unix.policy",
        ] {
            fs::copy(actions.join(name), path("actions").join(name)).expect("the actions");
        }
        let bus = Bus::start(folder.path());
        let mut polkit = Self {
            bus,
            polkitd: None,
            folder,
        };
        polkit.rule(rules);
        polkit
    }

    /// Starts polkit again, with other rules.
    ///
    /// # Panics
    /// When it does not start.
    pub fn rule(&mut self, rules: &str) {
        self.stop();
        let path = self.folder.path().join("rules/50-test.rules");
        fs::write(&path, rules).expect("the rules");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("a mode");
        let started = Command::new("unshare")
            .args(["--mount", "sh", "-c", MOUNTS, POLKITD])
            .arg(self.folder.path())
            .env("DBUS_SYSTEM_BUS_ADDRESS", self.address())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.polkitd = Some(started.expect("unshare can be run"));
        wait_for("polkit", || {
            let mut asked = Command::new("pkaction");
            asked.args(["--action-id", "org.libvirt.unix.manage"]);
            Outcome::of(asked.env("DBUS_SYSTEM_BUS_ADDRESS", self.address()))
                .success
                .then_some(())
        });
    }

    /// Its process.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pid(&self) -> u32 {
        self.polkitd.as_ref().expect("polkit runs").id()
    }

    /// Ends polkit; the bus goes on.
    pub fn stop(&mut self) {
        if let Some(mut polkitd) = self.polkitd.take() {
            let _ = polkitd.kill();
            let _ = polkitd.wait();
        }
    }

    pub(crate) fn address(&self) -> String {
        self.bus.address()
    }

    /// The bus's socket.
    pub fn socket(&self) -> &Path {
        self.bus.socket()
    }

    /// What starts a program that takes this bus for the system's.
    pub fn entrance(&self) -> Vec<String> {
        self.bus.entrance()
    }
}

impl Drop for Polkit {
    fn drop(&mut self) {
        self.stop();
    }
}

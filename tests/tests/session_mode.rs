//! One user's own daemon: `qemu:///session`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use end_to_end::{Outcome, binary, idle_domain, wait_for};
use rustix::process::geteuid;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The user "nobody", who is on every host and owns nothing.
const NOBODY: u32 = 65534;

/// A command as a user whose files all lie in `home`.
fn as_user(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        .env("HOME", home)
        .env("XDG_RUNTIME_DIR", home.join("run"))
        .env("LC_ALL", "C")
        .current_dir("/");
    if geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Ends with the test, also where it fails.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_user_runs_guests_of_his_own() {
    let folder = tempfile::Builder::new().prefix("fv").tempdir_in("/tmp").unwrap();
    let home = folder.path();
    // The build's folder may be one that others cannot look into.
    let daemon = home.join("virtqemud");
    std::fs::copy(binary("virtqemud"), &daemon).unwrap();
    std::fs::create_dir(home.join("run")).unwrap();
    for path in [home.to_path_buf(), home.join("run"), daemon.clone()] {
        if geteuid().is_root() {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    let started = as_user(&daemon, home)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _daemon = Ends(started);
    let socket = home.join("run/libvirt/virtqemud-sock");
    wait_for("the user's daemon", || UnixStream::connect(&socket).ok());

    let virsh = |arguments: &[&str]| {
        let outcome = Outcome::of(
            as_user(Path::new("virsh"), home)
                .args(["-q", "-c", "qemu:///session?mode=direct"])
                .args(arguments),
        );
        assert!(outcome.success, "virsh {arguments:?}: {}", outcome.stderr);
        outcome.stdout
    };
    assert!(virsh(&["uri"]).starts_with("qemu:///session"));
    let document = home.join("vm.xml");
    std::fs::write(&document, idle_domain("own")).unwrap();
    virsh(&["define", document.to_str().unwrap()]);
    assert!(home.join(".config/libvirt/qemu/own.xml").exists());
    virsh(&["start", "own"]);
    assert_eq!(virsh(&["domstate", "own"]).trim(), "running");
    virsh(&["destroy", "own"]);
    virsh(&["undefine", "own"]);
    println!(
        "run as {}",
        if geteuid().is_root() {
            "nobody"
        } else {
            "the present user"
        }
    );
}

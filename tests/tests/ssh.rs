//! Clients over ssh: with virt-ssh-helper at the other end, as stock clients start it, or with netcat.
#![allow(clippy::unwrap_used, reason = "a test")]

use end_to_end::{Instance, Outcome, binary, free_port, idle_domain, mode, wait_for};
use protocol::Procedure;
use protocol::remote::{self, procedure::AuthList};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

const PROXY: &str = "virtproxyd";

/// Its number on the wire.
const AUTH_LIST: u32 = AuthList::INFO.number.cast_unsigned();

/// A server for ssh on the loopback address, which lets in who has the key of this test.
struct Sshd {
    server: Child,
    /// What stands for `ssh` in URIs: it knows the server and the key, and no file of the user's.
    client: PathBuf,
}

impl Sshd {
    fn start(instance: &Instance) -> Self {
        let folder = instance.root().join("ssh");
        let helpers = folder.join("bin");
        fs::create_dir_all(&helpers).unwrap();
        symlink(binary("virt-ssh-helper"), helpers.join("virt-ssh-helper")).unwrap();
        for key in ["host", "user"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(folder.join(key))
                .status();
            assert!(made.unwrap().success(), "ssh-keygen failed");
        }
        let port = free_port();
        let place = folder.display();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {place}/host\nAuthorizedKeysFile {place}/user.pub\n\
             PidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\n\
             SetEnv FERROVIRT_ROOT={} PATH={place}/bin:/usr/bin:/bin\n",
            instance.path("").display()
        );
        fs::write(folder.join("sshd_config"), config).unwrap();
        if rustix::process::geteuid().is_root() {
            // sshd wants it; a host with a running one has it.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let log = fs::File::create(folder.join("sshd.log")).unwrap();
        let server = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(folder.join("sshd_config"))
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        wait_for("sshd", || TcpStream::connect(("127.0.0.1", port)).ok());
        let known = format!(
            "Host *\nPort {port}\nIdentityFile {place}/user\nIdentitiesOnly yes\n\
             StrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\n"
        );
        fs::write(folder.join("ssh_config"), known).unwrap();
        let client = folder.join("ssh-to-test");
        fs::write(
            &client,
            format!("#!/bin/sh\nexec ssh -F {place}/ssh_config \"$@\"\n"),
        )
        .unwrap();
        fs::set_permissions(&client, fs::Permissions::from_mode(0o755)).unwrap();
        Self { server, client }
    }

    fn virsh(&self, more: &str, arguments: &[&str]) -> Outcome {
        let mode = mode();
        let uri = format!(
            "qemu+ssh://127.0.0.1/{mode}?command={}{more}",
            self.client.display()
        );
        Outcome::of(Command::new("virsh").args(["-q", "-c", &uri]).args(arguments))
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn ssh_leads_to_the_daemon() {
    let mut instance = Instance::start_all(&["virtqemud"]);
    instance.define("vm", &idle_domain("vm"));
    let sshd = Sshd::start(&instance);
    let says = |outcome: Outcome| {
        assert!(outcome.success, "{}", outcome.stderr);
        outcome.stdout
    };
    says(sshd.virsh("&proxy=native", &["start", "vm"]));
    assert_eq!(says(sshd.virsh("", &["domstate", "vm"])).trim(), "running");

    // Looking only.
    let refused = sshd.virsh("&proxy=native", &["-r", "destroy", "vm"]);
    assert!(!refused.success);

    // The old sockets, by the helper and by netcat.
    let missing = sshd.virsh("&proxy=native&mode=legacy", &["list"]);
    assert!(
        !missing.success && missing.stderr.contains("virtproxyd.socket"),
        "{}",
        missing.stderr
    );
    instance.add(PROXY);
    let socket = instance.daemon(PROXY).socket();
    for more in [
        "&proxy=native&mode=legacy".to_owned(),
        format!("&proxy=netcat&socket={}", socket.display()),
    ] {
        assert_eq!(says(sshd.virsh(&more, &["domstate", "vm"])).trim(), "running");
    }
    says(sshd.virsh("&proxy=native&mode=legacy", &["destroy", "vm"]));
    assert_eq!(instance.virsh(&["domstate", "vm"]).trim(), "shut off");
}

#[test]
fn the_helper_ends_when_either_side_does() {
    let mut instance = Instance::start_all(&["virtqemud"]);
    let start = || {
        Command::new(binary("virt-ssh-helper"))
            .arg("qemu:///system")
            .env("FERROVIRT_ROOT", instance.path(""))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let mut left = start();
    drop(left.stdin.take());
    assert!(left.wait().unwrap().success());
    let mut killed = start();
    // It is connected once it passes an answer on: what it is asked is which ways there are to say who one is.
    let call: [u32; 7] = [28, remote::PROGRAM.number, 1, AUTH_LIST, 0, 1, 0];
    let call: Vec<u8> = call.iter().flat_map(|word| word.to_be_bytes()).collect();
    killed.stdin.as_mut().unwrap().write_all(&call).unwrap();
    killed.stdout.as_mut().unwrap().read_exact(&mut [0; 28]).unwrap();
    instance.kill();
    assert!(killed.wait().unwrap().success());
}

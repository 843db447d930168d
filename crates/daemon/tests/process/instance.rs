//! Private instances of the daemon, and what is asked of them.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Says that this process is the daemon.
pub(crate) const DAEMON: &str = "FERROVIRT_TEST_DAEMON";
/// Longer than anything here takes, unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// One private instance.
pub(crate) struct Instanced {
    pub(crate) root: TempDir,
    pub(crate) notices: UnixDatagram,
}

/// A running daemon; killed when dropped.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for the end and gives the exit code.
    pub(crate) fn end(&mut self) -> i32 {
        let start = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(start.elapsed() < PATIENCE, "the daemon does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Instanced {
    pub(crate) fn new(config: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let notices = UnixDatagram::bind(root.path().join("notify")).unwrap();
        notices.set_read_timeout(Some(PATIENCE)).unwrap();
        std::fs::create_dir_all(root.path().join("etc/libvirt")).unwrap();
        let instance = Self { root, notices };
        instance.configure(config);
        instance
    }

    pub(crate) fn configure(&self, config: &str) {
        std::fs::write(self.root.path().join("etc/libvirt/virttestd.conf"), config).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("run/libvirt").join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(arguments);
        self.prepare(&mut command);
        command
    }

    pub(crate) fn prepare(&self, command: &mut Command) {
        command
            .env(DAEMON, "1")
            .env("FERROVIRT_ROOT", self.root.path())
            .env("NOTIFY_SOCKET", self.root.path().join("notify"))
            .stdin(Stdio::null());
    }

    /// Starts the daemon and waits until it says that it is ready.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let running = Running(self.command(arguments).spawn().unwrap());
        self.await_notice("READY=1");
        running
    }

    pub(crate) fn await_notice(&self, wanted: &str) {
        let mut buffer = [0; 512];
        loop {
            let length = self.notices.recv(&mut buffer).expect("a notice in time");
            if String::from_utf8_lossy(&buffer[..length]).contains(wanted) {
                return;
            }
        }
    }

    pub(crate) fn uri(&self, socket: &str) -> String {
        format!("test+unix:///default?socket={}", self.path(socket).display())
    }

    pub(crate) fn virsh(&self, socket: &str, arguments: &[&str]) -> Output {
        Command::new("virsh")
            .arg("-c")
            .arg(self.uri(socket))
            .args(arguments)
            .output()
            .expect("virsh")
    }

    pub(crate) fn virt_admin(&self, arguments: &[&str]) -> Output {
        let uri = format!(
            "libvirtd+unix:///system?socket={}",
            self.path("virttestd-admin-sock").display()
        );
        Command::new("virt-admin")
            .arg("-c")
            .arg(uri)
            .args(arguments)
            .output()
            .expect("virt-admin")
    }

    /// What `virt-admin` prints, blanks squeezed.
    pub(crate) fn admin(&self, arguments: &[&str]) -> String {
        let output = self.virt_admin(arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        squeezed(&output.stdout)
    }

    pub(crate) fn admin_refuses(&self, arguments: &[&str], part: &str) {
        let output = self.virt_admin(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        let said = squeezed(&output.stderr);
        assert!(said.contains(part), "{arguments:?}: {said}");
    }

    /// A `virsh` that stays connected until it is dropped.
    pub(crate) fn stay_connected(&self, socket: &str) -> Running {
        let mut child = Command::new("virsh")
            .args(["-q", "-c"])
            .arg(self.uri(socket))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("virsh");
        writeln!(child.stdin.as_mut().unwrap(), "hostname").unwrap();
        let mut answer = BufReader::new(child.stdout.as_mut().unwrap());
        let mut line = String::new();
        while !line.contains("tiny.example") {
            line.clear();
            assert_ne!(answer.read_line(&mut line).unwrap(), 0, "virsh ended");
        }
        Running(child)
    }
}

/// A call that every client may make at any time, and its answer.
pub(crate) fn ask(stream: &mut UnixStream, serial: u32) {
    let header = [28, 0x2000_8086, 1, 66, 0, serial, 0];
    let packet: Vec<u8> = header.into_iter().flat_map(u32::to_be_bytes).collect();
    stream.write_all(&packet).unwrap();
    let mut answer = [0; 36];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer[20..24], serial.to_be_bytes(), "its serial");
    assert_eq!(answer[24..28], [0; 4], "its status");
}

pub(crate) fn squeezed(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    // Without the rules of tables, whose length depends on what stands below them.
    let words = text.split_whitespace().filter(|word| !word.starts_with("---"));
    words.collect::<Vec<_>>().join(" ")
}

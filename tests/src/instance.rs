//! A private instance of virtqemud.

use crate::client::Outcome;
use crate::wait_for;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// How many instances this process has made, in tens.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A daemon with all its files below one folder.
#[derive(Debug)]
pub struct Instance {
    root: tempfile::TempDir,
    daemon: Option<Child>,
    /// Whether the daemon has a network of its own.
    own_network: bool,
}

impl Instance {
    /// Starts a daemon and waits until it serves.
    ///
    /// # Panics
    /// When it does not.
    pub fn start() -> Self {
        Self::with_network(false)
    }

    /// The same in a network name space of its own, which only root can make: nothing is done to the host's.
    ///
    /// # Panics
    /// When it does not serve.
    pub fn start_in_own_network() -> Self {
        Self::with_network(true)
    }

    fn with_network(own_network: bool) -> Self {
        // Sockets below it have to stay within 108 bytes.
        let root = tempfile::Builder::new()
            .prefix("fv")
            .tempdir_in("/tmp")
            .expect("a temporary folder");
        let mut instance = Self {
            root,
            daemon: None,
            own_network,
        };
        // Two daemons that look for a free port at the same moment may both find the same.
        let first = 6000 + (std::process::id() % 400) * 100 + NUMBER.fetch_add(10, Ordering::Relaxed) % 100;
        let config = instance.path("/etc/libvirt/qemu.conf");
        fs::create_dir_all(config.parent().expect("a folder")).expect("the configuration's folder");
        let text = format!(
            "remote_display_port_min = {first}\nremote_display_port_max = {}\n",
            first + 9
        );
        fs::write(config, text).expect("the configuration");
        instance.restart();
        instance
    }

    /// The folder that everything lies below.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// A file of the instance, by its absolute path on a host.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root().join("root").join(path.trim_start_matches('/'))
    }

    /// The daemon's socket.
    pub fn socket(&self) -> PathBuf {
        self.path("/run/libvirt/virtqemud-sock")
    }

    /// The URI that stock clients reach it by.
    pub fn uri(&self) -> String {
        format!("qemu+unix:///system?socket={}", self.socket().display())
    }

    /// The URI of its read-only socket.
    pub fn read_only_uri(&self) -> String {
        format!("{}-ro", self.uri())
    }

    /// Starts the daemon again after [`Instance::kill`] or [`Instance::stop`].
    ///
    /// # Panics
    /// When it does not serve.
    pub fn restart(&mut self) {
        self.spawn();
        self.wait_until_it_serves();
    }

    /// Starts the daemon without waiting for it.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn(&mut self) {
        assert!(self.daemon.is_none(), "the daemon runs already");
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .expect("the daemon's log");
        let root = self.root().join("root");
        fs::create_dir_all(&root).expect("the instance's root");
        let mut command = if self.own_network {
            let mut command = Command::new("unshare");
            command.arg("--net").arg(daemon());
            command
        } else {
            Command::new(daemon())
        };
        let daemon = command
            .arg("--verbose")
            .env("FERROVIRT_ROOT", &root)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the daemon's log"))
            .stderr(log)
            .spawn()
            .expect("virtqemud can be started");
        self.daemon = Some(daemon);
    }

    /// Waits until somebody answers on the socket.
    ///
    /// # Panics
    /// When the daemon ends instead.
    pub fn wait_until_it_serves(&mut self) {
        let socket = self.socket();
        let log = self.log();
        let daemon = self.daemon.as_mut().expect("the daemon was started");
        wait_for("the daemon to serve", || {
            if let Some(status) = daemon.try_wait().expect("the daemon's state") {
                panic!(
                    "the daemon ended: {status}\n{}",
                    fs::read_to_string(&log).unwrap_or_default()
                );
            }
            UnixStream::connect(&socket).ok()
        });
    }

    /// What the daemons of this instance said.
    pub fn log(&self) -> PathBuf {
        self.root().join("log")
    }

    /// The daemon's process.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pid(&self) -> u32 {
        self.daemon.as_ref().expect("the daemon runs").id()
    }

    /// Kills the daemon as a crash would.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&mut self) {
        let mut daemon = self.daemon.take().expect("the daemon runs");
        daemon.kill().expect("the daemon can be killed");
        daemon.wait().expect("the daemon's end");
    }

    /// Asks the daemon to end, and waits for it; gives its exit code.
    ///
    /// # Panics
    /// When it does not run.
    pub fn stop(&mut self) -> Option<i32> {
        let mut daemon = self.daemon.take().expect("the daemon runs");
        let pid = Pid::from_raw(i32::try_from(daemon.id()).expect("a process id")).expect("a process id");
        kill_process(pid, Signal::TERM).expect("the daemon can be signalled");
        daemon.wait().expect("the daemon's end").code()
    }

    /// Runs stock virsh against it.
    ///
    /// # Panics
    /// When virsh cannot be run.
    pub fn try_virsh(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(
            Command::new("virsh")
                .arg("-q")
                .arg("-c")
                .arg(self.uri())
                .args(arguments)
                .env("LC_ALL", "C"),
        )
    }

    /// Runs stock virsh, which must succeed; gives what it said.
    ///
    /// # Panics
    /// When it fails.
    pub fn virsh(&self, arguments: &[&str]) -> String {
        let outcome = self.try_virsh(arguments);
        assert!(
            outcome.success,
            "virsh {arguments:?} failed:\n{}{}\n--- the daemon's log\n{}",
            outcome.stdout,
            outcome.stderr,
            fs::read_to_string(self.log()).unwrap_or_default()
        );
        outcome.stdout
    }

    /// Runs stock virsh, which must fail; gives what it complained about.
    ///
    /// # Panics
    /// When it succeeds.
    pub fn virsh_fails(&self, arguments: &[&str]) -> String {
        let outcome = self.try_virsh(arguments);
        assert!(
            !outcome.success,
            "virsh {arguments:?} did not fail:\n{}",
            outcome.stdout
        );
        outcome.stderr
    }

    /// Writes a file into the instance's folder and gives its path.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.root().join(name);
        fs::write(&path, content).expect("a file of the test");
        path.display().to_string()
    }

    /// Puts a stand-in for QEMU's monitor into the instance's folder, to be a domain's `<emulator>`; gives its path. What
    /// QEMU can do it has the real one say. `script` is in the words of crate `qmp-standin`.
    ///
    /// # Panics
    /// When it is not built or cannot be copied.
    pub fn stand_in(&self, script: &str) -> String {
        let program = self.root().join("standin");
        fs::copy(binary("qmp-standin"), &program).expect("the stand-in");
        self.file(
            "standin.script",
            &format!("probe-with /usr/bin/qemu-system-x86_64\n{script}\n"),
        );
        program.display().to_string()
    }

    /// What is left of runs that are over: status documents, pid files, folders and processes.
    pub fn left_overs(&self) -> Vec<String> {
        let entries = |path: &str| fs::read_dir(self.path(path)).into_iter().flatten().flatten();
        let files = entries("/run/libvirt/qemu").filter(|entry| {
            let path = entry.path();
            path.extension()
                .is_some_and(|kind| kind == "xml" || kind == "pid")
        });
        let folders = entries("/var/lib/libvirt/qemu")
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("domain-"));
        let folders = folders.chain(entries("/run/libvirt/qemu/channel"));
        let paths = files
            .chain(folders)
            .map(|entry| entry.path().display().to_string());
        let guests = self.guests().into_iter().map(|pid| format!("process {pid}"));
        paths.chain(guests).collect()
    }

    /// The most memory the daemon ever had in RAM, in KiB.
    ///
    /// # Panics
    /// When it does not run.
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the daemon's state");
        let peak = status.lines().find_map(|line| {
            line.strip_prefix("VmHWM:")?
                .trim()
                .trim_end_matches(" kB")
                .parse()
                .ok()
        });
        peak.expect("the kernel tells it")
    }

    /// Runs a command in the daemon's network, which must succeed; gives what it said.
    ///
    /// # Panics
    /// When it fails.
    pub fn in_network(&self, command: &[&str]) -> String {
        let network = format!("--net=/proc/{}/ns/net", self.pid());
        let outcome = Outcome::of(Command::new("nsenter").arg(network).args(command));
        assert!(outcome.success, "{command:?}: {}", outcome.stderr);
        outcome.stdout
    }

    /// Defines a domain.
    ///
    /// # Panics
    /// When it is refused.
    pub fn define(&self, name: &str, document: &str) {
        let file = self.file(&format!("{name}.xml"), document);
        self.virsh(&["define", &file]);
    }

    /// The QEMU processes of this instance's guests.
    pub fn guests(&self) -> Vec<u32> {
        let mark = format!("HOME={}", self.root().display());
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment
                .split(|byte| *byte == 0)
                .any(|variable| variable.starts_with(mark.as_bytes()))
        })
        .collect()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        for guest in self.guests() {
            let pid = i32::try_from(guest).ok().and_then(Pid::from_raw);
            if let Some(pid) = pid {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        if std::thread::panicking() {
            let log = fs::read_to_string(self.log()).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(60).collect();
            for line in tail.iter().rev() {
                eprintln_line(line);
            }
        }
    }
}

#[expect(clippy::print_stderr, reason = "a failed test shows the daemon's last words")]
fn eprintln_line(line: &str) {
    eprintln!("virtqemud| {line}");
}

/// The daemon's binary.
///
/// # Panics
/// When it is not built.
pub fn daemon() -> PathBuf {
    binary("virtqemud")
}

/// A binary of the workspace: beside the tests' own, where cargo builds all of them.
fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("the test's own path");
    let folder = own.parent().and_then(Path::parent).expect("a target folder");
    let binary = folder.join(name);
    assert!(
        binary.exists(),
        "{} is not built: run cargo build --workspace",
        binary.display()
    );
    binary
}

//! A daemon as a process, through stock `virsh`, `virt-admin` and `systemd-socket-activate`.
//!
//! This program is both: run with `FERROVIRT_TEST_DAEMON` set it is a daemon with a tiny driver, else it is the tests.
//! Every daemon is a private instance below a temporary folder and is told ready by its own notice to "systemd".
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test"
)]

use daemon::confinement::{Capabilities, CapabilitySet, Needs, Places};
use daemon::{Driver, Handover, Info, Instance, Routes};
use error::Result;
use protocol::remote::{self, procedure as call};
use rpc::Context;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Says that this process is the daemon.
const DAEMON: &str = "FERROVIRT_TEST_DAEMON";
/// Longer than anything here takes, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

struct Tiny {
    /// While this file exists, something runs.
    busy: PathBuf,
    /// What the program before handed over: how many there were, and a file with one byte of each.
    before: (u32, File),
}

impl Driver for Tiny {
    const INFO: Info = Info {
        daemon: "virttestd",
        about: "a daemon for tests",
        driver: "test",
    };
    const CLIENTS_GO_ON: bool = true;
    const NEEDS: Needs = Needs {
        capabilities: Capabilities::Only(CapabilitySet::empty()),
        children: false,
        places: Some(|layout| Places::default().and_write([layout.run_dir().to_owned()])),
    };

    async fn open(instance: Instance) -> Result<Arc<Self>> {
        let before = match instance.take_handover() {
            None => (0, tempfile::tempfile_in(instance.layout.run_dir()).unwrap()),
            Some(handover) => {
                let file = handover.descriptors.into_iter().next().unwrap();
                (handover.notes.parse().unwrap(), File::from(file))
            }
        };
        std::fs::write(instance.layout.run_dir().join("before"), before.0.to_string()).unwrap();
        Ok(Arc::new(Self {
            busy: instance.layout.run_dir().join("busy"),
            before,
        }))
    }

    async fn hand_over(&self) -> Result<Handover> {
        let (count, file) = &self.before;
        let mut file = file.try_clone().unwrap();
        file.write_all(b"x").unwrap();
        assert_eq!(file.metadata().unwrap().len(), u64::from(count + 1));
        Ok(Handover {
            notes: (count + 1).to_string(),
            descriptors: vec![file.into()],
        })
    }

    fn routes(routes: &mut Routes<Self>) {
        routes
            .on::<call::ConnectOpen, _>(open)
            .on::<call::ConnectClose, _>(close)
            .on::<call::ConnectGetHostname, _>(hostname)
            .on::<call::DomainLookupByName, _>(lookup)
            .on::<call::DomainDestroy, _>(destroy);
    }

    fn supports_feature(&self, _: i32) -> bool {
        false
    }

    fn busy(&self) -> bool {
        self.busy.exists()
    }

    async fn reload(&self) -> Result<()> {
        Ok(())
    }

    async fn shutdown(&self) {}
}

async fn open(_: Context<Tiny>, _: remote::ConnectOpenArgs) -> Result<()> {
    Ok(())
}

async fn close(_: Context<Tiny>, (): ()) -> Result<()> {
    Ok(())
}

async fn hostname(_: Context<Tiny>, (): ()) -> Result<remote::ConnectGetHostnameRet> {
    Ok(remote::ConnectGetHostnameRet {
        hostname: "tiny.example".to_owned(),
    })
}

async fn lookup(
    _: Context<Tiny>,
    args: remote::DomainLookupByNameArgs,
) -> Result<remote::DomainLookupByNameRet> {
    use rustix::net::{AddressFamily, SocketType, socket};
    let done = match args.name.as_str() {
        // What is not on the list does not exist.
        "network" => socket(AddressFamily::INET, SocketType::STREAM, None).map(drop),
        "priority" => rustix::process::setpriority_process(None, 1),
        // This one ends the process.
        "reboot" => rustix::system::reboot(rustix::system::RebootCommand::CadOff),
        _ => Err(rustix::io::Errno::NOSYS),
    };
    assert_eq!(done, Err(rustix::io::Errno::NOSYS), "{}", args.name);
    Ok(remote::DomainLookupByNameRet {
        dom: remote::Domain {
            name: args.name,
            uuid: [7; 16],
            id: 1,
        },
    })
}

async fn destroy(_: Context<Tiny>, _: remote::DomainDestroyArgs) -> Result<()> {
    Ok(())
}

/// One private instance.
struct Instanced {
    root: TempDir,
    notices: UnixDatagram,
}

/// A running daemon; killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for the end and gives the exit code.
    fn end(&mut self) -> i32 {
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
    fn new(config: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let notices = UnixDatagram::bind(root.path().join("notify")).unwrap();
        notices.set_read_timeout(Some(PATIENCE)).unwrap();
        std::fs::create_dir_all(root.path().join("etc/libvirt")).unwrap();
        let instance = Self { root, notices };
        instance.configure(config);
        instance
    }

    fn configure(&self, config: &str) {
        std::fs::write(self.root.path().join("etc/libvirt/virttestd.conf"), config).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("run/libvirt").join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(arguments);
        self.prepare(&mut command);
        command
    }

    fn prepare(&self, command: &mut Command) {
        command
            .env(DAEMON, "1")
            .env("FERROVIRT_ROOT", self.root.path())
            .env("NOTIFY_SOCKET", self.root.path().join("notify"))
            .stdin(Stdio::null());
    }

    /// Starts the daemon and waits until it says that it is ready.
    fn start(&self, arguments: &[&str]) -> Running {
        let running = Running(self.command(arguments).spawn().unwrap());
        self.await_notice("READY=1");
        running
    }

    fn await_notice(&self, wanted: &str) {
        let mut buffer = [0; 512];
        loop {
            let length = self.notices.recv(&mut buffer).expect("a notice in time");
            if String::from_utf8_lossy(&buffer[..length]).contains(wanted) {
                return;
            }
        }
    }

    fn uri(&self, socket: &str) -> String {
        format!("test+unix:///default?socket={}", self.path(socket).display())
    }

    fn virsh(&self, socket: &str, arguments: &[&str]) -> Output {
        Command::new("virsh")
            .arg("-c")
            .arg(self.uri(socket))
            .args(arguments)
            .output()
            .expect("virsh")
    }

    fn virt_admin(&self, arguments: &[&str]) -> Output {
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
    fn admin(&self, arguments: &[&str]) -> String {
        let output = self.virt_admin(arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        squeezed(&output.stdout)
    }

    fn admin_refuses(&self, arguments: &[&str], part: &str) {
        let output = self.virt_admin(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        let said = squeezed(&output.stderr);
        assert!(said.contains(part), "{arguments:?}: {said}");
    }

    /// A `virsh` that stays connected until it is dropped.
    fn stay_connected(&self, socket: &str) -> Running {
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

fn squeezed(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    // Without the rules of tables, whose length depends on what stands below them.
    let words = text.split_whitespace().filter(|word| !word.starts_with("---"));
    words.collect::<Vec<_>>().join(" ")
}

fn virt_admin_sees_servers_clients_and_limits() {
    let instance = Instanced::new("max_workers = 7\nmin_workers = 2");
    let _daemon = instance.start(&[]);
    assert_eq!(instance.admin(&["srv-list"]), "Id Name 0 admin 1 virttestd");
    assert_eq!(
        instance.admin(&["srv-threadpool-info", "virttestd"]),
        "minWorkers : 2 maxWorkers : 7 nWorkers : 0 freeWorkers : 0 prioWorkers : 5 jobQueueDepth : 0"
    );
    instance.admin(&["srv-threadpool-set", "virttestd", "--max-workers", "9"]);
    assert!(
        instance
            .admin(&["srv-threadpool-info", "virttestd"])
            .contains("maxWorkers : 9")
    );
    instance.admin_refuses(
        &["srv-threadpool-set", "virttestd", "--min-workers", "30"],
        "invalid argument",
    );
    assert_eq!(
        instance.admin(&["srv-clients-info", "admin"]),
        "nclients_max : 5 nclients : 1 nclients_unauth_max : 0 nclients_unauth : 0"
    );
    instance.admin(&["srv-clients-set", "virttestd", "--max-clients", "50"]);
    assert!(
        instance
            .admin(&["srv-clients-info", "virttestd"])
            .contains("nclients_max : 50")
    );
    instance.admin_refuses(
        &["srv-clients-set", "virttestd", "--max-unauth-clients", "60"],
        "invalid argument",
    );
    instance.admin_refuses(
        &["srv-clients-info", "bogus"],
        "Server not found: No server named 'bogus'",
    );
    instance.admin_refuses(
        &["srv-update-tls", "virttestd"],
        "internal error: no tls service found",
    );
    assert!(
        instance
            .admin(&["version"])
            .contains("Running against daemon: 11.3.0")
    );
}

fn virt_admin_shows_and_disconnects_a_client() {
    let instance = Instanced::new("");
    let _daemon = instance.start(&[]);
    let mut client = instance.stay_connected("virttestd-sock");
    let list = instance.admin(&["client-list", "virttestd"]);
    assert!(list.contains(" 1 unix 2"), "{list}");
    let info = instance.admin(&["client-info", "virttestd", "1"]);
    let pid = format!("unix_process_id: {}", client.0.id());
    for part in [
        "transport : unix",
        "readonly : no",
        "unix_user_id : ",
        "unix_group_id : ",
        &pid,
    ] {
        assert!(info.contains(part), "{part}: {info}");
    }
    instance.admin(&["client-disconnect", "virttestd", "1"]);
    drop(client.0.stdin.take());
    let mut said = String::new();
    client
        .0
        .stdout
        .as_mut()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    client.end();
    assert!(!instance.admin(&["client-list", "virttestd"]).contains("unix"));
    instance.admin_refuses(
        &["client-info", "virttestd", "1"],
        "Client not found: No client with matching ID '1'",
    );
}

fn virt_admin_changes_the_log() {
    let instance = Instanced::new("");
    let _daemon = instance.start(&[]);
    let log = instance.path("log");
    assert_eq!(instance.admin(&["daemon-log-filters"]), "Logging filters:");
    assert_eq!(
        instance.admin(&["daemon-log-outputs"]),
        "Logging outputs: 3:stderr"
    );
    instance.admin(&["daemon-log-outputs", &format!("1:file:{}", log.display())]);
    instance.admin(&["daemon-log-filters", "1:rpc 4:foo"]);
    assert_eq!(
        instance.admin(&["daemon-log-filters"]),
        "Logging filters: 1:rpc 4:foo"
    );
    assert!(instance.virsh("virttestd-sock", &["hostname"]).status.success());
    let logged = std::fs::read_to_string(&log).unwrap();
    assert!(logged.contains("connect_get_hostname"), "{logged}");
    instance.admin_refuses(
        &["daemon-log-filters", "9:foo"],
        "invalid argument: Invalid priority '9' for filter '9:foo'",
    );
    instance.admin_refuses(
        &["daemon-log-outputs", "1:bogus"],
        "invalid argument: Invalid log destination 'bogus' for log output '1:bogus'",
    );
}

fn virt_admin_ends_the_daemon() {
    let instance = Instanced::new("");
    let mut daemon = instance.start(&[]);
    instance.admin_refuses(&["daemon-shutdown", "--preserve"], "not built into this version");
    instance.admin(&["daemon-timeout", "--timeout", "1"]);
    assert_eq!(daemon.end(), 0);
    let mut daemon = instance.start(&[]);
    instance.admin(&["daemon-shutdown"]);
    assert_eq!(daemon.end(), 0);
}

fn a_read_only_socket_is_for_looking() {
    let instance = Instanced::new("unix_sock_ro_perms = \"0700\"");
    let _daemon = instance.start(&[]);
    if !rustix::process::geteuid().is_root() {
        // A session has no such socket.
        assert!(!instance.path("virttestd-sock-ro").exists());
        return;
    }
    assert_eq!(
        squeezed(&instance.virsh("virttestd-sock-ro", &["hostname"]).stdout),
        "tiny.example"
    );
    let refused = instance.virsh("virttestd-sock-ro", &["destroy", "a"]);
    let said = squeezed(&refused.stderr);
    assert!(
        said.contains("operation forbidden: read only access prevents virDomainDestroy"),
        "{said}"
    );
    assert!(
        instance
            .virsh("virttestd-sock", &["destroy", "a"])
            .status
            .success()
    );
}

fn a_call_before_the_connection_is_open_is_refused() {
    let instance = Instanced::new("");
    let _daemon = instance.start(&[]);
    let mut stream = UnixStream::connect(instance.path("virttestd-sock")).unwrap();
    // connect_get_hostname, number 59, as the first packet of a connection.
    let words: [u32; 7] = [28, 0x2000_8086, 1, 59, 0, 1, 0];
    let packet: Vec<u8> = words.into_iter().flat_map(u32::to_be_bytes).collect();
    stream.write_all(&packet).unwrap();
    let mut reply = vec![0; 28];
    stream.read_exact(&mut reply).unwrap();
    let length = u32::from_be_bytes(*reply.first_chunk().unwrap()) as usize;
    let mut body = vec![0; length - 28];
    stream.read_exact(&mut body).unwrap();
    assert_eq!(reply[27], 1, "an error");
    assert!(String::from_utf8_lossy(&body).contains("hypervisor connection not open"));
}

fn one_more_client_than_allowed_waits() {
    let instance = Instanced::new("max_clients = 1\nmax_anonymous_clients = 1");
    let _daemon = instance.start(&[]);
    let first = instance.stay_connected("virttestd-sock");
    let mut second = Command::new("virsh")
        .arg("-c")
        .arg(instance.uri("virttestd-sock"))
        .arg("hostname")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It cannot end before the first: what it waits for is not there.
    assert!(
        instance
            .admin(&["srv-clients-info", "virttestd"])
            .contains("nclients : 1")
    );
    assert!(second.try_wait().unwrap().is_none());
    drop(first);
    let mut said = String::new();
    second.stdout.as_mut().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said.trim(), "tiny.example");
    second.wait().unwrap();
}

fn without_descriptors_clients_wait_and_nothing_spins() {
    let instance = Instanced::new("");
    let daemon = instance.start(&[]);
    let pid = rustix::process::Pid::from_child(&daemon.0);
    let held = std::fs::read_dir(format!("/proc/{}/fd", daemon.0.id()))
        .unwrap()
        .count() as u64;
    let limit = rustix::process::Rlimit {
        current: Some(held + 4),
        maximum: Some(held + 4),
    };
    rustix::process::prlimit(Some(pid), rustix::process::Resource::Nofile, limit).unwrap();
    let path = instance.path("virttestd-sock");
    let crowd: Vec<_> = (0..40).map(|_| UnixStream::connect(&path).unwrap()).collect();
    let ticks = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.0.id())).unwrap();
        let fields: Vec<_> = stat
            .rsplit_once(')')
            .unwrap()
            .1
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let before = ticks();
    std::thread::sleep(Duration::from_millis(800));
    assert!(ticks() - before < 20, "the daemon spins");
    drop(crowd);
    assert_eq!(
        squeezed(&instance.virsh("virttestd-sock", &["hostname"]).stdout),
        "tiny.example"
    );
}

fn a_second_instance_is_refused() {
    let instance = Instanced::new("");
    let daemon = instance.start(&[]);
    let second = instance.command(&[]).output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(
        said.contains(&format!("(process {}): stop it first", daemon.0.id())),
        "{said}"
    );
    assert_eq!(
        squeezed(&instance.virsh("virttestd-sock", &["hostname"]).stdout),
        "tiny.example"
    );
}

fn a_killed_daemon_is_in_nobodys_way() {
    let instance = Instanced::new("");
    drop(instance.start(&[]));
    assert!(instance.path("virttestd-sock").exists(), "it was killed");
    let _daemon = instance.start(&[]);
    assert_eq!(
        squeezed(&instance.virsh("virttestd-sock", &["hostname"]).stdout),
        "tiny.example"
    );
}

fn a_bad_configuration_is_refused_with_its_place() {
    let instance = Instanced::new("max_clients = 5\nauth_unix_rw = \"kerberos\"");
    let output = instance.command(&[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("virttestd.conf:2: auth_unix_rw: 'kerberos' is no authentication scheme"),
        "{said}"
    );
    let output = instance.command(&["-f", "/nonexistent.conf"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let output = instance.command(&["--bogus"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

fn sighup_reads_the_configuration_again() {
    let instance = Instanced::new("");
    let daemon = instance.start(&[]);
    instance.configure("max_clients = 77");
    daemon.signal(rustix::process::Signal::HUP);
    instance.await_notice("READY=1");
    assert!(
        instance
            .admin(&["srv-clients-info", "virttestd"])
            .contains("nclients_max : 77")
    );
    instance.configure("max_clients = bad");
    daemon.signal(rustix::process::Signal::HUP);
    instance.await_notice("READY=1");
    assert!(
        instance
            .admin(&["srv-clients-info", "virttestd"])
            .contains("nclients_max : 77")
    );
}

fn systemds_watchdog_hears_of_it() {
    let instance = Instanced::new("");
    let mut command = instance.command(&[]);
    let _daemon = Running(command.env("WATCHDOG_USEC", "100000").spawn().unwrap());
    instance.await_notice("READY=1");
    instance.await_notice("WATCHDOG=1");
    instance.await_notice("WATCHDOG=1");
}

/// A call that every client may make at any time, and its answer.
fn ask(stream: &mut UnixStream, serial: u32) {
    let header = [28, 0x2000_8086, 1, 66, 0, serial, 0];
    let packet: Vec<u8> = header.into_iter().flat_map(u32::to_be_bytes).collect();
    stream.write_all(&packet).unwrap();
    let mut answer = [0; 36];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer[20..24], serial.to_be_bytes(), "its serial");
    assert_eq!(answer[24..28], [0; 4], "its status");
}

fn sigusr1_runs_the_program_anew_and_clients_go_on() {
    let instance = Instanced::new("");
    let mut daemon = instance.start(&[]);
    let mut client = UnixStream::connect(instance.path("virttestd-sock")).unwrap();
    ask(&mut client, 1);
    for life in 1..20_u32 {
        daemon.signal(rustix::process::Signal::USR1);
        instance.await_notice("RELOADING=1");
        // Nobody listens for this one yet: it waits.
        daemon.signal(rustix::process::Signal::USR2);
        instance.await_notice("READY=1");
        ask(&mut client, life);
        ask(
            &mut UnixStream::connect(instance.path("virttestd-sock")).unwrap(),
            life,
        );
    }
    let before = std::fs::read_to_string(instance.path("before")).unwrap();
    assert!(before.parse::<u32>().unwrap() >= 19, "{before}");
    let mut second = Running(instance.command(&[]).spawn().unwrap());
    assert_eq!(second.end(), 1, "the pid file is held all the time");
    // A program that could not start any more is not run.
    instance.configure("max_clients = 0");
    daemon.signal(rustix::process::Signal::USR1);
    daemon.signal(rustix::process::Signal::HUP);
    instance.await_notice("RELOADING=1");
    ask(&mut client, 1000);
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.end(), 0);
    assert!(!instance.path("virttestd-sock").exists());
    assert!(!instance.root.path().join("run/virttestd.pid").exists());
}

/// Waits until a log has a line with this.
fn await_line(log: &Path, part: &str) {
    let start = Instant::now();
    while !std::fs::read_to_string(log).unwrap().contains(part) {
        assert!(start.elapsed() < PATIENCE, "no '{part}'");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A daemon whose program can be replaced, and what it says.
fn replaceable(instance: &Instanced) -> (Running, PathBuf, PathBuf) {
    let (program, log) = (instance.root.path().join("program"), instance.path("log"));
    std::fs::create_dir_all(instance.path("")).unwrap();
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut command = Command::new(&program);
    instance.prepare(&mut command);
    let said = File::create(&log).unwrap();
    let daemon = Running(command.stderr(said).spawn().unwrap());
    instance.await_notice("READY=1");
    (daemon, program, log)
}

/// Puts another file in the place of a program, as an upgrade does.
fn replace(program: &Path, content: &[u8]) {
    let fresh = program.with_extension("new");
    std::fs::write(&fresh, content).unwrap();
    std::fs::set_permissions(&fresh, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::rename(fresh, program).unwrap();
}

fn sighup_after_an_upgrade_runs_the_new_program() {
    let instance = Instanced::new("max_clients = 77");
    let (mut daemon, program, _) = replaceable(&instance);
    let mut client = UnixStream::connect(instance.path("virttestd-sock")).unwrap();
    ask(&mut client, 1);
    daemon.signal(rustix::process::Signal::HUP);
    instance.await_notice("READY=1");
    assert_eq!(std::fs::read_to_string(instance.path("before")).unwrap(), "0");
    replace(&program, &std::fs::read(&program).unwrap());
    instance.configure("max_clients = 78");
    daemon.signal(rustix::process::Signal::HUP);
    instance.await_notice("READY=1");
    assert_eq!(std::fs::read_to_string(instance.path("before")).unwrap(), "1");
    ask(&mut client, 2);
    assert!(
        instance
            .admin(&["srv-clients-info", "virttestd"])
            .contains("nclients_max : 78")
    );
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.end(), 0);
}

fn a_program_that_would_not_start_does_not_take_over() {
    let instance = Instanced::new("");
    let (mut daemon, program, log) = replaceable(&instance);
    let mut client = UnixStream::connect(instance.path("virttestd-sock")).unwrap();
    let broken: [(&[u8], &str); 3] = [
        (b"\x7fELF is not all it takes", "cannot run it"),
        (
            b"#!/bin/sh\necho no library >&2\nexit 3",
            "exit status: 3: no library",
        ),
        (b"#!/nonexistent", "cannot run it"),
    ];
    for (round, (content, reason)) in broken.into_iter().enumerate() {
        std::fs::write(&log, "").unwrap();
        replace(&program, content);
        daemon.signal(rustix::process::Signal::USR2);
        await_line(&log, reason);
        await_line(&log, "this one goes on");
        ask(&mut client, u32::try_from(round).unwrap());
        assert!(instance.virsh("virttestd-sock", &["hostname"]).status.success());
    }
    // One that says it would and does not is a failure of the service, which systemd mends.
    replace(&program, b"#!/bin/sh\ntest \"$1\" = --rehearsal");
    daemon.signal(rustix::process::Signal::USR2);
    assert_ne!(daemon.end(), 0);
}

/// A line of what the kernel tells of a process.
fn status(daemon: &Running, key: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.0.id())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

fn what_it_does_not_need_is_taken_away() {
    let instance = Instanced::new("");
    let mut daemon = instance.start(&[]);
    for life in 0..3 {
        assert_eq!(status(&daemon, "NoNewPrivs"), "1");
        assert_eq!(status(&daemon, "Seccomp"), "2");
        // The next program finds what it needs in force, and puts nothing on top.
        assert_eq!(status(&daemon, "Seccomp_filters"), "2", "{life}");
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(status(&daemon, set), "0000000000000000", "{set}");
        }
        if rustix::process::geteuid().is_root() {
            assert_eq!(status(&daemon, "CapBnd"), "0000000000000000");
        }
        for denied in ["network", "priority"] {
            let outcome = instance.virsh("virttestd-sock", &["domuuid", denied]);
            assert!(outcome.status.success(), "{denied} is allowed: {outcome:?}");
        }
        daemon.signal(rustix::process::Signal::USR2);
        instance.await_notice("READY=1");
    }
    instance.virsh("virttestd-sock", &["domuuid", "reboot"]);
    let ended = daemon.0.wait().unwrap();
    let signal = std::os::unix::process::ExitStatusExt::signal(&ended);
    assert_eq!(signal, Some(rustix::process::Signal::SYS.as_raw()));
}

fn an_administrator_can_have_it_unconfined() {
    let instance = Instanced::new("confinement = 0");
    let daemon = instance.start(&[]);
    let own = |key: &str| status(&Running(Command::new("sleep").arg("9").spawn().unwrap()), key);
    for key in ["NoNewPrivs", "Seccomp", "CapBnd"] {
        assert_eq!(status(&daemon, key), own(key), "{key}");
    }
}

fn sigterm_ends_cleanly() {
    let instance = Instanced::new("");
    let mut daemon = instance.start(&[]);
    let _client = instance.stay_connected("virttestd-sock");
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.end(), 0);
    for left in [
        "virttestd-sock",
        "virttestd-sock-ro",
        "virttestd-admin-sock",
        "../virttestd.pid",
    ] {
        assert!(!instance.path(left).exists(), "{left}");
    }
}

fn without_clients_and_work_it_ends() {
    let instance = Instanced::new("");
    std::fs::create_dir_all(instance.path("")).unwrap();
    std::fs::write(instance.path("busy"), "").unwrap();
    let mut daemon = instance.start(&["--timeout", "1"]);
    let client = instance.stay_connected("virttestd-sock");
    std::thread::sleep(Duration::from_millis(1500));
    assert!(daemon.0.try_wait().unwrap().is_none(), "a client is connected");
    drop(client);
    std::thread::sleep(Duration::from_millis(1500));
    assert!(daemon.0.try_wait().unwrap().is_none(), "something runs");
    std::fs::remove_file(instance.path("busy")).unwrap();
    assert_eq!(daemon.end(), 0);
}

fn in_the_background_it_is_ready_when_the_caller_goes_on() {
    let instance = Instanced::new("");
    let pid_file = instance.root.path().join("own.pid");
    let output = instance
        .command(&["--daemon", "-p", &pid_file.display().to_string()])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(
        squeezed(&instance.virsh("virttestd-sock", &["hostname"]).stdout),
        "tiny.example"
    );
    let pid: i32 = std::fs::read_to_string(&pid_file)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    assert_eq!(rustix::process::getsid(Some(pid)).unwrap(), pid);
    let second = instance
        .command(&["--daemon", "-p", &pid_file.display().to_string()])
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    instance.await_notice("STOPPING=1");
}

fn systemd_opens_the_sockets() {
    if !Path::new("/usr/bin/systemd-socket-activate").exists() {
        println!("  (package systemd is not installed)");
        return;
    }
    let instance = Instanced::new("");
    std::fs::create_dir_all(instance.path("")).unwrap();
    // Named after its unit, not after its file.
    let socket = instance.path("by-name");
    let mut command = Command::new("/usr/bin/systemd-socket-activate");
    for name in [DAEMON, "FERROVIRT_ROOT", "NOTIFY_SOCKET"] {
        command.arg("-E").arg(name);
    }
    command
        .arg("-l")
        .arg(&socket)
        .arg("--fdname=virttestd.socket")
        .arg(std::env::current_exe().unwrap());
    instance.prepare(&mut command);
    let _daemon = Running(command.stderr(Stdio::null()).spawn().unwrap());
    let start = Instant::now();
    while !socket.exists() {
        assert!(start.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(
        squeezed(&instance.virsh("by-name", &["hostname"]).stdout),
        "tiny.example"
    );
    assert!(
        !instance.path("virttestd-sock").exists(),
        "systemd opens them all"
    );
}

type Test = (&'static str, fn());

macro_rules! tests {
    ($($name:ident),* $(,)?) => { [$((stringify!($name), $name as fn())),*] };
}

fn main() -> ExitCode {
    if std::env::var_os(DAEMON).is_some() {
        return daemon::run::<Tiny>();
    }
    let tests: &[Test] = &tests![
        virt_admin_sees_servers_clients_and_limits,
        virt_admin_shows_and_disconnects_a_client,
        virt_admin_changes_the_log,
        virt_admin_ends_the_daemon,
        a_read_only_socket_is_for_looking,
        a_call_before_the_connection_is_open_is_refused,
        one_more_client_than_allowed_waits,
        without_descriptors_clients_wait_and_nothing_spins,
        a_second_instance_is_refused,
        a_killed_daemon_is_in_nobodys_way,
        a_bad_configuration_is_refused_with_its_place,
        sighup_reads_the_configuration_again,
        systemds_watchdog_hears_of_it,
        sigusr1_runs_the_program_anew_and_clients_go_on,
        sighup_after_an_upgrade_runs_the_new_program,
        a_program_that_would_not_start_does_not_take_over,
        what_it_does_not_need_is_taken_away,
        an_administrator_can_have_it_unconfined,
        sigterm_ends_cleanly,
        without_clients_and_work_it_ends,
        in_the_background_it_is_ready_when_the_caller_goes_on,
        systemd_opens_the_sockets,
    ];
    let wanted: Vec<_> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let mut failed = 0;
    for (name, test) in tests {
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let passed = std::panic::catch_unwind(test).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += u32::from(!passed);
    }
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

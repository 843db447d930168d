//! How a daemon starts, reads its configuration, and ends.

use crate::instance::{DAEMON, Instanced, PATIENCE, Running, squeezed};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) fn a_second_instance_is_refused() {
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

pub(crate) fn a_killed_daemon_is_in_nobodys_way() {
    let instance = Instanced::new("");
    drop(instance.start(&[]));
    assert!(instance.path("virttestd-sock").exists(), "it was killed");
    let _daemon = instance.start(&[]);
    assert_eq!(
        squeezed(&instance.virsh("virttestd-sock", &["hostname"]).stdout),
        "tiny.example"
    );
}

pub(crate) fn a_bad_configuration_is_refused_with_its_place() {
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

pub(crate) fn sighup_reads_the_configuration_again() {
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

pub(crate) fn systemds_watchdog_hears_of_it() {
    let instance = Instanced::new("");
    let mut command = instance.command(&[]);
    let _daemon = Running(command.env("WATCHDOG_USEC", "100000").spawn().unwrap());
    instance.await_notice("READY=1");
    instance.await_notice("WATCHDOG=1");
    instance.await_notice("WATCHDOG=1");
}

pub(crate) fn sigterm_ends_cleanly() {
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

pub(crate) fn without_clients_and_work_it_ends() {
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

pub(crate) fn in_the_background_it_is_ready_when_the_caller_goes_on() {
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

pub(crate) fn systemd_opens_the_sockets() {
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

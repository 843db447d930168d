//! The program run anew in its process.

use crate::instance::{Instanced, PATIENCE, Running, ask};
use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

pub(crate) fn sigusr1_runs_the_program_anew_and_clients_go_on() {
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

pub(crate) fn sighup_after_an_upgrade_runs_the_new_program() {
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

pub(crate) fn a_program_that_would_not_start_does_not_take_over() {
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

//! The program as a management daemon starts it.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_qmp-standin"))
}

/// Says a command and gives back all lines up to its reply.
fn ask(stream: &UnixStream, command: &str) -> Vec<Value> {
    (&mut &*stream)
        .write_all(format!("{{\"execute\":\"{command}\",\"id\":1}}\r\n").as_bytes())
        .unwrap();
    let mut lines = Vec::new();
    for line in BufReader::with_capacity(1, stream).lines() {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let is_reply = line.get("id").is_some();
        lines.push(line);
        if is_reply {
            break;
        }
    }
    lines
}

fn listen() -> (tempfile::TempDir, UnixListener) {
    let dir = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(dir.path().join("monitor")).unwrap();
    (dir, listener)
}

/// A script in force only for the guest `bad`.
fn start(dir: &tempfile::TempDir, listener: &UnixListener, name: &str) -> (Running, UnixStream) {
    let script = dir.path().join("script");
    std::fs::write(
        &script,
        "[bad]\non query-status#2 crash\n[*]\non query-uuid exit 3\n",
    )
    .unwrap();
    let chardev = format!(
        "socket,id=charmonitor,path={}",
        dir.path().join("monitor").display()
    );
    let child = program()
        .args([
            "-name",
            &format!("guest={name},debug-threads=on"),
            "-S",
            "-no-shutdown",
            "-chardev",
            &chardev,
        ])
        .args(["-mon", "chardev=charmonitor,id=monitor,mode=control", "-pidfile"])
        .arg(dir.path().join("pid"))
        .env("QMP_STANDIN_SCRIPT", script)
        .spawn()
        .unwrap();
    let child = Running(child);
    let (stream, _) = listener.accept().unwrap();
    let mut greeting = String::new();
    BufReader::with_capacity(1, &stream)
        .read_line(&mut greeting)
        .unwrap();
    assert!(greeting.contains("\"QMP\""));
    ask(&stream, "qmp_capabilities");
    (child, stream)
}

#[test]
fn a_guest_lives_and_shuts_down() {
    let (dir, listener) = listen();
    let (mut child, stream) = start(&dir, &listener, "good");
    let pid = std::fs::read_to_string(dir.path().join("pid")).unwrap();
    assert_eq!(pid.trim(), child.0.id().to_string());
    assert_eq!(ask(&stream, "query-status")[0]["return"]["status"], "prelaunch");
    assert_eq!(ask(&stream, "cont")[0]["event"], "RESUME");
    let said = ask(&stream, "system_powerdown");
    assert_eq!(
        said.iter()
            .filter_map(|line| line["event"].as_str())
            .collect::<Vec<_>>(),
        ["POWERDOWN", "SHUTDOWN", "STOP"]
    );
    assert_eq!(ask(&stream, "query-status")[0]["return"]["status"], "shutdown");
    assert_eq!(
        ask(&stream, "query-nonsense")[0]["error"]["class"],
        "CommandNotFound"
    );
    (&mut &stream)
        .write_all(b"{\"execute\":\"query-uuid\"}\n")
        .unwrap();
    assert_eq!(child.0.wait().unwrap().code(), Some(3));
}

#[test]
fn a_script_may_be_for_one_guest() {
    let (dir, listener) = listen();
    let (mut child, stream) = start(&dir, &listener, "bad");
    ask(&stream, "query-status");
    ask(&stream, "query-status");
    assert_eq!(child.0.wait().unwrap().code(), None, "a signal");
}

#[test]
fn an_inherited_listener_is_served_again_and_again() {
    let (dir, listener) = listen();
    let mut command = program();
    // Standard input is the one descriptor the standard library passes on by itself.
    command.args([
        "-chardev",
        "socket,id=charmonitor,fd=0,server=on,wait=off",
        "-mon",
        "chardev=charmonitor,mode=control",
    ]);
    let _child = Running(
        command
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(listener)))
            .spawn()
            .unwrap(),
    );
    for _ in 0..3 {
        let stream = UnixStream::connect(dir.path().join("monitor")).unwrap();
        let mut greeting = String::new();
        BufReader::with_capacity(1, &stream)
            .read_line(&mut greeting)
            .unwrap();
        ask(&stream, "qmp_capabilities");
        assert_eq!(ask(&stream, "query-status")[0]["return"]["status"], "running");
    }
}

#[test]
fn probing_is_answered_on_standard_output() {
    let mut child = program()
        .args([
            "-S",
            "-machine",
            "none,accel=tcg",
            "-display",
            "none",
            "-nodefaults",
            "-qmp",
            "stdio",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let questions = [
        "qmp_capabilities",
        "query-version",
        "query-machines",
        "query-qmp-schema",
        "qom-list-types",
    ];
    for (id, question) in questions.iter().enumerate() {
        writeln!(stdin, "{{\"execute\":\"{question}\",\"id\":{id}}}").unwrap();
    }
    drop(stdin);
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success());
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), questions.len() + 1);
    assert_eq!(lines[2]["return"]["qemu"]["major"], 10);
    assert!(
        lines[3]["return"]
            .as_array()
            .unwrap()
            .iter()
            .any(|machine| machine["alias"] == "pc")
    );
}

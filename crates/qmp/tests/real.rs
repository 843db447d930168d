//! The monitor against QEMU itself, without a guest.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::panic,
    reason = "a test"
)]

use qmp::{Event, Events, Monitor, Options};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(120);

struct Qemu {
    child: Child,
    _dir: tempfile::TempDir,
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// QEMU with its monitor on a socket of ours, or nothing if it is not installed.
async fn start() -> Option<(Qemu, Monitor, Events)> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("monitor");
    // QEMU connects to us, so nothing needs to be waited for.
    let listener = UnixListener::bind(&path).unwrap();
    let qmp = format!("unix:{},server=off", path.display());
    let child = Command::new("qemu-system-x86_64")
        .args([
            "-S",
            "-machine",
            "none",
            "-display",
            "none",
            "-nodefaults",
            "-qmp",
            &qmp,
        ])
        .spawn();
    let Ok(child) = child else {
        eprintln!("skipped: qemu-system-x86_64 is not installed");
        return None;
    };
    let qemu = Qemu { child, _dir: dir };
    let (stream, _): (UnixStream, _) = tokio::task::spawn_blocking(move || listener.accept())
        .await
        .unwrap()
        .unwrap();
    let (monitor, events) = Monitor::from_std(stream, Options::new("test").deadline(SOON))
        .await
        .unwrap();
    Some((qemu, monitor, events))
}

#[tokio::test]
async fn queries_of_many_callers_are_answered() {
    let Some((_qemu, monitor, _events)) = start().await else {
        return;
    };
    assert!(monitor.greeting().version.qemu.major >= 7);
    assert_eq!(monitor.query_status(SOON).await.unwrap().status, "prelaunch");
    assert!(!monitor.query_machines(SOON).await.unwrap().is_empty());
    assert!(!monitor.query_cpu_definitions(SOON).await.unwrap().is_empty());
    assert!(
        monitor
            .query_commands(SOON)
            .await
            .unwrap()
            .iter()
            .any(|c| c.name == "getfd")
    );
    assert!(monitor.qom_list_types(None, SOON).await.unwrap().len() > 100);
    assert!(
        !monitor
            .device_list_properties("virtio-blk-pci", SOON)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(monitor.query_qmp_schema(SOON).await.unwrap().get().len() > 100_000);
    assert!(
        monitor
            .query_balloon(SOON)
            .await
            .unwrap_err()
            .is_class("DeviceNotActive")
    );
    assert!(
        monitor
            .order("no-such-command", (), SOON)
            .await
            .unwrap_err()
            .is_command_not_found()
    );
    assert!(monitor.query_blockstats(true, SOON).await.unwrap().is_empty());
    assert!(monitor.query_named_block_nodes(SOON).await.unwrap().is_empty());
    assert_eq!(monitor.query_chardev(SOON).await.unwrap().len(), 1);
    assert!(monitor.human("info version", SOON).await.unwrap().contains('.'));
    let tasks: Vec<_> = (0..100)
        .map(|number| {
            let monitor = monitor.clone();
            tokio::spawn(async move {
                match number % 2 {
                    0 => monitor.query_version(SOON).await.map(|_| ()),
                    _ => monitor.query_iothreads(SOON).await.map(|_| ()),
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(monitor.unanswered(), 0);
}

#[tokio::test]
async fn raw_replies_come_as_given() {
    let Some((_qemu, monitor, _events)) = start().await else {
        return;
    };
    let reply = monitor
        .execute_raw("{\"execute\":\n\"query-status\", \"id\": 1}", SOON)
        .await
        .unwrap();
    assert!(reply.starts_with("{\"return\": {"), "{reply}");
    assert!(reply.contains("\"id\": \"libvirt-2\""), "{reply}");
    let reply = monitor.execute_raw("{\"execute\":\"x\"}", SOON).await.unwrap();
    assert!(reply.contains("CommandNotFound"), "{reply}");
    assert!(matches!(
        monitor.execute_raw("[]", SOON).await,
        Err(qmp::Error::NotACommand(_))
    ));
    assert!(matches!(
        monitor.execute_raw("{", SOON).await,
        Err(qmp::Error::NotACommand(_))
    ));
}

#[tokio::test]
async fn descriptors_pass() {
    let Some((_qemu, monitor, _events)) = start().await else {
        return;
    };
    let fds: Vec<_> = (0..20)
        .map(|_| std::fs::File::open("/dev/null").unwrap().into())
        .collect();
    for (number, fd) in fds.into_iter().enumerate() {
        monitor.getfd(&format!("fd{number}"), fd, SOON).await.unwrap();
    }
    for number in 0..20 {
        monitor.closefd(&format!("fd{number}"), SOON).await.unwrap();
    }
    assert!(monitor.closefd("fd0", SOON).await.is_err());
    let added = monitor
        .add_fd(Some(7), std::fs::File::open("/dev/null").unwrap().into(), SOON)
        .await
        .unwrap();
    assert_eq!(added.fdset_id, 7);
    monitor.remove_fd(7, None, SOON).await.unwrap();
}

#[tokio::test]
async fn the_end_is_heard_after_its_event() {
    let Some((_qemu, monitor, mut events)) = start().await else {
        return;
    };
    // The answer may be lost in the end.
    let _ = monitor.quit(SOON).await;
    let Some(Event {
        name,
        data,
        timestamp,
    }) = events.next().await
    else {
        panic!("no event")
    };
    assert_eq!(name, "SHUTDOWN");
    assert_eq!(data["guest"], false);
    assert!(timestamp.seconds > 0);
    assert_eq!(events.next().await, None);
    assert_eq!(events.close_reason(), Some(qmp::CloseReason::Eof));
    assert!(monitor.query_status(SOON).await.unwrap_err().is_closed());
}

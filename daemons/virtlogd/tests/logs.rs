//! virtlogd as a process, spoken to as virtqemud does, and by stock `virt-admin`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use client::Client;
use error::Code;
use private_instance::{Daemon, Instance, wait_until};
use protocol::log::{self as wire, procedure as call};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often a state is looked at.
const PAUSE: Duration = Duration::from_millis(5);

struct Logd {
    /// Ends before its folder goes.
    daemon: Daemon,
    instance: Instance,
}

impl Logd {
    fn start(config: &str) -> Self {
        let programs = Path::new(env!("CARGO_BIN_EXE_virtlogd")).parent().unwrap();
        let instance = Instance::below(Path::new("/tmp"), programs).unwrap();
        instance.configure("virtlogd.conf", config).unwrap();
        let mut daemon = instance.daemon("virtlogd").with(["--verbose"]);
        daemon.start().unwrap();
        fs::create_dir_all(instance.path("/var/log/libvirt/qemu")).unwrap();
        Self { daemon, instance }
    }

    fn log(&self, name: &str) -> PathBuf {
        self.instance.path("/var/log/libvirt/qemu").join(name)
    }

    async fn client(&self) -> Client {
        Client::connect_unix(self.daemon.socket()).await.unwrap()
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.daemon.pid().unwrap()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// How often a program of this process has begun to serve.
    fn lives(&self) -> usize {
        self.daemon.said().matches("clients are served").count()
    }

    /// Runs the program anew and waits until it serves.
    fn succeed(&self) {
        let before = self.lives();
        self.signal(Signal::USR1);
        self.wait("the next program", || self.lives() > before);
    }

    fn wait(&self, what: &str, done: impl Fn() -> bool) {
        wait_until(what, PAUSE, || Ok(done().then_some(()))).unwrap_or_else(|late| {
            panic!("{late}\n{}", self.daemon.said());
        });
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

async fn open(client: &Client, path: &Path, flags: u32) -> error::Result<(File, wire::LogFilePosition)> {
    let args = wire::DomainOpenLogFileArgs {
        driver: "qemu".to_owned(),
        dom: wire::Domain {
            uuid: [1; 16],
            name: "guest".to_owned(),
        },
        path: text(path),
        flags,
    };
    let (ret, fds) = client
        .call_with_fds::<call::DomainOpenLogFile>(&args, Vec::new())
        .await?;
    Ok((File::from(fds.into_iter().next().unwrap()), ret.pos))
}

async fn position(client: &Client, path: &Path) -> error::Result<wire::LogFilePosition> {
    let args = wire::DomainGetLogFilePositionArgs {
        path: text(path),
        flags: 0,
    };
    let ret = client.call::<call::DomainGetLogFilePosition>(&args).await?;
    Ok(ret.pos)
}

async fn read(
    client: &Client,
    path: &Path,
    pos: &wire::LogFilePosition,
    maxlen: u64,
) -> error::Result<String> {
    let args = wire::DomainReadLogFileArgs {
        path: text(path),
        pos: pos.clone(),
        maxlen,
        flags: 0,
    };
    let ret = client.call::<call::DomainReadLogFile>(&args).await?;
    Ok(ret.data)
}

async fn append(client: &Client, path: &Path, message: &str) -> error::Result<i32> {
    let args = wire::DomainAppendLogFileArgs {
        driver: "qemu".to_owned(),
        dom: wire::Domain {
            uuid: [1; 16],
            name: "guest".to_owned(),
        },
        path: text(path),
        message: message.to_owned(),
        flags: 0,
    };
    let ret = client.call::<call::DomainAppendLogFile>(&args).await?;
    Ok(ret.ret)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_writes_and_its_words_are_read() {
    let logd = Logd::start("");
    let client = logd.client().await;
    let path = logd.log("a.log");
    let (mut pipe, start) = open(&client, &path, 0).await.unwrap();
    assert_eq!(start.offset, 0);
    pipe.write_all(b"hello\n").unwrap();
    // What was written before is there, whoever asks.
    assert_eq!(position(&client, &path).await.unwrap().offset, 6);
    assert_eq!(append(&client, &path, "a note\n").await.unwrap(), 0);
    pipe.write_all(b"bye\n").unwrap();
    assert_eq!(
        read(&client, &path, &start, 1000).await.unwrap(),
        "hello\na note\nbye\n"
    );
    assert_eq!(read(&client, &path, &start, 4).await.unwrap(), "hell");
    let busy = open(&client, &path, 0).await.unwrap_err();
    assert_eq!(busy.code(), Code::SystemError);
    assert!(busy.to_string().contains("Cannot open log file"), "{busy}");
    // Its guest has ended, and it starts again.
    drop(pipe);
    let (_pipe, again) = open(&client, &path, 0).await.unwrap();
    assert_eq!(again.offset, 17);
    // Without a guest.
    let other = logd.log("b.log");
    append(&client, &other, "alone\n").await.unwrap();
    assert_eq!(fs::read_to_string(&other).unwrap(), "alone\n");
    let refused = position(&client, &other).await.unwrap_err();
    assert_eq!(refused.code(), Code::InternalError);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_and_nothing_hangs() {
    let logd = Logd::start("");
    let client = logd.client().await;
    let folder = logd.instance.path("/var/log/libvirt/qemu");
    let pipe = folder.join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    for bad in [
        Path::new("a.log"),
        Path::new("/tmp/../etc/x"),
        &folder,
        &pipe,
        &folder.join("no/a.log"),
    ] {
        let refused = open(&client, bad, 0).await.unwrap_err();
        assert_eq!(refused.code(), Code::SystemError, "{refused}");
        assert!(append(&client, bad, "x").await.is_err(), "{}", bad.display());
    }
    let path = logd.log("a.log");
    let flags = open(&client, &path, 2).await.unwrap_err();
    assert_eq!(flags.code(), Code::InvalidArg);
    append(&client, &path, "x").await.unwrap();
    let nowhere = wire::LogFilePosition { inode: 1, offset: 0 };
    assert_eq!(
        read(&client, &path, &nowhere, 10).await.unwrap_err().code(),
        Code::SystemError
    );
    let large = read(&client, &path, &nowhere, 4_194_305).await.unwrap_err();
    assert_eq!(large.code(), Code::InternalError);
    assert!(large.to_string().contains("4194304"), "{large}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chatty_guest_fills_its_files_and_no_more() {
    let logd = Logd::start("max_size = 8192\nmax_backups = 2\n");
    let client = logd.client().await;
    let path = logd.log("a.log");
    let (mut pipe, _) = open(&client, &path, 0).await.unwrap();
    let lines: String = (0..2000)
        .map(|number| format!("line {number:06} of a guest\n"))
        .collect();
    pipe.write_all(lines.as_bytes()).unwrap();
    position(&client, &path).await.unwrap();
    let mut kept = String::new();
    for name in ["a.log.1", "a.log.0", "a.log"] {
        let part = fs::read_to_string(logd.log(name)).unwrap();
        assert!(part.len() <= 8192);
        kept.push_str(&part);
    }
    assert!(lines.ends_with(&kept) && kept.len() > 8192, "{}", kept.len());
    assert!(!logd.log("a.log.2").exists());
    // The limits change without a restart.
    logd.instance
        .configure("virtlogd.conf", "max_size = 100\nmax_backups = 1\n")
        .unwrap();
    logd.signal(Signal::HUP);
    logd.wait("smaller files", || {
        pipe.try_clone().unwrap().write_all(b"short\n").unwrap();
        fs::metadata(&path).is_ok_and(|status| status.len() <= 100)
    });
    let (_pipe, start) = {
        drop(pipe);
        open(&client, &path, 1).await.unwrap()
    };
    assert_eq!(start.offset, 0);
    assert!(!logd.log("a.log.0").exists(), "truncation takes the backups");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_its_guest_words_and_nobody_else_anything() {
    let logd = Logd::start("");
    let client = logd.client().await;
    let (mut full, _) = open(&client, Path::new("/dev/full"), 0).await.unwrap();
    let path = logd.log("a.log");
    let (mut pipe, start) = open(&client, &path, 0).await.unwrap();
    for _ in 0..100 {
        // More than a pipe holds: its writer would wait if nobody drained it.
        full.write_all(&[b'x'; 4096]).unwrap();
        pipe.write_all(b"fine\n").unwrap();
    }
    assert_eq!(
        read(&client, &path, &start, 10_000).await.unwrap(),
        "fine\n".repeat(100)
    );
    logd.wait("a word about it", || logd.daemon.said().contains("/dev/full"));
    position(&client, Path::new("/dev/full")).await.unwrap();
    assert_eq!(
        logd.daemon.said().matches("/dev/full").count(),
        1,
        "{}",
        logd.daemon.said()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_is_run_anew_under_writing_guests_and_no_byte_is_lost() {
    let logd = Logd::start("max_size = 0\n");
    let client = logd.client().await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut guests = Vec::new();
    for number in 0..4 {
        let path = logd.log(&format!("{number}.log"));
        let (mut pipe, _) = open(&client, &path, 0).await.unwrap();
        let stop = Arc::clone(&stop);
        let guest = std::thread::spawn(move || {
            let mut written = String::new();
            for count in 0_u64.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                // In pieces that are no lines.
                let piece = format!("{count} of {number}\n").repeat(1 + usize::try_from(count % 7).unwrap());
                pipe.write_all(piece.as_bytes()).unwrap();
                written.push_str(&piece);
            }
            written
        });
        guests.push((path, guest));
    }
    let pid = logd.daemon.pid();
    for _ in 0..25 {
        logd.succeed();
        // The same connection, in the next program.
        for (path, _) in &guests {
            position(&client, path).await.unwrap();
        }
    }
    stop.store(true, Ordering::Relaxed);
    assert_eq!(logd.daemon.pid(), pid);
    for (path, guest) in guests {
        let written = guest.join().unwrap();
        // Closed, hence complete.
        logd.wait("the end of a log", || {
            fs::metadata(&path).is_ok_and(|status| status.len() == written.len() as u64)
        });
        assert_eq!(fs::read_to_string(&path).unwrap(), written);
    }
    // A program that would refuse its configuration is not run: this one goes on.
    let path = logd.log("last.log");
    let (mut pipe, start) = open(&client, &path, 0).await.unwrap();
    logd.instance
        .configure("virtlogd.conf", "max_size = \"much\"\n")
        .unwrap();
    logd.signal(Signal::USR1);
    logd.wait("a word about it", || {
        logd.daemon.said().contains("was not run anew")
    });
    pipe.write_all(b"still here\n").unwrap();
    assert_eq!(read(&client, &path, &start, 100).await.unwrap(), "still here\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_leaves_what_was_written_and_the_next_daemon_goes_on() {
    let mut logd = Logd::start("");
    let client = logd.client().await;
    let path = logd.log("a.log");
    let (mut pipe, _) = open(&client, &path, 0).await.unwrap();
    pipe.write_all(b"before\n").unwrap();
    position(&client, &path).await.unwrap();
    logd.daemon.kill().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "before\n");
    logd.daemon.start().unwrap();
    let client = logd.client().await;
    let (mut pipe, start) = open(&client, &path, 0).await.unwrap();
    assert_eq!(start.offset, 7);
    pipe.write_all(b"after\n").unwrap();
    assert_eq!(position(&client, &path).await.unwrap().offset, 13);
}

#[test]
fn stock_virt_admin_manages_it() {
    let logd = Logd::start("");
    let admin = |arguments: &[&str]| {
        let output = Command::new("virt-admin")
            .arg("-c")
            .arg(logd.daemon.admin_uri())
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(admin(&["srv-list"]).contains("virtlogd"));
    let info = admin(&["srv-clients-info", "virtlogd"]);
    assert!(info.contains("1024"), "{info}");
    assert!(!logd.instance.path("/run/libvirt/virtlogd-sock-ro").exists());
}

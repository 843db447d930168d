//! virtlockd as a process, spoken to as virtqemud and its guests do.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use client::Client;
use error::Code;
use private_instance::{Daemon, Instance, wait_until};
use protocol::lock::{self as wire, procedure as call};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How often a state is looked at.
const PAUSE: Duration = Duration::from_millis(5);

/// Tells the process of [`a_guest`] the socket and the disk.
const SOCKET: &str = "FERROVIRT_TEST_LOCK_SOCKET";
const DISK: &str = "FERROVIRT_TEST_LOCK_DISK";
/// Has it close its connection and live on.
const LEAVES: &str = "FERROVIRT_TEST_LOCK_LEAVES";

struct Lockd {
    /// Ends before its folder goes.
    daemon: Daemon,
    instance: Instance,
}

impl Lockd {
    fn start() -> Self {
        let programs = Path::new(env!("CARGO_BIN_EXE_virtlockd")).parent().unwrap();
        let instance = Instance::below(Path::new("/tmp"), programs).unwrap();
        let mut daemon = instance.daemon("virtlockd").with(["--verbose"]);
        daemon.start().unwrap();
        Self { daemon, instance }
    }

    fn disk(&self, name: &str) -> String {
        let path = self.instance.folder().join(name);
        fs::write(&path, "a disk").unwrap();
        path.display().to_string()
    }

    /// Somebody who speaks for the process `pid`.
    async fn client(&self, name: &str, pid: u32) -> Client {
        let client = Client::connect_unix(self.daemon.socket()).await.unwrap();
        register(&client, name, pid).await.unwrap();
        client
    }

    /// A guest's process, which has acquired its disk.
    fn guest(&self, disk: &str, leaves: bool) -> Guest {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "a_guest", "--nocapture"])
            .env(SOCKET, self.daemon.socket())
            .env(DISK, disk)
            .stdout(Stdio::piped());
        if leaves {
            command.env(LEAVES, "1");
        }
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines
            .map_while(Result::ok)
            .any(|line| line.contains("it is mine"));
        assert!(ready, "the guest has no lease:\n{}", self.daemon.said());
        Guest(child)
    }

    fn succeed(&self) {
        let lives = || self.daemon.said().matches("clients are served").count();
        let before = lives();
        let pid = i32::try_from(self.daemon.pid().unwrap()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::USR1).unwrap();
        self.wait("the next program", || lives() > before);
    }

    fn wait(&self, what: &str, mut done: impl FnMut() -> bool) {
        wait_until(what, PAUSE, || Ok(done().then_some(()))).unwrap_or_else(|late| {
            panic!("{late}\n{}", self.daemon.said());
        });
    }
}

struct Guest(Child);

impl Guest {
    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn register(client: &Client, name: &str, pid: u32) -> error::Result<()> {
    let owner = wire::Owner {
        uuid: [7; 16],
        name: name.to_owned(),
        id: 1,
        pid,
    };
    client
        .call::<call::Register>(&wire::RegisterArgs { owner, flags: 0 })
        .await
}

async fn acquire(client: &Client, path: &str, name: &str, flags: u32) -> error::Result<()> {
    let (path, name) = (path.to_owned(), name.to_owned());
    client
        .call::<call::AcquireResource>(&wire::AcquireResourceArgs { path, name, flags })
        .await
}

async fn release(client: &Client, path: &str, name: &str) -> error::Result<()> {
    let (path, name) = (path.to_owned(), name.to_owned());
    client
        .call::<call::ReleaseResource>(&wire::ReleaseResourceArgs { path, name, flags: 0 })
        .await
}

/// No test, unless it is run by another: a guest's process.
#[tokio::test]
async fn a_guest() {
    let (Ok(socket), Ok(disk)) = (std::env::var(SOCKET), std::env::var(DISK)) else {
        return;
    };
    let client = Client::connect_unix(socket).await.unwrap();
    register(&client, "guest", std::process::id()).await.unwrap();
    acquire(&client, "", &disk, 0).await.unwrap();
    client
        .call::<call::Restrict>(&wire::RestrictArgs { flags: 0 })
        .await
        .unwrap();
    let refused = release(&client, "", &disk).await.unwrap_err();
    assert_eq!(refused.code(), Code::OperationDenied);
    println!("it is mine");
    if std::env::var_os(LEAVES).is_some() {
        client.close();
    }
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_writes_or_many_share_and_who_has_it_is_told() {
    let lockd = Lockd::start();
    let (disk, other) = (lockd.disk("disk"), lockd.disk("other"));
    let nobody = Client::connect_unix(lockd.daemon.socket()).await.unwrap();
    assert_eq!(
        acquire(&nobody, "", &disk, 0).await.unwrap_err().code(),
        Code::OperationInvalid
    );
    // Processes that are not their own, so that these connections are nobody's sign of life.
    let one = lockd.client("one", 1).await;
    let two = lockd.client("two", 2).await;
    acquire(&one, "", &disk, 0).await.unwrap();
    for client in [&one, &two] {
        let busy = acquire(client, "", &disk, 0).await.unwrap_err();
        assert_eq!(busy.code(), Code::ResourceBusy);
        assert!(busy.to_string().contains("domain 'one' (process 1"), "{busy}");
    }
    assert_eq!(
        release(&two, "", &disk).await.unwrap_err().code(),
        Code::InternalError
    );
    release(&one, "", &disk).await.unwrap();
    assert_eq!(
        release(&one, "", &disk).await.unwrap_err().code(),
        Code::ResourceBusy
    );
    acquire(&two, "", &disk, 0).await.unwrap();
    // Shared.
    acquire(&one, "", &other, 1).await.unwrap();
    acquire(&two, "", &other, 1).await.unwrap();
    assert_eq!(
        acquire(&two, "", &other, 0).await.unwrap_err().code(),
        Code::ResourceBusy
    );
    // The end of one who only speaks for a process frees nothing.
    drop(two);
    let three = lockd.client("three", 3).await;
    assert_eq!(
        acquire(&three, "", &disk, 0).await.unwrap_err().code(),
        Code::ResourceBusy
    );
    // What cannot be.
    for (space, name, flags, code) in [
        ("", disk.as_str(), 4, Code::InvalidArg),
        ("", "relative", 0, Code::InvalidArg),
        ("", "/nonexistent/disk", 0, Code::SystemError),
        ("/nowhere", "name", 0, Code::InternalError),
    ] {
        assert_eq!(
            acquire(&three, space, name, flags).await.unwrap_err().code(),
            code,
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_holds_leases_that_come_and_go() {
    let lockd = Lockd::start();
    let client = lockd.client("one", 1).await;
    let folder = lockd.instance.folder().join("leases/files");
    let path = folder.display().to_string();
    let args = wire::CreateLockSpaceArgs { path: path.clone() };
    for _ in 0..2 {
        client.call::<call::CreateLockspace>(&args).await.unwrap();
    }
    let again = wire::NewArgs {
        path: path.clone(),
        flags: 0,
    };
    assert_eq!(
        client.call::<call::New>(&again).await.unwrap_err().code(),
        Code::InternalError
    );
    assert_eq!(
        acquire(&client, &path, "a", 0).await.unwrap_err().code(),
        Code::SystemError
    );
    acquire(&client, &path, "a", 2).await.unwrap();
    assert!(folder.join("a").exists());
    for evil in ["../a", "", ".."] {
        assert_eq!(
            acquire(&client, &path, evil, 2).await.unwrap_err().code(),
            Code::InvalidArg
        );
    }
    let (named, flags) = ("a".to_owned(), 0);
    let delete = wire::DeleteResourceArgs {
        path: path.clone(),
        name: named,
        flags,
    };
    assert_eq!(
        client
            .call::<call::DeleteResource>(&delete)
            .await
            .unwrap_err()
            .code(),
        Code::ResourceBusy
    );
    release(&client, &path, "a").await.unwrap();
    assert!(!folder.join("a").exists(), "it was made for the lease");
    let create = wire::CreateResourceArgs {
        path: path.clone(),
        name: "b".to_owned(),
        flags,
    };
    client.call::<call::CreateResource>(&create).await.unwrap();
    acquire(&client, &path, "b", 0).await.unwrap();
    release(&client, &path, "b").await.unwrap();
    assert!(folder.join("b").exists());
    let delete = wire::DeleteResourceArgs {
        path,
        name: "b".to_owned(),
        flags,
    };
    client.call::<call::DeleteResource>(&delete).await.unwrap();
    assert!(!folder.join("b").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_ends_with_its_process_and_outlives_every_restart() {
    let lockd = Lockd::start();
    let disk = lockd.disk("disk");
    let guest = lockd.guest(&disk, false);
    let other = lockd.client("other", 1).await;
    // A lock of the kind that libvirt's own daemon takes, at every moment.
    let file = File::options().write(true).open(&disk).unwrap();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = std::sync::Arc::clone(&stop);
    let watching = std::thread::spawn(move || {
        let mut count = 0_u64;
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            let flags = rustix::fs::FlockOperation::NonBlockingLockExclusive;
            assert!(
                rustix::fs::fcntl_lock(&file, flags).is_err(),
                "the lease was free for a moment"
            );
            count += 1;
        }
        count
    });
    for _ in 0..10 {
        lockd.succeed();
        let busy = acquire(&other, "", &disk, 0).await.unwrap_err();
        assert!(
            busy.to_string()
                .contains(&format!("domain 'guest' (process {}", guest.pid())),
            "{busy}"
        );
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(watching.join().unwrap() > 0);
    // Somebody else gives it up and takes it for the guest, as for a pause.
    let speaker = lockd.client("guest", guest.pid()).await;
    release(&speaker, "", &disk).await.unwrap();
    acquire(&speaker, "", &disk, 0).await.unwrap();
    drop(speaker);
    assert_eq!(
        acquire(&other, "", &disk, 0).await.unwrap_err().code(),
        Code::ResourceBusy
    );
    drop(guest);
    let taken = async {
        while acquire(&other, "", &disk, 0).await.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(private_instance::PATIENCE, taken)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_closes_its_sign_of_life_is_ended_before_its_lease_is_free() {
    let lockd = Lockd::start();
    let disk = lockd.disk("disk");
    let mut guest = lockd.guest(&disk, true);
    let other = lockd.client("other", 1).await;
    let taken = async {
        while acquire(&other, "", &disk, 0).await.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(private_instance::PATIENCE, taken)
        .await
        .unwrap();
    assert!(guest.0.try_wait().unwrap().is_some(), "it could still write");
}

//! Tasks that listen at ports, and what they tell.

use super::Lesson;
use super::frame::{self, Seen};
use super::program::{self, LONGEST};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How many frames of one port are looked at in one go, and how many a second in the long run. A guest says little by DHCP, and what a
/// hostile one says beyond that is lost in the kernel.
const BURST: u32 = 32;
const RATE: u32 = 16;

/// How much of a port's frames may wait in the kernel, in bytes.
const ROOM: usize = 32 * 1024;

/// What was seen at a port.
#[derive(Debug)]
pub(crate) struct Told {
    pub port: String,
    pub lesson: Lesson,
    pub seen: Seen,
}

#[derive(Debug)]
struct Listener {
    lesson: Lesson,
    task: JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Who listens where.
#[derive(Debug)]
pub(crate) struct Listeners {
    ports: Mutex<BTreeMap<String, Listener>>,
    tell: mpsc::Sender<Told>,
}

impl Listeners {
    /// Nobody yet; what is heard goes to `tell`.
    pub(crate) fn new(tell: mpsc::Sender<Told>) -> Self {
        Self {
            ports: Mutex::default(),
            tell,
        }
    }

    /// Has somebody listen for that at a port, or nobody. Inside the runtime.
    pub(crate) fn listen(&self, port: &str, lesson: Option<&Lesson>) {
        let mut ports = self.ports.lock();
        let Some(lesson) = lesson else {
            ports.remove(port);
            return;
        };
        let listens = |listener: &Listener| listener.lesson == *lesson && !listener.task.is_finished();
        if ports.get(port).is_some_and(listens) {
            return;
        }
        let (name, heard) = (port.to_owned(), lesson.clone());
        let tell = self.tell.clone();
        let task = tokio::spawn(async move {
            if let Err(err) = listen(&name, &heard, &tell).await {
                tracing::warn!(%err, port = name, "addresses of a guest are not learned any more");
            }
        });
        let lesson = lesson.clone();
        ports.insert(port.to_owned(), Listener { lesson, task });
    }

    /// Nobody listens any more.
    pub(crate) fn stop(&self) {
        self.ports.lock().clear();
    }
}

/// Listens until the port is gone.
async fn listen(port: &str, lesson: &Lesson, tell: &mpsc::Sender<Told>) -> io::Result<()> {
    let socket = kernel::device::capture(port, &program::of(lesson.method), ROOM)?;
    #[expect(
        deprecated,
        reason = "its successor is unsafe for types that lie about their descriptor; OwnedFd does not"
    )]
    let socket = AsyncFd::with_interest(socket, tokio::io::Interest::READABLE)?;
    let mut allowance = Allowance::new();
    let mut buffer = vec![0; LONGEST];
    loop {
        let mut ready = socket.readable().await?;
        let Ok(read) = ready.try_io(|socket| receive(socket.get_ref(), &mut buffer)) else {
            continue;
        };
        let length = match read {
            Ok(length) => length,
            // It is switched off; it may be switched on again.
            Err(err) if err.raw_os_error() == Some(rustix::io::Errno::NETDOWN.raw_os_error()) => continue,
            Err(err) => return Err(err),
        };
        let bytes = buffer.get(..length).unwrap_or_default();
        if let Some(seen) = frame::read(lesson, bytes) {
            let told = Told {
                port: port.to_owned(),
                lesson: lesson.clone(),
                seen,
            };
            // Who is told is slow then, and the guest says it again.
            let _ = tell.try_send(told);
        }
        allowance.spend().await;
    }
}

fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<usize> {
    let (length, _) = rustix::net::recv(socket, buffer, rustix::net::RecvFlags::empty())?;
    Ok(length)
}

/// How many frames may still be looked at.
struct Allowance {
    left: u32,
    since: Instant,
}

impl Allowance {
    fn new() -> Self {
        Self {
            left: BURST,
            since: Instant::now(),
        }
    }

    /// Takes one, and waits where there is none left.
    async fn spend(&mut self) {
        let one = Duration::from_secs(1) / RATE;
        let earned = self.since.elapsed().as_millis() / one.as_millis();
        if earned > 0 {
            let earned = u32::try_from(earned).unwrap_or(u32::MAX).min(BURST);
            self.left = self.left.saturating_add(earned).min(BURST);
            self.since = Instant::now();
        }
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            tokio::time::sleep(one).await;
        }
    }
}

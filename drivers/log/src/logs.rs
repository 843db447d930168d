//! Every log that somebody writes to.

use crate::config::Limits;
use crate::drain::Log;
use crate::rotating::Position;
use crate::sink::Sink;
use daemon::{LIMIT_MAX, Workers};
use error::{Code, Domain, Error, Result};
use parking_lot::{Mutex, RwLock};
use protocol::Priority;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::unix::pipe;
use tokio::sync::Notify;

/// How long a disk may take before whoever asks about its log hears of it.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long it may take before a restart is given up.
const HANDOVER: Duration = Duration::from_secs(5);

/// Every log, by path.
#[derive(Debug)]
pub(crate) struct Logs {
    state: Mutex<State>,
    /// A path is not reserved any more.
    freed: Notify,
    limits: RwLock<Limits>,
    /// A thread for each log whose disk is at work: one that hangs must not keep others waiting for theirs.
    threads: Workers,
}

#[derive(Debug, Default)]
struct State {
    logs: HashMap<PathBuf, Entry>,
    /// The next program takes over; what is opened now it would not know.
    handed_over: bool,
}

#[derive(Debug)]
enum Entry {
    /// Somebody opens it or appends to it.
    Reserved,
    /// A guest writes to it.
    Open(Arc<Log>),
}

/// A path that nobody else opens.
#[derive(Debug)]
struct Reservation<'a> {
    logs: &'a Logs,
    path: &'a Path,
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut state = self.logs.state.lock();
        if let Some(Entry::Reserved) = state.logs.get(self.path) {
            state.logs.remove(self.path);
        }
        drop(state);
        self.logs.freed.notify_waiters();
    }
}

enum Found<'a> {
    Log(Arc<Log>),
    Nothing(Reservation<'a>),
}

/// What the next program has to know of a log.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LogNote {
    pub(crate) path: PathBuf,
}

impl Logs {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            freed: Notify::new(),
            limits: RwLock::new(limits),
            threads: Workers::new(daemon::Limits {
                min: 0,
                max: LIMIT_MAX,
                priority: 0,
            }),
        })
    }

    /// How logs roll over now.
    pub(crate) fn limits(&self) -> Limits {
        *self.limits.read()
    }

    pub(crate) fn set_limits(&self, limits: Limits) {
        *self.limits.write() = limits;
    }

    /// Whether somebody writes to any.
    pub(crate) fn any(&self) -> bool {
        !self.state.lock().logs.is_empty()
    }

    /// Whether somebody writes to this one.
    pub(crate) fn is_open(&self, path: &Path) -> bool {
        self.state.lock().logs.contains_key(path)
    }

    /// Does what waits for a disk.
    ///
    /// # Errors
    /// [`Code::InternalError`] when it panicked.
    pub(crate) async fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        self.threads.blocking(Priority::Low, work).await
    }

    /// Opens a log for a guest: the end of the pipe that it writes to, and where its first byte goes.
    ///
    /// # Errors
    /// [`Code::SystemError`] when it is open already or the system refuses, [`Code::OperationTimeout`] when its disk hangs.
    pub(crate) async fn open(self: &Arc<Self>, path: &Path, truncate: bool) -> Result<(OwnedFd, Position)> {
        let reservation = loop {
            match self.find(path).await {
                Found::Nothing(reservation) => break reservation,
                // A guest that has just ended may have left it so.
                Found::Log(log) => {
                    if in_time(path, log.flush()).await?.is_ok() {
                        let busy = io::Error::from(io::ErrorKind::ResourceBusy);
                        return Err(refused("Cannot open log file:", path, &busy));
                    }
                }
            }
        };
        let (limits, name) = (self.limits(), path.to_owned());
        let opened = self.on_thread(move || {
            let mut sink = Sink::open(&name, truncate, limits)?;
            let position = sink.position(limits)?;
            Ok::<_, io::Error>((sink, position))
        });
        let (sink, position) = in_time(path, opened)
            .await??
            .map_err(|failure| refused("Unable to open file:", path, &failure))?;
        let (theirs, ours) = new_pipe().map_err(|failure| refused("no pipe for", path, &failure))?;
        let mut state = self.state.lock();
        if state.handed_over {
            return Err(restarting());
        }
        let log = Log::start(self, path, ours, sink);
        state.logs.insert(path.to_owned(), Entry::Open(log));
        drop(state);
        drop(reservation);
        Ok((theirs, position))
    }

    /// Goes on with a log of the program before in this process.
    ///
    /// # Errors
    /// The descriptor is no pipe.
    pub(crate) fn resume(self: &Arc<Self>, note: &LogNote, pipe: OwnedFd) -> io::Result<()> {
        let pipe = pipe::Receiver::from_owned_fd(pipe)?;
        // Before the log may already be closed again.
        let mut state = self.state.lock();
        let log = Log::start(self, &note.path, pipe, Sink::unopened(&note.path));
        state.logs.insert(note.path.clone(), Entry::Open(log));
        Ok(())
    }

    /// Where the next byte of the guest that writes to `path` goes.
    ///
    /// # Errors
    /// [`Code::InternalError`] when nobody writes to it, [`Code::OperationTimeout`] when its disk hangs.
    pub(crate) async fn position(&self, path: &Path) -> Result<Position> {
        let position = match self.opened(path) {
            Some(log) => in_time(path, log.position()).await?.ok(),
            None => None,
        };
        position
            .ok_or_else(|| {
                let text = format!("No open log file {}", path.display());
                Error::new(Code::InternalError, Domain::Logging, text)
            })?
            .map_err(|failure| refused("Unable to open file:", path, &failure))
    }

    /// Appends a message, after what a guest wrote before.
    ///
    /// # Errors
    /// [`Code::SystemError`] for what the disk refuses, [`Code::OperationTimeout`] when it hangs.
    pub(crate) async fn append(&self, path: &Path, message: String) -> Result<()> {
        let outcome = loop {
            match self.find(path).await {
                Found::Log(log) => {
                    if let Ok(outcome) = in_time(path, log.append(message.clone().into_bytes())).await? {
                        break outcome;
                    }
                }
                Found::Nothing(_reservation) => {
                    let (limits, name) = (self.limits(), path.to_owned());
                    let appended = self.on_thread(move || {
                        Sink::open(&name, false, limits)?.take(message.as_bytes(), limits)
                    });
                    break in_time(path, appended).await??;
                }
            }
        };
        outcome.map_err(|failure| refused("Unable to write to file:", path, &failure))
    }

    /// Reads what is there, after what a guest wrote before; `None` if there is no such place any more.
    ///
    /// # Errors
    /// [`Code::SystemError`] for what the disk refuses, [`Code::OperationTimeout`] when it hangs.
    pub(crate) async fn read(&self, path: &Path, from: Position, most: usize) -> Result<Option<Vec<u8>>> {
        if let Some(log) = self.opened(path) {
            // A log that is closed meanwhile is complete.
            let _ = in_time(path, log.flush()).await?;
        }
        let (backups, name) = (self.limits().max_backups, path.to_owned());
        let read = self.on_thread(move || crate::reader::read(&name, backups, from, most));
        in_time(path, read)
            .await??
            .map_err(|failure| refused("Unable to read file:", path, &failure))
    }

    /// Stops every log, and gives their pipes once more.
    ///
    /// # Errors
    /// [`Code::OperationTimeout`] when a disk hangs; [`Logs::go_on`] has to follow.
    pub(crate) async fn hand_over(&self) -> Result<(Vec<LogNote>, Vec<OwnedFd>)> {
        let logs: Vec<_> = {
            let mut state = self.state.lock();
            state.handed_over = true;
            state.logs.values().filter_map(Entry::log).collect()
        };
        // All at once: together they take no longer than the slowest.
        let mut asked = tokio::task::JoinSet::new();
        for log in logs {
            asked.spawn(async move {
                let answer = tokio::time::timeout(HANDOVER, log.hand_over()).await;
                (log, answer)
            });
        }
        let (mut notes, mut pipes) = (Vec::new(), Vec::new());
        while let Some(joined) = asked.join_next().await {
            let Ok((log, answer)) = joined else { continue };
            let pipe = match answer {
                Ok(Ok(pipe)) => pipe.map_err(|failure| refused("no descriptor for", log.path(), &failure))?,
                // Its guest has ended.
                Ok(Err(_)) => continue,
                Err(_) => return Err(hangs(log.path())),
            };
            notes.push(LogNote {
                path: log.path().to_owned(),
            });
            pipes.push(pipe);
        }
        Ok((notes, pipes))
    }

    /// There is no next program.
    pub(crate) fn go_on(&self) {
        let mut state = self.state.lock();
        state.handed_over = false;
        for log in state.logs.values().filter_map(Entry::log) {
            log.go_on();
        }
    }

    /// The log is closed.
    pub(crate) fn forget(&self, closed: &Arc<Log>) {
        let mut state = self.state.lock();
        let known = state.logs.get(closed.path()).and_then(Entry::log);
        if known.is_some_and(|log| Arc::ptr_eq(&log, closed)) {
            state.logs.remove(closed.path());
        }
    }

    fn opened(&self, path: &Path) -> Option<Arc<Log>> {
        self.state.lock().logs.get(path).and_then(Entry::log)
    }

    /// The log at `path`, or the right to open it.
    async fn find<'a>(&'a self, path: &'a Path) -> Found<'a> {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            {
                let mut state = self.state.lock();
                match state.logs.get(path) {
                    Some(Entry::Open(log)) => return Found::Log(Arc::clone(log)),
                    Some(Entry::Reserved) => {}
                    None => {
                        state.logs.insert(path.to_owned(), Entry::Reserved);
                        return Found::Nothing(Reservation { logs: self, path });
                    }
                }
            }
            freed.await;
        }
    }
}

impl Entry {
    fn log(&self) -> Option<Arc<Log>> {
        match self {
            Self::Open(log) => Some(Arc::clone(log)),
            Self::Reserved => None,
        }
    }
}

/// The guest's end, which waits where there is no room, and ours, which does not wait.
fn new_pipe() -> io::Result<(OwnedFd, pipe::Receiver)> {
    let (ours, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    Ok((theirs, pipe::Receiver::from_owned_fd(ours)?))
}

async fn in_time<T>(path: &Path, what: impl Future<Output = T>) -> Result<T> {
    tokio::time::timeout(PATIENCE, what)
        .await
        .map_err(|_| hangs(path))
}

fn hangs(path: &Path) -> Error {
    let text = format!("the disk of the log '{}' does not answer", path.display());
    Error::new(Code::OperationTimeout, Domain::Logging, text)
}

fn restarting() -> Error {
    Error::new(
        Code::OperationFailed,
        Domain::Logging,
        "virtlogd is about to run its program anew",
    )
}

pub(crate) fn refused(what: &str, path: &Path, failure: &io::Error) -> Error {
    let text = format!("{what} '{}': {failure}", path.display());
    Error::new(Code::SystemError, Domain::Logging, text)
}

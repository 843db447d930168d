//! The handle of one monitor connection.

use crate::events::{Events, Queue};
use crate::outgoing::Outgoing;
use crate::reply::{ID_PREFIX, Reply};
use crate::types::Greeting;
use crate::{CloseReason, Error, LineSplitter, Result, reader};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::{Notify, oneshot};

/// Commands that may wait for one peer.
const MAX_UNANSWERED: usize = 4096;
/// Commands whose arguments no log may show.
const SECRET: &[&str] = &["set_password", "change-vnc-password", "object-add", "qom-set"];

/// How a monitor is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whom log lines are about, as the domain's name.
    pub label: Arc<str>,
    /// The longest line taken, in bytes.
    pub max_line: usize,
    /// How long greeting and negotiation may take together.
    pub deadline: Duration,
}

impl Options {
    /// The usual bounds: lines of 64 MiB, 30 seconds.
    pub fn new(label: impl Into<Arc<str>>) -> Self {
        Self {
            label: label.into(),
            max_line: 64 << 20,
            deadline: Duration::from_secs(30),
        }
    }

    /// Another deadline.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }
}

/// What handles and the reader task share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) label: Arc<str>,
    pub(crate) stream: UnixStream,
    pub(crate) outgoing: Mutex<Outgoing>,
    pub(crate) queue: Arc<Queue>,
    /// The last handle is gone.
    pub(crate) dropped: Notify,
    /// There was no room in the socket.
    pub(crate) blocked: Notify,
    /// Somebody waits for a reply.
    pub(crate) asked: Notify,
    closed: Mutex<Option<CloseReason>>,
    ended: Notify,
    next_id: AtomicU64,
    greeting: Greeting,
}

impl Shared {
    pub(crate) fn flush(&self) -> io::Result<()> {
        let mut outgoing = self.outgoing.lock();
        let was_blocked = outgoing.blocked;
        outgoing.flush(&self.stream)?;
        if outgoing.blocked && !was_blocked {
            self.blocked.notify_one();
        }
        Ok(())
    }

    pub(crate) fn close(&self, reason: CloseReason) {
        self.closed.lock().get_or_insert(reason.clone());
        // Callers in wait hear it by their answers' end; descriptors not sent are closed.
        *self.outgoing.lock() = Outgoing::default();
        let _ = rustix::net::shutdown(&self.stream, rustix::net::Shutdown::Both);
        self.queue.close(reason);
        self.ended.notify_waiters();
    }
}

/// Tells the reader when the last handle goes.
#[derive(Debug)]
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.dropped.notify_one();
    }
}

/// One connection to QEMU's monitor. Clones are handles of the same connection; it is closed with the last.
#[derive(Debug, Clone)]
pub struct Monitor(Arc<Handle>);

impl Monitor {
    /// Connects to the monitor's socket and negotiates.
    ///
    /// # Errors
    /// [`Error::Connect`], and whatever [`from_stream`](Self::from_stream) says.
    pub async fn connect(path: &Path, options: Options) -> Result<(Self, Events)> {
        let failed = |source| Error::Connect {
            path: path.display().to_string(),
            source,
        };
        // A full backlog makes even a local connect wait.
        let connect = tokio::time::timeout(options.deadline, UnixStream::connect(path)).await;
        let stream = connect
            .map_err(|_| late("connect", options.deadline, false))?
            .map_err(failed)?;
        Self::from_stream(stream, options).await
    }

    /// Takes a connected socket and negotiates.
    ///
    /// # Errors
    /// As [`from_stream`](Self::from_stream).
    pub async fn from_std(
        stream: std::os::unix::net::UnixStream,
        options: Options,
    ) -> Result<(Self, Events)> {
        let stream = stream
            .set_nonblocking(true)
            .and_then(|()| UnixStream::from_std(stream));
        let stream = stream.map_err(|err| Error::Closed(CloseReason::Io(err.to_string())))?;
        Self::from_stream(stream, options).await
    }

    /// Hears the greeting and negotiates, both within the options' deadline.
    ///
    /// # Errors
    /// [`Error::Timeout`]; [`Error::Protocol`] if the peer does not greet as QEMU does; [`Error::Closed`].
    pub async fn from_stream(stream: UnixStream, options: Options) -> Result<(Self, Events)> {
        let deadline = tokio::time::Instant::now() + options.deadline;
        let mut lines = LineSplitter::new(options.max_line);
        let greeting = tokio::time::timeout_at(deadline, greeting(&stream, &mut lines)).await;
        let greeting = greeting.map_err(|_| late("the greeting", options.deadline, false))??;
        tracing::debug!(target: "qmp", monitor = %options.label, version = %greeting.version.qemu, "greeted");
        let shared = Arc::new(Shared {
            label: options.label,
            stream,
            outgoing: Mutex::default(),
            queue: Arc::default(),
            dropped: Notify::new(),
            blocked: Notify::new(),
            asked: Notify::new(),
            closed: Mutex::new(None),
            ended: Notify::new(),
            next_id: AtomicU64::new(1),
            greeting,
        });
        let monitor = Self(Arc::new(Handle(Arc::clone(&shared))));
        let events = Events(Arc::clone(&shared.queue));
        tokio::spawn(reader::run(shared, lines));
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        let _: serde::de::IgnoredAny = monitor.execute("qmp_capabilities", (), left).await?;
        Ok((monitor, events))
    }

    /// What QEMU said at first.
    pub fn greeting(&self) -> &Greeting {
        &self.shared().greeting
    }

    /// Executes a command; `()` stands for no arguments. The deadline counts from now.
    ///
    /// If the future is dropped, a command not yet sent is not sent at all.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Closed`], [`Error::Command`] if QEMU refuses, [`Error::Protocol`] if the reply
    /// is not a `T`.
    pub async fn execute<T: DeserializeOwned>(
        &self,
        command: &str,
        arguments: impl Serialize,
        deadline: Duration,
    ) -> Result<T> {
        self.execute_with_fd(command, arguments, None, deadline).await
    }

    /// The same with a descriptor that goes along with the command's first byte, for `getfd` and `add-fd`.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    pub async fn execute_with_fd<T: DeserializeOwned>(
        &self,
        command: &str,
        arguments: impl Serialize,
        fd: Option<OwnedFd>,
        deadline: Duration,
    ) -> Result<T> {
        let arguments = serde_json::value::to_raw_value(&arguments)
            .map_err(|err| Error::NotACommand(format!("{command}: {err}")))?;
        let arguments = Some(arguments).filter(|arguments| arguments.get() != "null");
        let id = self.new_id();
        let line = line_of(command, arguments.as_deref(), id)?;
        self.ask(command, id, line, fd, deadline).await?.value(command)
    }

    /// Sends the user's own JSON under an id of ours and returns the reply's text as QEMU gave it, also if it is an
    /// error.
    ///
    /// # Errors
    /// [`Error::NotACommand`] if the text is no JSON object, [`Error::Timeout`], [`Error::Closed`].
    pub async fn execute_raw(&self, json: &str, deadline: Duration) -> Result<String> {
        let mut object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(json).map_err(|err| Error::NotACommand(err.to_string()))?;
        let name = ["execute", "exec-oob"]
            .iter()
            .find_map(|key| object.get(*key))
            .and_then(|name| name.as_str());
        let name = name.unwrap_or("a command").to_owned();
        let id = self.new_id();
        object.insert("id".to_owned(), format!("{ID_PREFIX}{id}").into());
        let mut line = serde_json::to_vec(&object).map_err(|err| Error::NotACommand(err.to_string()))?;
        line.extend_from_slice(b"\r\n");
        Ok(self.ask(&name, id, line, None, deadline).await?.into_line())
    }

    /// How many commands wait for an answer, sent or not, with those whose deadline passed after they were sent.
    pub fn unanswered(&self) -> usize {
        self.shared().outgoing.lock().unanswered()
    }

    /// How long the oldest command sent has been waiting for its answer.
    pub fn oldest_unanswered(&self) -> Option<Duration> {
        self.shared().outgoing.lock().oldest()
    }

    /// Whether QEMU answers: false once a command's deadline has passed, until QEMU answers it after all.
    pub fn is_responsive(&self) -> bool {
        !self.shared().outgoing.lock().has_expired() && !self.is_closed()
    }

    /// Whether the connection is gone.
    pub fn is_closed(&self) -> bool {
        self.shared().closed.lock().is_some()
    }

    /// Why it is gone, if it is.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.shared().closed.lock().clone()
    }

    /// Waits until the connection is gone.
    pub async fn closed(&self) -> CloseReason {
        loop {
            let ended = self.shared().ended.notified();
            if let Some(reason) = self.close_reason() {
                return reason;
            }
            ended.await;
        }
    }

    fn shared(&self) -> &Shared {
        &self.0.0
    }

    fn new_id(&self) -> u64 {
        self.shared().next_id.fetch_add(1, Ordering::Relaxed)
    }

    async fn ask(
        &self,
        command: &str,
        id: u64,
        line: Vec<u8>,
        fd: Option<OwnedFd>,
        deadline: Duration,
    ) -> Result<Reply> {
        let shared = self.shared();
        if tracing::enabled!(target: "qmp", tracing::Level::TRACE) {
            let text = String::from_utf8_lossy(&line);
            let text = if SECRET.contains(&command) {
                "(withheld)".into()
            } else {
                text
            };
            tracing::trace!(target: "qmp", monitor = %shared.label, command, line = %text.trim_end(), "said");
        }
        let began = std::time::Instant::now();
        let (answer, mut reply) = oneshot::channel();
        {
            let mut outgoing = shared.outgoing.lock();
            // Asked under the lock under which `close` empties the queue, so that none is left behind there.
            if let Some(reason) = shared.closed.lock().clone() {
                return Err(Error::Closed(reason));
            }
            let unanswered = outgoing.unanswered();
            if unanswered >= MAX_UNANSWERED {
                return Err(Error::Overloaded { unanswered });
            }
            outgoing.push(id, line, fd, answer);
        }
        let mut forget = Forget {
            shared,
            id,
            armed: true,
        };
        // A socket that cannot be written has its end to be read, and the reader says what it is.
        let _ = shared.flush();
        shared.asked.notify_one();
        let outcome = tokio::time::timeout(deadline, &mut reply).await;
        forget.armed = false;
        let outcome = match outcome {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(_)) => Err(Error::Closed(self.close_reason().unwrap_or(CloseReason::Eof))),
            Err(_) => {
                let sent = shared.outgoing.lock().forget(id, true);
                // It may have come between the deadline and now.
                reply.try_recv().map_err(|_| late(command, deadline, sent))
            }
        };
        let outcome_text = outcome.as_ref().err().map(tracing::field::display);
        let took = began.elapsed().as_micros();
        tracing::debug!(target: "qmp", monitor = %shared.label, command, took, error = outcome_text, "executed");
        outcome
    }
}

/// Withdraws a command whose caller went away.
struct Forget<'a> {
    shared: &'a Shared,
    id: u64,
    armed: bool,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.shared.outgoing.lock().forget(self.id, false);
        }
    }
}

pub(crate) fn late(command: &str, after: Duration, sent: bool) -> Error {
    Error::Timeout {
        command: command.to_owned(),
        after,
        sent,
    }
}

/// A command as it is sent.
fn line_of(command: &str, arguments: Option<&RawValue>, id: u64) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Line<'a> {
        execute: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        arguments: Option<&'a RawValue>,
        id: String,
    }
    let line = Line {
        execute: command,
        arguments,
        id: format!("{ID_PREFIX}{id}"),
    };
    let mut line =
        serde_json::to_vec(&line).map_err(|err| Error::NotACommand(format!("{command}: {err}")))?;
    line.extend_from_slice(b"\r\n");
    Ok(line)
}

async fn greeting(stream: &UnixStream, lines: &mut LineSplitter) -> Result<Greeting> {
    #[derive(serde::Deserialize)]
    struct Line {
        #[serde(rename = "QMP")]
        qmp: Greeting,
    }
    loop {
        if let Some(line) = lines
            .next_line()
            .map_err(|err| Error::Protocol(err.to_string()))?
        {
            let line: Line = serde_json::from_slice(line)
                .map_err(|err| Error::Protocol(format!("the peer does not greet as QEMU does: {err}")))?;
            return Ok(line.qmp);
        }
        let io_failed = |err: io::Error| Error::Closed(CloseReason::Io(err.to_string()));
        stream.readable().await.map_err(io_failed)?;
        let mut read = None;
        let tried = stream.try_io(tokio::io::Interest::READABLE, || {
            read = Some(lines.read_from(stream)?.0);
            Ok(())
        });
        match (read, tried) {
            (Some(0), _) => return Err(Error::Closed(CloseReason::Eof)),
            (None, Err(err)) if err.kind() == io::ErrorKind::ConnectionReset => {
                return Err(Error::Closed(CloseReason::Eof));
            }
            (None, Err(err))
                if !matches!(err.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) =>
            {
                return Err(io_failed(err));
            }
            _ => {}
        }
    }
}

//! The guest agent's client.
//!
//! The agent runs inside the guest, so everything it says may be a lie: lengths are bounded, garbage is skipped up to
//! a bound, every exchange has a deadline. There is one exchange at a time, and each begins by finding each other:
//! a byte 0xFF (which ends whatever half a command the agent still had) and `guest-sync-delimited` with a number of
//! ours, until the agent answers 0xFF and that number. Whatever an earlier exchange left behind is thrown away so.

use crate::monitor::late;
use crate::reply::Message;
use crate::{CloseReason, Error, LineSplitter, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::Mutex;

/// The longest reply taken, in bytes.
const MAX_REPLY: usize = 16 << 20;
/// Bytes without a sense the guest may send in one exchange.
const MAX_GARBAGE: usize = 1 << 20;
/// What the agent puts before the answer that delimits, and we before the question.
const SENTINEL: u8 = 0xff;

/// One connection to a guest agent. Clones are handles of the same connection.
#[derive(Debug, Clone)]
pub struct Agent(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    label: Arc<str>,
    stream: UnixStream,
    /// Held during one exchange.
    lines: Mutex<LineSplitter>,
}

impl Agent {
    /// Connects to the channel's socket. Whether an agent listens in the guest shows with the first command.
    ///
    /// # Errors
    /// [`Error::Connect`], [`Error::Timeout`].
    pub async fn connect(path: &Path, label: impl Into<Arc<str>>, deadline: Duration) -> Result<Self> {
        let failed = |source| Error::Connect {
            path: path.display().to_string(),
            source,
        };
        let connect = tokio::time::timeout(deadline, UnixStream::connect(path)).await;
        let stream = connect
            .map_err(|_| late("connect", deadline, false))?
            .map_err(failed)?;
        Ok(Self::from_stream(stream, label))
    }

    /// Takes a connected socket.
    pub fn from_stream(stream: UnixStream, label: impl Into<Arc<str>>) -> Self {
        let lines = Mutex::new(LineSplitter::new(MAX_REPLY));
        Self(Arc::new(Shared {
            label: label.into(),
            stream,
            lines,
        }))
    }

    /// Executes a command; `()` stands for no arguments. The deadline also counts the wait for earlier exchanges.
    ///
    /// # Errors
    /// [`Error::Timeout`] (also if no agent runs), [`Error::Closed`], [`Error::Command`] if the agent refuses,
    /// [`Error::Protocol`] if it talks garbage.
    pub async fn execute<T: DeserializeOwned>(
        &self,
        command: &str,
        arguments: impl Serialize,
        deadline: Duration,
    ) -> Result<T> {
        let line = line_of(command, arguments)?;
        let reply = self
            .within(command, deadline, self.exchange(command, &line))
            .await?;
        match Message::parse(reply.as_bytes()) {
            Ok(Message::Reply(_, reply)) => reply.value(command),
            _ => Err(garbled(command)),
        }
    }

    /// Sends the user's own JSON and returns the reply's text as the agent gave it.
    ///
    /// # Errors
    /// [`Error::NotACommand`] if the text is no JSON object, [`Error::Timeout`], [`Error::Closed`],
    /// [`Error::Command`] if the agent refuses, [`Error::Protocol`] if it talks garbage.
    pub async fn execute_raw(&self, json: &str, deadline: Duration) -> Result<String> {
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(json).map_err(|err| Error::NotACommand(err.to_string()))?;
        let name = object
            .get("execute")
            .and_then(|name| name.as_str())
            .unwrap_or("a command");
        // Written anew: the user's may have line breaks.
        let mut line = serde_json::to_vec(&object).map_err(|err| Error::NotACommand(err.to_string()))?;
        line.push(b'\n');
        let reply = self.within(name, deadline, self.exchange(name, &line)).await?;
        match Message::parse(reply.as_bytes()) {
            Ok(Message::Reply(_, told)) => told.value::<serde::de::IgnoredAny>(name).map(|_| reply),
            _ => Err(garbled(name)),
        }
    }

    /// Executes a command that says nothing when it succeeds, as `guest-shutdown`: done if no refusal came within
    /// `window` after it was sent, or if the guest went away.
    ///
    /// # Errors
    /// As [`execute`](Self::execute), with `deadline` for the time until it is sent.
    pub async fn execute_silent(
        &self,
        command: &str,
        arguments: impl Serialize,
        deadline: Duration,
        window: Duration,
    ) -> Result<()> {
        let line = line_of(command, arguments)?;
        let send = async {
            let mut lines = self.0.lines.lock().await;
            self.synchronise(&mut lines).await?;
            self.send(&line).await?;
            Ok(lines)
        };
        let mut lines = self.within(command, deadline, send).await?;
        let reply = match tokio::time::timeout(window, self.hear(&mut lines)).await {
            Err(_) | Ok(Err(Error::Closed(_))) => return Ok(()),
            Ok(reply) => reply?,
        };
        match Message::parse(reply.as_bytes()) {
            Ok(Message::Reply(_, reply)) => reply.value::<serde::de::IgnoredAny>(command).map(|_| ()),
            _ => Err(garbled(command)),
        }
    }

    async fn within<T>(
        &self,
        command: &str,
        deadline: Duration,
        exchange: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let outcome = tokio::time::timeout(deadline, exchange).await;
        let outcome = outcome.unwrap_or_else(|_| Err(late(command, deadline, true)));
        let error = outcome.as_ref().err().map(tracing::field::display);
        tracing::debug!(target: "qmp", agent = %self.0.label, command, error, "executed");
        outcome
    }

    async fn exchange(&self, command: &str, line: &[u8]) -> Result<String> {
        let mut lines = self.0.lines.lock().await;
        self.synchronise(&mut lines).await?;
        tracing::trace!(target: "qmp", agent = %self.0.label, command, "found each other");
        self.send(line).await?;
        let reply = self.hear(&mut lines).await;
        lines.release();
        reply
    }

    /// Leaves both sides at the beginning of a line.
    async fn synchronise(&self, lines: &mut LineSplitter) -> Result<()> {
        #[derive(serde::Deserialize)]
        struct Answer {
            #[serde(rename = "return")]
            number: u64,
        }
        lines.clear();
        let number = random();
        let mut question = vec![SENTINEL];
        question.extend_from_slice(
            format!("{{\"execute\":\"guest-sync-delimited\",\"arguments\":{{\"id\":{number}}}}}\n")
                .as_bytes(),
        );
        self.send(&question).await?;
        let mut garbage = 0;
        loop {
            lines.skip_past(SENTINEL);
            while let Some(line) = lines
                .next_line()
                .map_err(|err| Error::Protocol(err.to_string()))?
            {
                if matches!(serde_json::from_slice(line), Ok(Answer { number: got }) if got == number) {
                    return Ok(());
                }
            }
            garbage += self.receive(lines).await?;
            if garbage > MAX_GARBAGE {
                return Err(Error::Protocol("the guest agent talks garbage".to_owned()));
            }
        }
    }

    /// The next line that says anything.
    async fn hear(&self, lines: &mut LineSplitter) -> Result<String> {
        loop {
            while let Some(line) = lines
                .next_line()
                .map_err(|err| Error::Protocol(err.to_string()))?
            {
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                return match std::str::from_utf8(line) {
                    Ok(line) => Ok(line.to_owned()),
                    Err(_) => Err(Error::Protocol("the guest agent's reply is not UTF-8".to_owned())),
                };
            }
            self.receive(lines).await?;
        }
    }

    async fn send(&self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            self.0.stream.writable().await.map_err(broken)?;
            match self.0.stream.try_write(bytes) {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => {}
                Err(err) => return Err(broken(err)),
            }
        }
        Ok(())
    }

    /// Takes in what has come, and waits if nothing has.
    async fn receive(&self, lines: &mut LineSplitter) -> Result<usize> {
        loop {
            self.0.stream.readable().await.map_err(broken)?;
            match self
                .0
                .stream
                .try_io(Interest::READABLE, || lines.read_from(&self.0.stream))
            {
                Ok((0, _)) => return Err(Error::Closed(CloseReason::Eof)),
                Ok((count, _)) => return Ok(count),
                Err(err) if matches!(err.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(err) => return Err(broken(err)),
            }
        }
    }
}

fn garbled(command: &str) -> Error {
    Error::Protocol(format!("the guest agent's reply to {command} is no reply"))
}

fn broken(err: io::Error) -> Error {
    Error::Closed(match err.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => CloseReason::Eof,
        _ => CloseReason::Io(err.to_string()),
    })
}

fn line_of(command: &str, arguments: impl Serialize) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Line<'a> {
        execute: &'a str,
        #[serde(skip_serializing_if = "serde_json::Value::is_null")]
        arguments: serde_json::Value,
    }
    let wrong = |err: serde_json::Error| Error::NotACommand(format!("{command}: {err}"));
    let arguments = serde_json::to_value(arguments).map_err(wrong)?;
    let mut line = serde_json::to_vec(&Line {
        execute: command,
        arguments,
    })
    .map_err(wrong)?;
    line.push(b'\n');
    Ok(line)
}

/// A number the guest cannot guess, small enough for any JSON reader. The standard library's hasher keys come from
/// the system's random source.
fn random() -> u64 {
    std::hash::RandomState::new().build_hasher().finish() >> 12
}

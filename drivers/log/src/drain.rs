//! One log with its pipe: a task that moves bytes from the one to the other.
//!
//! The task holds no bytes between two rounds: what was read from the pipe is written, or lost, before anything else
//! is done. So a pipe can be handed to another program at any time between rounds, and nothing is missing.

use crate::logs::Logs;
use crate::rotating::Position;
use crate::sink::Sink;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};

/// Bytes of one round: what a pipe holds.
const ROUND: usize = 64 * 1024;

/// How many rounds are done before somebody who asks has his turn although the guest writes on.
const ROUNDS: usize = 32;

/// What the owner of a log can be asked. It answers when what is in the pipe is dealt with, and not at all once the log is
/// closed.
#[derive(Debug)]
enum Ask {
    Flush(oneshot::Sender<()>),
    Position(oneshot::Sender<io::Result<Position>>),
    Append(Vec<u8>, oneshot::Sender<io::Result<()>>),
    /// The pipe once more; until [`Ask::GoOn`] nothing is read from it.
    HandOver(oneshot::Sender<io::Result<OwnedFd>>),
    GoOn,
}

/// A log somebody writes to.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    asks: mpsc::UnboundedSender<Ask>,
}

/// A log that is closed: everybody who could write to it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed;

impl Log {
    /// Drains `pipe` into `sink` until nobody can write to it any more; then the log is forgotten.
    pub(crate) fn start(logs: &Arc<Logs>, path: &Path, pipe: pipe::Receiver, sink: Sink) -> Arc<Self> {
        let (sender, asks) = mpsc::unbounded_channel();
        let log = Arc::new(Self {
            path: path.to_owned(),
            asks: sender,
        });
        let drain = Drain {
            logs: Arc::clone(logs),
            log: Arc::clone(&log),
            pipe,
            sink: Some(sink),
            asks,
        };
        tokio::spawn(drain.run());
        log
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until what is in the pipe is in the file.
    ///
    /// # Errors
    /// The log is closed.
    pub(crate) async fn flush(&self) -> Result<(), Closed> {
        self.ask(Ask::Flush).await
    }

    /// Where the next byte of the guest goes.
    ///
    /// # Errors
    /// The log is closed.
    pub(crate) async fn position(&self) -> Result<io::Result<Position>, Closed> {
        self.ask(Ask::Position).await
    }

    /// Appends to what the guest wrote.
    ///
    /// # Errors
    /// The log is closed.
    pub(crate) async fn append(&self, bytes: Vec<u8>) -> Result<io::Result<()>, Closed> {
        self.ask(|answer| Ask::Append(bytes, answer)).await
    }

    /// Stops reading, and gives the pipe once more.
    ///
    /// # Errors
    /// The log is closed.
    pub(crate) async fn hand_over(&self) -> Result<io::Result<OwnedFd>, Closed> {
        self.ask(Ask::HandOver).await
    }

    /// Reads on.
    pub(crate) fn go_on(&self) {
        // One that is closed has nothing to read.
        let _ = self.asks.send(Ask::GoOn);
    }

    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, Closed> {
        let (sender, answer) = oneshot::channel();
        self.asks.send(ask(sender)).map_err(|_| Closed)?;
        answer.await.map_err(|_| Closed)
    }
}

/// How a round went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// There may be more.
    Moved,
    /// The pipe is empty.
    Empty,
    /// Nobody can write to it any more.
    End,
}

/// The owner of one log.
struct Drain {
    logs: Arc<Logs>,
    log: Arc<Log>,
    pipe: pipe::Receiver,
    /// Away while a thread writes.
    sink: Option<Sink>,
    asks: mpsc::UnboundedReceiver<Ask>,
}

impl Drain {
    async fn run(mut self) {
        loop {
            let ask = tokio::select! {
                biased;
                ask = self.asks.recv() => ask,
                ready = self.pipe.readable() => {
                    if ready.is_err() || self.round().await == Round::End {
                        break;
                    }
                    None
                }
            };
            let Some(ask) = ask else { continue };
            if self.drain().await == Round::End {
                // Whoever asked finds that out once it is true everywhere.
                self.logs.forget(&self.log);
                return;
            }
            self.answer(ask).await;
        }
        self.logs.forget(&self.log);
    }

    /// Moves what is in the pipe.
    async fn drain(&mut self) -> Round {
        for _ in 0..ROUNDS {
            let round = self.round().await;
            if round != Round::Moved {
                return round;
            }
        }
        Round::Moved
    }

    async fn round(&mut self) -> Round {
        let mut bytes = Vec::with_capacity(ROUND);
        match self.pipe.try_read_buf(&mut bytes) {
            Ok(0) => Round::End,
            Ok(_) => {
                // What is lost was told.
                let _ = self.write(bytes).await;
                Round::Moved
            }
            Err(failure) if failure.kind() == io::ErrorKind::WouldBlock => Round::Empty,
            Err(failure) => {
                tracing::error!(path = %self.log.path.display(), %failure, "a guest's pipe cannot be read");
                Round::End
            }
        }
    }

    async fn write(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        let limits = self.logs.limits();
        self.with_sink(move |sink| sink.take(&bytes, limits)).await
    }

    /// Does `work` with the sink on a thread of its own.
    async fn with_sink<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Sink) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let mut sink = self.sink.take().unwrap_or_else(|| Sink::unopened(&self.log.path));
        let done = self.logs.on_thread(move || {
            let outcome = work(&mut sink);
            (sink, outcome)
        });
        let (sink, outcome) = done.await.map_err(io::Error::other)?;
        self.sink = Some(sink);
        outcome
    }

    async fn answer(&mut self, ask: Ask) {
        // Those who asked may have left.
        match ask {
            Ask::Flush(answer) => drop(answer.send(())),
            Ask::Position(answer) => {
                let limits = self.logs.limits();
                let position = self.with_sink(move |sink| sink.position(limits)).await;
                drop(answer.send(position));
            }
            Ask::Append(bytes, answer) => {
                let outcome = self.write(bytes).await;
                drop(answer.send(outcome));
            }
            Ask::HandOver(answer) => {
                if answer.send(self.pipe.as_fd().try_clone_to_owned()).is_ok() {
                    // Whoever asks meanwhile asks a program that is about to end.
                    while !matches!(self.asks.recv().await, Some(Ask::GoOn) | None) {}
                }
            }
            Ask::GoOn => {}
        }
    }
}

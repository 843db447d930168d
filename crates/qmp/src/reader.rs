//! The task behind a monitor: reads all there is to read, and sends on where a caller found no room.

use crate::monitor::Shared;
use crate::reply::Message;
use crate::{CloseReason, LineSplitter};
use std::io;
use std::sync::Arc;
use tokio::io::Interest;

/// Lines in a row that may make no sense before the peer is given up.
const MAX_NONSENSE: usize = 64;

/// Reads until the monitor is closed.
pub(crate) async fn run(shared: Arc<Shared>, mut lines: LineSplitter) {
    let reason = Reader {
        shared: &shared,
        nonsense: 0,
    }
    .run(&mut lines)
    .await;
    tracing::debug!(target: "qmp", monitor = %shared.label, %reason, "closed");
    shared.close(reason);
}

struct Reader<'a> {
    shared: &'a Shared,
    nonsense: usize,
}

impl Reader<'_> {
    async fn run(&mut self, lines: &mut LineSplitter) -> CloseReason {
        loop {
            if let Err(reason) = self.take_lines(lines).await {
                return reason;
            }
            lines.release();
            let interest = match self.shared.outgoing.lock().blocked {
                true => Interest::READABLE | Interest::WRITABLE,
                false => Interest::READABLE,
            };
            let ready = tokio::select! {
                biased;
                () = self.shared.dropped.notified() => return CloseReason::Dropped,
                () = self.shared.blocked.notified() => continue,
                ready = self.shared.stream.ready(interest) => ready,
            };
            let outcome = ready.and_then(|ready| {
                if ready.is_writable() {
                    self.shared.outgoing.lock().flush(&self.shared.stream)?;
                }
                if ready.is_readable() || ready.is_read_closed() {
                    self.read(lines)
                } else {
                    Ok(true)
                }
            });
            match outcome {
                Ok(true) => {}
                Ok(false) => return CloseReason::Eof,
                // What a peer that was killed leaves behind unread.
                Err(err)
                    if matches!(
                        err.kind(),
                        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
                    ) =>
                {
                    return CloseReason::Eof;
                }
                Err(err) => return CloseReason::Io(err.to_string()),
            }
        }
    }

    /// Reads once; false at the end.
    fn read(&self, lines: &mut LineSplitter) -> io::Result<bool> {
        let mut got = None;
        let tried = self.shared.stream.try_io(Interest::READABLE, || {
            let (count, emptied) = lines.read_from(&self.shared.stream)?;
            got = Some(count);
            // Saying so saves the system call that would only find out.
            if emptied && count > 0 {
                Err(io::ErrorKind::WouldBlock.into())
            } else {
                Ok(())
            }
        });
        match (got, tried) {
            (Some(count), _) => Ok(count > 0),
            (None, Err(err))
                if matches!(err.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) =>
            {
                Ok(true)
            }
            (None, Err(err)) => Err(err),
            (None, Ok(())) => Ok(true),
        }
    }

    /// Takes all whole lines.
    async fn take_lines(&mut self, lines: &mut LineSplitter) -> Result<(), CloseReason> {
        loop {
            self.wait_for_room().await?;
            let line = lines
                .next_line()
                .map_err(|err| CloseReason::Protocol(err.to_string()))?;
            let Some(line) = line else { return Ok(()) };
            if line.is_empty() {
                continue;
            }
            self.take(line)?;
        }
    }

    fn take(&mut self, line: &[u8]) -> Result<(), CloseReason> {
        let label = &self.shared.label;
        tracing::trace!(target: "qmp", monitor = %label, line = %String::from_utf8_lossy(line), "heard");
        match Message::parse(line) {
            Ok(Message::Event(event, length)) => {
                self.nonsense = 0;
                self.shared.queue.push(event, length);
                return Ok(());
            }
            Ok(Message::Reply(id, reply)) => {
                let answered = self.shared.outgoing.lock().answered(id);
                match answered {
                    Some(answer) => {
                        self.nonsense = 0;
                        if let Some(answer) = answer {
                            // Its caller may just have gone.
                            let _ = answer.send(reply);
                        }
                        return match self.shared.flush() {
                            Ok(()) => Ok(()),
                            Err(err) => Err(CloseReason::Io(err.to_string())),
                        };
                    }
                    None => tracing::warn!(target: "qmp", monitor = %label, "a reply nobody asked for"),
                }
            }
            Err(what) => tracing::warn!(target: "qmp", monitor = %label, what, "skipped"),
        }
        self.nonsense += 1;
        if self.nonsense > MAX_NONSENSE {
            return Err(CloseReason::Protocol(format!(
                "more than {MAX_NONSENSE} lines in a row make no sense"
            )));
        }
        Ok(())
    }

    /// Waits while the events nobody took fill their queue.
    async fn wait_for_room(&self) -> Result<(), CloseReason> {
        loop {
            let somebody_waits = self.shared.outgoing.lock().somebody_waits();
            if self.shared.queue.has_room(somebody_waits) {
                return Ok(());
            }
            tokio::select! {
                biased;
                () = self.shared.dropped.notified() => return Err(CloseReason::Dropped),
                () = self.shared.queue.drained.notified() => {}
                () = self.shared.asked.notified() => {}
            }
        }
    }
}

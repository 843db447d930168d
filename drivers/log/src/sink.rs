//! A log as its pipe sees it: it takes everything, and what the disk refuses is lost for this log alone.

use crate::config::Limits;
use crate::rotating::{Position, Rotating};
use std::io;
use std::path::{Path, PathBuf};

/// Where a pipe's bytes go. All of it blocks on the disk.
#[derive(Debug)]
pub(crate) struct Sink {
    path: PathBuf,
    /// The file; `None` while it cannot be opened.
    log: Option<Rotating>,
    /// Bytes lost since the disk last took any.
    lost: u64,
}

impl Sink {
    /// Opens the log at `path`.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn open(path: &Path, truncate: bool, limits: Limits) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            log: Some(Rotating::open(path, truncate, limits)?),
            lost: 0,
        })
    }

    /// The same for a log whose pipe is drained, come what may: the file is opened when there is something to write.
    pub(crate) fn unopened(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            log: None,
            lost: 0,
        }
    }

    fn log(&mut self, limits: Limits) -> io::Result<&mut Rotating> {
        let log = match self.log.take() {
            Some(log) => log,
            None => Rotating::open(&self.path, false, limits)?,
        };
        Ok(self.log.insert(log))
    }

    /// Where the next byte goes.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(crate) fn position(&mut self, limits: Limits) -> io::Result<Position> {
        self.log(limits).map(|log| log.position())
    }

    /// Appends what can be appended. The daemon's log says once that something cannot.
    ///
    /// # Errors
    /// Why something was lost.
    pub(crate) fn take(&mut self, bytes: &[u8], limits: Limits) -> io::Result<()> {
        let outcome = match self.log(limits) {
            Ok(log) => log.write(bytes, limits),
            Err(failure) => Err((0, failure)),
        };
        let path = self.path.display();
        match outcome {
            Ok(()) if self.lost > 0 => {
                tracing::warn!(%path, lost = self.lost, "a guest's log takes words again; these bytes were lost");
                self.lost = 0;
                Ok(())
            }
            Ok(()) => Ok(()),
            Err((written, failure)) => {
                if self.lost == 0 {
                    tracing::error!(%path, %failure, "a guest's log cannot be written; what the guest writes is lost");
                }
                self.lost = self.lost.saturating_add((bytes.len() - written) as u64);
                // The next attempt begins with the name: the file may be there again.
                self.log = None;
                Err(failure)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        max_size: 0,
        max_backups: 0,
    };

    #[test]
    fn what_the_disk_refuses_is_lost_and_what_it_takes_later_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("folder");
        let path = folder.join("a.log");
        let mut sink = Sink::unopened(&path);
        sink.take(b"lost", LIMITS).unwrap_err();
        assert_eq!(sink.lost, 4);
        std::fs::create_dir(&folder).unwrap();
        sink.take(b"kept", LIMITS).unwrap();
        assert_eq!(sink.lost, 0);
        assert_eq!(std::fs::read(&path).unwrap(), b"kept");
    }
}

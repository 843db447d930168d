//! Threads that read images.

use super::refused;
use error::{Code, Result};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Reads images on threads of their own; clones share what is known of folders.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reader {
    stuck: Arc<Mutex<Stuck>>,
}

/// Folders where somebody has waited past his deadline and still waits, with how many do.
type Stuck = HashMap<PathBuf, usize>;

/// One thread's work.
#[derive(Debug)]
pub(crate) struct Reading {
    stuck: Arc<Mutex<Stuck>>,
    at: Mutex<At>,
}

#[derive(Debug, Default)]
struct At {
    /// What is being read.
    path: Option<PathBuf>,
    /// The folder that was given up on because of it.
    given_up: Option<PathBuf>,
}

impl Reader {
    /// Runs what reads images and waits for it, for a time. What is late goes on alone, and nobody else is let into
    /// the folder where it is until it comes back.
    ///
    /// # Errors
    /// What `work` answers; [`Code::OperationTimeout`] with the path that was being read; [`Code::InternalError`] when no
    /// thread can be had or it panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        wait: Duration,
        work: impl FnOnce(&Reading) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reading, answer) = self.spawn(work)?;
        match tokio::time::timeout(wait, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(refused(Code::InternalError, "a reader of images panicked")),
            Err(_) => Err(reading.give_up(wait)),
        }
    }

    /// Starts a thread; what it does, and where its answer will be.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Reading) -> T + Send + 'static,
    ) -> Result<(Arc<Reading>, oneshot::Receiver<T>)> {
        let reading = Arc::new(Reading {
            stuck: Arc::clone(&self.stuck),
            at: Mutex::default(),
        });
        let (send, answer) = oneshot::channel();
        let own = Arc::clone(&reading);
        let thread = std::thread::Builder::new().name("images".to_owned());
        let started = thread.spawn(move || {
            let _leaves = Leaves(&own);
            // Whoever asked may be gone.
            let _ = send.send(work(&own));
        });
        match started {
            Ok(_) => Ok((reading, answer)),
            Err(err) => Err(refused(
                Code::InternalError,
                format!("there is no thread to read images on: {err}"),
            )
            .caused_by(err)),
        }
    }
}

impl Reading {
    /// Says that `path` is read next.
    ///
    /// # Errors
    /// [`Code::OperationTimeout`] where somebody else waits in its folder.
    pub(crate) fn enter(&self, path: &Path) -> Result<()> {
        self.leave();
        if self.stuck.lock().contains_key(folder(path)) {
            let text = format!(
                "'{}' is not tried: an earlier reader has not come back from its folder yet",
                path.display()
            );
            return Err(refused(Code::OperationTimeout, text));
        }
        self.at.lock().path = Some(path.to_owned());
        Ok(())
    }

    /// Nobody waits for it any more.
    pub(crate) fn give_up(&self, after: Duration) -> error::Error {
        let mut at = self.at.lock();
        let At { path, given_up } = &mut *at;
        let Some(path) = path else {
            return refused(Code::OperationTimeout, "the images were not read in time");
        };
        if given_up.is_none() {
            let folder = folder(path).to_owned();
            *self.stuck.lock().entry(folder.clone()).or_default() += 1;
            *given_up = Some(folder);
        }
        let text = format!(
            "'{}' was not read within {} ms",
            path.display(),
            after.as_millis()
        );
        refused(Code::OperationTimeout, text)
    }

    /// It came back from where it was.
    fn leave(&self) {
        let mut at = self.at.lock();
        at.path = None;
        let Some(folder) = at.given_up.take() else { return };
        let mut stuck = self.stuck.lock();
        if let Some(count) = stuck.get_mut(&folder) {
            *count -= 1;
            if *count == 0 {
                stuck.remove(&folder);
            }
        }
    }
}

/// Leaves at the end, also of one that panics.
struct Leaves<'a>(&'a Reading);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn a_folder_that_holds_somebody_is_left_alone_until_he_comes_back() {
        let reader = Reader::default();
        let (go_on, wait) = mpsc::channel::<()>();
        let (back, is_back) = mpsc::channel();
        let late = reader.run(Duration::from_millis(1), move |reading| {
            reading.enter(Path::new("/dead/a"))?;
            // Until the end of the sender.
            let _ = wait.recv();
            reading.enter(Path::new("/live/a"))?;
            let _ = back.send(());
            Ok(())
        });
        let error = late.await.unwrap_err();
        assert_eq!(error.code(), Code::OperationTimeout);
        assert!(error.detail().contains("/dead/a"), "{error}");

        let long = Duration::from_secs(60);
        let enter = |path: &'static str| reader.run(long, move |reading| reading.enter(Path::new(path)));
        let error = enter("/dead/b").await.unwrap_err();
        assert_eq!(error.code(), Code::OperationTimeout);
        enter("/live/b").await.unwrap();
        drop(go_on);
        is_back.recv().unwrap();
        enter("/dead/b").await.unwrap();
    }
}
